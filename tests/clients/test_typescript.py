"""The client for TypeScript, installed from its package, with a real server."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import typing
import unittest

from proxy import Losing
from service import ROOT, Server

CLIENT = ROOT / "clients/typescript"
INSTALLED = ROOT / "target/clients/node"
TOKEN = "0123456789abcdef"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
BUSY = '"console.log(1); await new Promise((resolve) => setTimeout(resolve, 60_000))"'
# What the scripts below find.
PRELUDE = """
import * as client from "faas-server-client";
import { Faas } from "faas-server-client";
const faas = new Faas();
// What an error says of itself.
const caught = (promise) => promise.then(
  (value) => ({ value }),
  (error) => ({ name: error.name, message: error.message, ...error, is: error instanceof client.FaasError }),
);
const show = (value) => console.log(JSON.stringify(value));
"""


def node(script, **environment):
    """Runs a script among the installed packages. Returns what it prints."""
    with tempfile.NamedTemporaryFile("w", suffix=".mjs", dir=INSTALLED) as file:
        file.write(script)
        file.flush()
        run = subprocess.run(
            ["node", file.name],
            capture_output=True,
            text=True,
            timeout=120,
            env=dict(os.environ, **environment),
            check=False,
        )
    assert run.returncode == 0, run.stderr
    return run.stdout


class WithServer(unittest.TestCase):
    settings: typing.ClassVar = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**cls.settings)
        cls.addClassCleanup(cls.server.stop)

    def show(self, script, server=None, **environment):
        """What a script shows."""
        environment = {"FAAS_URL": (server or self.server).address, **environment}
        return json.loads(node(PRELUDE + script, **environment))

    def losing(self, *treatments):
        proxy = Losing(self.server.address)
        self.addCleanup(proxy.stop)
        proxy.treatments = [getattr(proxy, name) for name in treatments]
        return proxy


class Programs(WithServer):
    settings: typing.ClassVar = {"FAAS_HISTORY_BODIES": "1"}

    def test_a_program_s_output_and_value_come_back(self):
        shown = self.show("""
const result = await faas.run("print('hé')\\n{'sum': 6 * 7}");
const { stdout, value, ok, status, exit_code, error, request_id } = result;
const same = result.raiseForError() === result;
show([stdout, value, ok, status, exit_code, error ?? null, request_id.length, same]);
""")
        self.assertEqual(shown, ["hé\n", {"sum": 42}, True, "success", 0, None, 36, True])
        values = self.show("""
const codes = ["'plain text'", "[1, None]", "None", "'NaN'"];
show(await Promise.all(codes.map(async (code) => (await faas.run(code)).value ?? null)));
""")
        self.assertEqual(values, ["plain text", [1, None], None, "NaN"])

    def test_a_program_gets_all_that_a_request_may_have(self):
        shown = self.show("""
const code = `
import sys
raw, large = (open(name, "rb").read() for name in ("raw.bin", "large"))
print(sys.argv[1:], sys.stdin.read(), raw, len(large), input_data)`;
const result = await faas.run(undefined, {
  files: { "main.py": code, "raw.bin": new Uint8Array([0, 255]), large: new Uint8Array(1e6) },
  entry_point: "main.py", args: ["a", "b"], stdin: "typed", input: { none: null }, language: "python",
  timeout: 5000, priority: "high", packages: [], limits: { memory_bytes: 1 << 26 }, ext: { mine: "1" },
  timings: true,
});
const execution = await faas.executions.get(result.task_id);
show([result.stdout, result.timings.run > 0, execution.priority, execution.code === code]);
""")
        line = "['a', 'b'] typed b'\\x00\\xff' 1000000 {'none': None}\n"
        self.assertEqual(shown, [line, True, "high", True])

    def test_a_program_that_fails_is_a_result(self):
        shown = self.show("""
const failed = await faas.run("print('begin')\\n1 / 0");
const thrown = await caught((async () => failed.raiseForError())());
const js = await faas.run("throw new TypeError('of js')", { language: "javascript" });
const slow = await faas.run("while True: pass", { timeout: 300 });
const exits = await faas.run("raise SystemExit(3)");
show([failed.ok, failed.status, failed.stdout, thrown.name, thrown.is, thrown.message,
  ...[js, slow, exits].map((result) => result.error.message)]);
