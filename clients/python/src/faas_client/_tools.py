"""Tools: functions of the caller that a program may call."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import enum
import functools
import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ._models import ToolCall
from ._shapes import NoSchemaError, Shape, Shapes

#: Most calls of a round that run at once in threads.
MOST_THREADS = 32


class Tool:
    """A function that a program may call, and what the program is told of it.

    What is not given is taken from the function: its name, the first paragraph of its docstring, and schemas
    from its type hints. With an input_schema of the caller's, the function gets JSON as it came, by name.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        input_schema: Mapping[str, Any] | None = None,
        output_schema: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises TypeError if there is no JSON Schema for the function's parameters, and none is given.

        output_schema: that of the function's return type if absent, if there is one; {} for none.
        """
        self.function = function
        self.name = name or getattr(function, "__name__", "")
        if not self.name:
            raise TypeError(f"{function!r} has no name: give one, Tool(function, name=…)")
        text, of_parameters = _documentation(inspect.getdoc(function) or "")
        self.description = text if description is None else description
        self._signature: _Signature | None = None
        if input_schema is None:
            self._signature = _Signature(function, self.name, of_parameters)
            input_schema = self._signature.schema
        self.input_schema = input_schema
        self.output_schema = _output_schema(function) if output_schema is None else output_schema

    @property
    def declaration(self) -> dict[str, Any]:
        """What the service is told."""
        parts = {
            "name": self.name,
            "description": self.description,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
        }
        return {name: part for name, part in parts.items() if part not in (None, "")}

    @property
    def is_async(self) -> bool:
        function = inspect.unwrap(self.function)
        while isinstance(function, functools.partial):
            function = function.func
        call = getattr(function, "__call__", None)  # noqa: B004 It is looked at, not only whether it is there.
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)

    def call(self, given: Mapping[str, Any]) -> Any:
        """What the function returns for an input that fits."""
        if self._signature is None:
            return self.function(**given)
        positional, named = self._signature.arguments(given)
        return self.function(*positional, **named)


class _Signature:
    """The parameters of a function."""

    def __init__(self, function: Callable[..., Any], name: str, texts: Mapping[str, str]) -> None:
        self._positional: list[str] = []
        self._shapes: dict[str, Shape] = {}
        shapes, required, defaults = Shapes(), [], {}
        self.others = False
        for parameter in _signature_of(function, name).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise TypeError(f"the tool {name}: arguments have names in JSON; *{parameter.name} has none")
            if parameter.kind is parameter.VAR_KEYWORD:
                self.others = True
                continue
            try:
                self._shapes[parameter.name] = shapes.of(parameter.annotation)
            except NoSchemaError as error:
                raise TypeError(
                    f"the tool {name}: its parameter {parameter.name} cannot be described: {error}. "
                    "Give Tool(function, input_schema=…)"
                ) from error
            if parameter.kind is parameter.POSITIONAL_ONLY:
                self._positional.append(parameter.name)
            if parameter.default is parameter.empty:
                required.append(parameter.name)
            else:
                defaults[parameter.name] = parameter.default
        properties = {
            parameter: _property(shape.schema, texts.get(parameter), defaults, parameter)
            for parameter, shape in self._shapes.items()
        }
        self.schema = {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": self.others,
        }
        if shapes.definitions:
            self.schema["$defs"] = shapes.definitions

    def arguments(self, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        named = {
            name: self._shapes[name].convert(value) if name in self._shapes else value
            for name, value in given.items()
        }
        # Those without a value have defaults, and so have all that follow.
        positional = [named.pop(name) for name in self._positional if name in named]
        return positional, named


def _signature_of(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        signature = inspect.signature(function)
        hints = _hints(function)
    except (NameError, TypeError, ValueError) as error:
        raise TypeError(
            f"the type hints of the tool {name} cannot be read: {error}. Give Tool(function, input_schema=…)"
        ) from error
    return signature.replace(
        parameters=[
            parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
            for parameter in signature.parameters.values()
        ],
        return_annotation=hints.get("return", signature.return_annotation),
    )


def _hints(function: Any) -> dict[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        function = function.__call__
    return typing.get_type_hints(function, include_extras=True)


def _property(
    schema: dict[str, Any], text: str | None, defaults: Mapping[str, Any], name: str
) -> dict[str, Any]:
    found = dict(schema)
    if text and "description" not in found:
        found["description"] = text
    if name in defaults:
        try:
            found["default"] = json.loads(as_json(defaults[name]))
        except (TypeError, ValueError):
            # One that JSON does not have: the function knows it.
            pass
    return found


def _output_schema(function: Callable[..., Any]) -> Mapping[str, Any] | None:
    shapes = Shapes(of_results=True)
    try:
        kind = _hints(function).get("return", Any)
        schema = shapes.of(kind).schema
    except (NameError, TypeError, ValueError, AttributeError):
        return None
    if not schema:
        return None
    return {**schema, "$defs": shapes.definitions} if shapes.definitions else schema


_GOOGLE = re.compile(r"(Args|Arguments|Parameters|Params):\s*")
_NUMPY = re.compile(r"(?:Other )?Parameters\n-{3,}\n")


def _documentation(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and what it says of parameters as Google, NumPy or Sphinx do."""
    first = text.partition("\n\n")[0]
    first = "" if re.match(r":param|(Args|Parameters)\b", first) else " ".join(first.split())
    found: dict[str, str] = {}
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if _GOOGLE.fullmatch(line):
            found.update(_items(lines[at + 1 :], r"\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)", indented=True))
        elif _NUMPY.match("\n".join([*lines[at : at + 2], ""])):
            found.update(_items(lines[at + 2 :], r"\*{0,2}(\w+)\s*(?::.*)?()", indented=False))
        elif re.match(r":param\b", line):
            found.update(_items(lines[at:], r":param(?: [^:]*?)?\s+(\w+):\s*(.*)", indented=False))
    return first, found


