"""The client for Python, installed from its wheel, with a real server."""

import asyncio
import dataclasses
import datetime
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import types
import typing
import unittest
from unittest import mock

import faas_client
import httpx
from faas_client import AsyncFaas, Display, Done, Faas, Stderr, Stdout, _models, _requests
from proxy import Losing
from service import ROOT, Server
from sync import WaitingFaas

CLIENT = ROOT / "clients/python"
DISTRIBUTION = ROOT / "target/test-distribution"
TOKEN = "0123456789abcdef"
# A whole program of JavaScript waits; so does one of Python that sleeps.
BUSY = "await new Promise((resolve) => setTimeout(resolve, 60_000))"


class Clients(unittest.TestCase):
    """Tests with both clients, one after the other."""

    def clients(self, address, *arguments, **options):
        for kind in (Faas, WaitingFaas):
            faas = kind(address, *arguments, **options)
            self.addCleanup(faas.close)
            yield faas


class Both(Clients):
    """With a server of default settings."""

    settings: typing.ClassVar = {"FAAS_HISTORY_BODIES": "1"}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**cls.settings)
        cls.addClassCleanup(cls.server.stop)

    def clients(self, address=None, **options):
        return super().clients(address or self.server.address, **options)

    def losing(self, *treatments):
        """Something that treats one connection so for each client."""
        proxy = Losing(self.server.address)
        self.addCleanup(proxy.stop)
        proxy.treatments = [getattr(proxy, name) for name in treatments]
        return proxy


