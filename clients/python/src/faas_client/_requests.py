"""What both clients have in common: how requests are made, and when one may be sent again."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import random
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Union, cast
from urllib.parse import quote

import httpx

from ._errors import (
    ConflictError,
    FaasConnectionError,
    FaasTimeoutError,
    InvalidAnswerError,
    InvalidRequestError,
    StatusError,
    refusal,
)
from ._models import Snapshot, ToolCall, decode
from ._options import BatchOptions, FileContent, RunOptions, SessionOptions, StreamOptions
from ._tools import CallResult, Tool, Toolbox, as_json, failed

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_URL = "http://localhost:8000"
#: FAAS_MAX_EXECUTION_TIME of a service of default settings, in seconds: no program may take longer.
LONGEST_PROGRAM = 60.0
CONNECT_TIMEOUT = 10.0
#: The longest pause before a new try, in seconds. Retry-After of the service is never longer.
LONGEST_PAUSE = 60.0
#: Statuses of requests that were not carried out and may be later.
TRY_LATER = (408, 429, 503)


@dataclasses.dataclass(frozen=True)
class Rows:
    """A body that is made while its answer is read. No row is taken before the batch was accepted."""

    head: Mapping[str, Any]
    rows: Iterable[Any] | AsyncIterable[Any]

    def lines(self) -> Iterator[bytes]:
        if not isinstance(self.rows, Iterable):
            raise TypeError("rows that are made by an async iterator want AsyncFaas")
        yield _line(self.head)
        for row in self.rows:
            yield _line(row)

    async def async_lines(self) -> AsyncIterator[bytes]:
        yield _line(self.head)
        if isinstance(self.rows, AsyncIterable):
            async for row in self.rows:
                yield _line(row)
        else:
            for row in self.rows:
                yield _line(row)


@dataclasses.dataclass(frozen=True)
class Call:
    """One request, as often as it is sent."""

    method: str
    path: str
    content: bytes | Rows | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    query: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    #: How long the program may run, in seconds: the answer comes so much later.
    runs_for: float = 0.0
    #: Whether it may be sent again when it may have been carried out.
    repeatable: bool = True
    #: Statuses that are answers and no refusals.
    expected: tuple[int, ...] = (200,)


class Service:
    """Where the service is, and how patient its caller."""

    def __init__(self, url: str | None, token: str | None, request_timeout: float, max_retries: int) -> None:
        url = url or os.environ.get("FAAS_URL") or DEFAULT_URL
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the URL of the service must begin with http:// or https://: {url!r}")
        self.url = url.rstrip("/")
        self._token = token or os.environ.get("FAAS_API_TOKEN")
        self.request_timeout = request_timeout
        self.max_retries = max_retries

    def request(self, http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
        headers = {"Accept": "application/json", **call.headers}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if call.content is not None:
            headers["Content-Type"] = call.content_type
        # A client of the caller's may have few connections: to wait for one has no limit.
        timeout = httpx.Timeout(self.request_timeout, connect=CONNECT_TIMEOUT, pool=None)
        timeout.read = self.request_timeout + call.runs_for
        content: bytes | Iterator[bytes] | AsyncIterator[bytes] | None
        if isinstance(call.content, Rows):
            is_async = isinstance(http, httpx.AsyncClient)
            content = call.content.async_lines() if is_async else call.content.lines()
        else:
            content = call.content
        return http.build_request(
            call.method,
            f"{self.url}/{call.path}",
            content=content,
            headers=headers,
            params=dict(call.query) or None,
            timeout=timeout,
        )


class Attempts:
    """Decides whether a request that failed is sent again.

    One that certainly was not carried out is: it was refused for now, or there was no connection. One that
    may have been carried out is sent again only if that changes nothing.
    """

    def __init__(self, call: Call, max_retries: int) -> None:
        self._call = call
        self._left = max_retries
        self._pause = 0.5
        self._broke_off = False

    def after_failure(self, error: httpx.TransportError) -> float:
        """The pause before the next try, in seconds. Raises if there is none."""
        timed_out = isinstance(error, httpx.TimeoutException)
        not_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        self._broke_off |= not not_sent
        may = not_sent or (self._call.repeatable and not timed_out)
        if may and self._left > 0:
            return self._next_pause(None)
        what = str(error) or type(error).__name__
        if timed_out:
            raise FaasTimeoutError(f"no answer in time: {what}") from error
        raise FaasConnectionError(f"no connection to the service: {what}") from error

    def after_refusal(self, refused: StatusError) -> float:
        """The same for a status that is none of those expected."""
        later = refused.status_code in TRY_LATER
        # An earlier try is still running, or has not been noticed to be gone.
        earlier = isinstance(refused, ConflictError) and self._broke_off
        soon = (refused.retry_after or 0) <= LONGEST_PAUSE
        if (later or earlier) and soon and self._left > 0:
            return self._next_pause(refused.retry_after)
        raise refused

    def _next_pause(self, wanted: float | None) -> float:
        self._left -= 1
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        # Many clients that were refused together do not come back together.
        return (wanted if wanted is not None else pause) * random.uniform(1.0, 1.25)


def refused(response: httpx.Response) -> StatusError:
    """The exception for an answer whose body was read."""
    try:
        body = response.json()
    except ValueError:
        body = None
    try:
        retry_after = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        retry_after = None
    return refusal(response.status_code, body, response.text, retry_after, request_id(response))


def request_id(response: httpx.Response) -> str | None:
    return cast(Union[str, None], response.headers.get("X-Request-Id"))


def json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise InvalidAnswerError(f"the answer is no JSON: {response.text[:200]!r}") from error


def state_of(response: httpx.Response) -> Any:
    """JSON of /health and /ready, which say with 503 what is wrong. A proxy may answer 503, too."""
    body = json_of(response)
    if not isinstance(body, dict) or "reason" not in body:
        raise refused(response)
    return body


def run_call(code: str | None, options: RunOptions) -> Call:
    _check_names(options, RunOptions)
    # So that a request whose connection broke can be sent again without running its program again.
    key = options.get("idempotency_key") or str(uuid.uuid4())
    call = _program(code, options)
    return dataclasses.replace(call, headers={**call.headers, "Idempotency-Key": key})


def stream_call(code: str | None, options: StreamOptions) -> Call:
    _check_names(options, StreamOptions)
    call = _program(code, options)
    return dataclasses.replace(
        call, headers={**call.headers, "Accept": "text/event-stream"}, repeatable=False
    )


def toolbox_of(options: Mapping[str, Any]) -> Toolbox | None:
    tools = options.get("tools")
    return None if tools is None else Toolbox(tools)


@dataclasses.dataclass(frozen=True)
class Round:
    """What a program that waits wants to know."""

    tool_calls: list[ToolCall]
    continuation: str

    def results_call(self, results: Sequence[CallResult], runs_for: float) -> Call:
        """Hands on the results, as often as it is sent."""
        content = f'{{"continuation": {json.dumps(self.continuation)}, "results": [' + ", ".join(
            result.json for result in results
        )
        headers = {"X-Session": self.continuation, "Idempotency-Key": str(uuid.uuid4())}
        return Call(
            "POST",
            "run_code/continue",
            f"{content}]}}".encode(),
            headers=headers,
            runs_for=runs_for,
            expected=(200, 202),
        )

    def without(self, results: Sequence[CallResult], refused: InvalidRequestError) -> list[CallResult]:
        """The results as errors, or the one of them that was refused. Raises if the errors were refused."""
        if all(result.failed for result in results):
            raise refused
        calls = {call.id: call for call in self.tool_calls}
        named = [result.id for result in results if f'"{result.id}"' in refused.error]
        return [
            failed(calls[result.id], refused) if not named or result.id in named else result
            for result in results
        ]


def round_of(body: Any) -> Round | None:
    """What the program wants to know; None if it is over."""
    if isinstance(body, dict) and "tool_calls" in body:
        return decode(Round, body)
    return None


def describe_call(tools: Sequence[Callable[..., Any] | Tool]) -> Call:
    return Call("POST", "tools/describe", _json({"tools": Toolbox(tools).declarations}))


def open_session_call(options: SessionOptions) -> Call:
    _check_names(options, SessionOptions)
    body = _body(options)
    # What it begins with is made at once. One whose answer was lost would be left over.
    return Call(
        "POST",
        "sessions",
        _json(body),
        headers=_route(body),
        runs_for=LONGEST_PROGRAM,
        repeatable=False,
        expected=(201,),
    )


def list_sessions_call(name: str | None) -> Call:
    return Call("GET", "sessions", query=_present(name=name))


def session_call(
    method: str,
    session: str,
    path: str = "",
    *,
    body: Any = None,
    content: bytes | None = None,
    expected: int = 200,
    repeatable: bool = False,
) -> Call:
    """A request about one session. It may have to wait for the session's cells."""
    return Call(
        method,
        f"sessions/{quote(session, safe='')}{path}",
        _json(body) if body is not None else content,
        content_type="application/json" if body is not None else "application/octet-stream",
        headers={"X-Session": session, "Accept": "*/*"},
        runs_for=LONGEST_PROGRAM,
        repeatable=repeatable or method == "GET",
        expected=(expected,),
    )


