"""A server for tests of the doors, and where their clients are."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/faas-server"
CLIENTS = ROOT / "target/test-clients"
BOOTS_WITHIN = 90


class Server:
    """A server on a free port."""

    def __init__(self, **settings):
        self.scratch = tempfile.TemporaryDirectory()
        environment = dict(
            os.environ, FAAS_PORT="0", FAAS_LOG_FORMAT="json", FAAS_WORKSPACE=self.scratch.name + "/w"
        )
        environment.update(FAAS_PYODIDE_PACKAGES="off", FAAS_PACKAGE_INDEX="off")
        environment.update(settings)
        self.log = pathlib.Path(self.scratch.name) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([PROGRAM], env=environment, stderr=log)
        self.address = self.until_ready()

    def until_ready(self):
        end = time.monotonic() + BOOTS_WITHIN
        while time.monotonic() < end:
            found = re.search(r'"ready","address":"(http://[^"]+)"', self.lines())
            if found:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"it does not get ready: {self.lines()}")

    def lines(self):
        return self.log.read_text()

    def post(self, path, body, **headers):
        """Status and JSON of an answer."""
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **headers,
        }
        request = urllib.request.Request(self.address + path, data=body.encode(), headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read().decode()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, path):
        """Status and JSON of an answer."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def end_session(self, session):
        request = urllib.request.Request(f"{self.address}/sessions/{session}", method="DELETE")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 204

    def executions(self):
        """The history, newest first."""
        return self.get("/executions")[1]["executions"]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.scratch.cleanup()


class WithServer(unittest.TestCase):
    """Tests that share a server of default settings."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)


def run_node(script):
    """What a script prints as JSON that finds the clients from npm."""
    file = CLIENTS / "node/test.mjs"
    file.write_text(script)
    run = subprocess.run(["node", file], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