def _items(lines: Sequence[str], pattern: str, *, indented: bool) -> dict[str, str]:
    """Items with texts that go on in lines that are indented further."""
    found: dict[str, list[str]] = {}
    item: list[str] = []
    indent = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if not line.strip():
            continue
        if indent is None:
            indent = depth
        if depth < indent or (indented and depth == 0):
            break
        if depth > indent:
            item.append(line.strip())
            continue
        matched = re.fullmatch(pattern, line)
        if not matched:
            break
        item = found.setdefault(matched[1], [])
        item.append(matched[2])
    return {name: " ".join(" ".join(parts).split()) for name, parts in found.items()}


@dataclasses.dataclass(frozen=True)
class CallResult:
    """What a tool gave for a call, or why it gave nothing."""

    id: str
    #: A field in JSON: results may be long, and are made to JSON once.
    field: str
    failed: bool = False

    @property
    def json(self) -> str:
        return f'{{"id": {as_json(self.id)}, {self.field}}}'


class Toolbox:
    """The tools of one program."""

    def __init__(self, tools: Sequence[Callable[..., Any] | Tool]) -> None:
        self._tools = [tool if isinstance(tool, Tool) else Tool(tool) for tool in tools]
        self._by_name = {tool.name: tool for tool in self._tools}

    @property
    def declarations(self) -> list[dict[str, Any]]:
        return [tool.declaration for tool in self._tools]

    def call_in_threads(self, calls: Sequence[ToolCall]) -> list[CallResult]:
        """The results of a round, when all are there. Several calls run at the same time."""
        for call in calls:
            tool = self._by_name.get(call.name)
            if tool is not None and tool.is_async:
                raise TypeError(f"the tool {tool.name} is async: use AsyncFaas")
        if len(calls) == 1:
            return [self._called(calls[0])]
        with ThreadPoolExecutor(min(len(calls), MOST_THREADS), "faas-tool") as threads:
            running = [threads.submit(contextvars.copy_context().run, self._called, call) for call in calls]
            return [result.result() for result in running]

    async def call_in_tasks(self, calls: Sequence[ToolCall]) -> list[CallResult]:
        """The same for asyncio. Functions that are not async run in threads."""
        return list(await asyncio.gather(*map(self._awaited, calls)))

    def _called(self, call: ToolCall) -> CallResult:
        try:
            return _result(call, self._by_name[call.name].call(call.input))
        except Exception as error:
            return failed(call, error)

    async def _awaited(self, call: ToolCall) -> CallResult:
        try:
            tool = self._by_name[call.name]
            if tool.is_async:
                value = tool.call(call.input)
            else:
                value = await asyncio.to_thread(tool.call, call.input)
            return _result(call, await value if inspect.isawaitable(value) else value)
        except Exception as error:
            return failed(call, error)


def _result(call: ToolCall, value: Any) -> CallResult:
    # What JSON does not have is an error of this call, and not of the request.
    return CallResult(call.id, f'"result": {as_json(value)}')


def failed(call: ToolCall, error: Exception) -> CallResult:
    """What the program is told: never a traceback, which would show it the caller's code."""
    message = str(error)
    kind = type(error).__name__
    return CallResult(call.id, f'"error": {as_json(f"{kind}: {message}" if message else kind)}', failed=True)


def as_json(value: Any) -> str:
    """Raises TypeError or ValueError for what JSON does not have."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, default=_parts)


def _parts(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
