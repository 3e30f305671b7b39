"""The door for code evaluators of Langfuse, tried with the client of AWS that Langfuse calls Lambda with."""

import json
import pathlib
import unittest

from service import ROOT, Server, WithServer, run_node

TOKEN = "0123456789abcdef"
KEYS = ("AKIDEXAMPLE", "a-secret-of-a-key-pair")
ROUTE = "/2015-03-31/functions/code-based-eval-executor-python/invocations"
PAYLOAD = {
    "observation": {
        "input": "hello",
        "output": "hello world",
        "metadata": {"topic": "weather"},
        "toolCalls": [{"id": "1", "name": "search", "arguments": {"q": "x"}, "type": "function", "index": 0}],
    },
    "experiment": {"itemExpectedOutput": "hello world", "itemMetadata": {"item": 42}},
}
TYPESCRIPT = """
type Observation = { input: string; output: string; metadata: { topic: string } };
function evaluate({ observation, experiment }: { observation: Observation; experiment?: any }) {
  return {
    scores: [
      { name: "contains", value: observation.output.includes(observation.input), dataType: "BOOLEAN" },
      { name: observation.metadata.topic, value: experiment?.itemMetadata.item ?? 0, dataType: "NUMERIC" },
    ],
  };
}
"""
PYTHON = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Weighed(Score):
    weight: float | None = None

NOTE = Score(name="expected", value="", data_type="TEXT", metadata={"data_type": "kept as it is"})

def evaluate(ctx: EvaluationContext) -> EvaluationResult:
    NOTE.value = ctx.experiment.item_expected_output
    contains = ctx.observation.input in ctx.observation.output
    return EvaluationResult(scores=[
        {"name": "contains", "value": contains, "data_type": "BOOLEAN", "comment": None},
        Weighed(ctx.experiment.item_metadata["item"], ctx.observation.metadata["topic"], "NUMERIC"),
        Score(name="tool", value=ctx.observation.tool_calls[0].name),
        NOTE,
    ])
"""


def event(language, source, payload=None):
    return {
        "scope": {"organizationId": "org", "projectId": "project", "evaluatorId": "evaluator"},
        "runtime": {"language": language},
        "execution": {"jobExecutionId": "job"},
        "code": {"source": source},
        "payload": PAYLOAD if payload is None else payload,
    }


def invoke(address, events, keys=KEYS, attempts=1, **options):
    """What the client says to each event, invoked as Langfuse's dispatcher does."""
    script = f"""
import {{ InvokeCommand, LambdaClient }} from "@aws-sdk/client-lambda";
const client = new LambdaClient({{
  endpoint: {json.dumps(address)}, region: "eu-central-1", maxAttempts: {attempts},
  credentials: {{ accessKeyId: {json.dumps(keys[0])}, secretAccessKey: {json.dumps(keys[1])} }},
}});
const invoke = async (event) => {{
  try {{
    const answer = await client.send(new InvokeCommand({{
      FunctionName: event.runtime?.language === "PYTHON"
        ? "code-based-eval-executor-python" : "code-based-eval-executor-node",
      InvocationType: "RequestResponse",
      Payload: Buffer.from(JSON.stringify(event)),
      TenantId: "org:project",
      ...{json.dumps(options)},
    }}));
    if (answer.FunctionError) throw new Error(answer.FunctionError);
    const status = [answer.StatusCode, answer.ExecutedVersion, typeof answer.$metadata.requestId];
    return {{ status, ...JSON.parse(Buffer.from(answer.Payload).toString("utf8")) }};
  }} catch (error) {{
    return {{ thrown: error.name, message: error.message, attempts: error.$metadata?.attempts }};
  }}
}};
const answers = await Promise.all({json.dumps(events)}.map(invoke));
console.log(JSON.stringify(answers));
"""
    return run_node(script)