class Programs(Both):
    def test_a_program_s_output_and_value_come_back(self):
        for faas in self.clients():
            code = "import sys\nprint('hé')\nprint('err', file=sys.stderr)\n{'sum': 6 * 7}"
            result = faas.run(code)
            self.assertEqual((result.stdout, result.stderr), ("hé\n", "err\n"))
            self.assertEqual((result.value, result.text), ({"sum": 42}, '{"sum": 42}'))
            self.assertEqual(
                (result.ok, result.error, result.status, result.exit_code), (True, None, "success", 0)
            )
            self.assertIs(result.raise_for_error(), result)
            self.assertRegex(result.request_id, "^[0-9a-f-]{36}$")
            self.assertEqual(result.usage.wall_ms, result.duration_ms)

    def test_a_value_is_parsed_if_it_is_json(self):
        for faas in self.clients():
            for code, value in [
                ("'plain text'", "plain text"),
                ("[1, None]", [1, None]),
                ("None", None),
                ("'NaN'", "NaN"),
                ("'[' * 100_000", "[" * 100_000),
            ]:
                self.assertEqual(faas.run(code).value, value)

    def test_a_program_gets_all_that_a_request_may_have(self):
        code = """
import sys
print(sys.argv[1:], sys.stdin.read(), open("raw.bin", "rb").read(), open("text.txt").read(), input_data)
"""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "any"
            path.write_text(code)
            for faas in self.clients():
                result = faas.run(
                    files={"main.py": path, "raw.bin": b"\x00\xff", "text.txt": "é\n"},
                    entry_point="main.py",
                    args=("a", "b"),
                    stdin="typed",
                    input={"none": None},
                    language="python",
                    timeout=5,
                    priority="high",
                    packages=[],
                    limits={"memory_bytes": 64 << 20},
                    ext={"mine": "1"},
                    timings=True,
                ).raise_for_error()
                self.assertEqual(
                    result.stdout, "['a', 'b'] typed b'\\x00\\xff' é\n {'none': None}\n", result.stderr
                )
                self.assertGreater(result.timings.run, 0)
                self.assertEqual(faas.executions.get(result.task_id).priority, "high")
                self.assertIsNone(faas.run("input_data", input=None).value)

    def test_javascript_and_typescript_run(self):
        for faas in self.clients():
            code = "const n: number = input; return n * 2"
            result = faas.run(code, language="typescript", input=21)
            self.assertEqual((result.value, result.language, result.runtime), (42, "typescript", "v8"))

    def test_a_program_that_fails_is_a_result(self):
        for faas in self.clients():
            result = faas.run("print('begin')\n1 / 0")
            self.assertEqual((result.ok, result.status, result.stdout), (False, "error", "begin\n"))
            self.assertEqual(result.error.message, "ZeroDivisionError: division by zero")
            with self.assertRaisesRegex(faas_client.ProgramError, "^ZeroDivisionError") as raised:
                result.raise_for_error()
            self.assertIs(raised.exception.result, result)
            result = faas.run("throw new TypeError('of js')", language="javascript")
            self.assertEqual(result.error.message, "TypeError: of js")
            self.assertEqual(faas.run("raise SystemExit(3)").error.message, "error: exit code 3")
            result = faas.run("while True: pass", timeout=0.3)
            self.assertEqual((result.status, result.timed_out), ("timeout", True))
            self.assertEqual(result.error.message, "Execution stopped: time limit of 300 ms reached")
            self.assertTrue(faas.run("print('x' * 100)", limits={"output_bytes": 10}).truncated)

    def test_files_come_back_as_bytes(self):
        code = """
import os
os.mkdir("d")
for name in ("d/a.bin", "b.txt"):
    open(name, "wb").write(b"\\xff" + name.encode())"""
        for faas in self.clients():
            files = faas.run(code, collect=["**"]).files
            self.assertEqual(sorted(files), ["b.txt", "d/a.bin"])
            self.assertEqual((files["d/a.bin"].content, files["d/a.bin"].size), (b"\xffd/a.bin", 8))
            with tempfile.TemporaryDirectory() as directory:
                path = files["d/a.bin"].save(directory)
                self.assertEqual(path, pathlib.Path(directory).resolve() / "d/a.bin")
                self.assertEqual(path.read_bytes(), b"\xffd/a.bin")

    def test_a_file_is_not_saved_outside_of_its_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            inner = pathlib.Path(directory) / "inner"
            inner.mkdir()
            (inner / "link").symlink_to(directory)
            for name in ("../x", str(pathlib.Path(directory) / "x"), "a/../../x", "link/x", ".", ""):
                with self.subTest(name), self.assertRaisesRegex(ValueError, "leads out"):
                    faas_client.OutputFile(name, b"").save(inner)
            self.assertEqual(os.listdir(directory), ["inner"])

    def test_what_is_displayed_comes_in_all_its_forms(self):
        code = """
display({"text/html": "<b>4</b>", "application/json": [4], "image/png": "iVBORw0KGgo="}, raw=True)
more = {"text/markdown": "*", "image/svg+xml": "<svg/>", "text/latex": "$x$"}
display({**more, "e2b/chart": {"type": "line"}}, raw=True)
2 + 2"""
        for faas in self.clients():
            first, second, main = faas.run(code).results
            self.assertEqual((first.html, first.json, first.png), ("<b>4</b>", [4], b"\x89PNG\r\n\x1a\n"))
            self.assertEqual((first.text, first.jpeg, first.pdf), (None, None, None))
            forms = (second.markdown, second.svg, second.latex, second.chart)
            self.assertEqual(forms, ("*", "<svg/>", "$x$", {"type": "line"}))
            self.assertEqual((main.is_main_result, main.text), (True, "4"))

    def test_what_cannot_be_sent_is_told_before_it_is(self):
        for faas in self.clients():
            with self.assertRaisesRegex(TypeError, "unknown option: langauge"):
                faas.run("1", langauge="python")
            stream = faas.stream("1", idempotency_key="x")
            with self.assertRaisesRegex(TypeError, "unknown option: idempotency_key"), stream:
                pass
            with self.assertRaisesRegex(TypeError, "not JSON serializable"):
                faas.run("1", input=object())
            with self.assertRaises(ValueError):
                faas.run("1", input=float("nan"))
        with self.assertRaisesRegex(ValueError, "must begin with http"):
            Faas("localhost:8000")


