"""The door for E2B, tried with its clients for Python and JavaScript, newest and older, and smolagents."""

import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import textwrap
import time
import unittest
import urllib.parse
import urllib.request

from service import CLIENTS, ROOT, Server, WithServer

HERE = ROOT / "tests/doors"
TOKEN = "e2b_" + "0123456789abcdef" * 2
DISTRIBUTION = ROOT / "target/test-distribution"
WHEELS = ROOT / "target/test-wheels"


def with_client(server, command, directory=None, **variables):
    """What a program prints that uses a client."""
    variables = {"E2B_API_URL": server.address, "E2B_SANDBOX_URL": server.address, **variables}
    variables.setdefault("E2B_API_KEY", "e2b_" + "0" * 40)
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=directory,
        env=dict(os.environ, **variables),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


class Clients(unittest.TestCase):
    """What the clients do."""

    @classmethod
    def setUpClass(cls):
        packages = {}
        if WHEELS.exists():
            packages["FAAS_WHEELHOUSE"] = str(WHEELS)
        if DISTRIBUTION.exists():
            packages["FAAS_PYODIDE_PACKAGES"] = str(DISTRIBUTION)
        cls.server = Server(FAAS_SESSION_TIMEOUT="600000", **packages)
        cls.addClassCleanup(cls.server.stop)

    def test_the_newest_client_for_python(self):
        with_client(self.server, [CLIENTS / "e2b/bin/python", HERE / "e2b_cases.py"])

    def test_an_older_client_for_python(self):
        with_client(self.server, [CLIENTS / "e2b-old/bin/python", HERE / "e2b_cases.py"])

    def test_the_newest_client_for_javascript(self):
        self.run_cases_in_node("node")

    def test_an_older_client_for_javascript(self):
        self.run_cases_in_node("node-e2b-old")

    def run_cases_in_node(self, directory):
        cases = CLIENTS / directory / "e2b_cases.mjs"
        cases.write_text((HERE / "e2b_cases.mjs").read_text())
        self.assertEqual(json.loads(with_client(self.server, ["node", cases])), "done")

    @unittest.skipUnless(
        DISTRIBUTION.exists(), "scripts/fetch-test-distribution gets the packages that it installs"
    )
    def test_an_agent_of_smolagents_runs_its_steps_and_gives_its_answer(self):
        printed = with_client(self.server, [CLIENTS / "e2b/bin/python", HERE / "e2b_agent.py"])
        self.assertEqual(json.loads(printed.splitlines()[-1]), [{"sum": 12, "root": 3}, True])

    @unittest.skipUnless(DISTRIBUTION.exists(), "scripts/fetch-test-distribution gets its packages")
    def test_tables_and_charts_are_what_the_client_knows(self):
        server = Server(FAAS_PYODIDE_PACKAGES=str(DISTRIBUTION))
        self.addCleanup(server.stop)
        script = """
            import json
            from e2b_code_interpreter import Sandbox
            sandbox = Sandbox.create()
            table = sandbox.run_code("import pandas\\npandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']})")
            plot = sandbox.run_code("import matplotlib.pyplot as p\\np.bar(['x', 'y'], [1, 2])\\np.show()")
            [shown] = [one for one in plot.results if one.chart]
            bars = [(bar.label, bar.value) for bar in shown.chart.elements]
            formats = sorted(table.results[0].formats())
            print(json.dumps([table.results[0].data, formats, bars, sorted(shown.formats())]))
        """
        printed = with_client(server, [CLIENTS / "e2b/bin/python", "-c", textwrap.dedent(script)])
        data, formats, bars, shown = json.loads(printed)
        self.assertEqual(data, {"a": [1, 2], "b": ["x", "y"]})
        self.assertTrue({"data", "html", "text"} <= set(formats), formats)
        self.assertEqual([value for _, value in bars], ["1", "2"] if isinstance(bars[0][1], str) else [1, 2])
        self.assertTrue({"chart", "png"} <= set(shown), shown)