def session_file_call(method: str, session: str, path: str, content: FileContent | None = None) -> Call:
    data = None if content is None else _bytes(content)
    return session_call(method, session, f"/files/{quote(path)}", content=data)


def batch_call(
    program: str | None,
    inputs: Iterable[Any] | AsyncIterable[Any] | None,
    programs: Iterable[Any] | AsyncIterable[Any] | None,
    options: BatchOptions,
) -> Call:
    """A list of rows is sent at once; other rows are sent as they are made, and as the service takes them."""
    _check_names(options, BatchOptions)
    name, rows = ("inputs", inputs) if programs is None else ("programs", programs)
    if rows is None or (name == "inputs") != (program is not None) or None not in (inputs, programs):
        raise TypeError("a batch has a program and inputs, or it has programs")
    body = {**_present(program=program), **_body(options)}
    # Rows have no effects outside of their sandboxes.
    call = Call(
        "POST",
        "run_batch",
        headers={"Accept": "application/x-ndjson", **_route(body)},
        runs_for=LONGEST_PROGRAM + body.get("timeout", 1000 * LONGEST_PROGRAM) / 1000,
    )
    if isinstance(rows, (list, tuple)):
        return dataclasses.replace(call, content=_json({**body, name: rows}))
    return dataclasses.replace(call, content=Rows(body, rows), content_type="application/x-ndjson")