class Streams(Both):
    def test_events_come_in_their_order_and_the_result_is_the_last(self):
        code = """
import sys
print("a\\u2028b", flush=True)
print("e", file=sys.stderr, flush=True)
6 * 7"""
        for faas in self.clients():
            with faas.stream(code, timeout=5) as stream:
                with self.assertRaisesRegex(faas_client.FaasError, "not been read"):
                    _ = stream.result
                events = list(stream)
            self.assertEqual(events[:2], [Stdout("a\u2028b\n"), Stderr("e\n")])
            self.assertEqual([type(event) for event in events[2:]], [Display, Done])
            self.assertEqual((events[2].result.text, events[3].result.value), ("42", 42))
            self.assertIs(stream.result, events[3].result)
            self.assertTrue(stream.result.request_id)

    def test_output_comes_while_the_program_runs(self):
        code = "console.log('begin'); " + BUSY
        for faas in self.clients():
            with faas.stream(code, language="javascript", timeout=60) as stream:
                self.assertEqual(next(iter(stream)), Stdout("begin\n"))

    def test_leaving_a_stream_ends_its_program(self):
        for number, faas in enumerate(self.clients(), 1):
            with faas.stream("console.log(1); " + BUSY, language="javascript", timeout=60) as stream:
                next(iter(stream))
            while faas.executions.list(status="cancelled").count < number:
                pass

    def test_a_program_may_be_silent_for_as_long_as_it_may_run(self):
        code = "import time\ntime.sleep(1)\nprint(1, flush=True)\ntime.sleep(1)\n2"
        for faas in self.clients(request_timeout=0.4):
            with faas.stream(code, timeout=30) as stream:
                self.assertEqual(stream.until_done().value, 2)

    def test_a_large_result_comes_through_a_stream(self):
        for faas in self.clients():
            with faas.stream("'x' * 900_000") as stream:
                self.assertEqual(len(stream.until_done().text), 900_000)

    def test_a_stream_that_is_refused_raises_before_it_begins(self):
        for faas in self.clients():
            stream = faas.stream("1", timeout=5, args=["x"] * 300)
            with self.assertRaises(faas_client.InvalidRequestError), stream:
                self.fail("it began")

    def test_a_stream_that_broke_off_is_not_sent_again(self):
        proxy = self.losing("cut_the_answer", "cut_the_answer")
        for faas in self.clients(proxy.address):
            broken = self.assertRaisesRegex(faas_client.FaasConnectionError, "broke off")
            with broken, faas.stream("print(1)") as stream:
                stream.until_done()
        self.assertEqual(len(proxy.seen), 2)


class Snapshots(Both):
    def test_programs_start_from_what_another_left(self):
        for faas in self.clients():
            base = faas.run("prices = [19.5, 5.5]", keep=True).snapshot
            self.assertEqual(faas.run("prices.append(5); sum(prices)", from_snapshot=base).value, 30)
            self.assertEqual(faas.run("sum(prices)", from_snapshot=base.id, random="fresh").value, 25)
            self.assertLess(base.created_at, base.expires_at)
            self.assertIsNotNone(base.created_at.tzinfo)
            self.assertEqual(faas.snapshots.get(base).forks, 2)
            listed = faas.snapshots.list()
            self.assertIn(base.id, [snapshot.id for snapshot in listed.snapshots])
            faas.snapshots.delete(base)
            with self.assertRaisesRegex(faas_client.GoneError, "gone") as gone:
                faas.run("1", from_snapshot=base)
            self.assertIn("deleted", gone.exception.reason)
            with self.assertRaises(faas_client.GoneError):
                faas.snapshots.delete(base.id)

    def test_one_that_is_not_known_is_not_found(self):
        for faas in self.clients():
            with self.assertRaisesRegex(faas_client.NotFoundError, "No such snapshot") as raised:
                faas.snapshots.get("snap-" + 32 * "0")
            self.assertEqual(raised.exception.status_code, 404)
            with self.assertRaises(faas_client.NotFoundError):
                faas.snapshots.get("../health")

    def test_a_cell_says_what_became_of_its_session(self):
        session = httpx.post(f"{self.server.address}/sessions", json={}).json()["id"]
        with Faas(self.server.address) as faas:
            first = faas.run("x = 20", session=session)
            self.assertEqual((first.session.cell, first.session.state), (1, "kept"))
            killed = faas.run("x = 0\nwhile True: pass", session=session, timeout=0.3)
            self.assertEqual((killed.session.cell, killed.session.state), (1, "unchanged"))
            self.assertIn("its time was over", killed.session.reason)
            self.assertEqual(faas.run("x + 1", session=session).value, 21)

    def test_what_was_not_kept_says_why(self):
        for faas in self.clients():
            result = faas.run("while True: pass", keep=True, timeout=0.3)
            self.assertEqual((result.snapshot, bool(result.not_kept)), (None, True))