""")
        error = "ZeroDivisionError: division by zero"
        self.assertEqual(shown[:6], [False, "error", "begin\n", "ProgramError", True, error])
        slow = "Execution stopped: time limit of 300 ms reached"
        self.assertEqual(shown[6:], ["TypeError: of js", slow, "error: exit code 3"])

    def test_files_and_results_come_back_as_bytes(self):
        shown = self.show("""
const code = `
open("a.bin", "wb").write(bytes(range(256)) * 100)
open("b.txt", "w").write("é")
display({"text/html": "<b>4</b>", "application/json": [4], "image/png": "iVBORw0KGgo="}, raw=True)
2 + 2`;
const { files, results } = await faas.run(code, { collect: ["*"] });
const { bytes, size } = files.get("a.bin");
const [first, main] = results;
show([[...files.keys()].sort(), size, bytes.every((byte, at) => byte === at % 256), files.get("b.txt").text,
  first.html, first.json, [...first.png], first.text ?? null, main.text, main.is_main_result]);
""")
        png = [137, 80, 78, 71, 13, 10, 26, 10]
        forms = ["<b>4</b>", [4], png, None, "4", True]
        self.assertEqual(shown, [["a.bin", "b.txt"], 25600, True, "é", *forms])

    def test_events_come_in_their_order_and_the_result_is_the_last(self):
        shown = self.show("""
const code = `
import sys
print("a\\u2028bé", flush=True)
print("e", file=sys.stderr, flush=True)
"x" * 900_000`;
const stream = faas.stream(code, { timeout: 5000 });
const events = [];
for await (const event of stream) events.push(event);
show([events.slice(0, 2), events.slice(2).map((event) => event.type), (await stream.result()).text.length]);
""")
        texts = [{"type": "stdout", "text": "a\u2028bé\n"}, {"type": "stderr", "text": "e\n"}]
        self.assertEqual(shown, [texts, ["display", "result"], 900_000])

    def test_a_program_may_be_silent_for_as_long_as_it_may_run(self):
        shown = self.show("""
const code = "import time\\ntime.sleep(1)\\nprint(1, flush=True)\\ntime.sleep(1)\\n2";
const impatient = new Faas({ requestTimeout: 400 });
show((await impatient.stream(code, { timeout: 30_000 }).result()).value);
""")
        self.assertEqual(shown, 2)

    def test_leaving_a_stream_or_aborting_a_request_ends_its_program(self):
        shown = self.show(f"""
const stream = faas.stream({BUSY}, {{ language: "javascript", timeout: 60_000 }});
for await (const event of stream) {{ if (event.text === "1\\n") break; }}
const left = await caught(stream.result());
const controller = new AbortController();
const options = {{ language: "javascript", timeout: 60_000, signal: controller.signal }};
const run = caught(faas.run({BUSY}, options));
while ((await faas.health()).pool.activeInstances === 0);
controller.abort();
const aborted = await run;
while ((await faas.executions.list({{ status: "cancelled" }})).count < 2);
const late = await caught(faas.run("1", options));
show([left.message, aborted.name, late.name]);
""")
        self.assertEqual(shown, ["the stream was left before its end", "AbortError", "AbortError"])

    def test_programs_start_from_what_another_left(self):
        shown = self.show("""
const { snapshot } = await faas.run("prices = [19.5, 5.5]", { keep: true });
const sums = [(await faas.run("prices.append(5); sum(prices)", { from: snapshot })).value,
  (await faas.run("sum(prices)", { from: snapshot.id, random: "fresh" })).value];
const { forks } = await faas.snapshots.get(snapshot);
const listed = (await faas.snapshots.list()).snapshots.some(({ id }) => id === snapshot.id);
await faas.snapshots.delete(snapshot);
let reason;
try { await faas.run("1", { from: snapshot }); } catch (error) { reason = [error.name, error.reason]; }
const unknown = await caught(faas.snapshots.get("../health"));
const { not_kept } = await faas.run("while True: pass", { keep: true, timeout: 300 });
show([sums, forks, listed, reason, unknown.name, unknown.status_code, not_kept.length > 0]);
""")
        self.assertEqual(shown[:3], [[30, 25], 2, True])
        self.assertEqual((shown[3][0], "deleted" in shown[3][1]), ("GoneError", True))
        self.assertEqual(shown[4:], ["NotFoundError", 404, True])

    def test_sessions_are_used_forked_undone_and_ended(self):
        shown = self.show("""
