"""What programs that use E2B's clients for Python do. test_e2b.py runs it with each version of them.

The server is named by the variables that users set: E2B_API_URL, E2B_SANDBOX_URL, E2B_API_KEY.
"""

import asyncio
import io
import time
import unittest

from e2b import CommandExitException, NotFoundException, SandboxException, SandboxQuery, TimeoutException
from e2b_code_interpreter import AsyncSandbox, Sandbox

MISSING = "sess-" + "0" * 32


class WithSandbox(unittest.TestCase):
    """Tests that have a sandbox."""

    def open(self, **options):
        sandbox = Sandbox.create(**options)
        self.addCleanup(sandbox.kill)
        return sandbox

    def setUp(self):
        self.sandbox = self.open()


class Interpreter(WithSandbox):
    """Code in contexts."""

    def run_code(self, code, **options):
        return self.sandbox.run_code(code, **options)

    def test_cells_go_on_from_each_other_and_show_their_value(self):
        self.assertIsNone(self.run_code("x = 20").text)
        run = self.run_code("import sys\nprint('out')\nprint('err', file=sys.stderr)\nx + 1")
        self.assertEqual((run.text, run.logs.stdout, run.logs.stderr), ("21", ["out\n"], ["err\n"]))
        self.assertTrue(run.results[0].is_main_result)
        self.assertEqual((run.error, run.execution_count), (None, 2))

    def test_an_error_has_its_name_its_value_and_its_traceback_and_is_not_on_stderr(self):
        run = self.run_code("class Odd(BaseException): pass\ndef f(): raise Odd('a\\nb')\nf()")
        self.assertEqual((run.error.name, run.error.value), ("Odd", "a\nb"))
        self.assertIn("in f", run.error.traceback)
        self.assertEqual((run.logs.stderr, run.results), ([], []))
        self.assertEqual(self.run_code("= 1").error.name, "SyntaxError")
        stopped = self.run_code("import sys; sys.exit(3)").error
        self.assertEqual((stopped.name, stopped.value), ("SystemExit", "3"))
        broken = self.run_code("class Mute(Exception):\n  def __str__(self): 1/0\nraise Mute").error
        self.assertEqual(broken.name, "Error")

    def test_results_have_fields_by_media_type(self):
        shown = self.run_code(
            "display({'text/html': '<b>', 'image/png': b'png', 'application/json': {'a': 1},"
            " 'text/latex': '$x$', 'application/x-own': 'own'}, raw=True)"
        ).results[0]
        self.assertEqual((shown.html, shown.png, shown.json), ("<b>", "cG5n", {"a": 1}))
        self.assertEqual((shown.latex, shown.extra), ("$x$", {"application/x-own": "own"}))
        self.assertFalse(shown.is_main_result)

    def test_output_comes_as_it_is_written(self):
        ends = []
        code = "import time\nprint(1, flush=True)\ntime.sleep(0.5)\nprint(2)"
        self.run_code(code, on_stdout=lambda message: ends.append((message.line, time.monotonic())))
        self.assertEqual([line for line, _ in ends], ["1\n", "2\n"])
        self.assertGreater(ends[1][1] - ends[0][1], 0.3)

    def test_contexts_know_nothing_of_each_other_and_can_be_restarted_and_removed(self):
        self.run_code("x = 1")
        context = self.sandbox.create_code_context()
        self.assertEqual((context.language, context.cwd), ("python", "/home/user"))
        self.assertEqual(self.run_code("x", context=context).error.name, "NameError")
        self.run_code("x = 2", context=context)
        self.assertEqual(self.run_code("x").text, "1")
        ids = [one.id for one in self.sandbox.list_code_contexts()]
        self.assertEqual(ids, [self.sandbox.sandbox_id, context.id])
        self.sandbox.restart_code_context(context)
        self.assertEqual(self.run_code("x", context=context).error.name, "NameError")
        self.sandbox.remove_code_context(context)
        with self.assertRaises(NotFoundException):
            self.run_code("1", context=context)
        with self.assertRaises(SandboxException):
            self.sandbox.remove_code_context(self.sandbox.sandbox_id)
        with self.assertRaises(SandboxException):
            self.sandbox.create_code_context(cwd="/elsewhere")

    def test_javascript_and_typescript_share_a_context_of_their_own(self):
        run = self.run_code("const a = 5; console.log(a)", language="javascript")
        self.assertEqual((run.logs.stdout, run.error), (["5\n"], None))
        run = self.run_code("const b: number = a * 2; display(b)", language="ts")
        self.assertEqual(run.results[0].text, "10")
        error = self.run_code("null.x", language="js").error
        self.assertEqual(error.name, "TypeError")
        self.assertIn("<cell 3>:1", error.traceback)
        thrown = self.run_code("throw 5", language="js").error
        self.assertEqual((thrown.name, thrown.value), ("Uncaught", "5"))
        with self.assertRaisesRegex(SandboxException, "python, javascript, typescript"):
            self.run_code("1", language="r")

    def test_variables_of_the_environment_are_the_sandbox_s_and_the_cell_s(self):
        sandbox = self.open(envs={"OF_SANDBOX": "a", "BOTH": "b"})
        code = "import os; [os.environ.get(name) for name in ('OF_SANDBOX', 'BOTH', 'OF_CELL')]"
        self.assertEqual(sandbox.run_code(code, envs={"OF_CELL": "c", "BOTH": "d"}).text, "['a', 'd', 'c']")
        self.assertEqual(sandbox.run_code(code).text, "['a', 'b', None]")
        self.assertEqual(self.run_code(code).text, "[None, None, None]")

    def test_a_cell_whose_client_gave_up_takes_nothing_away(self):
        self.run_code("x = 1")
        with self.assertRaises(TimeoutException):
            self.run_code("x = 2\nwhile True: pass", timeout=0.5)
        self.assertEqual(self.run_code("x").text, "1")

    def test_a_cell_that_runs_into_a_limit_says_so(self):
        self.run_code("x = 1")
        run = self.run_code("x = 2\n'a' * 2_000_000_000")
        self.assertEqual(run.error.name, "MemoryError")
        self.assertEqual(self.run_code("import os; os._exit(7)").error.name, "SystemExit")
        self.assertEqual(self.run_code("x").text, "1")