class TheService(Both):
    def test_the_history_comes_in_pages(self):
        for faas in self.clients():
            first = faas.run("print('first')")
            faas.run("second", timeout=5)
            page = faas.executions.list(limit=1, language="python")
            self.assertEqual([execution.status for execution in page.executions], ["error"])
            page = faas.executions.list(limit=1, language="python", before=page.next)
            [execution] = page.executions
            self.assertEqual(execution.task_id, first.task_id)
            self.assertEqual(faas.executions.list(request_id=first.request_id).executions, [execution])
            self.assertEqual(faas.executions.list(since=execution.time).executions[-1], execution)
            later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
            self.assertEqual(faas.executions.list(since=later).count, 0)
            found = faas.executions.get(first.task_id)
            self.assertEqual((found.code, found.output.stdout), ("print('first')", "first\n"))
            with self.assertRaises(faas_client.NotFoundError):
                faas.executions.get("task-0")

    def test_health_and_readiness_are_told(self):
        for faas in self.clients():
            health, ready = faas.health(), faas.ready("python")
            self.assertEqual((health.ok, health.reason, health.pyodide["available"]), (True, "", True))
            self.assertEqual((ready.ok, ready.reason, ready.runtimes["python"].up), (True, "", True))

    def test_a_program_is_looked_at_without_running(self):
        for faas in self.clients():
            found = faas.check_code("import json\nfor x in y:\n    print(x)")
            self.assertEqual((found.valid, found.imports[0].module), (True, "json"))
            self.assertEqual(found.complexity.loops.estimate, "O(n)")
            found = faas.check_code("let x = 1;\nlet x = 2;", language="javascript")
            self.assertEqual((found.valid, found.complexity, found.errors[0].line), (False, None, 2))

    def test_an_invalid_request_names_the_field(self):
        for faas in self.clients():
            with self.assertRaisesRegex(faas_client.InvalidRequestError, "'args'") as raised:
                faas.run("1", args=["x"] * 300)
            error = raised.exception
            self.assertEqual((error.status_code, bool(error.details), error.retry_after), (400, True, None))
            self.assertTrue(error.request_id)
            with self.assertRaises(faas_client.InvalidRequestError) as raised:
                faas.run("x = 1 #" * (2 << 20))
            self.assertEqual(raised.exception.status_code, 413)


