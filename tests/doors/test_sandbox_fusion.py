"""The door for SandboxFusion, tried with its client and in the way that verl calls it."""

import base64
import importlib.util
import json
import threading
import unittest

import sandbox_fusion
from sandbox_fusion import RunCodeRequest, RunJupyterRequest
from service import Server, WithServer

PREFIX = "/sandbox-fusion"


def verl():
    """What verl calls SandboxFusion with: one file of it, since all of it wants torch."""
    [folder] = importlib.util.find_spec("verl").submodule_search_locations
    file = f"{folder}/utils/reward_score/sandbox_fusion/utils.py"
    spec = importlib.util.spec_from_file_location("verl_sandbox_fusion", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Programs(WithServer):
    """`run_code`."""

    def run_code(self, code, language="python", **fields):
        request = RunCodeRequest(code=code, language=language, **fields)
        return sandbox_fusion.run_code(request, endpoint=self.server.address + PREFIX, max_attempts=1)

    def post(self, route, **body):
        return self.server.post(PREFIX + route, json.dumps(body))

    def test_programs_in_three_languages_run(self):
        for language, code in [
            ("python", "print(6 * 7)"),
            ("nodejs", "console.log(6 * 7)"),
            ("typescript", "const n: number = 6; console.log(n * 7)"),
        ]:
            with self.subTest(language):
                answer = self.run_code(code, language)
                self.assertEqual((answer.status, answer.run_result.status), ("Success", "Finished"))
                self.assertEqual((answer.run_result.stdout, answer.run_result.return_code), ("42\n", 0))
                self.assertGreater(answer.run_result.execution_time, 0)
                self.assertIsNone(answer.compile_result)
        self.assertEqual(self.run_code("").status, "Success")

    def test_a_program_gets_stdin_and_files_and_files_come_back(self):
        code = """
import sys, helper
rows = open("data/in.bin", "rb").read()
open("out.bin", "wb").write(rows[::-1])
print(helper.NAME, sys.stdin.read())
"""
        files = {
            "data/in.bin": base64.b64encode(bytes([0, 1, 255])).decode(),
            "./helper.py": base64.b64encode(b"NAME = 'helped'").decode(),
            "nothing": None,
        }
        answer = self.run_code(code, stdin="typed", files=files, fetch_files=["./out.bin", "absent"])
        self.assertEqual(answer.run_result.stdout, "helped typed\n", answer)
        self.assertEqual(
            {name: base64.b64decode(text) for name, text in answer.files.items()},
            {"./out.bin": bytes([255, 1, 0])},
        )

    def test_how_a_program_failed_is_said_as_sandbox_fusion_does(self):
        failed = self.run_code("print('before')\n1 / 0")
        self.assertEqual((failed.status, failed.run_result.status), ("Failed", "Finished"))
        self.assertEqual((failed.run_result.stdout, failed.run_result.return_code), ("before\n", 1))
        self.assertIn("ZeroDivisionError", failed.run_result.stderr)
        self.assertEqual(self.run_code("exit(7)").run_result.return_code, 7)
        slow = self.run_code("print('before', flush=True)\nwhile True: pass", run_timeout=0.3)
        self.assertEqual((slow.status, slow.run_result.status), ("Failed", "TimeLimitExceeded"))
        self.assertEqual((slow.run_result.stdout, slow.run_result.return_code), ("before\n", None))
        _, large = self.post(
            "/run_code", code="x = bytearray(100 << 20)", language="python", memory_limit_MB=32
        )
        self.assertIn("MemoryError", large["run_result"]["stderr"])

    def test_what_is_wrong_is_refused_with_what_is_right(self):
        for body, said in [
            ({"code": "x", "language": "cpp"}, "Supported languages: python, nodejs, typescript"),
            ({"code": "x"}, "'language' must be a string"),
            ({"language": "python"}, "code"),
            ({"code": 1, "language": "python"}, "'code' must be a string"),
            ({"code": "x", "language": "python", "run_timeout": "1"}, "'run_timeout' must be a number"),
            ({"code": "x", "language": "python", "stdin": []}, "stdin"),
            ({"code": "x", "language": "python", "files": []}, "'files' must be an object"),
            ({"code": "x", "language": "python", "files": {"../x": ""}}, "not a name within"),
            ({"code": "x", "language": "python", "files": {"x": "?"}}, "x: "),
            ({"code": "x", "language": "python", "files": {f"{n}": "" for n in range(101)}}, "At most 100"),
            # Those behind a hundred are not lost without a word.
            (
                {
                    "code": "x",
                    "language": "python",
                    "files": {f"{n}": "" if n > 50 else None for n in range(150)},
                },
                "At most 100",
            ),
            ({"code": "x", "language": "python", "fetch_files": "x"}, "'fetch_files' must be an array"),
            ({"code": "x", "language": "python", "fetch_files": ["x"] * 65}, "At most 64"),
        ]:
            with self.subTest(said=said):
                status, answer = self.post("/run_code", **body)
                self.assertEqual(status, 400, answer)
                self.assertIn(said, answer["detail"])
        status, answer = self.post("/submit", id=1)
        self.assertEqual(status, 404)
        self.assertIn("/sandbox-fusion/run_jupyter", answer["detail"])
        self.assertEqual(self.server.get(PREFIX + "/run_code")[0], 404)

    def test_programs_are_in_the_history(self):
        code = "print('in the history')"
        self.run_code(code)
        newest = self.server.executions()[0]
        self.assertEqual((newest["status"], newest["code_bytes"]), ("success", len(code)))


class Notebooks(WithServer):
    """`run_jupyter`."""

    def run_cells(self, *cells, **fields):
        request = RunJupyterRequest(cells=list(cells), **fields)
        return sandbox_fusion.run_jupyter(request, endpoint=self.server.address + PREFIX, max_attempts=1)

    def test_cells_share_what_they_define_and_each_has_its_output(self):
        # The client's own example.
        answer = self.run_cells(
            "a = 123",
            "a",
            "print(a)",
            'import sys; sys.stderr.write("stderr message")',
            'raise RuntimeError("error message")',
            "a + 1;",
        )
        self.assertEqual((answer.status, answer.driver.status), ("Success", "Finished"))
        self.assertEqual([cell.stdout for cell in answer.cells], ["", "", "123\n", "", "", ""])
        self.assertEqual([cell.stderr for cell in answer.cells], ["", "", "", "stderr message", "", ""])
        shown = [[data["text/plain"] for data in cell.display] for cell in answer.cells]
        self.assertEqual(shown, [[], ["123"], [], ["14"], [], []])
        [error] = answer.cells[4].error
        self.assertEqual((error["ename"], error["evalue"]), ("RuntimeError", "error message"))
        self.assertEqual(error["traceback"][0], "Traceback (most recent call last):")
        self.assertIn('  File "<cell 5>", line 1, in <module>', error["traceback"])
        self.assertEqual([cell.error for cell in answer.cells[:4]], [[]] * 4)
        self.assertEqual((answer.driver.stdout, answer.driver.stderr), ("", ""))

    def test_a_cell_that_does_not_compile_or_exits_stops_no_other(self):
        answer = self.run_cells("if", "import sys; sys.exit(3)", "print('goes on')")
        names = [[error["ename"] for error in cell.error] for cell in answer.cells]
        self.assertEqual(names, [["SyntaxError"], ["SystemExit"], []])
        self.assertEqual(answer.cells[2].stdout, "goes on\n")

    def test_cells_may_await_display_and_use_files(self):
        cells = [
            "import asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 'slept')",
            """
class Page:
    def _repr_html_(self):
        return "<b>page</b>"
display(Page(), 2)
Page()""",
            "open('out.txt', 'w').write(open('in.txt').read() * 2);",
        ]
        files = {"in.txt": base64.b64encode(b"ab").decode()}
        answer = self.run_cells(*cells, files=files, fetch_files=["out.txt"])
        self.assertEqual([len(cell.display) for cell in answer.cells], [1, 3, 0], answer)
        self.assertEqual(answer.cells[0].display[0], {"text/plain": "'slept'"})
        page, two, last = answer.cells[1].display
        self.assertEqual((page["text/html"], two), ("<b>page</b>", {"text/plain": "2"}))
        self.assertEqual(last.keys(), {"text/plain", "text/html"})
        self.assertEqual(base64.b64decode(answer.files["out.txt"]), b"abab")

    def test_cells_that_ended_before_the_time_was_over_are_kept(self):
        answer = self.run_cells(
            "print(1)", "1 / 0", "print('so far')\nwhile True: pass", "4", total_timeout=0.6
        )
        self.assertEqual((answer.status, answer.driver.status), ("Failed", "TimeLimitExceeded"))
        self.assertEqual([cell.stdout for cell in answer.cells], ["1\n", "", "so far\n"])
        self.assertEqual(answer.cells[1].error[0]["ename"], "ZeroDivisionError")
        self.assertIn("time limit of 600 ms", answer.cells[2].stderr)

    def test_a_cell_cannot_take_what_another_wrote(self):
        # It knows no mark, and what looks like one is only text.
        answer = self.run_cells("print('\\x1e' * 3, end='')", "import sys\nsys.stdout = None", "print(3)")
        self.assertEqual([cell.stdout for cell in answer.cells], ["\x1e" * 3, "", ""])

    def test_what_is_wrong_with_a_notebook_is_said(self):
        for body, said in [
            ({}, "'cells' must be an array"),
            ({"cells": [1]}, "'cells' must be an array"),
            ({"cells": ["1"] * 257}, "at most 256"),
            ({"cells": [], "kernel": "ir"}, "'kernel' must be python3"),
        ]:
            with self.subTest(said=said):
                status, answer = self.server.post(PREFIX + "/run_jupyter", json.dumps(body))
                self.assertEqual(status, 400, answer)
                self.assertIn(said, answer["detail"])
        cells = json.dumps({"cells": ["#" * 600_000] * 2})
        status, answer = self.server.post(PREFIX + "/run_jupyter", cells)
        self.assertEqual((status, "FAAS_MAX_CODE_BYTES" in answer["detail"]), (413, True))


class Verl(unittest.TestCase):
    """As verl's reward manager calls `run_code`."""

    def serve(self, **settings):
        server = Server(**settings)
        self.addCleanup(server.stop)
        return server, f"{server.address}{PREFIX}/run_code"

    def test_many_cases_at_once_are_judged(self):
        _, url = self.serve()
        cases = range(60)
        in_outs = {"inputs": [f"{n}\n" for n in cases], "outputs": [f"{n * n}\n" for n in cases]}
        right, _ = verl().check_correctness(url, in_outs, "n = int(input())\nprint(n * n)")
        self.assertEqual(right, [True] * 60)
        wrong, _ = verl().check_correctness(url, in_outs, "n = int(input())\nprint(n + n)")
        self.assertEqual(wrong, [n in (0, 2) for n in cases])
        failing, told = verl().check_correctness(url, in_outs, "raise SystemExit(2)")
        self.assertEqual((failing[0], told[0]["status"]), (-2, "runtime_error"))
        one = {"inputs": [""], "outputs": [""]}
        slow, told = verl().check_correctness(url, one, "while True: pass", timeout=1)
        self.assertEqual((slow, told[0]["status"]), ([-3], "timeout"))
        called = {"inputs": ["3\n4"], "outputs": ["7"], "fn_name": "add"}
        code = "class Solution:\n    def add(self, a, b):\n        return a + b"
        self.assertEqual(verl().check_correctness(url, called, code)[0], [True])

    def test_a_full_queue_is_what_it_tries_again(self):
        server, url = self.serve(
            FAAS_LANGUAGE="javascript", FAAS_WORKER_COUNT="1", FAAS_QUEUE_SIZE="0", FAAS_POOL_SIZE="1"
        )
        sleeping = json.dumps({"code": "await new Promise((r) => setTimeout(r, 1500))", "language": "nodejs"})
        busy = threading.Thread(target=server.post, args=(PREFIX + "/run_code", sleeping))
        busy.start()
        self.addCleanup(busy.join)
        while server.get("/health")[1]["pool"]["activeInstances"] == 0:
            pass
        status, answer = server.post(PREFIX + "/run_code", sleeping)
        self.assertEqual(status, 504, answer)
        self.assertIn("waiting", answer["detail"])
        answer, error = verl().call_sandbox_api(url, "console.log(1)", "", 1, 1, 1024, "nodejs")
        self.assertEqual((error, answer["run_result"]["stdout"]), (None, "1\n"))