const session = await faas.sessions.open({ name: "js", files: { "a.txt": "one" }, idle_timeout: 60_000 });
const first = await session.run("x = 20\\nopen('a.txt').read()");
const plus = await faas.run("x + 1", { session: session.id });
const events = [];
for await (const event of session.stream("print(x)")) events.push(event.type);
await session.files.put("d/é.bin", new Uint8Array([0, 255]));
const bytes = [...(await session.files.get("d/é.bin"))];
const names = (await session.files.list()).files.map(({ name }) => name).sort();
const [fork] = await session.fork();
await session.run("x = 3");
await session.undo();
await session.files.delete("a.txt");
const variable = (await session.variables()).variables[0].repr;
const found = (await faas.sessions.list({ name: "js" })).map(({ id }) => id === session.id);
const same = (await faas.sessions.get(session.id)).info.name;
const states = [await session.interrupt(), (await session.refresh()).cells, (await session.restart()).cells];
const forked = (await fork.run("x")).value;
await fork.delete();
await session[Symbol.asyncDispose]();
await session[Symbol.asyncDispose]();
const gone = await caught(session.run("1"));
show([first.value, first.session.state, plus.value, events, bytes, names, variable, found, same, states[0],
  states[2], forked, gone.name]);
""")
        kept = ["one", "kept", 21, ["stdout", "result"], [0, 255], ["a.txt", "d/é.bin"], "20", [True]]
        self.assertEqual(shown, [*kept, "js", False, 0, 20, "GoneError"])

    def test_batches_run_over_arrays_and_over_what_is_made_row_by_row(self):
        shown = self.show("""
const batch = faas.runBatch({ program: "2 * input_data", inputs: [1, 2, null] }, { setup: "y = 1" });
const rows = [];
for await (const row of batch) rows.push(row);
rows.sort((a, b) => a.index - b.index);
const values = rows.map(({ value }) => value ?? null);
const summary = await batch.summary();
const programs = faas.runBatch({ programs: new Set(["1", { code: "input_data", input: 2 }, false]) });
const refused = [];
for await (const row of programs) if (!row.ok) refused.push(row.index, row.error.name);
let taken = 0;
function* endless() { for (;;) { taken += 1; yield "x".repeat(100_000); } }
let read = 0;
const shared = { isolation: "shared", timeout: 30_000, priority: "urgent" };
for await (const row of faas.runBatch({ program: "len(input_data)", inputs: endless() }, shared))
  if ((read += 1) === 20) break;
async function* throwing() { yield 1; throw new RangeError("no more"); }
const thrown = await caught(faas.runBatch({ program: "1", inputs: throwing() }).summary());
const failed = await caught(faas.runBatch({ program: "1", inputs: [1] }, { setup: "1 / 0" }).summary());
const source = [1, 2].values();
const none = { isolation: "none" };
const wrong = await caught(faas.runBatch({ program: "1", inputs: source }, none).summary());
show([values, rows[2].error.name, summary.succeeded, batch.setup.ok, refused, taken < 1000, thrown.message,
  failed.message, wrong.name, source.next().value]);
""")
        error = "ZeroDivisionError: division by zero"
        self.assertEqual(shown[:5], [[2, 4, None], "ProgramError", 2, True, [2, "StatusError"]])
        self.assertEqual(shown[5:], [True, "no more", error, "InvalidRequestError", 1])

    def test_a_program_calls_tools_of_its_caller(self):
        shown = self.show("""
const inputSchema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
const half = client.tool({ name: "half", description: "Halves.", inputSchema,
  outputSchema: { type: "integer" },
  run: ({ n }) => { if (n % 2) throw new RangeError(`${n} is odd`); return n / 2; } });
const waiting = [];
const meet = { name: "meet", inputSchema, run: ({ n }) => new Promise((resolve) => {
  waiting.push(() => resolve(n));
  if (waiting.length === 3) waiting.forEach((go) => go());
}) };
const wrong = { name: "wrong", outputSchema: { type: "string" }, run: async () => 5 };
const strange = { name: "strange", run: () => 5n };
const tools = [half, meet, wrong, strange];
const few = new Faas({ maxConnections: 1 });
const run = async (code, options) => (await few.run(code, { tools, ...options }));
const stream = few.stream("print(1)\\nx = tools.half(4)\\nx", { tools });
const events = [];
for await (const event of stream) events.push(event.type);
const session = await faas.sessions.open();
await session.run("x = tools.half(8)", { tools });
show([(await run("tools.half(84)")).value,
  (await run("return await tools.half({ n: 4 })", { language: "typescript" })).value,
  (await run("tools.half(3)")).error.message,
  (await run("tools.half('x')")).error.message.includes("InvalidInput"),
  (await run("return await Promise.all([1, 2, 3].map((n) => tools.meet({ n })))", { language: "js" })).value,
  (await run("tools.wrong()")).error.message.includes("does not fit the output_schema"),
  (await run("tools.strange()")).error.message.includes("TypeError"),
  events, (await stream.result()).value, (await session.run("x", { tools })).value,
  (await faas.describeTools([half])).typescript.includes("half(input: { n: number }): Promise<number>")]);