class SentAgain(Both):
    """Connections that break."""

    def executions_of(self, code):
        return [found for found in self.server.executions() if found["code_bytes"] == len(code)]

    def test_a_program_whose_answer_was_lost_does_not_run_twice(self):
        proxy = self.losing("lose_the_answer", "hand_on", "lose_the_answer", "hand_on")
        for number, faas in enumerate(self.clients(proxy.address)):
            code = f"print('once') # {'x' * (40 + number)}"
            self.assertEqual(faas.run(code).stdout, "once\n")
            self.assertEqual(len(self.executions_of(code)), 1)
        self.assertEqual((len(proxy.seen), len(set(proxy.seen))), (4, 2))

    def test_a_request_that_was_lost_is_sent_again(self):
        proxy = self.losing("lose_the_request", "hand_on", "lose_the_request", "hand_on")
        for faas in self.clients(proxy.address):
            self.assertEqual(faas.run("1").value, 1)

    def test_it_is_sent_as_often_as_it_may_be(self):
        proxy = self.losing("lose_the_request", "lose_the_request")
        for faas in self.clients(proxy.address, max_retries=0):
            with self.assertRaises(faas_client.FaasConnectionError):
                faas.run("1")
        self.assertEqual(len(proxy.seen), 2)

    def test_a_snapshot_is_not_deleted_twice(self):
        proxy = self.losing("lose_the_answer", "lose_the_answer")
        for faas in self.clients(proxy.address):
            with Faas(self.server.address) as direct:
                snapshot = direct.run("1", keep=True).snapshot
            with self.assertRaises(faas_client.FaasConnectionError):
                faas.snapshots.delete(snapshot)
        self.assertEqual(len(proxy.seen), 2)

    def test_a_key_of_the_caller_gets_the_first_answer(self):
        for faas in self.clients():
            key = f"key-{os.urandom(8).hex()}"
            first, second = (faas.run("import time; time.time_ns()", idempotency_key=key) for _ in range(2))
            self.assertEqual((first.task_id, first.value), (second.task_id, second.value))
            with self.assertRaises(faas_client.InvalidRequestError) as raised:
                faas.run("another", idempotency_key=key)
            self.assertEqual(raised.exception.status_code, 422)

    def test_a_key_whose_program_runs_is_a_conflict(self):
        for faas in self.clients():
            options = {"language": "javascript", "idempotency_key": f"key-{os.urandom(8).hex()}"}
            call = _requests.run_call(BUSY, options)
            first = http.client.HTTPConnection(self.server.address.removeprefix("http://"))
            self.addCleanup(first.close)
            first.request(call.method, f"/{call.path}", call.content, dict(call.headers))
            while faas.health().pool["activeInstances"] == 0:
                pass
            with self.assertRaises(faas_client.ConflictError) as raised:
                faas.run(BUSY, **options)
            self.assertEqual(raised.exception.status_code, 409)
            first.close()
            while faas.health().pool["activeInstances"]:
                pass

    def test_an_answer_that_does_not_come_is_a_timeout(self):
        proxy = self.losing("never_answer", "never_answer")
        for faas in self.clients(proxy.address, request_timeout=0.2):
            with self.assertRaises(faas_client.FaasTimeoutError):
                faas.health()
        self.assertEqual(len(proxy.seen), 2)

    def test_the_client_waits_longer_than_the_program_may_run(self):
        for faas in self.clients(request_timeout=5):
            result = faas.run(BUSY, language="javascript", timeout=0.5)
            self.assertEqual(result.status, "timeout")

    def test_what_is_no_faas_server_is_told(self):
        proxy = self.losing()
        page = proxy.answer("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close\n\nhello")
        other = proxy.answer("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\n{}")
        gateway = proxy.answer("HTTP/1.1 502 Bad Gateway\nContent-Length: 5\nConnection: close\n\nhello")
        proxy.treatments = 2 * [page, other, gateway]
        for faas in self.clients(proxy.address):
            for _ in range(2):
                with self.assertRaises(faas_client.InvalidAnswerError):
                    faas.run("1")
            with self.assertRaisesRegex(faas_client.ServerError, "status 502: hello"):
                faas.run("1")

    def test_no_server_is_a_connection_error(self):
        for faas in self.clients("http://127.0.0.1:9", max_retries=1):
            with self.assertRaisesRegex(faas_client.FaasConnectionError, "no connection"):
                faas.run("1")


