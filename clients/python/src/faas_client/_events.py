"""What comes while a program runs, as server-sent events."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, Optional, Union

from ._errors import InvalidAnswerError, ServerError
from ._models import RunResult, ShownResult, ToolCall, decode, run_result


@dataclasses.dataclass(frozen=True)
class Stdout:
    """What the program printed."""

    text: str


@dataclasses.dataclass(frozen=True)
class Stderr:
    """What the program wrote to its standard error."""

    text: str


@dataclasses.dataclass(frozen=True)
class Display:
    """What the program displayed, or the value that it ended with."""

    result: ShownResult


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far its packages are, which the program waits for."""

    packages: list[str]
    #: waiting, fetching, installing or ready.
    stage: str
    file: Optional[str] = None
    #: What was fetched so far.
    files: int = 0
    bytes: int = 0


@dataclasses.dataclass(frozen=True)
class ToolCalls:
    """What the program wants to know: its tools are called when the next event is asked for."""

    tool_calls: list[ToolCall]
    continuation: str


@dataclasses.dataclass(frozen=True)
class Done:
    """How the program ended: the last event."""

    result: RunResult


Event = Union[Stdout, Stderr, Display, Progress, ToolCalls, Done]


class EventParser:
    """Makes events of the bytes of a stream, as they come."""

    def __init__(self, request_id: Optional[str]) -> None:
        self._request_id = request_id
        self._rest = bytearray()
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Event]:
        self._rest += chunk
        if b"\n" not in chunk:
            return
        # Not by splitlines: texts in JSON may have line separators of Unicode.
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            field, _, value = line.decode().rstrip("\r").partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                self._name = value
            elif field == "data":
                self._data.append(value)
            elif not field and not value and self._data:
                event = self._event()
                self._name, self._data = "", []
                if event is not None:
                    yield event

    def _event(self) -> Optional[Event]:
        try:
            body: Any = json.loads("\n".join(self._data))
        except ValueError as error:
            raise InvalidAnswerError(f"the stream is not one of faas-server: {error}") from error
        if self._name == "result":
            return Done(run_result(body, self._request_id))
        if self._name == "error":
            failed = decode(_Error, body)
            raise ServerError(failed.error, failed.details, request_id=self._request_id)
        if self._name == "display":
            return Display(decode(ShownResult, body))
        if self._name == "stdout":
            return decode(Stdout, body)
        if self._name == "stderr":
            return decode(Stderr, body)
        if self._name == "tool_calls":
            return decode(ToolCalls, body)
        if self._name == "progress":
            return decode(Progress, body)
        # An event of a newer service.
        return None


@dataclasses.dataclass(frozen=True)
class _Error:
    error: str
    details: str
