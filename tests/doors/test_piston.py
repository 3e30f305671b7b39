"""The door for Piston, tried with three of its clients."""

import asyncio
import base64
import json
import threading
import unittest

import piston_rspy
import ultra_piston
from service import Server, WithServer, run_node
from ultra_piston import PistonClient, errors

PREFIX = "/api/v2"
TOKEN = "0123456789abcdef"


def client(address, **options):
    return PistonClient(base_url=address + PREFIX, rate_limit=0, **options)


class Piston(WithServer):
    """Its routes, with a service of default settings."""

    def execute(self, **body):
        status, answer = self.server.post(
            PREFIX + "/execute", json.dumps({"language": "python", "version": "*", **body})
        )
        self.assertEqual(status, 200, answer)
        return answer["run"]

    def refusal(self, **body):
        """Of a request that is right but for this."""
        body = {"language": "python", "version": "*", "files": [{"content": "1"}], **body}
        status, answer = self.server.post(PREFIX + "/execute", json.dumps(body))
        self.assertEqual(status, 400, answer)
        return answer["message"]

    def test_the_client_ultra_piston_lists_the_runtimes_and_runs_a_program_in_each(self):
        piston = client(self.server.address)
        runtimes = {runtime.language: runtime for runtime in piston.get_runtimes()}
        self.assertEqual(runtimes.keys(), {"python", "javascript", "typescript"})
        self.assertIn("py", runtimes["python"].aliases)
        for runtime in runtimes.values():
            self.assertRegex(runtime.version, r"^[0-9]+\.[0-9]+\.[0-9]+$")
        packages = {package.language for package in piston.get_packages() if package.installed}
        self.assertEqual(packages, set(runtimes))
        for language, code in [
            ("python", "print(6 * 7)"),
            ("javascript", "console.log(6 * 7)"),
            ("typescript", "const n: number = 6; console.log(n * 7)"),
            ("py", "print(6 * 7)"),
        ]:
            with self.subTest(language):
                version = runtimes[language].version if language in runtimes else "3.x"
                file = ultra_piston.File(name="main", content=code)
                answer = piston.post_execute(language, version, file)
                self.assertEqual((answer.run.stdout, answer.run.output, answer.run.code), ("42\n", "42\n", 0))
                self.assertIsNone(answer.run.signal)
                self.assertIsNone(answer.compile)
        with self.assertRaises(errors.NotFoundError):
            piston.post_packages("rust", "1.68.2")
        with self.assertRaises(errors.BadRequestError):
            piston.post_execute("rust", "*", ultra_piston.File(content="fn main() {}"))

    def test_the_client_piston_rspy_sends_several_files_stdin_and_arguments(self):
        async def run():
            piston = piston_rspy.Client.with_url(self.server.address + PREFIX)
            code = (
                "import sys, helper\nprint(helper.NAME, sys.argv[1:], input(), open('data.bin', 'rb').read())"
            )
            executor = (
                piston_rspy.Executor()
                .set_language("python")
                .set_version("*")
                .add_file(piston_rspy.File(name="main.py", content=code))
                .add_file(piston_rspy.File(name="helper.py", content="NAME = 'helped'"))
                .add_file(
                    piston_rspy.File(
                        name="data.bin", content=base64.b64encode(b"\x00\xff").decode(), encoding="base64"
                    )
                )
                .set_stdin("typed")
                .add_args(["a", "b c"])
            )
            runtimes = await piston.fetch_runtimes()
            return len(runtimes), await piston.execute(executor)

        count, answer = asyncio.run(run())
        self.assertEqual(count, 3)
        self.assertTrue(answer.is_ok())
        self.assertEqual(answer.run.stdout, "helped ['a', 'b c'] typed b'\\x00\\xff'\n", answer.run.stderr)

    def test_the_client_from_npm_runs_a_program(self):
        script = f"""
import piston from "piston-client";
const client = piston({{ server: {json.dumps(self.server.address)} }});
const answer = await client.execute("javascript", "console.log(args.join())", {{ args: ["4", "2"] }});
console.log(JSON.stringify([answer.language, answer.run.stdout]));
"""
        self.assertEqual(run_node(script), ["javascript", "4,2\n"])

    def test_files_come_in_three_encodings_and_the_first_text_is_the_program(self):
        files = [
            {"name": "a.bin", "content": "00Ff", "encoding": "hex"},
            {"content": "print(open('a.bin', 'rb').read(), open('file2.code').read())", "encoding": "utf8"},
            {"content": "text"},
        ]
        self.assertEqual(self.execute(files=files)["stdout"], "b'\\x00\\xff' text\n")
        self.assertEqual(self.execute(files=[{"content": ""}])["code"], 0)

    def test_how_a_program_ended_is_said_as_piston_does(self):
        code = "import sys\nprint(1, flush=True)\nprint(2, file=sys.stderr, flush=True)\nprint(3)\nexit(4)"
        run = self.execute(files=[{"content": code}])
        self.assertEqual((run["stdout"], run["stderr"], run["output"]), ("1\n3\n", "2\n", "1\n2\n3\n"))
        self.assertEqual((run["code"], run["signal"], run["status"]), (4, None, "RE"))
        self.assertEqual(run["message"], "Exited with error status 4")
        slow = self.execute(
            files=[{"content": "print('before', flush=True)\nwhile True: pass"}], run_timeout=300
        )
        self.assertEqual((slow["code"], slow["signal"], slow["status"]), (None, "SIGKILL", "TO"))
        self.assertIn("time limit of 300 ms", slow["message"])
        self.assertEqual((slow["stdout"], slow["output"][:7]), ("before\n", "before\n"))
        self.assertTrue(slow["output"].endswith("time limit of 300 ms reached\n"), slow["output"])
        busy = self.execute(files=[{"content": "while True: pass"}], run_cpu_time=200)
        self.assertEqual(busy["status"], "TO")
        large = {
            "language": "javascript",
            "files": [{"content": "const a = []; for (;;) a.push(Array(1e5).fill(1))"}],
        }
        large = self.execute(**large, run_memory_limit=32 << 20)
        self.assertEqual((large["code"], large["signal"], large["status"]), (None, "SIGKILL", "SG"))
        self.assertIn("32 MiB", large["message"])
        good = self.execute(files=[{"content": "input()"}], stdin="x", run_timeout=-1, run_memory_limit=-1)
        self.assertEqual((good["code"], good["status"], good["message"]), (0, None, None))
        self.assertGreater(good["wall_time"] + good["memory"], 0)

    def test_what_is_wrong_is_refused_with_what_is_right(self):
        for body, said in [
            ({"language": None}, "'language' must be a string"),
            ({"version": 3}, "'version' must be a string"),
            ({"language": "cobol"}, "cobol-* runtime is unknown: The runtimes are python-3."),
            ({"version": "2.7.18"}, "python-2.7.18 runtime is unknown"),
            ({"files": None}, "'files' must be an array"),
            ({"files": ["print(1)"]}, "'files[0]' must be an object"),
            ({"files": [{"name": "a"}]}, "'files[0].content' must be a string"),
            ({"files": [{"content": "1", "encoding": "utf16"}]}, "must be utf8, base64 or hex"),
            ({"files": [{"content": "0", "encoding": "hex"}]}, "must be hexadecimal"),
            ({"files": [{"content": "00", "encoding": "hex"}]}, "at least one utf8 encoded file"),
            ({"files": [{"content": "1", "name": "../a"}]}, "not a name within"),
            ({"files": [{"content": "1"}] * 101}, "At most 100"),
            ({"args": "x"}, "'args' must be an array"),
            ({"stdin": 1}, "'stdin' must be a string"),
            ({"run_timeout": "3000"}, "'run_timeout' must be a number"),
        ]:
            with self.subTest(said=said):
                self.assertIn(said, self.refusal(**body))
        status, answer = self.server.post(PREFIX + "/execute", "language=python&files=x")
        self.assertEqual((status, "JSON" in answer["message"]), (400, True))
        for path in ("/connect", "/execute", "/nothing"):
            status, answer = self.server.get(PREFIX + path)
            self.assertEqual((status, "/api/v2/runtimes" in answer["message"]), (404, True))

    def test_programs_are_in_the_history(self):
        code = "print('in the history')"
        self.execute(files=[{"content": code}])
        newest = self.server.executions()[0]
        self.assertEqual((newest["status"], newest["code_bytes"]), ("success", len(code)))