class Files(WithSandbox):
    """Files, and what there is in the place of commands."""

    def test_files_are_written_and_read_by_clients_and_by_code(self):
        files = self.sandbox.files
        written = files.write("/home/user/dir/a.txt", "text é")
        self.assertEqual((written.name, written.path), ("a.txt", "/home/user/dir/a.txt"))
        self.assertEqual(files.read("dir/a.txt"), "text é")
        files.write_files([{"path": "b.bin", "data": b"\0\xff"}, {"path": 'c "é.txt', "data": "c"}])
        self.assertEqual(files.read("b.bin", format="bytes"), b"\0\xff")
        self.assertEqual(b"".join(files.read("b.bin", format="stream")), b"\0\xff")
        files.write("d.txt", io.BytesIO(b"a stream"))
        code = "[open(f'/home/user/{name}').read() for name in ('dir/a.txt', 'c \"é.txt', 'd.txt')]"
        self.assertEqual(self.sandbox.run_code(code).text, "['text é', 'c', 'a stream']")
        self.sandbox.run_code("open('/home/user/e.txt', 'w').write('from code')")
        self.assertEqual(files.read("/home/user/e.txt"), "from code")

    def test_directories_are_listed_made_and_asked_for(self):
        files = self.sandbox.files
        self.assertEqual((files.make_dir("a/b"), files.make_dir("a/b")), (True, False))
        files.write("a/c.txt", "123")
        entries = {(one.name, one.type.value, one.path) for one in files.list("/home/user/a")}
        self.assertEqual(entries, {("b", "dir", "/home/user/a/b"), ("c.txt", "file", "/home/user/a/c.txt")})
        self.assertEqual([files.exists(name) for name in ("a", "a/c.txt", "none")], [True, True, False])
        self.assertEqual(files.get_info("a/c.txt").size, 3)
        self.assertEqual(files.rename("a/c.txt", "d.txt").path, "/home/user/d.txt")
        self.assertEqual((files.read("d.txt"), files.exists("a/c.txt")), ("123", False))
        files.remove("d.txt")
        self.assertFalse(files.exists("d.txt"))
        with self.assertRaisesRegex(SandboxException, "shutil.rmtree"):
            files.remove("a")
        with self.assertRaises(SandboxException):
            files.list("none")

    def test_paths_lead_nowhere_else(self):
        for path in ("/etc/passwd", "/home/user/../../etc/passwd", "../x", "/proc/self/mem"):
            with self.assertRaises(SandboxException, msg=path):
                self.sandbox.files.read(path)
            with self.assertRaises(SandboxException, msg=path):
                self.sandbox.files.write(path, "x")

    def test_commands_say_that_there_is_no_shell(self):
        for command in ("ls -l", "pip install a && ls", "python -c 'print(1)'"):
            with self.assertRaisesRegex(CommandExitException, "there is no shell") as raised:
                self.sandbox.commands.run(command)
            self.assertEqual(raised.exception.exit_code, 127)
        self.assertEqual(self.sandbox.commands.list(), [])
        self.assertFalse(self.sandbox.commands.kill(1))
        with self.assertRaises(SandboxException):
            self.sandbox.files.watch_dir(".")

    def test_pip_installs_as_a_command_and_in_code(self):
        installed = self.sandbox.commands.run("pip install 'snowballstemmer>=1'")
        self.assertEqual((installed.exit_code, installed.stdout), (0, "Installed snowballstemmer>=1\n"))
        run = self.sandbox.run_code(
            "!pip install -q snowballstemmer\nimport snowballstemmer as s\ns.__name__"
        )
        self.assertEqual((run.text, run.error), ("'snowballstemmer'", None))
        with self.assertRaisesRegex(CommandExitException, "no-such-package"):
            self.sandbox.commands.run("pip install no-such-package")


