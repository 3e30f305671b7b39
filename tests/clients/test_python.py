"""The client for Python, installed from its wheel, with a real server."""

import asyncio
import dataclasses
import datetime
import enum
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
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
            with self.assertRaisesRegex(TypeError, "JSON has no object"):
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

    def test_what_was_not_kept_says_why(self):
        for faas in self.clients():
            result = faas.run("while True: pass", keep=True, timeout=0.3)
            self.assertEqual((result.snapshot, bool(result.not_kept)), (None, True))


class Sessions(Both):
    def test_cells_go_on_from_each_other_until_the_block_is_left(self):
        for faas in self.clients():
            with faas.sessions.open(language="python", files={"a.txt": "one"}, idle_timeout=60) as session:
                first = session.run("x = 20\nopen('a.txt').read()")
                self.assertEqual((first.value, first.session.cell, first.session.state), ("one", 1, "kept"))
                killed = session.run("x = 0\nwhile True: pass", timeout=0.3)
                self.assertEqual((killed.session.cell, killed.session.state), (1, "unchanged"))
                self.assertIn("its time was over", killed.session.reason)
                self.assertEqual(faas.run("x + 1", session=session.id).value, 21)
                with session.stream("print(x)") as stream:
                    self.assertEqual(next(iter(stream)), Stdout("20\n"))
                    stream.until_done()
                self.assertEqual(session.refresh().cells, 3)
                self.assertEqual(session.info.cells, 3)
            with self.assertRaisesRegex(faas_client.GoneError, "deleted"):
                session.run("1")
            with session:
                pass  # What is gone already is no error.

    def test_a_session_is_forked_undone_restarted_and_looked_at(self):
        for number, faas in enumerate(self.clients()):
            session = faas.sessions.open(name=f"name-{number}")
            for code in ("x = 1", "x = 2", "x = 3"):
                session.run(code)
            forks = session.fork(2)
            self.assertEqual(session.undo(2).cells, 1)
            self.assertEqual([each.run("x").value for each in (*forks, session)], [3, 3, 1])
            [variable] = session.variables().variables
            self.assertEqual((variable.name, variable.type, variable.repr), ("x", "int", "1"))
            self.assertEqual([each.id for each in faas.sessions.list(f"name-{number}")], [session.id])
            self.assertGreater(len(faas.sessions.list()), 2)
            self.assertEqual(faas.sessions.get(session.id).info.name, f"name-{number}")
            self.assertIs(session.interrupt(), False)
            self.assertEqual(session.restart().cells, 0)
            with self.assertRaises(faas_client.ConflictError):
                session.undo(100)
            with self.assertRaises(faas_client.ConflictError):
                faas.sessions.open(name=f"name-{number}")
            for each in (*forks, session):
                each.delete()
            with self.assertRaises(faas_client.GoneError):
                faas.sessions.get(session.id)

    def test_files_of_a_session_are_bytes_and_steps(self):
        for faas in self.clients():
            with faas.sessions.open() as session:
                name = "d/é b%.bin"
                session.files.put(name, b"\x00\xff")
                self.assertEqual(session.files.get(name), b"\x00\xff")
                self.assertEqual(session.run(f"open({name!r}, 'rb').read()[1]").value, 255)
                session.files.put("text", "é")
                files = {file.name: file.size for file in session.files.list().files}
                self.assertEqual(files, {name: 2, "text": 2})
                self.assertGreater(session.files.delete(name).undo_steps, 0)
                with self.assertRaises(faas_client.NotFoundError):
                    session.files.get(name)
                session.undo()
                self.assertEqual(session.files.get(name), b"\x00\xff")

    def test_a_session_begins_with_a_snapshot(self):
        for faas in self.clients():
            snapshot = faas.run("y = 5", keep=True).snapshot
            with faas.sessions.open(from_snapshot=snapshot, lifetime=60) as session:
                self.assertEqual(session.run("y").value, 5)

    def test_requests_of_a_session_name_it_for_balancers_and_are_not_repeated(self):
        proxy = self.losing()
        for faas in self.clients(proxy.address):
            with faas.sessions.open() as session:
                proxy.treatments = [proxy.lose_the_answer]
                with self.assertRaises(faas_client.FaasConnectionError):
                    session.files.put("a", b"")
                self.assertEqual(session.refresh().undo_steps, 1)
                session.variables()
            requests = [request for request in proxy.seen if session.id.encode() in request.split(b"\r\n")[0]]
            self.assertEqual(len(requests), 4)
            for request in requests:
                self.assertIn(f"x-session: {session.id}".encode(), request.lower())