class Settings(Clients):
    """Servers of other settings."""

    def serve(self, **settings):
        server = Server(FAAS_LANGUAGE="javascript", **settings)
        self.addCleanup(server.stop)
        return server

    def test_the_token_comes_from_the_caller_or_from_the_environment(self):
        server = self.serve(FAAS_API_TOKEN=TOKEN)
        for faas in self.clients(server.address, TOKEN):
            self.assertEqual(faas.run("return 1").value, 1)
        for faas in self.clients(server.address, "wrong"):
            with self.assertRaises(faas_client.UnauthorizedError):
                faas.run("return 1")
        with mock.patch.dict(os.environ, FAAS_URL=server.address + "/", FAAS_API_TOKEN=TOKEN):
            for faas in self.clients(None):
                self.assertEqual(faas.run("return 1").value, 1)

    def test_a_full_queue_is_too_busy_until_a_worker_is_free(self):
        server = self.serve(FAAS_WORKER_COUNT="1", FAAS_QUEUE_SIZE="0", FAAS_POOL_SIZE="1")
        patient = self.clients(server.address, max_retries=20)
        for impatient, other in zip(self.clients(server.address, max_retries=0), patient, strict=True):
            with other.stream("console.log(1); " + BUSY, timeout=1.5) as busy:
                next(iter(busy))
                with self.assertRaises(faas_client.TooBusyError) as raised:
                    impatient.run("return 1")
                self.assertGreaterEqual(raised.exception.retry_after, 1)
                with self.assertRaises(faas_client.TooBusyError), impatient.stream("return 1"):
                    self.fail("it began")
                ready = impatient.ready()
                self.assertEqual((ready.ok, bool(ready.reason)), (False, True))
                self.assertEqual(other.run("return 1").value, 1)

    def test_what_is_not_to_be_had_here_is_a_server_error(self):
        server = self.serve(FAAS_SNAPSHOTS="0")
        for faas in self.clients(server.address):
            with self.assertRaises(faas_client.ServerError) as raised:
                faas.run("1", keep=True)
            self.assertEqual(raised.exception.status_code, 501)

    def test_a_service_that_ends_says_so_in_a_stream(self):
        for kind in (Faas, WaitingFaas):
            server = self.serve(FAAS_SHUTDOWN_GRACE="100")
            faas = kind(server.address)
            self.addCleanup(faas.close)
            refused = self.assertRaises(faas_client.ServerError)
            with refused as raised, faas.stream("console.log(1); " + BUSY) as stream:
                next(iter(stream))
                server.process.send_signal(signal.SIGTERM)
                stream.until_done()
            self.assertIsNone(raised.exception.status_code)

    @unittest.skipUnless(DISTRIBUTION.exists(), "run scripts/fetch-test-distribution first")
    def test_figures_come_as_png_and_packages_as_progress(self):
        server = Server(FAAS_PYODIDE_PACKAGES=str(DISTRIBUTION))
        self.addCleanup(server.stop)
        faas = Faas(server.address)
        self.addCleanup(faas.close)
        with faas.stream("import matplotlib.pyplot as plt\nplt.plot([1, 2])", timeout=60) as stream:
            events = list(stream)
        [figure] = stream.result.raise_for_error().figures
        self.assertEqual((figure.mime, figure.content[:8]), ("image/png", b"\x89PNG\r\n\x1a\n"))
        progress = [event for event in events if isinstance(event, faas_client.Progress)]
        self.assertIn("matplotlib", progress[0].packages)
        [shown] = [shown for shown in stream.result.results if shown.png]
        self.assertEqual(shown.chart["type"], "line")


class Package(Both):
    """What is installed."""

    def test_readme_and_examples_do_what_they_say(self):
        readme = (CLIENT / "README.md").read_text().replace("http://localhost:8000", self.server.address)
        program = "\n".join(re.findall(r"```python\n(.*?)```", readme, re.DOTALL))
        raises = "result.raise_for_error()  # ProgramError: ZeroDivisionError: division by zero"
        self.assertIn(raises, program)
        catches = "try: result.raise_for_error()\nexcept ValueError: pass\nexcept Exception as e: print(e)"
        self.assert_prints("division by zero\n0\n1\n2\n", program.replace(raises, catches))
        self.assert_prints("ANSWER: The total is 120.\n", (CLIENT / "examples/agent.py").read_text())
        scores = "2 + 2: {'score': 1.0, 'calls': 1}\ncapital of France: {'score': 0.0, 'calls': 1}\n"
        error = "3 * 3: ValueError: not an answer: nine\n"
        self.assert_prints(scores + error, (CLIENT / "examples/evaluate_table.py").read_text())

    def assert_prints(self, end, program):
        """With the newest httpx, and with the oldest that may be installed."""
        for path in ("", str(ROOT / "target/clients/oldest")):
            with tempfile.TemporaryDirectory() as directory, self.subTest(program[:60], path=path):
                run = subprocess.run(
                    [sys.executable, "-c", program],
                    capture_output=True,
                    text=True,
                    cwd=directory,
                    env=dict(os.environ, FAAS_URL=self.server.address, PYTHONPATH=path),
                    check=False,
                )
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertTrue(run.stdout.endswith(end), run.stdout)

    def test_it_is_installed_from_its_wheel_with_its_types(self):
        place = pathlib.Path(faas_client.__file__).parent
        self.assertIn("site-packages", place.parts)
        self.assertTrue((place / "py.typed").exists())

    def test_a_task_that_is_cancelled_ends_its_program(self):
        async def main():
            async with AsyncFaas(self.server.address) as faas:
                task = asyncio.create_task(faas.run(BUSY, language="javascript", timeout=60))
                while not (await faas.health()).pool["activeInstances"]:
                    pass
                task.cancel()
                while not (await faas.executions.list(status="cancelled")).count:
                    pass
                with self.assertRaises(asyncio.CancelledError):
                    await task

        asyncio.run(main())

    def test_many_tasks_share_a_client_and_a_few_are_on_their_way(self):
        on_their_way, most = 0, 0

        async def sent(_):
            nonlocal on_their_way, most
            on_their_way += 1
            most = max(most, on_their_way)

        async def answered(_):
            nonlocal on_their_way
            on_their_way -= 1

        async def main():
            hooks = {"request": [sent], "response": [answered]}
            async with httpx.AsyncClient(event_hooks=hooks) as http_client:
                faas = AsyncFaas(self.server.address, http_client=http_client, max_connections=20)
                runs = (faas.run("input_data * 2", input=number) for number in range(300))
                return [result.value for result in await asyncio.gather(*runs)]

        self.assertEqual(asyncio.run(main()), [2 * number for number in range(300)])
        self.assertEqual(most, 20)