class Wire:
    """Requests as no client sends them."""

    def __init__(self, server, key=None):
        self.address = urllib.parse.urlsplit(server.address)
        self.key = key

    def ask(self, method, path, body=None, headers=None):
        """Status, and JSON or bytes."""
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=60)
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("X-API-Key", self.key)
        if isinstance(body, dict):
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def create(self, **fields):
        status, made = self.ask("POST", "/v2/sandboxes", {"templateID": "base", **fields})
        assert status == 201, made
        return made

    def inside(self, sandbox, method, path, body=None, **headers):
        headers = {
            "E2b-Sandbox-Id": sandbox["sandboxID"],
            "X-Access-Token": sandbox["envdAccessToken"],
            **headers,
        }
        return self.ask(method, path, body, headers)

    def run(self, sandbox, **fields):
        """The lines of a cell."""
        status, text = self.inside(sandbox, "POST", "/execute", fields)
        assert status == 200, text
        lines = [text] if isinstance(text, dict) else [json.loads(line) for line in text.splitlines()]
        return {line["type"]: line for line in lines}


class Requests(WithServer):
    """What is asked and answered, without a client."""

    def setUp(self):
        self.wire = Wire(self.server)
        self.sandbox = self.wire.create()
        self.addCleanup(lambda: self.wire.ask("DELETE", f"/sandboxes/{self.sandbox['sandboxID']}"))

    def inside(self, method, path, body=None, **headers):
        return self.wire.inside(self.sandbox, method, path, body, **headers)

    def test_the_service_s_own_routes_stay_what_they_are(self):
        status, health = self.wire.ask("GET", "/health")
        self.assertEqual((status, "pool" in health), (200, True))
        self.assertEqual(self.inside("GET", "/health"), (204, b""))
        status, gone = self.wire.ask("GET", "/health", headers={"E2b-Sandbox-Id": "none"})
        self.assertEqual((status, gone["code"]), (502, 502))
        self.assertIn("was not found", gone["message"])
        sessions = self.wire.ask("GET", "/sessions")[1]["sessions"]
        self.assertIn(self.sandbox["sandboxID"], [one["id"] for one in sessions])

    def test_cells_are_in_the_history_and_the_metrics(self):
        self.wire.run(self.sandbox, code="print('in the history')")
        newest = self.server.executions()[0]
        self.assertEqual((newest["status"], newest["code_bytes"]), ("success", 23))
        with open(self.server.log, encoding="utf-8") as log:
            self.assertIn('"route":"/execute"', log.read())

    def test_unknown_routes_say_which_are_known(self):
        for method, path in [
            ("GET", "/execute"),
            ("POST", f"/sandboxes/{self.sandbox['sandboxID']}/nothing"),
            ("PUT", "/v2/sandboxes"),
            ("GET", "/contexts/a/b/c"),
        ]:
            status, answer = self.wire.ask(method, path)
            self.assertEqual((status, answer["code"]), (404, 404), path)
            self.assertIn("POST /execute", answer["message"])
        for part in ("metrics", "snapshots", "network"):
            status, answer = self.wire.ask("GET", f"/sandboxes/{self.sandbox['sandboxID']}/{part}")
            self.assertEqual(status, 501, answer)

    def test_what_is_wrong_is_refused_with_what_is_right(self):
        texts = {f"n{number}": "x" for number in range(65)}
        for fields, said in [
            ({"templateID": 1}, "'templateID' must be a string"),
            ({"templateID": ""}, "'templateID' must be a name"),
            ({"timeout": -1}, "'timeout' must be a number of seconds"),
            ({"timeout": "5"}, "'timeout' must be a number of seconds"),
            ({"metadata": []}, "'metadata' must be an object"),
            ({"metadata": {"a": 1}}, "'metadata' must be an object"),
            ({"metadata": texts}, "at most 64 texts"),
            ({"metadata": {"a": "x" * 20000}}, "16384 bytes"),
            ({"envVars": {"a=b": "c"}}, "names without ="),
            ({"envVars": {"": "c"}}, "names without ="),
            ({"autoPause": True}, "no 'autoPause' here"),
            ({"network": {"denyOut": ["0.0.0.0/0"]}}, "no 'network' here"),
            ({"volumeMounts": [{"name": "a", "path": "/b"}]}, "no 'volumeMounts' here"),
        ]:
            with self.subTest(said=said):
                status, answer = self.wire.ask("POST", "/v2/sandboxes", {"templateID": "base", **fields})
                self.assertEqual(status, 400, answer)
                self.assertIn(said, answer["message"])
        for fields, said in [
            ({}, "Missing required parameter: code"),
            ({"code": 1}, "'code' must be a string"),
            ({"code": "1", "context_id": self.sandbox["sandboxID"], "language": "python"}, "Only one of"),
            ({"code": "1", "language": 5}, "'language' must be a string"),
            ({"code": "1", "env_vars": {"a": None}}, "'env_vars' must be an object"),
        ]:
            with self.subTest(said=said):
                status, answer = self.inside("POST", "/execute", fields)
                self.assertEqual(status, 400, answer)
                self.assertIn(said, answer["message"])
        self.assertEqual(self.inside("POST", "/execute", {"code": "1", "context_id": "x"})[0], 404)
        identity = self.sandbox["sandboxID"]
        for fields in ({"count": 0}, {"count": 101}, {"count": "1"}):
            self.assertEqual(self.wire.ask("POST", f"/sandboxes/{identity}/fork", fields)[0], 400)
        self.assertEqual(self.wire.ask("GET", "/v2/sandboxes?limit=0")[0], 400)
        self.assertEqual(self.wire.ask("GET", "/v2/sandboxes?template=x")[0], 400)

    def test_bodies_that_are_broken_or_too_large_break_nothing(self):
        deep = "[" * 3_000_000
        for path, body, kind, statuses in [
            ("/execute", "{", "application/json", {400}),
            ("/execute", '{"code": ' + deep, "application/json", {400}),
            ("/execute", b"\x1f\x8b\x08\x00", "application/json", {400}),
            ("/execute", json.dumps({"code": "#" * 2_000_000}), "application/json", {413}),
            ("/execute", "x" * 20_000_000, "application/json", {413}),
            ("/contexts", "[]", "application/json", {400}),
            ("/files?path=a", "x", "text/plain", {400}),
            ("/files", "x", "application/octet-stream", {400}),
            ("/files?path=a", "--x\r\n", "multipart/form-data; boundary=x", {400}),
            ("/files?path=a", "--x\r\n\r\n\r\nabc", "multipart/form-data; boundary=x", {400}),
            ("/files?path=a", "", "multipart/form-data", {400}),
            ("/files?path=%00", "x", "application/octet-stream", {400}),
            ("/files?path=a", "x" * 20_000_000, "application/octet-stream", {413}),
            ("/filesystem.Filesystem/ListDir", "{}", "application/proto", {400}),
            ("/filesystem.Filesystem/ListDir", "{", "application/json", {400}),
            ("/filesystem.Filesystem/ListDir", '{"path": ["."]}', "application/json", {400}),
            ("/filesystem.Filesystem/Format", "{}", "application/json", {501}),
            ("/process.Process/SendInput", "{}", "application/json", {404}),
        ]:
            with self.subTest(path=path, body=body[:20]):
                try:
                    status, answer = self.inside("POST", path, body, **{"Content-Type": kind})
                except (BrokenPipeError, ConnectionResetError):
                    self.assertEqual(statuses, {413})  # It was refused before it was sent.
                    continue
                self.assertIn(status, statuses, answer)
        self.assertEqual(self.wire.run(self.sandbox, code="1")["result"]["text"], "1")

    def test_envelopes_with_false_lengths_are_errors_at_the_end_of_the_stream(self):
        message = json.dumps({"process": {"cmd": "ls"}}).encode()
        for body in (
            b"",
            message,
            b"\0\0\0\0\0",
            struct.pack(">BI", 0, 2**32 - 1) + message,
            struct.pack(">BI", 0, 1) + message,
            struct.pack(">BI", 1, len(message)) + message,
            struct.pack(">BI", 0, 2) + b"[]",
        ):
            kind = {"Content-Type": "application/connect+json"}
            status, answer = self.inside("POST", "/process.Process/Start", body, **kind)
            flags, length = struct.unpack(">BI", answer[:5])
            self.assertEqual((status, flags, length), (200, 2, len(answer) - 5), body)
            self.assertEqual(json.loads(answer[5:])["error"]["code"], "invalid_argument")

    def test_a_client_that_hangs_up_ends_its_cell(self):
        self.wire.run(self.sandbox, code="x = 1")
        body = json.dumps({"code": "x = 2\nprint('begun', flush=True)\nwhile True: pass"})
        head = (
            f"POST /execute HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            f"E2b-Sandbox-Id: {self.sandbox['sandboxID']}\r\n\r\n"
        )
        with socket.create_connection((self.wire.address.hostname, self.wire.address.port)) as connection:
            connection.sendall((head + body).encode())
            seen = b""
            while b"begun" not in seen:
                seen += connection.recv(4096)
        self.assertEqual(self.wire.run(self.sandbox, code="x")["result"]["text"], "1")

    def test_pages_go_on_where_the_last_one_ended_though_its_sandboxes_are_gone(self):
        server = Server(FAAS_LANGUAGE="javascript")
        self.addCleanup(server.stop)
        wire = Wire(server)
        opened = {wire.create()["sandboxID"] for _ in range(5)}
        for order in ("asc", "desc"):
            left, seen, path = set(opened), set(), f"/v2/sandboxes?limit=2&order={order}"
            after = ""
            while after is not None:
                request = urllib.request.Request(f"{server.address}{path}{after}")
                with urllib.request.urlopen(request, timeout=20) as answer:
                    page = {one["sandboxID"] for one in json.load(answer)}
                    token = answer.headers["x-next-token"]
                self.assertFalse(seen & page)
                seen |= page
                if order == "desc":
                    for sandbox in page:
                        self.assertEqual(wire.ask("DELETE", f"/sandboxes/{sandbox}")[0], 204)
                after = None if token is None else f"&nextToken={urllib.parse.quote(token)}"
            self.assertEqual(seen, left)
        self.assertEqual(wire.ask("GET", "/v2/sandboxes?nextToken=x")[0], 400)
        self.assertEqual(wire.ask("GET", "/sandboxes/%ff")[0], 404)

    def test_there_are_no_more_sandboxes_than_sessions(self):
        server = Server(FAAS_SESSIONS="3", FAAS_LANGUAGE="javascript")
        self.addCleanup(server.stop)
        wire = Wire(server)
        made = [wire.create() for _ in range(3)]
        status, answer = wire.ask("POST", "/v2/sandboxes", {"templateID": "base"})
        self.assertEqual((status, answer["code"]), (429, 429))
        self.assertIn("FAAS_SESSIONS", answer["message"])
        forks = wire.ask("POST", f"/sandboxes/{made[0]['sandboxID']}/fork", {"count": 2})[1]
        self.assertEqual([fork["error"]["code"] for fork in forks], [429, 429])
        for sandbox in made:
            self.assertEqual(wire.ask("DELETE", f"/sandboxes/{sandbox['sandboxID']}")[0], 204)
        wire.create()


