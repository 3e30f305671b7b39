"""A real server, and what it uses."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from . import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/faas-server"
PATIENCE = 120
# Wheels of Pyodide's distribution, where scripts/fetch-test-distribution put them.
DISTRIBUTION = ROOT / "target/test-distribution"
SETTINGS = {
    "FAAS_HOST": "127.0.0.1",
    "FAAS_LOG": "warn",
    "FAAS_HISTORY": "off",
    "FAAS_PACKAGE_INDEX": "off",
    "FAAS_PREPARED_SETS": "0",
    # Rounds follow each other with pauses; kept states have to outlive them.
    "FAAS_SNAPSHOTS_MEMORY": "2000",
    "FAAS_SESSIONS_MEMORY": "2000",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    def __init__(self, **settings):
        if not PROGRAM.exists():
            sys.exit(f"{PROGRAM.relative_to(ROOT)} is not there: run make build")
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="faas-capacity-")
        given = {name: value for name, value in os.environ.items() if not name.startswith("FAAS_")}
        distribution = str(DISTRIBUTION) if DISTRIBUTION.exists() else "off"
        own = {
            "FAAS_PORT": str(self.port),
            "FAAS_WORKSPACE": f"{self.folder.name}/workspace",
            "FAAS_PYODIDE_PACKAGES": distribution,
        }
        started = time.monotonic()
        self.process = subprocess.Popen(
            [PROGRAM], env=given | SETTINGS | own | settings, stderr=subprocess.DEVNULL
        )
        self.wait_until("ready", self.is_ready)
        self.boot_seconds = time.monotonic() - started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.folder.cleanup()

    def wait_until(self, what, condition):
        until = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}; run it by hand to see why")
            if time.monotonic() > until:
                sys.exit(f"the server was not {what} within {PATIENCE} s")
            time.sleep(0.02)

    def get(self, path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Accept": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def is_ready(self):
        try:
            return self.get("/ready")["status"] == "ready"
        except (OSError, urllib.error.HTTPError):
            return False

    def idle(self):
        """Sandboxes that wait."""
        return self.get("/metrics")["pool_metrics"]["idleInstances"]

    def cpu(self):
        return machine.cpu_of(self.process.pid)

    def memory(self):
        return machine.memory_of([self.process.pid, *machine.children(self.process.pid)])

    def settle(self):
        """Waits until it does nothing: what it does after an answer is paid for by what came before it."""
        last = self.cpu()

        def is_still():
            nonlocal last
            time.sleep(0.15)
            before, last = last, self.cpu()
            return last.since(before) < 0.004

        self.wait_until("still", is_still)
