#!/usr/bin/env python3
"""Has a real Prometheus (Debian's package prometheus) scrape a real server, and asks it what the board
and the alerts ask: docker/grafana/dashboard.json, docker/prometheus/alerts.yaml.

scripts/test-deploy runs it with what it needs: PyYAML. Without Prometheus, or without
target/release/faas-server, it says that it was skipped.
"""

import concurrent.futures
import contextlib
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = ROOT / "target/release/faas-server"
ALERTS = ROOT / "docker/prometheus/alerts.yaml"
DASHBOARD = ROOT / "docker/grafana/dashboard.json"
TOKEN = "a-token-that-is-only-for-this-test"

# What Grafana would put in for its variables. Long, so that nothing that this test does falls out of it.
VARIABLES = {"$instance": ".*", "$__rate_interval": "5m", "$__range": "1h"}
PATIENCE = 120
SERVER_SETTINGS = {
    "FAAS_API_TOKEN": TOKEN,
    "FAAS_HOST": "127.0.0.1",
    "FAAS_LOG_FORMAT": "json",
    "FAAS_POOL_SIZE": "2",
    "FAAS_WORKER_COUNT": "2",
    "FAAS_QUEUE_SIZE": "1",
    # No machine but this one is asked for anything.
    "FAAS_PYODIDE_PACKAGES": "off",
    "FAAS_PACKAGE_INDEX": "off",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(what, condition):
    """Returns what the condition gives once it is true."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} after {PATIENCE} s")


@contextlib.contextmanager
def started(command, log, environment=None):
    """A process that is ended, and waited for, at the end."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Server:
    def __init__(self, port, process):
        self.port, self.process = port, process

    def ask(self, path, body=None, token=TOKEN):
        """The status and the text of an answer; 0 if there is none."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def run(self, **request):
        status, text = self.ask("/run_code", request)
        return json.loads(text)["metadata"]["status"] if status == 200 else status

    def call_a_tool(self):
        """A program waits for its caller's tool, which answers."""
        request = {"code": "print(tools.add(a=1))", "tools": [{"name": "add"}]}
        asked = json.loads(self.ask("/run_code", request)[1])
        results = [{"id": call["id"], "result": 2} for call in asked["tool_calls"]]
        status, text = self.ask(
            "/run_code/continue", {"continuation": asked["continuation"], "results": results}
        )
        assert status == 200 and json.loads(text)["metadata"]["status"] == "success", text

    def zygote(self):
        """The oldest child that is one: sandboxes share its command line, and are younger."""
        zygotes = []
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                with contextlib.suppress(OSError):
                    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                    born = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[19]
                    if b"\0zygote\0" in command:
                        zygotes.append((int(born), int(pid)))
        return min(zygotes)[1]


class Prometheus:
    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path, **query):
        address = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def values(self, expression):
        """The numbers of a query, without NaN and infinities."""
        result = self.ask("query", query=expression)["result"]
        numbers = [float(series["value"][1]) for series in result]
        return [number for number in numbers if math.isfinite(number)]

    def is_ready(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.address}/-/ready") as answer:
            return answer.status == 200


