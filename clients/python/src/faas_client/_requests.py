"""What both clients have in common: how requests are made, and when one may be sent again."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import random
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Union, cast
from urllib.parse import quote

import httpx

from ._errors import (
    ConflictError,
    FaasConnectionError,
    FaasTimeoutError,
    InvalidAnswerError,
    StatusError,
    refusal,
)
from ._models import Snapshot
from ._options import FileContent, RunOptions, StreamOptions

DEFAULT_URL = "http://localhost:8000"
#: FAAS_MAX_EXECUTION_TIME of a service of default settings, in seconds: no program may take longer.
LONGEST_PROGRAM = 60.0
CONNECT_TIMEOUT = 10.0
#: The longest pause before a new try, in seconds. Retry-After of the service is never longer.
LONGEST_PAUSE = 60.0
#: Statuses of requests that were not carried out and may be later.
TRY_LATER = (408, 429, 503)


@dataclasses.dataclass(frozen=True)
class Call:
    """One request, as often as it is sent."""

    method: str
    path: str
    content: bytes | None = None
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
            headers["Content-Type"] = "application/json"
        # A client of the caller's may have few connections: to wait for one has no limit.
        timeout = httpx.Timeout(self.request_timeout, connect=CONNECT_TIMEOUT, pool=None)
        timeout.read = self.request_timeout + call.runs_for
        return http.build_request(
            call.method,
            f"{self.url}/{call.path}",
            content=call.content,
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
    # None is a value of input, and no value of the others.
    body = {name: value for name, value in options.items() if value is not None or name == "input"}
    body.pop("idempotency_key", None)
    if code is not None:
        body["code"] = code
    timeout = body.get("timeout")
    if timeout is not None:
        body["timeout"] = max(1, round(timeout * 1000))
    if "files" in body:
        body["files"] = [_file(name, content) for name, content in body["files"].items()]
    start = body.pop("from_snapshot", None)
    if start is not None:
        body["from"] = start.id if isinstance(start, Snapshot) else start
    runs_for = LONGEST_PROGRAM if timeout is None else timeout
    return Call("POST", "run_code", _json(body), runs_for=runs_for, headers=_route(body))


def _route(body: Mapping[str, Any]) -> dict[str, str]:
    # For balancers, which do not all read bodies: the one server that has it.
    kept = body.get("session") or body.get("from")
    return {"X-Session": kept} if isinstance(kept, str) else {}


def _file(name: str, content: FileContent) -> dict[str, str]:
    if isinstance(content, str):
        return {"name": name, "content": content}
    if isinstance(content, os.PathLike):
        with open(content, "rb") as file:
            content = file.read()
    return {"name": name, "content_base64": base64.b64encode(content).decode()}


def _json(body: Any) -> bytes:
    return json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