class Batches(Both):
    def test_one_program_runs_over_a_list(self):
        for faas in self.clients():
            inputs = [1, {"a": None}, "é"]
            with faas.run_batch("input_data", inputs, setup="import json", timeout=5) as batch:
                rows = sorted(batch, key=lambda row: row.index)
            self.assertEqual([row.value for row in rows], inputs)
            self.assertTrue(all(row.ok and row.error is None for row in rows))
            self.assertTrue(batch.setup.ok)
            self.assertEqual((batch.summary.succeeded, batch.summary.stopped), (3, None))

    def test_rows_that_fail_or_are_refused_say_so(self):
        for faas in self.clients():
            programs = ["1", {"code": "print(input())", "stdin": "3"}, "1 / 0", False]
            with faas.run_batch(programs=programs, priority="urgent") as batch:
                one, typed, failed, refused = sorted(batch, key=lambda row: row.index)
            self.assertEqual((one.value, typed.result.stdout), (1, "3\n"))
            self.assertEqual(failed.error.message, "ZeroDivisionError: division by zero")
            self.assertIsInstance(refused.error, faas_client.StatusError)
            self.assertEqual((refused.ok, refused.value, refused.result), (False, None, None))
            self.assertEqual(batch.summary.by_status, {"success": 2, "error": 1, "refused": 1})

    def test_a_row_may_end_the_batch(self):
        for faas in self.clients():
            with faas.run_batch("1 / input_data", [0] * 50, stop_on="failure", concurrency=1) as batch:
                summary = batch.until_done()
            self.assertEqual((summary.rows, summary.stopped.reason), (1, "stop_on"))

    def test_rows_of_an_iterator_are_sent_while_answers_are_read(self):
        for faas in self.clients():
            taken = 0

            def rows():
                nonlocal taken
                while True:
                    taken += 1
                    yield "x" * 100_000

            options = {"isolation": "shared", "timeout": 30, "priority": "urgent"}
            with faas.run_batch("len(input_data)", rows(), **options) as batch:
                read = [row.value for row in itertools.islice(iter(batch), 20)]
            self.assertEqual(read, [100_000] * 20)
            # What the buffers between have room for.
            self.assertLess(taken, 1000)

    def test_leaving_a_batch_ends_it(self):
        for faas in self.clients():
            with faas.run_batch("input_data", itertools.count(), isolation="shared") as batch:
                next(iter(batch))
                with self.assertRaisesRegex(faas_client.FaasError, "not been read"):
                    _ = batch.summary
            options = {"language": "javascript", "timeout": 60}
            with faas.run_batch("console.log(1);" + BUSY, [1], **options):
                while not faas.health().pool["activeInstances"]:
                    pass
            while faas.health().pool["activeInstances"]:
                pass

    def test_what_a_source_of_rows_raises_is_raised(self):
        def rows():
            yield 1
            raise LookupError("no more")

        async def later():
            yield 1
            raise LookupError("no more")

        for faas in self.clients():
            source = rows() if isinstance(faas, Faas) else later()
            with self.assertRaisesRegex(LookupError, "no more"), faas.run_batch("1", source) as batch:
                batch.until_done()
        faas = next(iter(self.clients()))
        with self.assertRaisesRegex(TypeError, "AsyncFaas"), faas.run_batch("1", later()):
            self.fail("it began")

    def test_a_set_up_that_fails_is_raised(self):
        for faas in self.clients():
            for inputs in ([1], iter([1])):
                failed = self.assertRaisesRegex(faas_client.ProgramError, "ZeroDivisionError")
                with failed, faas.run_batch("1", inputs, setup="1 / 0") as batch:
                    batch.until_done()
                self.assertEqual(batch.summary.stopped.reason, "setup")

    def test_nothing_is_taken_from_an_iterator_before_the_batch_was_accepted(self):
        proxy = self.losing()
        refusal = (
            "HTTP/1.1 503 Service Unavailable\nRetry-After: 0\nContent-Length: 2\nConnection: close\n\n{}"
        )
        for faas in self.clients(proxy.address):
            rows = iter(range(3))
            proxy.treatments = [proxy.answer(refusal)] * 3
            with self.assertRaises(faas_client.UnavailableError), faas.run_batch("input_data", rows):
                self.fail("it began")
            self.assertEqual(next(rows), 0)
        for faas in self.clients():
            rows = iter(range(3))
            refused = self.assertRaisesRegex(faas_client.InvalidRequestError, "isolation")
            with refused, faas.run_batch("input_data", rows, isolation="none"):
                self.fail("it began")
            self.assertEqual(next(rows), 0)
            with faas.run_batch("input_data", rows) as batch:
                self.assertEqual(sorted(row.value for row in batch), [1, 2])
        for faas in self.clients("http://127.0.0.1:9", max_retries=0):
            unreached = self.assertRaises(faas_client.FaasConnectionError)
            with unreached, faas.run_batch("1", iter([1])):
                self.fail("it began")

    def test_a_batch_has_rows_of_one_kind(self):
        for faas in self.clients():
            for arguments in ({}, {"program": "1"}, {"inputs": [1]}, {"inputs": [1], "programs": ["1"]}):
                batch = faas.run_batch(**arguments)
                with self.assertRaisesRegex(TypeError, "has programs"), batch:
                    self.fail("it began")