class Settings(unittest.TestCase):
    """What settings do to it."""

    def serve(self, **settings):
        server = Server(FAAS_LANGUAGE="javascript", **settings)
        self.addCleanup(server.stop)
        return server

    def test_the_token_is_the_client_s_key(self):
        server = self.serve(FAAS_API_TOKEN=TOKEN)
        with self.assertRaises(errors.UnexpectedStatusError):
            client(server.address).get_runtimes()
        [first, second] = client(server.address, api_key=f"Bearer {TOKEN}").get_runtimes()
        self.assertEqual((first.language, second.language), ("javascript", "typescript"))

    def test_a_full_queue_is_too_many_requests(self):
        server = self.serve(FAAS_WORKER_COUNT="1", FAAS_QUEUE_SIZE="0", FAAS_POOL_SIZE="1")
        sleeping = ultra_piston.File(content="await new Promise((r) => setTimeout(r, 1500))")
        arguments = ("javascript", "*", sleeping)
        busy = threading.Thread(target=client(server.address).post_execute, args=arguments)
        busy.start()
        self.addCleanup(busy.join)
        while server.get("/health")[1]["pool"]["activeInstances"] == 0:
            pass
        with self.assertRaises(errors.TooManyRequestsError):
            client(server.address).post_execute(*arguments)

    def test_a_door_that_is_not_named_is_closed(self):
        server = self.serve(FAAS_DOORS="mcp")
        for path in (PREFIX + "/runtimes", "/sandbox-fusion/run_code", "/2015-03-31/functions"):
            status, answer = server.get(path)
            self.assertEqual((status, "POST /run_code" in answer["details"]), (404, True), path)
