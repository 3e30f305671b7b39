#!/usr/bin/env python3
"""The door for clients of Jupyter's kernel gateway, tried with real ones."""

import json
import subprocess
import unittest
import urllib.error
import urllib.request

from service import CLIENTS, ROOT, Server, WithServer

TOKEN = "0123456789abcdef"
DISTRIBUTION = ROOT / "target/test-distribution"


def run_case(case, server, token=""):
    """What a case of jupyter_cases.py found."""
    command = [CLIENTS / "jupyter/bin/python", ROOT / "tests/doors/jupyter_cases.py", case, server.address]
    command += [token] if token else []
    run = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def text_of(reply):
    return "".join(output.get("text", "") for output in reply["outputs"])


def results_of(reply):
    return [
        output["data"]["text/plain"]
        for output in reply["outputs"]
        if output["output_type"] == "execute_result"
    ]


def error_of(reply):
    [error] = [output for output in reply["outputs"] if output["output_type"] == "error"]
    return error


class Jupyter(WithServer):
    """Jupyter's kernel gateway."""

    def test_messages_may_have_the_newer_form(self):
        is_chosen, found = run_case("v1", self.server)
        self.assertTrue(is_chosen)
        self.assertEqual(found, ["busy", "execute_input", "42\n", "execute_reply", "idle"])

    def test_cells_go_on_from_each_other(self):
        for form, found in run_case("cells", self.server).items():
            with self.subTest(form):
                self.assertEqual(found["info"], "python")
                self.assertEqual(text_of(found["first"]), "printed\n")
                self.assertEqual(found["first"]["execution_count"], 1)
                second = found["second"]
                self.assertEqual(
                    [output["output_type"] for output in second["outputs"]],
                    ["display_data", "execute_result"],
                )
                self.assertEqual(results_of(second), ["42"])
                self.assertEqual(second["execution_count"], 2)
                error = error_of(found["error"])
                self.assertEqual((error["ename"], found["error"]["status"]), ("ZeroDivisionError", "error"))
                self.assertIn("1 / 0", "\n".join(error["traceback"]))
                self.assertEqual(results_of(found["after"]), ["41"])
        self.assertEqual(self.server.get("/sessions")[1]["count"], 0)

    def test_there_are_kernels_of_the_other_languages(self):
        found = run_case("languages", self.server)
        self.assertEqual(found["javascript"][0], "javascript")
        self.assertEqual(found["javascript"][1][0]["data"]["text/plain"], "21")
        self.assertEqual(found["deno"][0], "typescript")
        self.assertEqual(found["deno"][1][0]["data"]["text/plain"], "42")

    def test_a_cell_is_interrupted_and_a_kernel_restarted(self):
        found = run_case("interrupt", self.server)
        self.assertEqual(error_of(found["slow"])["ename"], "KeyboardInterrupt")
        self.assertEqual(results_of(found["after"]), ["2"])
        self.assertEqual(error_of(found["again"])["ename"], "NameError")

    def test_a_killed_cell_leaves_its_kernel_as_it_was_and_says_so(self):
        found = run_case("killed", self.server)
        error = error_of(found["dead"])
        self.assertEqual(error["ename"], "SystemExit")
        self.assertIn("the session is as it was before it", error["evalue"])
        self.assertEqual(results_of(found["after"]), ["1"])

    def test_output_comes_while_the_cell_runs(self):
        before_end = run_case("streams", self.server)
        self.assertEqual(len(before_end), 3)
        self.assertGreater(before_end[0], before_end[2] + 0.3)

    def test_names_are_completed_and_explained_without_a_trace_in_the_kernel(self):
        found = run_case("assist", self.server)
        self.assertEqual(found["complete"]["matches"], ["turn"])
        self.assertEqual((found["complete"]["cursor_start"], found["complete"]["cursor_end"]), (6, 8))
        self.assertIn("thing", found["complete_global"]["matches"])
        self.assertEqual(found["complete_global"]["cursor_start"], 4)
        self.assertIn("Turns it.", found["inspect"]["data"]["text/plain"])
        self.assertIn("Signature: thing.turn(by=1)", found["inspect"]["data"]["text/plain"])
        self.assertIn("class Thing:", found["inspect_source"]["data"]["text/plain"])
        self.assertFalse(found["inspect_nothing"]["found"])
        self.assertEqual(found["complete_cell"]["status"], "complete")
        self.assertEqual(found["incomplete_cell"], {"status": "incomplete", "indent": "    "})
        self.assertEqual(found["invalid_cell"]["status"], "invalid")
        self.assertEqual(found["history"]["history"], [])
        self.assertEqual(found["comms"]["comms"], {})
        self.assertEqual(results_of(found["unchanged"]), ["False"])

    def test_cells_behind_a_failed_one_are_aborted(self):
        self.assertEqual(run_case("queue", self.server), ["error", "aborted", "aborted"])

    def test_all_clients_of_a_kernel_are_told(self):
        found = run_case("several", self.server)
        self.assertEqual(found["status"], "ok")
        self.assertEqual(found["connections"], 2)
        self.assertIn("to all\n", found["kinds"])
        self.assertIn("execute_input", found["kinds"])

    def test_open_webui_runs_code(self):
        self.check_open_webui(run_case("open_webui", self.server))
        self.assertEqual(self.server.get("/sessions")[1]["count"], 0)

    def check_open_webui(self, found):
        self.assertEqual(found["value"], {"stdout": "out", "stderr": "err", "result": "42"})
        self.assertTrue(found["picture"]["result"].startswith("data:image/png;base64,iVBOR"))
        self.assertIn("ZeroDivisionError: division by zero", found["error"]["stderr"])

    def test_a_jupyter_server_has_its_kernels_here(self):
        self.check_jupyter_server(run_case("jupyter_server", self.server))

    def check_jupyter_server(self, found):
        self.assertEqual(found["specs"], ["javascript", "python3", "typescript"])
        self.assertEqual(results_of(found["first"]), ["'from the server'"])
        self.assertEqual(text_of(found["second"]), "2\n")
        self.assertEqual(found["kernels"], 1)
        self.assertEqual(error_of(found["after_restart"])["ename"], "NameError")

    def test_unknown_routes_say_which_there_are(self):
        for method, path, status in [
            ("GET", "/api/kernels/x/y", 404),
            ("PUT", "/api/kernels", 404),
            ("GET", "/api/kernels/00000000-0000-0000-0000-000000000000", 404),
            ("GET", "/api/kernelspecs/ruby", 404),
        ]:
            with self.subTest(path):
                request = urllib.request.Request(self.server.address + path, method=method)
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request, timeout=10)
                self.assertEqual(refused.exception.code, status)
                self.assertIn("message", json.loads(refused.exception.read()))

    def test_cells_are_in_the_history(self):
        run_case("queue", self.server)
        written = [execution["status"] for execution in self.server.executions()]
        self.assertIn("error", written)