def half(n: int) -> int:
    """Halves an even number.

    Args:
        n: an even number
    """
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n // 2


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclasses.dataclass
class Parcel:
    size: Size
    tags: "list[str]" = dataclasses.field(default_factory=list)
    weight: "float | None" = None


class Options(typing.TypedDict, total=False):
    fast: typing.Required[bool]
    note: str


class Tools(Both):
    def test_a_program_calls_functions_of_its_caller(self):
        for faas in self.clients():
            result = faas.run("print('a')\ntools.half(84) + tools.half(n=2)", tools=[half])
            self.assertEqual((result.raise_for_error().value, result.stdout), (43, "a\n"))
            result = faas.run("return await tools.half({ n: 84 })", language="typescript", tools=[half])
            self.assertEqual(result.raise_for_error().value, 42)
            self.assertEqual(faas.run("1", tools=[half]).value, 1)
            self.assertEqual(faas.run("1", tools=[]).value, 1)

    def test_an_exception_of_a_tool_is_one_of_the_program_without_a_traceback(self):
        code = "try: tools.half(3)\nexcept tools.ToolError as error: text = str(error)\ntext"
        for faas in self.clients():
            self.assertEqual(faas.run(code, tools=[half]).value, "ValueError: 3 is odd")
            failed = faas.run("tools.half(3)", tools=[half])
            self.assertEqual(failed.error.message, "tools.ToolError: ValueError: 3 is odd")

    def test_arguments_that_do_not_fit_never_reach_the_function(self):
        called = mock.Mock()

        def never(n: int) -> None:
            called(n)

        for faas in self.clients():
            for call in ("never('x')", "never()", "never(m=1)"):
                self.assertIn("InvalidInput", faas.run(f"tools.{call}", tools=[never]).error.message)
        called.assert_not_called()

    def test_calls_of_a_round_run_at_the_same_time(self):
        code = "import asyncio\nawait asyncio.gather(*(tools.meet(n) for n in range(3)))"
        for faas in self.clients():
            barrier = threading.Barrier(3)

            def meet(n: int, barrier=barrier) -> int:
                barrier.wait(30)
                return n

            tool = faas_client.Tool(meet, input_schema={"type": "object", "properties": {"n": {}}})
            self.assertEqual(faas.run(code, tools=[tool]).raise_for_error().value, [0, 1, 2])

    def test_async_functions_are_tools_of_the_client_for_asyncio(self):
        async def main():
            event = asyncio.Event()

            async def first() -> str:
                await event.wait()
                return "first"

            async def second() -> None:
                event.set()

            async with AsyncFaas(self.server.address, max_connections=1) as faas:
                code = "import asyncio\nawait asyncio.gather(tools.first(), tools.second(), tools.half(4))"
                result = await faas.run(code, tools=[first, second, half])
                async with faas.stream("tools.first()", tools=[first]) as stream:
                    return result.value, (await stream.until_done()).value, first

        value, streamed, first = asyncio.run(main())
        self.assertEqual((value, streamed), (["first", None, 2], "first"))
        faas = next(iter(self.clients()))
        with self.assertRaisesRegex(TypeError, "first is async: use AsyncFaas"):
            faas.run("tools.first()", tools=[first])

    def test_a_stream_tells_of_calls_and_goes_on(self):
        for faas in self.clients(max_connections=1):
            with faas.stream("print(1)\nx = tools.half(4)\nprint(x)", tools=[half]) as stream:
                events = list(stream)
            kinds = [Stdout, faas_client.ToolCalls, Stdout, Done]
            self.assertEqual([type(event) for event in events], kinds)
            [call] = events[1].tool_calls
            self.assertEqual((call.name, call.input, events[2].text), ("half", {"n": 4}, "2\n"))

    def test_values_have_their_types_on_both_sides(self):
        seen = []

        def send(parcel: Parcel, options: Options, /, sizes: "set[Size]" = frozenset()) -> list[Parcel]:
            seen.append((parcel, options, sizes))
            return [parcel, Parcel(Size.LARGE)]

        code = "tools.send({'size': 'small', 'tags': ['a']}, {'fast': True}, ['small', 'large'])"
        for faas in self.clients():
            value = faas.run(code, tools=[send]).raise_for_error().value
            large = {"size": "large", "tags": [], "weight": None}
            self.assertEqual(value, [{"size": "small", "tags": ["a"], "weight": None}, large])
            self.assertEqual(seen.pop(), (Parcel(Size.SMALL, ["a"]), {"fast": True}, set(Size)))
            failed = faas.run("tools.send({'size': 'huge'}, {'fast': True})", tools=[send])
            self.assertIn("InvalidInput", failed.error.message)

    def test_results_that_json_or_the_declaration_does_not_have_are_errors_of_their_call(self):
        def wrong() -> str:
            return 5

        def nothing_of_json():
            return object()

        def no_number():
            return float("nan")

        code = """
found = []
for call in (tools.half(4), tools.wrong(), tools.nothing_of_json(), tools.no_number()):
    try:
        found.append(str(await call))
    except tools.ToolError as error:
        found.append(str(error))
found"""
        for faas in self.clients():
            tools = [half, wrong, nothing_of_json, no_number]
            good, misfit, strange, nan = faas.run(code, tools=tools).raise_for_error().value
            self.assertEqual((good, strange), ("2", "TypeError: JSON has no object"))
            self.assertIn("does not fit the output_schema", misfit)
            self.assertIn("ValueError", nan)

    def test_results_whose_answer_was_lost_are_sent_again_and_the_tool_is_not_called_again(self):
        for kind in (Faas, WaitingFaas):
            called = []

            def count(called=called):
                called.append(1)
                return len(called)

            proxy = self.losing("hand_on", "lose_the_answer", "hand_on", "lose_the_request")
            faas = kind(proxy.address)
            self.addCleanup(faas.close)
            tool = faas_client.Tool(count, input_schema={"type": "object"})
            self.assertEqual(faas.run("[tools.count(), tools.count()]", tools=[tool]).value, [1, 2])
            keys = re.findall(r"(?i)idempotency-key: (\S+)", b"".join(proxy.seen).decode())
            self.assertEqual((len(proxy.seen), len(keys), len(set(keys))), (5, 5, 3))
            self.assertIn(b"x-session: cont-", proxy.seen[1].lower())

    def test_results_of_a_stream_whose_answer_was_lost_have_come(self):
        for kind in (Faas, WaitingFaas):
            proxy = self.losing("hand_on", "lose_the_answer")
            faas = kind(proxy.address)
            self.addCleanup(faas.close)
            with faas.stream("tools.half(4)", tools=[half]) as stream:
                self.assertEqual(stream.until_done().value, 2)

    def test_a_continuation_that_is_gone_says_so(self):
        for faas in self.clients():
            running = []

            def late(running=running) -> None:
                """Answers itself, behind the back of the client."""
                found = next(iter(running))
                found["results"] = [{"id": "call-1", "result": None}]
                httpx.post(f"{self.server.address}/run_code/continue", json=found)

            original = _requests.round_of

            def noted(body, running=running, original=original):
                found = original(body)
                if found is not None:
                    running.append({"continuation": found.continuation})
                return found

            module = sys.modules[type(faas.thing if isinstance(faas, WaitingFaas) else faas).__module__]
            with (
                mock.patch.object(module, "round_of", noted),
                self.assertRaises(faas_client.GoneError) as gone,
            ):
                faas.run("tools.late()", tools=[late])
            self.assertEqual(gone.exception.error, "The continuation was used")

    def test_cells_of_a_session_have_tools(self):
        for faas in self.clients():
            with faas.sessions.open() as session:
                session.run("x = tools.half(4)", tools=[half]).raise_for_error()
                self.assertEqual(session.run("x + tools.half(2)", tools=[half]).value, 3)

    def test_tools_are_described_for_a_prompt(self):
        for faas in self.clients():
            described = faas.describe_tools([half])
            self.assertIn("def half(n: int) -> int:", described.python)
            self.assertIn("an even number", described.python)
            self.assertIn("half(input: {", described.typescript)

    def test_a_declaration_is_made_of_what_the_function_says(self):
        def numpy(a, b: "int | None" = None, /, *, c: typing.Literal["x", 1] = "x", **others):
            """Adds
            them.

            Parameters
            ----------
            a : int
                the first
            b
                the second,
                or none
            """

        def sphinx(a: dict[str, list[int]], b: tuple[int, str] = (1, "")) -> typing.Any:
            """
            Does it.

            :param dict a: the a
                goes on
            :param b: the b
            """

        declared = faas_client.Tool(numpy).declaration
        self.assertEqual((declared["name"], declared["description"]), ("numpy", "Adds them."))
        schema = declared["input_schema"]
        self.assertEqual((schema["required"], schema["additionalProperties"]), (["a"], True))
        self.assertEqual(schema["properties"]["a"], {"description": "the first"})
        nullable = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
        described = {"description": "the second, or none", "default": None}
        self.assertEqual(schema["properties"]["b"], {**nullable, **described})
        self.assertEqual(schema["properties"]["c"], {"enum": ["x", 1], "default": "x"})
        declared = faas_client.Tool(sphinx, name="other", output_schema={"type": "null"}).declaration
        properties = declared["input_schema"]["properties"]
        self.assertEqual((declared["name"], declared["output_schema"]), ("other", {"type": "null"}))
        self.assertEqual(properties["a"]["description"], "the a goes on")
        lists = {"type": "array", "items": {"type": "integer"}}
        self.assertEqual(properties["a"]["additionalProperties"], lists)
        self.assertEqual(properties["b"]["default"], [1, ""])

    def test_what_cannot_be_declared_says_what_to_do(self):
        def bytes_of(content: bytes) -> None: ...

        def unknown(x: "Nowhere") -> None: ...  # noqa: F821

        def many(*arguments) -> None: ...

        for function, text in ((bytes_of, "no words for bytes"), (unknown, "Nowhere"), (many, "has none")):
            with self.assertRaisesRegex(TypeError, text):
                faas_client.Tool(function)
        self.assertEqual(faas_client.Tool(unknown, input_schema={}).declaration["input_schema"], {})


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
        for name, end in [
            ("agent_with_tools", "ANSWER: Ada spent 72.05 USD\n"),
            (
                "evaluate_table",
                (
                    "row 0: {'score': 1.0, 'calls': 1}\nrow 1: {'score': 0.0, 'calls': 1}\n"
                    "row 2: ValueError: not an answer: nine\n2 of 3 were scored\n"
                ),
            ),
            (
                "notebook",
                (
                    "[1] 2\n[2] ZeroDivisionError: division by zero\n"
                    "[2] Execution stopped: time limit of 1000 ms reached\n[3] 25.0\n"
                    "fork: 100.0\nnames: ['prices']\n"
                ),
            ),
        ]:
            self.assert_prints(end, (CLIENT / f"examples/{name}.py").read_text())

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
    names: typing.ClassVar = {
        "CheckResponse": "CheckResult",
        "Session": "SessionInfo",
        "SyntaxError": "CodeError",
    }
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
        waits = {"tool_calls"}
        for name in ("Status", "Language", "Priority", "CellState", "BatchStopReason"):
            values = set(typing.get_args(getattr(faas_client, name)))
            answers = self.schemas["AnswerStatus" if name == "Status" else name]["enum"]
            self.assertEqual(values, set(answers) - waits)


if __name__ == "__main__":
    unittest.main()
