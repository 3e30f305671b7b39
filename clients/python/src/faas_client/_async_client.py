"""The client for asyncio. make_async.py writes it from _client.py: change that."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator
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


class AsyncFaas:
    """A client of a faas-server. Tasks of one loop may share one.

    >>> async with AsyncFaas("http://localhost:8000") as faas:
    ...     (await faas.run("print('hi')")).stdout
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
        http_client: httpx.AsyncClient | None = None,
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
        self._http = http_client or httpx.AsyncClient(limits=limits)
        self._owned = http_client is None
        #: What programs left for others to start from.
        self.snapshots = AsyncSnapshots(self)
        #: What ran lately.
        self.executions = AsyncExecutions(self)

    async def run(self, code: str | None = None, **options: Unpack[RunOptions]) -> RunResult:
        """Runs a program and waits for its end. RunOptions tells of the options.

        A program that fails has a result, too. Raises FaasError if the program could not be run.
        """
        response = await self._send(run_call(code, options))
        return run_result(json_of(response), request_id(response))

    @contextlib.asynccontextmanager
    async def stream(
        self,
        code: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[AsyncRunStream]:
        """Runs a program whose output comes while it runs. Leaving the block early ends the program.

        >>> async with faas.stream("print(1)") as stream:
        ...     async for event in stream:
        ...         print(event)
        """
        call = stream_call(code, options)
        async with self._places:
            response = await self._answer(call, stream=True)
            stream = AsyncRunStream(response)
            try:
                yield stream
            finally:
                await stream._events.aclose()
                await response.aclose()

    async def check_code(self, code: str, language: Language | None = None) -> CheckResult:
        """Looks at a program without running it."""
        return decode(CheckResult, json_of(await self._send(check_call(code, language))))

    async def health(self) -> Health:
        """How the service is; ok says whether it is well."""
        return decode(Health, state_of(await self._send(Call("GET", "health", expected=(200, 503)))))

    async def ready(self, language: Language | None = None) -> Ready:
        """Whether a program that came now would be taken: ok says so."""
        query = {"language": language} if language else {}
        response = await self._send(Call("GET", "ready", query=query, expected=(200, 503)))
        return decode(Ready, state_of(response))

    async def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncFaas:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @functools.cached_property
    def _places(self) -> asyncio.Semaphore:
        """For requests on their way. Those that wait in the pool of httpx cost time with every answer."""
        # Made when it is used: before Python 3.10, one of asyncio belongs to the loop that is there then.
        return asyncio.Semaphore(self._max_connections)

    async def _send(self, call: Call) -> httpx.Response:
        async with self._places:
            return await self._answer(call)

    async def _answer(self, call: Call, *, stream: bool = False) -> httpx.Response:
        attempts = Attempts(call, self._service.max_retries)
        while True:
            try:
                response = await self._http.send(self._service.request(self._http, call), stream=stream)
                if response.status_code in call.expected:
                    return response
                await response.aread()
            except httpx.TransportError as error:
                pause = attempts.after_failure(error)
            else:
                await response.aclose()
                pause = attempts.after_refusal(refused(response))
            await asyncio.sleep(pause)


class AsyncRunStream:
    """What a program prints and displays, as it does. The last event is Done."""

    def __init__(self, response: httpx.Response) -> None:
        self._events = self._read(response)
        self._result: RunResult | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    async def until_done(self) -> RunResult:
        """Reads what is left, and returns how the program ended."""
        async for _ in self._events:
            pass
        return self.result

    @property
    def result(self) -> RunResult:
        """How the program ended. Raises FaasError if that has not been read yet."""
        if self._result is None:
            raise FaasError("the stream has not been read to its end")
        return self._result

    async def _read(self, response: httpx.Response) -> AsyncGenerator[Event, None]:
        parser = EventParser(request_id(response))
        try:
            async for chunk in response.aiter_bytes():
                for event in parser.feed(chunk):
                    if isinstance(event, Done):
                        self._result = event.result
                    yield event
        except httpx.TransportError as error:
            raise FaasConnectionError(f"the stream broke off: {error}") from error
        if self._result is None:
            raise FaasConnectionError("the stream broke off before the program's end was told")


class AsyncSnapshots:
    """What programs left for others to start from: those of the caller's token."""

    def __init__(self, faas: AsyncFaas) -> None:
        self._faas = faas

    async def list(self) -> SnapshotList:
        """All of them, the oldest first."""
        return decode(SnapshotList, json_of(await self._faas._send(Call("GET", "snapshots"))))

    async def get(self, snapshot: Snapshot | str) -> Snapshot:
        """Raises GoneError, with the reason, if it was there, and NotFoundError if it was not."""
        return decode(Snapshot, json_of(await self._faas._send(snapshot_call("GET", snapshot))))

    async def delete(self, snapshot: Snapshot | str) -> None:
        """Programs that started from it go on."""
        await self._faas._send(snapshot_call("DELETE", snapshot))


class AsyncExecutions:
    """What ran lately, if the service keeps a history."""

    def __init__(self, faas: AsyncFaas) -> None:
        self._faas = faas

    async def list(
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
        return decode(ExecutionList, json_of(await self._faas._send(call)))

    async def get(self, task_id: str) -> Execution:
        """One, by RunResult.task_id; with program and output if the service keeps those."""
        return decode(Execution, json_of(await self._faas._send(execution_call(task_id))))