class Tokens(unittest.TestCase):
    """Whose a sandbox is."""

    @classmethod
    def setUpClass(cls):
        tokens = f'[one]\nsha256 = "{digest(TOKEN + "1")}"\n[two]\nsha256 = "{digest(TOKEN + "2")}"\n'
        cls.server = Server(FAAS_LANGUAGE="python", FAAS_API_TOKENS_FILE=written(cls, tokens))
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.one, self.two, self.nobody = (Wire(self.server, key) for key in (TOKEN + "1", TOKEN + "2", None))
        self.sandbox = self.one.create()

    def test_the_api_key_is_the_token(self):
        self.assertEqual(self.nobody.ask("POST", "/v2/sandboxes", {"templateID": "a"})[0], 401)
        self.assertEqual(Wire(self.server, "e2b_wrong").ask("GET", "/v2/sandboxes")[0], 401)
        bearer = {"Authorization": f"Bearer {TOKEN}1"}
        self.assertEqual(self.nobody.ask("GET", "/v2/sandboxes", headers=bearer)[0], 200)
        script = "from e2b_code_interpreter import Sandbox; print(Sandbox.create().run_code('6 * 7').text)"
        command = [CLIENTS / "e2b/bin/python", "-c", script]
        self.assertEqual(with_client(self.server, command, E2B_API_KEY=TOKEN + "1"), "42\n")

    def test_another_token_s_sandboxes_are_not_there(self):
        path = f"/sandboxes/{self.sandbox['sandboxID']}"
        for method, at, body in [
            ("GET", path, None),
            ("DELETE", path, None),
            ("POST", path + "/timeout", {"timeout": 0}),
            ("POST", path + "/connect", {}),
            ("POST", path + "/pause", {}),
            ("POST", path + "/fork", {}),
        ]:
            self.assertEqual(self.two.ask(method, at, body)[0], 404, at)
        self.assertNotIn(
            self.sandbox["sandboxID"], [one["sandboxID"] for one in self.two.ask("GET", "/v2/sandboxes")[1]]
        )
        self.assertEqual(self.one.ask("GET", path)[0], 200)

    def test_inside_a_sandbox_its_access_token_is_wanted(self):
        name = {"E2b-Sandbox-Id": self.sandbox["sandboxID"]}
        requests = [
            ("POST", "/execute", {"code": "1"}),
            ("GET", "/contexts", None),
            ("GET", "/files?path=a", None),
        ]
        for method, path, body in [*requests, ("GET", "/health", None)]:
            wrong = {**name, "X-Access-Token": "0" * 32}
            self.assertEqual(self.nobody.ask(method, path, body, name)[0], 401, path)
            self.assertEqual(self.nobody.ask(method, path, body, wrong)[0], 401, path)
            self.assertEqual(self.two.ask(method, path, body, name)[0], 502, path)
        lines = self.nobody.run(self.sandbox, code="40 + 2")
        self.assertEqual(lines["result"]["text"], "42")
        traffic = {**name, "E2B-Traffic-Access-Token": self.sandbox["trafficAccessToken"]}
        self.assertEqual(self.nobody.ask("GET", "/contexts", None, traffic)[0], 200)
        self.assertEqual(self.one.ask("GET", "/contexts", None, name)[0], 200)

    def test_a_sandbox_is_gone_with_the_token_that_it_was_opened_with(self):
        tokens = f'[one]\nsha256 = "{digest(TOKEN + "1")}"\n[two]\nsha256 = "{digest(TOKEN + "2")}"\n'
        path = written(type(self), tokens)
        server = Server(FAAS_LANGUAGE="javascript", FAAS_API_TOKENS_FILE=path)
        self.addCleanup(server.stop)
        sandbox = Wire(server, TOKEN + "1").create()
        nobody = Wire(server)
        name = {"E2b-Sandbox-Id": sandbox["sandboxID"], "X-Access-Token": sandbox["envdAccessToken"]}
        self.assertEqual(nobody.ask("GET", "/contexts", None, name)[0], 200)
        pathlib.Path(path).write_text(f'[two]\nsha256 = "{digest(TOKEN + "2")}"\n')
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while nobody.ask("GET", "/contexts", None, name)[0] == 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        self.assertEqual(nobody.ask("POST", "/execute", {"code": "1"}, name)[0], 502)

    def test_what_runs_in_a_sandbox_is_its_owner_s(self):
        self.nobody.run(self.sandbox, code="print('whose')")
        own = self.one.ask("GET", "/executions", headers={"Authorization": f"Bearer {TOKEN}1"})[1]
        self.assertEqual(own["executions"][0]["session"], self.sandbox["sandboxID"])
        others = self.one.ask("GET", "/sessions", headers={"Authorization": f"Bearer {TOKEN}2"})[1]
        self.assertNotIn(self.sandbox["sandboxID"], [one["id"] for one in others["sessions"]])


class Closed(unittest.TestCase):
    """A door that is shut."""

    def test_a_door_that_is_not_named_is_closed_and_health_is_the_service_s(self):
        server = Server(FAAS_DOORS="mcp", FAAS_LANGUAGE="javascript")
        self.addCleanup(server.stop)
        wire = Wire(server)
        for path in ("/v2/sandboxes", "/execute", "/files"):
            status, answer = wire.ask("GET", path)
            self.assertEqual((status, "POST /run_code" in answer["details"]), (404, True), path)
        status, health = wire.ask("GET", "/health", headers={"E2b-Sandbox-Id": "x"})
        self.assertEqual((status, "pool" in health), (200, True))


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def written(case, text):
    """The path of a file with a text, which is there while the tests of a class run."""
    directory = tempfile.TemporaryDirectory()
    case.addClassCleanup(directory.cleanup)
    path = os.path.join(directory.name, "tokens.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path