def _line(row: Any) -> bytes:
    return as_json(row).encode() + b"\n"


def check_call(code: str, language: str | None) -> Call:
    return Call("POST", "check_code", _json(_present(code=code, language=language)))


def snapshot_call(method: str, snapshot: Snapshot | str) -> Call:
    name = snapshot.id if isinstance(snapshot, Snapshot) else snapshot
    path = f"snapshots/{quote(name, safe='')}"
    if method == "DELETE":
        return Call(method, path, repeatable=False, expected=(204,))
    return Call(method, path)


def execution_call(task_id: str) -> Call:
    return Call("GET", f"executions/{quote(task_id, safe='')}")


def list_executions_call(
    status: str | None,
    language: str | None,
    since: datetime | str | None,
    request_id: str | None,
    before: str | None,
    limit: int | None,
) -> Call:
    if isinstance(since, datetime):
        # A time without a zone is one of this machine.
        since = since.astimezone().isoformat()
    query = _present(
        status=status, language=language, since=since, request_id=request_id, before=before, limit=limit
    )
    return Call("GET", "executions", query=query)


def _present(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}


def _check_names(options: Mapping[str, Any], kind: Any) -> None:
    unknown = options.keys() - kind.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option: {', '.join(sorted(unknown))}")


def _program(code: str | None, options: Mapping[str, Any]) -> Call:
    body = _body(options)
    if code is not None:
        body["code"] = code
    if "tools" in body:
        body["tools"] = Toolbox(body["tools"]).declarations
    runs_for = body.get("timeout", 1000 * LONGEST_PROGRAM) / 1000
    return Call("POST", "run_code", _json(body), runs_for=runs_for, headers=_route(body))


def _body(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the service names them."""
    # None is a value of input, and no value of the others.
    body = {name: value for name, value in options.items() if value is not None or name == "input"}
    body.pop("idempotency_key", None)
    for name in ("timeout", "total_timeout", "idle_timeout", "lifetime"):
        if name in body:
            body[name] = max(1, round(body[name] * 1000))
    if "files" in body:
        body["files"] = [_file(name, content) for name, content in body["files"].items()]
    start = body.pop("from_snapshot", None)
    if start is not None:
        body["from"] = start.id if isinstance(start, Snapshot) else start
    return body


def _route(body: Mapping[str, Any]) -> dict[str, str]:
    # For balancers, which do not all read bodies: the one server that has it.
    kept = body.get("session") or body.get("from")
    return {"X-Session": kept} if isinstance(kept, str) else {}


def _file(name: str, content: FileContent) -> dict[str, str]:
    if isinstance(content, str):
        return {"name": name, "content": content}
    return {"name": name, "content_base64": base64.b64encode(_bytes(content)).decode()}


def _bytes(content: FileContent) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, os.PathLike):
        with open(content, "rb") as file:
            return file.read()
    return content


def _json(body: Any) -> bytes:
    return as_json(body).encode()
