"""Requests whose answer is read while they are sent: streams of rows. httpx sends all of a request first.

The rest of a request's body follows when the answer has begun: of one that is refused nothing was taken,
and it may be sent again.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, cast

import h11
import httpx

READ_BYTES = 65536


class DuplexTransport(httpx.BaseTransport):
    """Each request has a connection of its own."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(request)
        try:
            head = exchange.event()
        except BaseException:
            exchange.close()
            raise
        return _response(head, exchange)


class AsyncDuplexTransport(httpx.AsyncBaseTransport):
    """The same for asyncio."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = await _AsyncExchange.begin(request)
        try:
            head = await exchange.event()
        except BaseException:
            await exchange.aclose()
            raise
        return _response(head, exchange)


class _Protocol:
    """HTTP/1.1 as bytes."""

    def __init__(self, request: httpx.Request) -> None:
        self._connection = h11.Connection(h11.CLIENT)
        url = request.url
        self.host, self.is_tls = url.host, url.scheme == "https"
        self.port = url.port or (443 if self.is_tls else 80)
        # The context of httpx has the same certificates as all other requests.
        self.tls = httpx.create_ssl_context() if self.is_tls else None
        timeout = request.extensions.get("timeout", {})
        self.connect_timeout, self.read_timeout = timeout.get("connect"), timeout.get("read")
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"connection"]
        self._request = h11.Request(
            method=request.method, target=url.raw_path, headers=[*headers, (b"Connection", b"close")]
        )

    def head(self) -> bytes:
        return cast(bytes, self._connection.send(self._request))

    def data(self, chunk: bytes) -> bytes:
        return cast(bytes, self._connection.send(h11.Data(data=chunk)))

    def end(self) -> bytes:
        return cast(bytes, self._connection.send(h11.EndOfMessage()))

    def received(self, data: bytes) -> None:
        """Nothing says that there is no more."""
        try:
            self._connection.receive_data(data)
        except RuntimeError as error:
            raise httpx.RemoteProtocolError(str(error)) from error

    def event(self) -> Any:
        """What was received; None if that is not all of it. The answer has no more after EndOfMessage."""
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx.RemoteProtocolError(str(error)) from error
            if event is h11.NEED_DATA:
                return None
            if not isinstance(event, h11.InformationalResponse):
                return event


class _Exchange(httpx.SyncByteStream):
    """Sends and reads in the thread that wants the answer."""

    def __init__(self, request: httpx.Request) -> None:
        self._protocol = protocol = _Protocol(request)
        self._body = iter(cast("Iterable[bytes]", request.stream))
        try:
            self._socket = _connected(protocol)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        # The first part of the body: what is to be done with the others.
        self._outgoing = protocol.head() + protocol.data(next(self._body))
        self._answered = self._sent = False

    def event(self) -> Any:
        while True:
            event = self._protocol.event()
            if event is not None:
                self._answered = True
                return event
            self._transfer()

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(event := self.event(), h11.Data):
            yield bytes(event.data)

    def close(self) -> None:
        self._selector.close()
        self._socket.close()

    def _transfer(self) -> None:
        """Waits until something can be read or sent, and does it."""
        may_take = self._answered and not self._sent and not self._outgoing
        # What is there already comes before a further part, for which its source may let us wait.
        if may_take and not self._ready(selectors.EVENT_READ, 0):
            chunk = next(self._body, None)
            self._sent = chunk is None
            self._outgoing = self._protocol.end() if chunk is None else self._protocol.data(chunk)
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        ready = self._ready(wanted, self._protocol.read_timeout)
        if not ready:
            raise httpx.ReadTimeout("nothing came")
        if ready & selectors.EVENT_READ:
            self._receive()
        elif ready & selectors.EVENT_WRITE:
            self._send()

    def _ready(self, wanted: int, timeout: float | None) -> int:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return selectors.EVENT_READ
        self._selector.modify(self._socket, wanted)
        found = self._selector.select(timeout)
        return found[0][1] if found else 0

    def _receive(self) -> None:
        try:
            self._protocol.received(self._socket.recv(READ_BYTES))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            raise httpx.ReadError(str(error)) from error

    def _send(self) -> None:
        try:
            count = self._socket.send(self._outgoing)
            self._outgoing = self._outgoing[count:]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            # The service wants no more of it, and has said why.
            self._outgoing, self._sent = b"", True


def _connected(protocol: _Protocol) -> socket.socket:
    connected = socket.create_connection((protocol.host, protocol.port), protocol.connect_timeout)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if protocol.tls:
        connected = protocol.tls.wrap_socket(connected, server_hostname=protocol.host)
    connected.setblocking(False)
    return connected


class _AsyncExchange(httpx.AsyncByteStream):
    """Sends in a task of its own."""

    def __init__(
        self, protocol: _Protocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: Any
    ) -> None:
        self._protocol, self._reader, self._writer = protocol, reader, writer
        self._body = body
        self._answered = asyncio.Event()
        self._sending: asyncio.Future[None] | None = None

    @classmethod
    async def begin(cls, request: httpx.Request) -> _AsyncExchange:
        protocol = _Protocol(request)
        body = cast("AsyncIterable[bytes]", request.stream).__aiter__()
        opening = asyncio.open_connection(protocol.host, protocol.port, ssl=protocol.tls)
        try:
            reader, writer = await asyncio.wait_for(opening, protocol.connect_timeout)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        exchange = cls(protocol, reader, writer, body)
        writer.write(protocol.head() + protocol.data(await body.__anext__()))
        exchange._sending = asyncio.ensure_future(exchange._send())
        return exchange

    async def event(self) -> Any:
        while True:
            event = self._protocol.event()
            if event is not None:
                self._answered.set()
                return event
            await self._transfer()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self.event(), h11.Data):
            yield bytes(event.data)

    async def aclose(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._writer.transport.abort()
        # It is closed when others had their turn.
        await asyncio.sleep(0)

    async def _transfer(self) -> None:
        """Waits until something can be read. An exception of the body's source is raised here."""
        reading = asyncio.ensure_future(self._reader.read(READ_BYTES))
        waited: set[asyncio.Future[Any]] = {reading} if self._sending is None else {reading, self._sending}
        try:
            done, _ = await asyncio.wait(
                waited, timeout=self._protocol.read_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if self._sending in done and self._sending is not None:
                sending, self._sending = self._sending, None
                sending.result()
            elif not done:
                raise httpx.ReadTimeout("nothing came")
            if reading in done:
                self._protocol.received(reading.result())
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])

    async def _send(self) -> None:
        await self._answered.wait()
        async for chunk in self._body:
            if not await self._write(self._protocol.data(chunk)):
                return
        await self._write(self._protocol.end())

    async def _write(self, data: bytes) -> bool:
        try:
            self._writer.write(data)
            await self._writer.drain()
            # Which does not let others run if there is room.
            await asyncio.sleep(0)
        except OSError:
            # The service wants no more of it, and has said why.
            return False
        return True


def _response(head: Any, exchange: Any) -> httpx.Response:
    if not isinstance(head, h11.Response):
        raise httpx.RemoteProtocolError("the service hung up without an answer")
    return httpx.Response(head.status_code, headers=list(head.headers), stream=exchange)