class Langfuse(WithServer):
    """Evaluators, with a service that has neither a token nor a key pair."""

    def test_evaluators_in_both_languages_get_the_observation_and_answer_with_scores(self):
        python, typescript = invoke(
            self.server.address, [event("PYTHON", PYTHON), event("TYPESCRIPT", TYPESCRIPT)]
        )
        self.assertEqual(python.pop("status"), [200, "$LATEST", "string"])
        contains = {"name": "contains", "value": True, "dataType": "BOOLEAN"}
        weather = {"name": "weather", "value": 42, "dataType": "NUMERIC"}
        self.assertEqual(typescript["scores"], [contains, weather])
        expected = {
            "name": "expected",
            "value": "hello world",
            "dataType": "TEXT",
            "metadata": {"data_type": "kept as it is"},
        }
        tool = {"name": "tool", "value": "search"}
        self.assertEqual(python, {"scores": [{**contains, "comment": None}, weather, tool, expected]})

    def test_evaluators_may_be_asynchronous_and_have_no_experiment(self):
        observed = {"observation": {"input": None, "output": [1, 2], "metadata": None, "toolCalls": []}}
        python = """
import asyncio
async def evaluate(ctx):
    await asyncio.sleep(0)
    assert ctx.experiment is None
    return {"scores": [{"name": "n", "value": len(ctx.observation.output)}]}
"""
        typescript = """
export const evaluate = async (ctx: any) => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return { scores: [{ name: "n", value: ctx.observation.output.length as number }], more: ctx.experiment };
} // the last line has no end"""
        answers = invoke(
            self.server.address,
            [event("PYTHON", python, observed), event("TYPESCRIPT", typescript, observed)],
        )
        for answer in answers:
            self.assertEqual(answer["scores"], [{"name": "n", "value": 2}])

    def test_every_error_has_the_code_that_langfuse_knows(self):
        wanted = [
            ("PYTHON", "def evaluate(ctx)\n  pass", "INVALID_SOURCE", "SyntaxError: expected ':'"),
            ("PYTHON", "x = 1", "INVALID_SOURCE", "must define an evaluate(ctx) function"),
            ("PYTHON", "raise KeyError('a')", "INVALID_SOURCE", "KeyError: 'a' (line 1)"),
            (
                "PYTHON",
                "def evaluate(ctx):\n  return {}[ctx.observation.input]",
                "USER_CODE_ERROR",
                "KeyError: 'hello' (line 2)",
            ),
            ("PYTHON", "def evaluate(ctx):\n  exit(3)", "USER_CODE_ERROR", "SystemExit: 3"),
            ("PYTHON", "def evaluate(ctx):\n  return 'a' * 10**9", "USER_CODE_ERROR", "MemoryError"),
            ("PYTHON", "def evaluate(ctx):\n  return {'scores': 1}", "INVALID_RESULT", "{ scores: [...] }"),
            ("PYTHON", "def evaluate(ctx):\n  return {'error': {}}", "INVALID_RESULT", "{ scores: [...] }"),
            (
                "PYTHON",
                "def evaluate(ctx):\n  return {'scores': [float('nan')]}",
                "INVALID_RESULT",
                "could not be serialized",
            ),
            (
                "PYTHON",
                "a = []\na.append(a)\ndef evaluate(ctx):\n  return {'scores': a}",
                "INVALID_RESULT",
                "could not be serialized: RecursionError",
            ),
            (
                "PYTHON",
                "def evaluate(ctx):\n  return {'scores': ['x' * 300_000]}",
                "RESULT_TOO_LARGE",
                "262144 bytes",
            ),
            ("TYPESCRIPT", "const x: = 1", "INVALID_SOURCE", "SyntaxError"),
            ("TYPESCRIPT", "const x = 1", "INVALID_SOURCE", "must define an evaluate(ctx) function"),
            ("TYPESCRIPT", "/* not closed", "INVALID_SOURCE", "comment"),
            ("TYPESCRIPT", "throw new Error('at load')", "INVALID_SOURCE", "Error: at load"),
            ("TYPESCRIPT", "function evaluate() { throw new Error('boom') }", "USER_CODE_ERROR", "boom"),
            ("TYPESCRIPT", "function evaluate() { return [] }", "INVALID_RESULT", "{ scores: [...] }"),
            ("TYPESCRIPT", "function evaluate() { return { scores: [1n] } }", "INVALID_RESULT", "BigInt"),
            (
                "TYPESCRIPT",
                "function evaluate() { return { scores: ['x'.repeat(300_000)] } }",
                "RESULT_TOO_LARGE",
                "262144 bytes",
            ),
            ("PYTHON", "#" * (256 * 1024 + 1), "SOURCE_TOO_LARGE", "262144 bytes"),
            ("JAVA", "x", "UNSUPPORTED_RUNTIME", "PYTHON, TYPESCRIPT"),
        ]
        events = [event(language, source) for language, source, _, _ in wanted]
        answers = invoke(self.server.address, events)
        for (language, source, code, message), answer in zip(wanted, answers, strict=True):
            with self.subTest(language=language, source=source[:80]):
                self.assertEqual(answer["error"]["code"], code, answer)
                self.assertIn(message, answer["error"]["message"])

    def test_what_lambda_refuses_is_refused_by_the_same_names(self):
        large = event("PYTHON", "x", {"observation": {"input": "x" * (6 << 20)}})
        for sent, options, name, message in [
            (large, {}, "RequestTooLargeException", "5767168 bytes"),
            ({"records": []}, {}, "InvalidRequestContentException", "'runtime' must be an object"),
            (event("PYTHON", 1), {}, "InvalidRequestContentException", "code.source"),
            (event("PYTHON", "x", [1]), {}, "InvalidRequestContentException", "'payload' must be an object"),
            (
                event("PYTHON", "x"),
                {"InvocationType": "Event"},
                "InvalidRequestContentException",
                "RequestResponse",
            ),
        ]:
            with self.subTest(name=name, message=message):
                [answer] = invoke(self.server.address, [sent], **options)
                self.assertEqual(answer["thrown"], name, answer)
                self.assertIn(message, answer["message"])
        status, answer = self.server.get("/2015-03-31/functions")
        self.assertEqual((status, answer["Type"]), (404, "ResourceNotFoundException"))
        self.assertIn("/2015-03-31/functions/{name}/invocations", answer["message"])
        self.assertEqual(self.server.get(ROUTE)[0], 404)

    def test_the_history_has_the_source_of_the_evaluator_and_the_log_its_route(self):
        source = "def evaluate(ctx):\n    return {'scores': []}"
        self.assertEqual(self.server.post(ROUTE, json.dumps(event("PYTHON", source))), (200, {"scores": []}))
        newest = self.server.executions()[0]
        self.assertEqual((newest["status"], newest["code_bytes"]), ("success", len(source)))
        lines = [json.loads(line) for line in self.server.lines().splitlines()]
        [line] = [line for line in lines if line["fields"].get("task_id") == newest["task_id"]]
        self.assertEqual(
            line["spans"][0]["route"], ROUTE.replace("code-based-eval-executor-python", "{name}")
        )


