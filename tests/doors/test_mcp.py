#!/usr/bin/env python3
"""The door for the Model Context Protocol, tried with its real clients."""

import asyncio
import base64
import json
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from service import CLIENTS, PROGRAM, Server, WithServer, run_node

PNG = b"\x89PNG\r\n\x1a\n"


def text_of(result):
    return "".join(block.text for block in result.content if block.type == "text")


class Mcp(WithServer):
    """The Model Context Protocol, over HTTP unless a test says otherwise."""

    def with_client(self, work, **options):
        """Has the official client for Python do something, in the newest protocol that both know."""

        async def run():
            async with Client(self.server.address + "/mcp", **options) as client:
                return await work(client)

        return asyncio.run(run())

    def call(self, name, arguments):
        return self.with_client(lambda client: client.call_tool(name, arguments))

    def test_the_official_client_lists_the_tools_and_runs_each(self):
        async def work(client):
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            self.assertEqual(set(tools), {"run_python", "run_javascript", "check_code"})
            for tool in tools.values():
                self.assertGreater(len(tool.description), 100)
                self.assertEqual(tool.input_schema["required"][0], "code")
            # The client checks structured content against the schema of the tool.
            python = await client.call_tool("run_python", {"code": "print('hi')\n6 * 7"})
            self.assertEqual(python.structured_content["stdout"], "hi\n")
            self.assertEqual(python.structured_content["result"], "42")
            self.assertEqual(text_of(python), "hi\n[result]\n42")
            self.assertFalse(python.is_error)
            typed = {"code": "const n: number = 6; console.log(n * 7)", "language": "typescript"}
            script = await client.call_tool("run_javascript", typed)
            self.assertEqual(script.structured_content["stdout"], "42\n")
            checked = await client.call_tool("check_code", {"code": "if", "language": "python"})
            self.assertEqual(checked.structured_content["valid"], False)

        self.with_client(work)

    def test_a_failing_program_is_an_error_that_the_model_can_read(self):
        result = self.call("run_python", {"code": "print('before')\n1 / 0"})
        self.assertTrue(result.is_error)
        self.assertIn("before", text_of(result))
        self.assertIn("ZeroDivisionError", text_of(result))
        self.assertEqual(result.structured_content["status"], "error")
        slow = self.call("run_python", {"code": "while True: pass", "timeout": 300})
        self.assertTrue(slow.is_error)
        self.assertEqual(slow.structured_content["status"], "timeout")
        self.assertIn("timeout", text_of(slow))

    def test_files_stdin_and_arguments_go_in_and_files_come_back(self):
        code = """
import sys
rows = open('data.csv').read().splitlines()
open('out.txt', 'w').write(f'{len(rows)} {sys.stdin.read()} {sys.argv[1]}')
open('out.bin', 'wb').write(bytes([0, 255]))
"""
        arguments = {
            "code": code,
            "files": [{"name": "data.csv", "content": "a\nb\n"}],
            "stdin": "typed",
            "args": ["argument"],
            "collect": ["out.*"],
        }
        result = self.call("run_python", arguments)
        self.assertFalse(result.is_error, text_of(result))
        resources = {
            block.resource.uri: block.resource for block in result.content if block.type == "resource"
        }
        self.assertEqual(resources["file:///out.txt"].text, "2 typed argument")
        self.assertEqual(base64.b64decode(resources["file:///out.bin"].blob), bytes([0, 255]))
        names = {file["name"]: file["size"] for file in result.structured_content["files"]}
        self.assertEqual(names["out.bin"], 2)

    def test_pictures_are_image_content(self):
        pixel = base64.b64encode(PNG + b"rest").decode()
        code = f"""
import base64
class Picture:
    def _repr_png_(self):
        return base64.b64decode({pixel!r})
Picture()
"""
        result = self.call("run_python", {"code": code})
        pictures = [block for block in result.content if block.type == "image"]
        self.assertEqual([picture.mime_type for picture in pictures], ["image/png"])
        self.assertTrue(base64.b64decode(pictures[0].data).startswith(PNG))

    def test_wrong_arguments_are_told_to_the_model(self):
        for name, arguments, said in [
            ("run_python", {"code": 1}, "must be a string"),
            ("run_python", {"code": ""}, "code"),
            ("run_python", {"code": "1", "cwd": "/"}, "Unknown argument 'cwd'"),
            ("run_javascript", {"code": "1", "language": "python"}, "javascript or typescript"),
            ("run_python", {"code": "1", "files": [{"name": "../x", "content": ""}]}, "name"),
        ]:
            with self.subTest(arguments):
                result = self.call(name, arguments)
                self.assertTrue(result.is_error)
                self.assertIn(said, text_of(result))

    def test_a_session_is_begun_by_a_call_and_gone_on_in_by_its_handle(self):
        for tool, begin, go_on, printed in [
            ("run_python", "import math\nx = 41", "print(x + int(math.cos(0)))", "42\n"),
            ("run_javascript", "let x = 41; const f = () => x + 1;", "console.log(f())", "42\n"),
        ]:
            with self.subTest(tool):
                begun = self.call(tool, {"code": begin, "session": "new"})
                self.assertFalse(begun.is_error, text_of(begun))
                handle = begun.structured_content["session"]
                self.assertEqual(text_of(begun), f"[session] {handle}")
                went_on = self.call(tool, {"code": go_on, "session": handle})
                self.assertEqual(went_on.structured_content["stdout"], printed)
                self.assertEqual(went_on.structured_content["session"], handle)
                # Without a session, in whatever way a model leaves it out, there is nothing of it.
                for absent in ({}, {"session": ""}, {"session": None}):
                    apart = self.call(tool, {"code": go_on, **absent})
                    self.assertTrue(apart.is_error)
                    self.assertNotIn("session", apart.structured_content)
                self.server.end_session(handle)

    def test_a_typescript_cell_goes_on_in_a_session_of_javascript(self):
        code = "const a: number = 20;"
        begun = self.call("run_javascript", {"code": code, "language": "typescript", "session": "new"})
        handle = begun.structured_content["session"]
        script = {"code": "console.log(a + 1)", "session": handle}
        self.assertEqual(self.call("run_javascript", script).structured_content["stdout"], "21\n")
        self.server.end_session(handle)

    def test_a_killed_cell_leaves_its_session_as_it_was_and_the_answer_says_so(self):
        handle = self.call("run_python", {"code": "x = 1", "session": "new"}).structured_content["session"]
        slow = self.call("run_python", {"code": "x = 2\nwhile True: pass", "session": handle, "timeout": 300})
        self.assertTrue(slow.is_error)
        self.assertIn("time", slow.structured_content["session_unchanged"])
        self.assertIn(f"[session] {handle} was not changed by this call", text_of(slow))
        after = self.call("run_python", {"code": "print(x)", "session": handle})
        self.assertEqual(after.structured_content["stdout"], "1\n")
        self.assertNotIn("session_unchanged", after.structured_content)
        self.server.end_session(handle)

    def test_a_lost_session_and_a_wrong_handle_are_told_with_what_to_do(self):
        handle = self.call("run_python", {"code": "x = 1", "session": "new"}).structured_content["session"]
        for tool, arguments, said in [
            ("run_javascript", {"session": handle}, "Its calls are those of run_python"),
            ("run_python", {"session": handle, "packages": ["six"]}, "%pip install NAME"),
            ("run_python", {"session": "mine"}, 'Send "new" to begin a session'),
            ("run_python", {"session": 7}, 'Send "new" to begin a session'),
            ("run_python", {"session": "sess-" + "0" * 8}, '"new"'),
            ("check_code", {"session": handle, "language": "python"}, "Unknown argument 'session'"),
        ]:
            with self.subTest(arguments):
                result = self.call(tool, {"code": "1", **arguments})
                self.assertTrue(result.is_error)
                self.assertIn(said, text_of(result))
        self.server.end_session(handle)
        lost = self.call("run_python", {"code": "x", "session": handle})
        self.assertTrue(lost.is_error)
        self.assertIn('Send "new" as `session` to begin another', text_of(lost))
        self.assertNotIn("POST", text_of(lost))

    def test_a_session_whose_first_call_never_ran_is_not_left_behind(self):
        result = self.call("run_python", {"code": 1, "session": "new"})
        self.assertTrue(result.is_error)
        self.assertEqual(self.server.get("/sessions")[1]["count"], 0)

    def test_progress_is_told_while_the_program_prints(self):
        told = []

        async def note(progress, total, message):
            told.append((progress, message))

        code = "import time\nfor i in range(3):\n    print(i, flush=True)\n    time.sleep(0.1)"

        async def work(client):
            return await client.call_tool("run_python", {"code": code}, progress_callback=note)

        result = self.with_client(work)
        self.assertEqual(result.structured_content["stdout"], "0\n1\n2\n")
        messages = "".join(message for _, message in told)
        for line in ("0\n", "1\n", "2\n"):
            self.assertIn(line, messages)
        self.assertEqual([step for step, _ in told], sorted({step for step, _ in told}))

    def test_a_client_of_an_older_protocol_is_served(self):
        for version in ("2025-11-25", "2025-06-18", "2025-03-26"):
            with self.subTest(version):
                hello = {
                    "protocolVersion": version,
                    "capabilities": {},
                    "clientInfo": {"name": "old", "version": "1"},
                }
                status, answer = self.message("initialize", hello)
                self.assertEqual(status, 200, answer)
                self.assertEqual(answer["result"]["protocolVersion"], version)
                call = {"name": "run_python", "arguments": {"code": "print(1)"}}
                status, answer = self.message("tools/call", call, **{"mcp-protocol-version": version})
                self.assertEqual(answer["result"]["structuredContent"]["stdout"], "1\n")
        initialized = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.assertEqual(self.server.post("/mcp", initialized)[0], 202)

    def message(self, method, parameters, **headers):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        return self.server.post("/mcp", json.dumps(message), **headers)

    def test_a_program_ends_when_its_client_is_gone(self):
        async def give_up(client):
            waiting = client.call_tool("run_python", {"code": "while True: pass", "timeout": 30000})
            try:
                await asyncio.wait_for(waiting, 1)
            except TimeoutError:
                return
            raise AssertionError("it answered")

        self.with_client(give_up)
        end = time.monotonic() + 10
        while self.active() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(self.active(), 0)

    def active(self):
        with urllib.request.urlopen(self.server.address + "/health", timeout=10) as answer:
            return json.load(answer)["pool"]["activeInstances"]

    def test_executions_are_in_the_history_and_the_line_of_the_request_names_them(self):
        task_id = self.call("run_python", {"code": "print(1)"}).structured_content["task_id"]
        with urllib.request.urlopen(f"{self.server.address}/executions/{task_id}", timeout=10) as answer:
            self.assertEqual(json.load(answer)["status"], "success")
        lines = [json.loads(line) for line in self.server.lines().splitlines()]
        [line] = [line for line in lines if line["fields"].get("task_id") == task_id]
        self.assertEqual((line["fields"]["program"], line["spans"][0]["route"]), ("success", "/mcp"))

    def test_what_is_too_large_or_no_message_is_refused(self):
        numbers = "[" + "0," * 30_000 + "0]"
        status, answer = self.server.post("/mcp", numbers)
        self.assertEqual((status, "too many values" in answer["error"]), (400, True))
        status, answer = self.server.post("/mcp", '"' + "x" * (11 << 20) + '"')
        self.assertEqual(status, 413)
        self.assertEqual(
            self.message("tools/call", {"name": "rm", "arguments": {}})[1]["error"]["code"], -32602
        )
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(self.server.address + "/mcp", timeout=10)
        self.assertEqual(refused.exception.code, 405)
        refused.exception.close()
        status, _ = self.server.post("/mcp", "{}", origin="https://elsewhere.test")
        self.assertEqual(status, 403)

    def test_langchain_gets_the_tools_and_calls_one(self):
        script = f"""
import asyncio
import re
from langchain_mcp_adapters.client import MultiServerMCPClient

async def main():
    address = {{"url": "{self.server.address}/mcp", "transport": "streamable_http"}}
    tools = await MultiServerMCPClient({{"faas": address}}).get_tools()
    [tool] = [tool for tool in tools if tool.name == "run_python"]
    print(await tool.ainvoke({{"code": "print('from a chain')"}}))
    # As an agent does: the handle is in what its model reads.
    answer = str(await tool.ainvoke({{"code": "x = 'kept for a chain'", "session": "new"}}))
    handle = re.search(r"sess-[0-9a-z-]+", answer)[0]
    print(await tool.ainvoke({{"code": "print(x)", "session": handle}}))

asyncio.run(main())
"""
        # It takes the older generation of the client: an environment of its own.
        command = [CLIENTS / "langchain/bin/python", "-c", script]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("from a chain", run.stdout, run.stderr)
        self.assertIn("kept for a chain", run.stdout, run.stderr)

    def test_the_sdk_for_javascript_runs_a_program(self):
        script = f"""
import {{ Client }} from "@modelcontextprotocol/sdk/client/index.js";
import {{ StreamableHTTPClientTransport }} from "@modelcontextprotocol/sdk/client/streamableHttp.js";
const client = new Client({{ name: "test", version: "1" }});
await client.connect(new StreamableHTTPClientTransport(new URL("{self.server.address}/mcp")));
const {{ tools }} = await client.listTools();
const result = await client.callTool({{ name: "run_python", arguments: {{ code: "print(1 + 1)" }} }});
const run = async (code, session) =>
  (await client.callTool({{ name: "run_javascript", arguments: {{ code, session }} }})).structuredContent;
const {{ session }} = await run("let x = 20;", "new");
const wentOn = await run("console.log(x + 1)", session);
console.log(JSON.stringify([tools.length, result.structuredContent.stdout, wentOn.stdout]));
await client.close();
"""
        self.assertEqual(run_node(script), [3, "2\n", "21\n"])


