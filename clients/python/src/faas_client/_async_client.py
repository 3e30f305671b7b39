"""The client for asyncio. make_async.py writes it from _client.py: change that."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING

import httpx

from ._batches import BatchParser, BatchRow
from ._duplex import AsyncDuplexTransport
from ._errors import FaasConnectionError, FaasError, GoneError, InvalidRequestError
from ._events import Done, Event, EventParser, ToolCalls
from ._models import (
    BatchSummary,
    CheckResult,
    Execution,
    ExecutionList,
    Health,
    Interrupted,
    Ready,
    RunResult,
    SessionFiles,
    SessionInfo,
    SessionList,
    Snapshot,
    SnapshotList,
    ToolsDescribed,
    Variables,
    decode,
    run_result,
)
from ._options import (
    BatchOptions,
    FileContent,
    Language,
    Outcome,
    RunOptions,
    SessionOptions,
    StreamOptions,
)
from ._requests import (
    Attempts,
    Call,
    Round,
    Rows,
    Service,
    batch_call,
    check_call,
    describe_call,
    execution_call,
    json_of,
    list_executions_call,
    list_sessions_call,
    open_session_call,
    refused,
    request_id,
    round_of,
    run_call,
    session_call,
    session_file_call,
    snapshot_call,
    state_of,
    stream_call,
    toolbox_of,
)
from ._tools import Tool, Toolbox

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterable, Callable, Iterable, Sequence
    from datetime import datetime
    from typing import Any

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
        self._duplex = httpx.AsyncClient(transport=AsyncDuplexTransport())
        #: What programs left for others to start from.
        self.snapshots = AsyncSnapshots(self)
        #: States that programs go on from, one after the other.
        self.sessions = AsyncSessions(self)
        #: What ran lately.
        self.executions = AsyncExecutions(self)

    async def run(self, code: str | None = None, **options: Unpack[RunOptions]) -> RunResult:
        """Runs a program and waits for its end. RunOptions tells of the options.

        A program that fails has a result, too. Raises FaasError if the program could not be run. Its tools
        are called here; results of calls that it made at the same time go to it together.
        """
        tools, call = toolbox_of(options), run_call(code, options)
        response = await self._send(call)
        while tools is not None and (waiting := round_of(json_of(response))) is not None:
            response = await self._continue(tools, waiting, call)
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
        tools, call = toolbox_of(options), stream_call(code, options)
        async with self._places:
            response = await self._answer(call, stream=True)
            stream = AsyncRunStream(self, response, tools, call)
            try:
                yield stream
            finally:
                await stream._events.aclose()
                await response.aclose()

    @contextlib.asynccontextmanager
    async def run_batch(
        self,
        program: str | None = None,
        inputs: Iterable[Any] | AsyncIterable[Any] | None = None,
        *,
        programs: Iterable[Any] | AsyncIterable[Any] | None = None,
        **options: Unpack[BatchOptions],
    ) -> AsyncIterator[AsyncBatch]:
        """Runs one program over many inputs, or many programs. Leaving the block early ends the batch.

        inputs: any JSON, which the program finds as `input_data`. A list is sent at once, anything else row
            by row, as rows run and as their answers are read: it may have any number.
        programs: instead of both; texts, or dicts with code, input, stdin and args.

        >>> async with faas.run_batch("input_data ** 2", range(3)) as batch:
        ...     async for row in batch:
        ...         print(row.index, row.value)
        """
        call = batch_call(program, inputs, programs, options)
        async with self._places:
            response = await self._answer(call, stream=True)
            batch = AsyncBatch(response)
            try:
                yield batch
            finally:
                await batch._rows.aclose()
                await response.aclose()

    async def describe_tools(self, tools: Sequence[Callable[..., Any] | Tool]) -> ToolsDescribed:
        """Tools as a prompt tells a model of them."""
        return decode(ToolsDescribed, json_of(await self._send(describe_call(tools))))

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
        await self._duplex.aclose()
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

    async def _continue(
        self,
        tools: Toolbox,
        waiting: Round,
        call: Call,
        *,
        held: bool = False,
    ) -> httpx.Response:
        """Does what the program asks for, and hands on the results. A stream holds its place meanwhile."""
        results = await tools.call_in_tasks(waiting.tool_calls)
        while True:
            sent = waiting.results_call(results, call.runs_for)
            try:
                return await self._answer(sent) if held else await self._send(sent)
            except InvalidRequestError as error:
                results = waiting.without(results, error)

    async def _send(self, call: Call) -> httpx.Response:
        async with self._places:
            return await self._answer(call)

    async def _answer(self, call: Call, *, stream: bool = False) -> httpx.Response:
        attempts = Attempts(call, self._service.max_retries)
        http = self._duplex if isinstance(call.content, Rows) else self._http
        while True:
            try:
                response = await http.send(self._service.request(http, call), stream=stream)
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

    def __init__(self, faas: AsyncFaas, response: httpx.Response, tools: Toolbox | None, call: Call) -> None:
        self._faas = faas
        self._tools = tools
        self._call = call
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
                    if isinstance(event, ToolCalls) and self._tools is not None:
                        await self._answer(self._tools, Round(event.tool_calls, event.continuation))
        except httpx.TransportError as error:
            raise FaasConnectionError(f"the stream broke off: {error}") from error
        if self._result is None:
            raise FaasConnectionError("the stream broke off before the program's end was told")

    async def _answer(self, tools: Toolbox, waiting: Round) -> None:
        # Of one that is gone the stream tells: the results had come, or the program was over.
        with contextlib.suppress(GoneError):
            await self._faas._continue(tools, waiting, self._call, held=True)


class AsyncBatch:
    """The rows of a batch, as they end."""

    def __init__(self, response: httpx.Response) -> None:
        self._parser = BatchParser(request_id(response))
        self._rows = self._read(response)

    def __aiter__(self) -> AsyncIterator[BatchRow]:
        return self._rows

    @property
    def setup(self) -> RunResult | None:
        """How the set-up ended: known with the first row. One that failed is raised as a ProgramError."""
        return self._parser.setup

    @property
    def summary(self) -> BatchSummary:
        """How the batch ended: `stopped` says why rows are left. Raises FaasError if it has not."""
        return self._parser.summary

    async def until_done(self) -> BatchSummary:
        """Reads what is left, and returns how the batch ended."""
        async for _ in self._rows:
            pass
        return self.summary

    async def _read(self, response: httpx.Response) -> AsyncGenerator[BatchRow, None]:
        try:
            async for chunk in response.aiter_bytes():
                rows = self._parser.feed(chunk)
                while rows:
                    yield rows.popleft()
        except httpx.TransportError as error:
            raise FaasConnectionError(f"the batch broke off: {error}") from error
        self._parser.end()


class AsyncSession:
    """A state that cells go on from, one after the other. Leaving its block ends it.

    >>> async with await faas.sessions.open() as session:
    ...     await session.run("x = 20")
    ...     print((await session.run("x + 1")).value)
    21
    """

    def __init__(self, faas: AsyncFaas, info: SessionInfo) -> None:
        self._faas = faas
        #: Names it: RunOptions.session.
        self.id = info.id
        #: As the service told of it last.
        self.info = info
        #: In its working directory.
        self.files = AsyncFilesOfSession(self)

    async def run(self, code: str | None = None, **options: Unpack[RunOptions]) -> RunResult:
        """Runs a cell, as AsyncFaas.run: RunResult.session says what became of the session."""
        options["session"] = self.id
        return await self._faas.run(code, **options)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        code: str | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[AsyncRunStream]:
        """Runs a cell whose output comes while it runs, as AsyncFaas.stream."""
        options["session"] = self.id
        async with self._faas.stream(code, **options) as stream:
            yield stream

    async def refresh(self) -> SessionInfo:
        """What the service tells of it now. That is no use of it, and does not put off its end."""
        return await self._told(session_call("GET", self.id))

    async def fork(self, count: int = 1) -> list[AsyncSession]:
        """Opens sessions that go on from the same state."""
        call = session_call("POST", self.id, "/fork", body={"count": count}, expected=201)
        opened = decode(SessionList, json_of(await self._faas._send(call)))
        return [AsyncSession(self._faas, info) for info in opened.sessions]

    async def undo(self, steps: int = 1) -> SessionInfo:
        """Goes back to what it was before its last cells. Raises ConflictError if it cannot so far."""
        return await self._told(session_call("POST", self.id, "/undo", body={"steps": steps}))

    async def restart(self) -> SessionInfo:
        """Goes back to where it began."""
        return await self._told(session_call("POST", self.id, "/restart", repeatable=True))

    async def interrupt(self) -> bool:
        """Interrupts the cell that runs; False if none does."""
        call = session_call("POST", self.id, "/interrupt")
        return decode(Interrupted, json_of(await self._faas._send(call))).interrupted

    async def variables(self) -> Variables:
        """Its variables, at most 1,000."""
        return decode(Variables, json_of(await self._faas._send(session_call("GET", self.id, "/variables"))))

    async def delete(self) -> None:
        """Ends it."""
        await self._faas._send(session_call("DELETE", self.id, expected=204))

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # It may have ended by itself.
        with contextlib.suppress(GoneError):
            await self.delete()

    async def _told(self, call: Call) -> SessionInfo:
        response = await self._faas._send(call)
        self.info = decode(SessionInfo, json_of(response))
        return self.info


class AsyncFilesOfSession:
    """The files in the working directory of a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self) -> SessionFiles:
        """All of them, at most 1,000."""
        call = session_call("GET", self._session.id, "/files")
        return decode(SessionFiles, json_of(await self._session._faas._send(call)))

    async def get(self, path: str) -> bytes:
        """Raises NotFoundError if there is none."""
        return (await self._session._faas._send(session_file_call("GET", self._session.id, path))).content

    async def put(self, path: str, content: FileContent) -> SessionInfo:
        """Writes a file. That is a step, which can be undone."""
        return await self._session._told(session_file_call("PUT", self._session.id, path, content))

    async def delete(self, path: str) -> SessionInfo:
        """Deletes a file. That is a step, too."""
        return await self._session._told(session_file_call("DELETE", self._session.id, path))


class AsyncSessions:
    """The sessions of the caller's token."""

    def __init__(self, faas: AsyncFaas) -> None:
        self._faas = faas

    async def open(self, **options: Unpack[SessionOptions]) -> AsyncSession:
        """Opens one. SessionOptions tells of the options."""
        response = await self._faas._send(open_session_call(options))
        return AsyncSession(self._faas, decode(SessionInfo, json_of(response)))

    async def get(self, session_id: str) -> AsyncSession:
        """Raises GoneError, with the reason, if it was there, and NotFoundError if it was not."""
        response = await self._faas._send(session_call("GET", session_id))
        return AsyncSession(self._faas, decode(SessionInfo, json_of(response)))

    async def list(self, name: str | None = None) -> builtins.list[AsyncSession]:
        """All of them, the oldest first, or the one of this name."""
        found = decode(SessionList, json_of(await self._faas._send(list_sessions_call(name))))
        return [AsyncSession(self._faas, info) for info in found.sessions]


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