class Settings(unittest.TestCase):
    """What settings do to evaluators."""

    def serve(self, **settings):
        server = Server(**settings)
        self.addCleanup(server.stop)
        return server

    def test_with_a_key_pair_only_its_signatures_are_served_and_the_token(self):
        server = self.serve(
            FAAS_LANGUAGE="javascript", FAAS_API_TOKEN=TOKEN, FAAS_LANGFUSE_KEYS=":".join(KEYS)
        )
        sent = [event("TYPESCRIPT", TYPESCRIPT)]
        self.assertIn("scores", invoke(server.address, sent)[0])
        # Names with characters that are escaped, and a part of the query, are signed as well.
        arn = "arn:aws:lambda:eu-central-1:123456789012:function:evaluators"
        self.assertIn("scores", invoke(server.address, sent, FunctionName=arn, Qualifier="$LATEST")[0])
        for keys, message in [
            ((KEYS[0], "another-secret-than-that"), "not that of this request"),
            (("AKIDOTHER", KEYS[1]), "access key id"),
        ]:
            [answer] = invoke(server.address, sent, keys=keys)
            self.assertEqual(answer["thrown"], "AccessDeniedException", answer)
            self.assertIn(message, answer["message"])
        unsigned = json.dumps(sent[0])
        self.assertEqual(server.post(ROUTE, unsigned)[0], 403)
        self.assertEqual(server.post(ROUTE, unsigned, authorization="Bearer wrong")[0], 403)
        self.assertEqual(server.post(ROUTE, unsigned, authorization=f"Bearer {TOKEN}")[0], 200)
        # The key pair opens nothing else.
        self.assertEqual(server.post("/run_code", "{}")[0], 401)

    def test_with_a_token_and_no_key_pair_a_signature_is_no_way_around_the_token(self):
        server = self.serve(FAAS_LANGUAGE="javascript", FAAS_API_TOKEN=TOKEN)
        sent = event("TYPESCRIPT", TYPESCRIPT)
        for keys in (KEYS, (TOKEN, TOKEN)):
            [answer] = invoke(server.address, [sent], keys=keys)
            self.assertEqual(answer["thrown"], "AccessDeniedException", answer)
            self.assertIn("FAAS_LANGFUSE_KEYS", answer["message"])
        self.assertEqual(server.post(ROUTE, json.dumps(sent), authorization=f"Bearer {TOKEN}")[0], 200)

    def test_with_a_key_pair_and_no_token_an_unsigned_request_is_refused(self):
        server = self.serve(FAAS_LANGUAGE="javascript", FAAS_LANGFUSE_KEYS=":".join(KEYS))
        sent = event("TYPESCRIPT", TYPESCRIPT)
        self.assertIn("scores", invoke(server.address, [sent])[0])
        self.assertEqual(server.post(ROUTE, json.dumps(sent))[0], 403)

    def test_an_evaluator_that_does_not_end_is_a_timeout_before_langfuse_gives_up(self):
        server = self.serve(FAAS_MAX_EXECUTION_TIME="400")
        answers = invoke(
            server.address,
            [
                event("PYTHON", "def evaluate(ctx):\n  while True: pass"),
                event("TYPESCRIPT", "function evaluate() { for (;;); }"),
                event("PYTHON", "while True: pass"),
            ],
        )
        for answer in answers:
            self.assertEqual(answer["error"]["code"], "TIMEOUT", answer)
            self.assertIn("400 ms", answer["error"]["message"])

    def test_a_full_queue_is_a_throttling_that_the_client_tries_again(self):
        server = self.serve(
            FAAS_LANGUAGE="javascript", FAAS_WORKER_COUNT="1", FAAS_QUEUE_SIZE="0", FAAS_POOL_SIZE="1"
        )
        slow = "const evaluate = () => new Promise((r) => setTimeout(r, 1500, { scores: [] }));"
        answers = invoke(server.address, [event("TYPESCRIPT", slow)] * 2)
        refused = [answer for answer in answers if "thrown" in answer]
        self.assertEqual([answer["thrown"] for answer in refused], ["TooManyRequestsException"], answers)
        answers = invoke(server.address, [event("TYPESCRIPT", slow)] * 2, attempts=8)
        self.assertEqual([answer.get("scores") for answer in answers], [[], []])

    def test_what_an_evaluator_imports_is_installed_and_not_mixed_up_with_another_s(self):
        wheels = ROOT / "target/test-distribution"
        if not any(pathlib.Path(wheels).glob("numpy-*.whl")):
            self.skipTest("there are no packages: scripts/fetch-test-distribution")
        server = self.serve(FAAS_PYODIDE_PACKAGES=str(wheels))
        source = "import numpy\ndef evaluate(ctx):\n    return {'scores': [str(numpy.arange(3))]}"
        other = "import sys\ndef evaluate(ctx):\n    return {'scores': ['numpy' in sys.modules]}"
        for _ in range(2):
            [answer] = invoke(server.address, [event("PYTHON", source)])
            self.assertEqual(answer.get("scores"), ["[0 1 2]"], answer)
            [answer] = invoke(server.address, [event("PYTHON", other)])
            self.assertEqual(answer.get("scores"), [False], answer)

    def test_an_evaluator_that_is_too_complex_is_an_invalid_source(self):
        server = self.serve(FAAS_MAX_COMPLEXITY="3")
        branches = "".join(f"    if ctx == {number}: return\n" for number in range(9))
        answers = invoke(
            server.address,
            [
                event("PYTHON", f"def evaluate(ctx):\n{branches}    return {{'scores': []}}"),
                event("PYTHON", "def evaluate(ctx):\n    return {'scores': []}"),
                event("TYPESCRIPT", TYPESCRIPT),
            ],
        )
        self.assertEqual(answers[0]["error"]["code"], "INVALID_SOURCE")
        self.assertIn("FAAS_MAX_COMPLEXITY", answers[0]["error"]["message"])
        self.assertEqual(answers[1]["scores"], [])
        self.assertEqual(len(answers[2]["scores"]), 2)