class Guarded(unittest.TestCase):
    """A server with a token."""

    @unittest.skipUnless(
        DISTRIBUTION.exists(), "scripts/fetch-test-distribution gets the packages that it installs"
    )
    def test_smolagents_runs_the_code_of_an_agent(self):
        server = Server(FAAS_API_TOKEN=TOKEN, FAAS_PYODIDE_PACKAGES=str(DISTRIBUTION))
        self.addCleanup(server.stop)
        found = run_case("smolagents", server, TOKEN)
        self.assertEqual(found["first"], ["2", "logged\n", False])
        self.assertIn("NameError", found["failed"])
        self.assertEqual(found["final"], [{"answer": [1, 2, 3]}, True])

    def test_clients_send_the_token_in_their_own_ways_and_it_is_in_no_log(self):
        server = Server(FAAS_API_TOKEN=TOKEN, FAAS_LOG="debug")
        self.addCleanup(server.stop)
        for path in ("/api/kernels", "/api/kernels?token=wrong-token-000000"):
            self.assertEqual(server.get(path)[0], 401)
        for headers in ({"Authorization": f"token {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}"}):
            request = urllib.request.Request(server.address + "/api/kernels", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.assertEqual(answer.status, 200)
        tests = Jupyter()
        found = run_case("open_webui", server, TOKEN)
        tests.check_open_webui(found)
        self.assertIn("401", found["denied"]["stderr"])
        tests.check_jupyter_server(run_case("jupyter_server", server, TOKEN))
        self.assertNotIn(TOKEN, server.lines())