class Closed(unittest.TestCase):
    """Doors that are locked or shut."""

    def test_mcp_asks_for_the_token_and_is_gone_when_it_is_turned_off(self):
        guarded = Server(FAAS_LANGUAGE="javascript", FAAS_API_TOKEN="0123456789abcdef")
        self.addCleanup(guarded.stop)
        self.assertEqual(guarded.post("/mcp", "{}")[0], 401)
        ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        status, answer = guarded.post("/mcp", ping, authorization="Bearer 0123456789abcdef")
        self.assertEqual(status, 200)
        # Only tools of what is served.
        names = [tool["name"] for tool in answer["result"]["tools"]]
        self.assertEqual(names, ["run_javascript", "check_code"])
        closed = Server(FAAS_LANGUAGE="javascript", FAAS_DOORS="off")
        self.addCleanup(closed.stop)
        self.assertEqual(closed.post("/mcp", ping)[0], 404)

    def test_a_model_that_can_begin_no_more_sessions_is_told_what_it_can_do(self):
        server = Server(FAAS_LANGUAGE="javascript", FAAS_SESSIONS="1")
        self.addCleanup(server.stop)
        call = {"name": "run_javascript", "arguments": {"code": "let x = 1", "session": "new"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        self.assertFalse(server.post("/mcp", json.dumps(message))[1]["result"]["isError"])
        result = server.post("/mcp", json.dumps(message))[1]["result"]
        self.assertTrue(result["isError"])
        self.assertIn("Go on in one that you have", result["content"][0]["text"])

    def test_a_message_of_nearly_all_bytes_of_the_queue_is_counted_once(self):
        server = Server(FAAS_LANGUAGE="javascript", FAAS_QUEUE_BYTES="200000")
        self.addCleanup(server.stop)
        arguments = {"code": "console.log(1)//" + "x" * 150_000}
        call = {"name": "run_javascript", "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        # Something else is held meanwhile, so that it is not alone.
        held = subprocess.Popen(
            [
                "curl",
                "-s",
                server.address + "/run_code",
                "-d",
                '{"code": "await new Promise(r => setTimeout(r, 3000))"}',
            ],
            stdout=subprocess.DEVNULL,
        )
        self.addCleanup(held.wait)
        time.sleep(0.5)
        status, answer = server.post("/mcp", json.dumps(message))
        self.assertEqual((status, answer["result"]["isError"]), (200, False), str(answer)[-300:])


class Stdio(unittest.TestCase):
    """`faas-server mcp`, as desktop clients start it."""

    def test_a_client_that_starts_the_program_itself_runs_code(self):
        async def run(workspace):
            environment = {
                "FAAS_PYODIDE_PACKAGES": "off",
                "FAAS_PACKAGE_INDEX": "off",
                "FAAS_WORKSPACE": workspace,
            }
            parameters = StdioServerParameters(command=str(PROGRAM), args=["mcp"], env=environment)
            async with Client(stdio_client(parameters)) as client:
                first = await client.call_tool("run_python", {"code": "print('over a pipe')"})
                second = await client.call_tool("run_javascript", {"code": "console.log(2)"})
                begun = await client.call_tool("run_python", {"code": "x = 3", "session": "new"})
                cell = {"code": "print(x)", "session": begun.structured_content["session"]}
                third = await client.call_tool("run_python", cell)
                return [result.structured_content["stdout"] for result in (first, second, third)]

        with tempfile.TemporaryDirectory() as scratch:
            self.assertEqual(asyncio.run(run(scratch + "/w")), ["over a pipe\n", "2\n", "3\n"])