""")
        self.assertEqual(shown[:5], [42, 2, "tools.ToolError: RangeError: 3 is odd", True, [1, 2, 3]])
        events = ["stdout", "tool_calls", "display", "result"]
        self.assertEqual(shown[5:], [True, True, events, 2, 4, True])

    def test_results_whose_answer_was_lost_are_sent_again_and_the_tool_is_not_called_again(self):
        proxy = self.losing("hand_on", "lose_the_answer", "hand_on", "hand_on", "lose_the_answer")
        shown = self.show(
            """
let called = 0;
const count = { name: "count", run: () => (called += 1) };
const { value } = await faas.run("tools.count()", { tools: [count] });
const streamed = await faas.stream("tools.count()", { tools: [count] }).result();
show([value, streamed.value, called]);
""",
            FAAS_URL=proxy.address,
        )
        self.assertEqual(shown, [1, 2, 2])
        self.assertIn(b"x-session: cont-", proxy.seen[1].lower())

    def test_the_history_health_and_checks_are_told(self):
        shown = self.show("""
const first = await faas.run("print('first')");
await faas.run("second");
const page = await faas.executions.list({ limit: 1, language: "python" });
const since = new Date(Date.now() - 3600e3);
const next = await faas.executions.list({ limit: 1, before: page.next, since });
const found = await faas.executions.get(first.task_id);
const check = await faas.checkCode("import json\\nfor x in y: print(x)");
const js = await faas.checkCode("let x = 1;\\nlet x = 2;", { language: "javascript" });
show([page.executions[0].status, next.executions[0].task_id === first.task_id, found.output.stdout,
  (await faas.health()).status, (await faas.ready({ language: "python" })).status,
  check.imports[0].module, check.complexity.loops.estimate, js.valid, js.errors[0].line]);
""")
        state = ["healthy", "ready", "json", "O(n)", False, 2]
        self.assertEqual(shown, ["error", True, "first\n", *state])

    def test_an_invalid_request_names_the_field(self):
        shown = self.show("""
const tooMany = { args: Array(300).fill("x") };
const url = await caught((async () => new Faas({ url: "localhost:8000" }))());
show([await caught(faas.run("1", tooMany)), await caught(faas.stream("1", tooMany).result()), url.name]);
""")
        for error in shown[:2]:
            self.assertEqual((error["name"], error["status_code"]), ("InvalidRequestError", 400))
            self.assertIn("'args'", error["message"])
            self.assertTrue(error["request_id"])
        self.assertEqual(shown[2], "TypeError")

    def test_a_program_whose_answer_was_lost_does_not_run_twice(self):
        proxy = self.losing("lose_the_answer", "hand_on")
        code = "print('once') # " + 50 * "x"
        shown = self.show(f"show((await faas.run({json.dumps(code)})).stdout)", FAAS_URL=proxy.address)
        self.assertEqual(shown, "once\n")
        self.assertEqual((len(proxy.seen), len(set(proxy.seen))), (2, 1))
        ran = [found for found in self.server.executions() if found["code_bytes"] == len(code)]
        self.assertEqual(len(ran), 1)

    def test_what_may_not_be_sent_again_is_not(self):
        proxy = self.losing("lose_the_request", "hand_on", "lose_the_request", "cut_the_answer")
        proxy.treatments += [proxy.hand_on, proxy.lose_the_answer]
        shown = self.show(
            """
const { value } = await faas.run("1");
const once = new Faas({ maxRetries: 0 });
const given_up = await caught(once.run("1"));
const broken = await caught(faas.stream("print(1)").result());
const { snapshot } = await faas.run("1", { keep: true });
const deleted = await caught(faas.snapshots.delete(snapshot));
show([value, given_up.name, broken.name, broken.message, deleted.name]);
""",
            FAAS_URL=proxy.address,
        )
        lost = "FaasConnectionError"
        self.assertEqual(shown[:3] + shown[4:], [1, lost, lost, lost])
        self.assertRegex(shown[3], "broke off|no connection")
        self.assertEqual(len(proxy.seen), 6)

    def test_answers_that_are_late_or_not_of_the_service_are_told(self):
        proxy = self.losing("never_answer")
        page = proxy.answer("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close\n\nhello")
        other = proxy.answer("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\n{}")
        gateway = proxy.answer("HTTP/1.1 502 Bad Gateway\nContent-Length: 5\nConnection: close\n\nhello")
        proxy.treatments += [page, other, gateway]
        shown = self.show(
            """