class Board(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        resources = contextlib.ExitStack()
        cls.addClassCleanup(resources.close)
        folder = pathlib.Path(resources.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        environment = os.environ | SERVER_SETTINGS
        environment |= {"FAAS_PORT": str(port), "FAAS_WORKSPACE": str(folder / "workspace")}
        server = resources.enter_context(started([SERVER], folder / "server.log", environment))
        cls.server = Server(port, server)
        cls.until(server, folder / "server.log", lambda: cls.server.ask("/health")[0] == 200)
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [
                {
                    "job_name": "faas-server",
                    "authorization": {"credentials": TOKEN},
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                }
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        port = free_port()
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        prometheus = resources.enter_context(started(command, folder / "prometheus.log"))
        cls.prometheus = Prometheus(port)
        cls.until(prometheus, folder / "prometheus.log", cls.prometheus.is_ready)
        # Once before anything happens, so that what alerts count has to be there with 0.
        eventually("nothing is scraped", lambda: cls.prometheus.values("faas_build_info"))
        cls.at_first = {selector: cls.prometheus.values(selector) for selector in selectors_of_rules()}
        cls.keep_busy()
        eventually("it is not scraped", lambda: cls.prometheus.values("faas_zygote_restarts_total == 1"))

    @classmethod
    def until(cls, process, log, is_up):
        """Waits until a process serves."""

        def serves():
            if process.poll() is not None:
                raise AssertionError(f"it ended and said:\n{log.read_text()}")
            return is_up()

        eventually(f"{process.args} does not serve", serves)

    @classmethod
    def keep_busy(cls):
        """Lets happen what the board shows."""
        server = cls.server
        assert server.run(code="print(1)") == "success"
        assert server.run(code="1 / 0") == "error"
        assert server.run(code="while True: pass", timeout=200) == "timeout"
        assert server.run(code="console.log(1)", language="javascript") == "success"
        assert server.run(code="let a: number = 1", language="typescript") == "success"
        assert server.run(code="1", packages=["not-to-be-had"]) == "error"
        server.call_a_tool()
        assert server.ask("/jobs", {"code": "1"})[0] == 202
        assert server.ask("/run_code", {"code": "1"}, token=None)[0] == 401
        assert server.ask("/nowhere")[0] == 404
        with concurrent.futures.ThreadPoolExecutor(6) as callers:
            slow = [callers.submit(server.run, code="while True: pass", timeout=2000) for _ in range(6)]
            assert 429 in [call.result() for call in slow]
        # With it, a boot is seen between two scrapes.
        os.kill(server.zygote(), signal.SIGKILL)

    def test_every_query_of_the_board_returns_numbers(self):
        left = list(queries_of_board())
        self.assertGreater(len(left), 40)

        def all_return():
            left[:] = [(title, query) for title, query in left if not self.prometheus.values(query)]
            return not left

        # Said below, with the queries.
        with contextlib.suppress(AssertionError):
            eventually("some return nothing", all_return)
        self.assertEqual(left, [], "without numbers")

    def test_the_variable_of_the_board_finds_the_server(self):
        dashboard = json.loads(DASHBOARD.read_text())
        [definition] = [
            variable["definition"]
            for variable in dashboard["templating"]["list"]
            if variable["type"] == "query"
        ]
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", definition).groups()
        found = self.prometheus.ask("query", query=metric)["result"]
        instances = [series["metric"][label] for series in found]
        self.assertEqual(instances, [f"127.0.0.1:{self.server.port}"])

    def test_every_rule_is_evaluated_without_an_error(self):
        def rules():
            groups = self.prometheus.ask("rules")["groups"]
            found = [rule for group in groups for rule in group["rules"]]
            return found if all(rule["health"] != "unknown" for rule in found) else None

        found = eventually("rules are not evaluated", rules)
        names = [rule.get("alert") or rule.get("record") for rule in rules_in_file()]
        self.assertCountEqual([rule["name"] for rule in found], names)
        for rule in found:
            with self.subTest(rule["name"]):
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""))

    def test_what_alerts_look_at_was_there_before_anything_happened(self):
        self.assertGreater(len(self.at_first), 20)
        for selector, values in self.at_first.items():
            with self.subTest(selector):
                self.assertNotEqual(values, [], "no series")

    def test_the_burst_was_seen_and_nothing_else_is_wrong(self):
        def firing():
            alerts = self.prometheus.ask("alerts")["alerts"]
            return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

        eventually("no alert of the refusals", lambda: "FaasRefusesRequests" in firing())
        budgets = {"FaasErrorBudgetBurns", "FaasErrorBudgetBurnsFast", "FaasWaitBudgetBurns"}
        self.assertLessEqual(firing(), budgets | {"FaasRefusesRequests"})


def rules_in_file():
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def selectors_of_rules():
    """What the rules select, without their windows; not `up`, whose labels depend on the job."""
    expressions = " ".join(rule["expr"] for rule in rules_in_file())
    return sorted(set(re.findall(r"\b(?:faas_|process_)\w+(?:\{[^}]*\})?", expressions)))


def queries_of_board():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            assert "$" not in query, query
            yield panel["title"], query


if __name__ == "__main__":
    missing = [
        name
        for name, there in [
            ("prometheus (apt-get install --no-install-recommends prometheus)", shutil.which("prometheus")),
            (f"{SERVER.relative_to(ROOT)} (make build)", SERVER.exists()),
        ]
        if not there
    ]
    if missing:
        print(f"test-deploy: SKIPPED, the board with a real Prometheus: no {', no '.join(missing)}")
        sys.exit()
    outcome = unittest.main(exit=False).result
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun - failed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0)
