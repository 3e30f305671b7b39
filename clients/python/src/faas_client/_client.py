"""The client."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import httpx

from ._errors import FaasConnectionError, FaasError
from ._events import Done, Event, EventParser
from ._models import (
    CheckResult,
    Execution,
    ExecutionList,
    Health,
    Ready,
    RunResult,
    Snapshot,
    SnapshotList,
    decode,
    run_result,
)
from ._options import Language, Outcome, RunOptions, StreamOptions
from ._requests import (
    Attempts,
    Call,
    Service,
    check_call,
    execution_call,
    json_of,
    list_executions_call,
    refused,
    request_id,
    run_call,
    snapshot_call,
    state_of,
    stream_call,
)

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Unpack


class Faas:
    """A client of a faas-server. Threads may share one.

    >>> with Faas("http://localhost:8000") as faas:
    ...     faas.run("print('hi')").stdout
    'hi\\n'
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        request_timeout: float = 60.0,
        max_retries: int = 2,
        max_connections: int = 100,
        http_client: httpx.Client | None = None,
    ) -> None:
        """
        url: of the service; the variable FAAS_URL if absent, else http://localhost:8000.
        token: that the service wants; the variable FAAS_API_TOKEN if absent.
        request_timeout: seconds that an answer may take beyond the time limit of its program: for waiting
            until a worker is free, for packages, for the network.
        max_retries: how often a request is sent again, where that is safe.
        max_connections: how many requests are on their way at once; others wait until one is answered.
        http_client: a client with other certificates or proxies. It is not closed.
        """
        self._service = Service(url, token, request_timeout, max_retries)
        self._max_connections = max_connections
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=max_connections)
        self._http = http_client or httpx.Client(limits=limits)
        self._owned = http_client is None
        #: What programs left for others to start from.
        self.snapshots = Snapshots(self)
        #: What ran lately.
        self.executions = Executions(self)

    def run(self, code: str | None = None, **options: Unpack[RunOptions]) -> RunResult:
        """Runs a program and waits for its end. RunOptions tells of the options.

        A program that fails has a result, too. Raises FaasError if the program could not be run.
        """
        response = self._send(run_call(code, options))
        return run_result(json_of(response), request_id(response))

    @contextlib.contextmanager
    def stream(
        self,
        code: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> Iterator[RunStream]:
        """Runs a program whose output comes while it runs. Leaving the block early ends the program.

        >>> with faas.stream("print(1)") as stream:
        ...     for event in stream:
        ...         print(event)
        """
        call = stream_call(code, options)
        with self._places:
            response = self._answer(call, stream=True)
            stream = RunStream(response)
            try:
                yield stream
            finally:
                stream._events.close()
                response.close()

    def check_code(self, code: str, language: Language | None = None) -> CheckResult:
        """Looks at a program without running it."""
        return decode(CheckResult, json_of(self._send(check_call(code, language))))

    def health(self) -> Health:
        """How the service is; ok says whether it is well."""
        return decode(Health, state_of(self._send(Call("GET", "health", expected=(200, 503)))))

    def ready(self, language: Language | None = None) -> Ready:
        """Whether a program that came now would be taken: ok says so."""
        query = {"language": language} if language else {}
        response = self._send(Call("GET", "ready", query=query, expected=(200, 503)))
        return decode(Ready, state_of(response))

    def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Faas:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @functools.cached_property
    def _places(self) -> threading.Semaphore:
        """For requests on their way. Those that wait in the pool of httpx cost time with every answer."""
        # Made when it is used: before Python 3.10, one of asyncio belongs to the loop that is there then.
        return threading.Semaphore(self._max_connections)

    def _send(self, call: Call) -> httpx.Response:
        with self._places:
            return self._answer(call)

    def _answer(self, call: Call, *, stream: bool = False) -> httpx.Response:
        attempts = Attempts(call, self._service.max_retries)
        while True:
            try:
                response = self._http.send(self._service.request(self._http, call), stream=stream)
                if response.status_code in call.expected:
                    return response
                response.read()
            except httpx.TransportError as error:
                pause = attempts.after_failure(error)
            else:
                response.close()
                pause = attempts.after_refusal(refused(response))
            time.sleep(pause)


class RunStream:
    """What a program prints and displays, as it does. The last event is Done."""

    def __init__(self, response: httpx.Response) -> None:
        self._events = self._read(response)
        self._result: RunResult | None = None

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def until_done(self) -> RunResult:
        """Reads what is left, and returns how the program ended."""
        for _ in self._events:
            pass
        return self.result

    @property
    def result(self) -> RunResult:
        """How the program ended. Raises FaasError if that has not been read yet."""
        if self._result is None:
            raise FaasError("the stream has not been read to its end")
        return self._result

    def _read(self, response: httpx.Response) -> Generator[Event, None, None]:
        parser = EventParser(request_id(response))
        try:
            for chunk in response.iter_bytes():
                for event in parser.feed(chunk):
                    if isinstance(event, Done):
                        self._result = event.result
                    yield event
        except httpx.TransportError as error:
            raise FaasConnectionError(f"the stream broke off: {error}") from error
        if self._result is None:
            raise FaasConnectionError("the stream broke off before the program's end was told")


class Snapshots:
    """What programs left for others to start from: those of the caller's token."""

    def __init__(self, faas: Faas) -> None:
        self._faas = faas

    def list(self) -> SnapshotList:
        """All of them, the oldest first."""
        return decode(SnapshotList, json_of(self._faas._send(Call("GET", "snapshots"))))

    def get(self, snapshot: Snapshot | str) -> Snapshot:
        """Raises GoneError, with the reason, if it was there, and NotFoundError if it was not."""
        return decode(Snapshot, json_of(self._faas._send(snapshot_call("GET", snapshot))))

    def delete(self, snapshot: Snapshot | str) -> None:
        """Programs that started from it go on."""
        self._faas._send(snapshot_call("DELETE", snapshot))


class Executions:
    """What ran lately, if the service keeps a history."""

    def __init__(self, faas: Faas) -> None:
        self._faas = faas

    def list(
        self,
        *,
        status: Outcome | None = None,
        language: Language | None = None,
        since: datetime | str | None = None,
        request_id: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> ExecutionList:
        """A page of it, newest first. Its `next` is `before` of the page that follows."""
        call = list_executions_call(status, language, since, request_id, before, limit)
        return decode(ExecutionList, json_of(self._faas._send(call)))

    def get(self, task_id: str) -> Execution:
        """One, by RunResult.task_id; with program and output if the service keeps those."""
        return decode(Execution, json_of(self._faas._send(execution_call(task_id))))