const impatient = new Faas({ requestTimeout: 200 });
const names = [(await caught(impatient.health())).name];
for (let i = 0; i < 3; i += 1) names.push((await caught(faas.run("1"))).name);
const none = new Faas({ url: "http://127.0.0.1:9", maxRetries: 1 });
const patient = new Faas({ url: process.env.SERVER, requestTimeout: 5000 });
const busy = await patient.run("while True: pass", { timeout: 500 });
show([...names, (await caught(none.run("1"))).name, busy.status]);
""",
            FAAS_URL=proxy.address,
            SERVER=self.server.address,
        )
        names = ["FaasTimeoutError", "InvalidAnswerError", "InvalidAnswerError", "ServerError"]
        self.assertEqual(shown, [*names, "FaasConnectionError", "timeout"])

    def test_many_programs_run_at_once_and_a_few_are_on_their_way(self):
        shown = self.show("""
let [onTheirWay, most] = [0, 0];
const counting = async (...request) => {
  most = Math.max(most, (onTheirWay += 1));
  try { return await fetch(...request); } finally { onTheirWay -= 1; }
};
const few = new Faas({ maxConnections: 20, fetch: counting });
const numbers = Array.from({ length: 300 }, (_, number) => number);
const results = await Promise.all(numbers.map((input) => few.run("input_data * 2", { input })));
// A place is given back also by what fails.
const throwing = () => { throw new TypeError("broken"); };
const broken = new Faas({ maxConnections: 1, maxRetries: 0, fetch: throwing });
const errors = [await caught(broken.run("1")), await caught(broken.stream("1").result())];
const names = errors.map(({ name }) => name);
show([results.every(({ value }, number) => value === 2 * number), most, names]);
""")
        self.assertEqual(shown, [True, 20, ["FaasConnectionError", "FaasConnectionError"]])

    def test_readme_and_examples_do_what_they_say(self):
        readme = (CLIENT / "README.md").read_text().replace("http://localhost:8000", self.server.address)
        blocks = re.findall(r"```(?:js|ts)\n(.*?)```", readme, re.DOTALL)
        self.assertGreater(len(blocks), 4)
        self.assertTrue(node("\n".join(blocks)).endswith("0\n1\n2\n"))
        agent = node((CLIENT / "examples/agent.mjs").read_text(), FAAS_URL=self.server.address)
        self.assertTrue(agent.endswith("ANSWER: The total is 120.\n"), agent)
        scores = node((CLIENT / "examples/evaluate_table.mjs").read_text(), FAAS_URL=self.server.address)
        lines = ['2 + 2: {"score":1,"calls":1}', 'capital of France: {"score":0,"calls":1}']
        self.assertEqual(scores.splitlines(), [*lines, "3 * 3: Error: not an answer: nine"])

    @unittest.skipUnless(os.path.exists(CHROMIUM), f"there is no {CHROMIUM}")
    def test_a_page_in_a_browser_runs_programs(self):
        script = ROOT / "tests/clients/browser.mjs"
        run = subprocess.run(
            ["node", script, self.server.address], capture_output=True, text=True, timeout=120, check=False
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        events = ["stdout", "display", "result"]
        seen = ["é", [0, 255, 0, 255], events, "NotFoundError", "FaasConnectionError"]
        self.assertEqual(json.loads(run.stdout), seen)

    def test_types_are_those_of_the_api(self):
        """A program of a user is checked with what is installed."""
        with tempfile.NamedTemporaryFile("w", suffix=".mts", dir=INSTALLED) as file:
            file.write("""
