"""Runs a code evaluator of Langfuse: what its source finds, and what is made of what it returns.

The names and fields are those that Langfuse shows beside its editor.
"""

import ast
import dataclasses
import json
import sys
import traceback
import types
from dataclasses import dataclass, field
from typing import Any

import _faas_loop
import _faas_packages
from _faas_runner import return_val

# What its runner compiles sources as; messages have lines of it.
FILE_NAME = "<string>"
MODULE = "evaluator"
# Fields whose names in answers are others.
WIRE_NAMES = {"data_type": "dataType", "config_id": "configId"}


@dataclass
class ToolCall:
    id: str = ""
    name: str = ""
    arguments: Any = None
    type: str = ""
    index: int = 0


@dataclass
class ObservationContext:
    input: Any = None
    output: Any = None
    metadata: Any = None
    tool_calls: list[ToolCall] = field(default_factory=list)


@dataclass
class ExperimentContext:
    item_expected_output: Any = None
    item_metadata: Any = None


@dataclass
class EvaluationContext:
    observation: ObservationContext
    experiment: ExperimentContext | None = None


@dataclass
class Score:
    value: int | float | str | bool
    name: str
    data_type: str | None = None
    comment: str | None = None
    config_id: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass
class EvaluationResult:
    scores: list[Score] = field(default_factory=list)


NAMES = {kind.__name__: kind for kind in (EvaluationContext, EvaluationResult, Score, ToolCall)}


def run(source, payload):
    """Evaluate, and return what came of it."""
    return_val(evaluation(source, payload))


def evaluation(source, payload):
    """JSON with the result, or with why there is none."""
    try:
        evaluate = load(source)
    except (Exception, SystemExit) as error:
        return failure("INVALID_SOURCE", f"Failed to load evaluator source: {words(error)}")
    if not callable(evaluate):
        return failure("INVALID_SOURCE", "Evaluator source must define an evaluate(ctx) function")
    try:
        result = evaluate(context_of(payload))
        if hasattr(type(result), "__await__"):
            result = _faas_loop.complete(result)
    except (Exception, SystemExit) as error:
        return failure("USER_CODE_ERROR", words(error))
    try:
        return json.dumps({"result": with_wire_names(plain(result))}, allow_nan=False)
    except Exception as error:
        said = f"Evaluator returned a result that could not be serialized: {words(error)}"
        return failure("INVALID_RESULT", said)


def load(source):
    """Run the source; what it calls `evaluate`."""
    tree = compile(source, FILE_NAME, "exec", ast.PyCF_ONLY_AST, True)
    if "import" in source:
        _faas_packages.ask_for_imports(tree)
    code = compile(tree, FILE_NAME, "exec", dont_inherit=True)
    module = sys.modules[MODULE] = types.ModuleType(MODULE)
    module.__dict__.update(NAMES)
    exec(code, module.__dict__)
    return module.__dict__.get("evaluate")


def context_of(payload):
    observation, experiment = payload.get("observation") or {}, payload.get("experiment")
    calls = observation.get("toolCalls")
    return EvaluationContext(
        ObservationContext(
            observation.get("input"),
            observation.get("output"),
            observation.get("metadata"),
            [tool_call(call) for call in calls] if isinstance(calls, list) else [],
        ),
        ExperimentContext(experiment.get("itemExpectedOutput"), experiment.get("itemMetadata"))
        if isinstance(experiment, dict)
        else None,
    )


def tool_call(call):
    call = call if isinstance(call, dict) else {}
    texts = {name: call.get(name) or "" for name in ("id", "name", "type")}
    return ToolCall(arguments=call.get("arguments"), index=call.get("index") or 0, **texts)


def plain(value):
    """A value as JSON has it: data classes by their fields, what JSON does not know as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {WIRE_NAMES.get(name, name): plain(content) for name, content in fields if content is not None}
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value


def with_wire_names(result):
    """The result with the names of answers in its scores, also where they are plain dictionaries."""
    scores = result.get("scores") if isinstance(result, dict) else None
    for score in scores if isinstance(scores, list) else []:
        if isinstance(score, dict):
            for name, wire_name in WIRE_NAMES.items():
                if (value := score.pop(name, None)) is not None:
                    score.setdefault(wire_name, value)
    return result


def failure(code, message):
    return json.dumps({"error": {"code": code, "message": message}})


def words(error):
    """An error, and the line of the source where it came from."""
    name, text = type(error).__name__, str(error)
    said = f"{name}: {text}" if text else name
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == FILE_NAME]
    return f"{said} (line {lines[-1]})" if lines else said