class Lives(WithSandbox):
    """When sandboxes begin and end."""

    def test_a_sandbox_is_told_of_listed_and_killed(self):
        sandbox = self.open(metadata={"a": "b c&=é", "d": "1"}, timeout=100)
        info = sandbox.get_info()
        self.assertEqual((info.metadata["a"], info.state.value), ("b c&=é", "running"))
        self.assertAlmostEqual((info.end_at - info.started_at).total_seconds(), 100, delta=2)
        found = Sandbox.list(query=SandboxQuery(metadata={"a": "b c&=é"})).next_items()
        self.assertEqual([one.sandbox_id for one in found], [sandbox.sandbox_id])
        self.assertEqual(Sandbox.list(query=SandboxQuery(metadata={"a": "b"})).next_items(), [])
        self.assertTrue(sandbox.is_running())
        self.assertTrue(sandbox.kill())
        self.assertFalse(sandbox.kill())
        self.assertFalse(sandbox.is_running())

    def test_the_list_has_pages(self):
        more = {self.open().sandbox_id for _ in range(3)}
        pages, seen = Sandbox.list(limit=2), []
        while pages.has_next:
            page = pages.next_items()
            self.assertLessEqual(len(page), 2)
            seen += [one.sandbox_id for one in page]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual(more, set(seen))

    def test_others_connect_and_find_what_there_is(self):
        self.sandbox.run_code("x = 1")
        other = Sandbox.connect(self.sandbox.sandbox_id)
        self.assertEqual(other.run_code("x").text, "1")
        with self.assertRaises(NotFoundException):
            Sandbox.connect(MISSING)

    def test_a_sandbox_ends_with_its_timeout(self):
        self.sandbox.set_timeout(1)
        context = self.sandbox.create_code_context()
        while self.sandbox.is_running():
            time.sleep(0.1)
        for call in (
            lambda: self.sandbox.run_code("1"),
            lambda: self.sandbox.run_code("1", context=context),
            lambda: self.sandbox.files.read("a"),
            lambda: self.sandbox.files.list("."),
            lambda: self.sandbox.commands.run("pip list"),
        ):
            with self.assertRaisesRegex(TimeoutException, "was not found"):
                call()
        with self.assertRaises(NotFoundException):
            self.sandbox.set_timeout(10)

    def test_a_paused_sandbox_outlives_its_timeout_and_goes_on(self):
        self.sandbox.run_code("x = 1")
        self.sandbox.set_timeout(1)
        self.sandbox.pause()
        self.assertEqual(self.sandbox.get_info().state.value, "paused")
        time.sleep(2.5)
        with self.assertRaises(TimeoutException):
            self.sandbox.run_code("x")
        self.sandbox.connect(timeout=60)
        self.assertEqual(self.sandbox.run_code("x").text, "1")

    @unittest.skipUnless(hasattr(Sandbox, "fork"), "this version has no forks")
    def test_forks_go_on_from_where_it_is(self):
        self.sandbox.run_code("x = 1")
        self.sandbox.files.write("a.txt", "a")
        context = self.sandbox.create_code_context()
        forks = self.sandbox.fork(count=2)
        for fork in forks:
            self.addCleanup(fork.kill)
            self.assertEqual(fork.run_code("x += 1; x").text, "2")
            self.assertEqual(fork.files.read("a.txt"), "a")
            self.assertNotIn(context.id, [one.id for one in fork.list_code_contexts()])
            self.assertEqual(len(fork.list_code_contexts()), 2)
        self.assertEqual(self.sandbox.run_code("x").text, "1")


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    """The client for asyncio."""

    async def test_two_cells_at_once_take_turns_and_two_sandboxes_do_not_wait_for_each_other(self):
        async with await AsyncSandbox.create() as one, await AsyncSandbox.create() as other:
            await one.run_code("x = []")
            cells = [one.run_code(f"x.append({number}); len(x)") for number in range(4)]
            cells.append(other.run_code("'other'"))
            *texts, apart = [run.text for run in await asyncio.gather(*cells)]
            self.assertEqual((sorted(texts), apart), (["1", "2", "3", "4"], "'other'"))

    async def test_it_has_files_contexts_and_streams(self):
        async with await AsyncSandbox.create(metadata={"a": "b"}) as sandbox:
            lines = []
            context = await sandbox.create_code_context(language="javascript")
            await sandbox.run_code(
                "console.log(1)", context=context, on_stdout=lambda m: lines.append(m.line)
            )
            await sandbox.files.write("a.txt", "a")
            self.assertEqual((lines, await sandbox.files.read("a.txt")), (["1\n"], "a"))
            self.assertEqual([one.name for one in await sandbox.files.list(".")], ["a.txt", "output"])
            with self.assertRaisesRegex(CommandExitException, "there is no shell"):
                await sandbox.commands.run("ls")
            await sandbox.pause()
            again = await AsyncSandbox.connect(sandbox.sandbox_id)
            self.assertEqual((await again.run_code("open('a.txt').read()")).text, "'a'")


if __name__ == "__main__":
    unittest.main()