import { Faas, GoneError, tool, type RunOptions, type Session, type Snapshot } from "faas-server-client";
const faas = new Faas({ requestTimeout: 1000 });
const options: RunOptions = { language: "python", timeout: 5, files: { a: new Uint8Array() } };
const result = await faas.run("1", options);
const snapshot: Snapshot | undefined = result.snapshot;
const [status, value]: [string, unknown] = [result.status, result.value];
for await (const event of faas.stream("1", { keep: true })) {
  if (event.type === "result") console.log(event.result.exit_code.toFixed());
  // @ts-expect-error An event has no such type.
  if (event.type === "nothing") break;
}
// @ts-expect-error There is no such language.
await faas.run("1", { language: "cobol" });
// @ts-expect-error A stream has no key.
faas.stream("1", { idempotencyKey: "x" });
const half = tool({ name: "half", run: ({ n }: { n: number }) => n / 2 });
await faas.run("1", { tools: [half] });
// @ts-expect-error A tool has a name.
await faas.run("1", { tools: [{ run: () => 1 }] });
const session: Session = await faas.sessions.open({ language: "python" });
const rows = faas.runBatch({ program: "1", inputs: [1].values() });
for await (const row of rows) console.log(row.index.toFixed());
// @ts-expect-error A batch has inputs or programs.
faas.runBatch({ program: "1", inputs: [1], programs: ["1"] });
console.log(session.info.cells, snapshot?.expires_at.length, status, value, (x: GoneError) => x.reason);
""")
            file.flush()
            tsc = ["tsc", "--noEmit", "--strict", "--target", "ES2022", "--module", "NodeNext", file.name]
            run = subprocess.run(tsc, capture_output=True, text=True, check=False)
        self.assertEqual((run.returncode, run.stdout), (0, ""))


class Settings(WithServer):
    """Servers of other settings."""

    settings: typing.ClassVar = {"FAAS_LANGUAGE": "javascript", "FAAS_API_TOKEN": TOKEN}

    def test_the_token_comes_from_the_caller_or_from_the_environment(self):
        shown = self.show(
            """
const url = process.env.FAAS_URL + "/";
const wrong = await caught(new Faas({ token: "wrong" }).run("return 1"));
show([(await faas.run("return 1")).value, (await new Faas({ url }).run("return 2")).value, wrong.name]);
""",
            FAAS_API_TOKEN=TOKEN,
        )
        self.assertEqual(shown, [1, 2, "UnauthorizedError"])

    def test_a_full_queue_is_too_busy_until_a_worker_is_free(self):
        few = {"FAAS_WORKER_COUNT": "1", "FAAS_QUEUE_SIZE": "0", "FAAS_POOL_SIZE": "1"}
        server = Server(FAAS_LANGUAGE="javascript", **few)
        self.addCleanup(server.stop)
        shown = self.show(
            f"""
const impatient = new Faas({{ maxRetries: 0 }});
const patient = new Faas({{ maxRetries: 20 }});
const busy = faas.stream({BUSY}, {{ timeout: 1500 }});
await busy[Symbol.asyncIterator]().next();
const refused = await caught(impatient.run("return 1"));
const other = await caught(impatient.stream("return 1").result());
const ready = await impatient.ready();
const {{ value }} = await patient.run("return 1");
show([refused.name, refused.retry_after >= 1, other.name, ready.status, value]);
""",
            server,
        )
        self.assertEqual(shown, ["TooBusyError", True, "TooBusyError", "not_ready", 1])

    def test_a_service_that_ends_says_so_in_a_stream(self):
        server = Server(FAAS_LANGUAGE="javascript", FAAS_SHUTDOWN_GRACE="100")
        self.addCleanup(server.stop)
        script = f"""
const events = faas.stream({BUSY})[Symbol.asyncIterator]();
await events.next();
process.kill({server.process.pid}, "SIGTERM");
show(await caught(events.next()));
"""
        shown = self.show(script, server)
        self.assertEqual((shown["name"], "status_code" in shown), ("ServerError", False))


class Package(unittest.TestCase):
    def test_both_clients_have_the_version_of_the_server(self):
        version = json.loads((CLIENT / "package.json").read_text())["version"]
        self.assertIn(f'\nversion = "{version}"\n', (ROOT / "Cargo.toml").read_text())
        python = (ROOT / "clients/python/pyproject.toml").read_text()
        self.assertIn(f'\nversion = "{version}"\n', python)

    def test_the_package_has_its_licence_and_nothing_of_the_tests(self):
        place = INSTALLED / "node_modules/faas-server-client"
        files = {path.name for path in pathlib.Path(place).iterdir()}
        self.assertEqual(files, {"LICENSE", "README.md", "dist", "package.json"})
        for client in ("python", "typescript"):
            licence = (ROOT / "clients" / client / "LICENSE").read_text()
            self.assertEqual(licence, (ROOT / "LICENSE").read_text())


if __name__ == "__main__":
    unittest.main()