class Schema(unittest.TestCase):
    """The classes are those of docs/openapi.json."""

    # Those whose names are taken in Python, and parts that are handed on as they are.
    names: typing.ClassVar = {"CheckResponse": "CheckResult", "SyntaxError": "CodeError"}
    schemas = json.loads((ROOT / "docs/openapi.json").read_text())["components"]["schemas"]
    # In an answer, and here.
    renamed: typing.ClassVar = {"ret_val": "text", "artifacts": "figures", "duration": "duration_ms"}
    left_out: typing.ClassVar = {"pool_stats"}

    def classes(self):
        return {
            name: kind
            for name, kind in vars(_models).items()
            if dataclasses.is_dataclass(kind) and name not in ("RunResult", "OutputFile")
        }

    def test_every_class_has_the_fields_of_its_schema(self):
        for name, schema in self.schemas.items():
            kind = self.classes().get(self.names.get(name, name))
            if kind is None:
                continue
            with self.subTest(name):
                fields = {field.name: field for field in dataclasses.fields(kind)}
                self.assertEqual(fields.keys(), schema["properties"].keys())
                hints = typing.get_type_hints(kind)
                for field, described in schema["properties"].items():
                    optional = types.NoneType in typing.get_args(hints[field])
                    nullable = "null" in str(described) and "$ref" not in described
                    # What the past may lack is the same class here.
                    past = name == "Usage"
                    self.assertEqual(
                        optional and not past,
                        not past and (nullable or field not in schema["required"]),
                        field,
                    )
                    if described.get("format") == "date-time":
                        self.assertIs(hints[field], datetime.datetime)

    def test_every_class_has_a_schema(self):
        known = {self.names.get(name, name) for name in self.schemas}
        self.assertLessEqual(self.classes().keys(), known)

    def test_a_result_has_the_parts_of_an_answer(self):
        wire = self.schemas["Output"]["properties"].keys() | self.schemas["Metadata"]["properties"].keys()
        wire = {self.renamed.get(name, name) for name in wire - self.left_out}
        fields = {field.name for field in dataclasses.fields(faas_client.RunResult)}
        self.assertEqual(fields, wire | {"request_id"})

    def test_options_are_the_fields_of_a_request(self):
        [first, _] = self.schemas["RunRequest"]["allOf"]
        options = {name.removesuffix("_snapshot") for name in faas_client.StreamOptions.__annotations__}
        self.assertEqual(options | {"code"}, first["properties"].keys())
        self.assertEqual(
            faas_client.Limits.__annotations__.keys(), self.schemas["Limits"]["properties"].keys()
        )
        for name in ("Status", "Language", "Priority", "CellState"):
            values = set(typing.get_args(getattr(faas_client, name)))
            self.assertEqual(values, set(self.schemas[name]["enum"]))


if __name__ == "__main__":
    unittest.main()
