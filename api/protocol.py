"""uvicorn's HTTP protocol, with one socket write where it makes several, and with what a server owes to strangers.

uvicorn writes the head of an answer and its body apart: two system calls, of 15 to 25 µs each on a virtual machine, of
the few that a request takes. Here what is written in one turn of the event loop leaves together.

uvicorn takes heads of any size for any time, answers what is no HTTP in plain text, even in the middle of another
answer, reads the body of a request that would rather speak another protocol as the next request, and sends chunks to
clients of HTTP/1.0. Here a head has bounds, such answers have the form of all others, a wish for another protocol is
not heard (RFC 9110, 7.8), and an answer in HTTP/1.0 ends with its connection.
"""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import httptools
import msgspec
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.domain import new_request_id
from api.errors import ApiError, HeadTooLargeError, InvalidRequestError, RequestTimeoutError

UNSENT_BYTES = 64 << 10  # what the kernel takes for a client that does not read; as much again waits in this process
CLOSE_WAIT_S = 3.0  # how long a client may take for the last of what it was sent, once its connection is closed
MOST_HEAD_BYTES = 64 << 10  # of a request, and of what may stand between the parts of a body
HEAD_WAIT_S = 30.0  # how long a client may take for it
OTHER_PROTOCOLS = (b"connection", b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """Passed to uvicorn as `http=`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        bound_unsent(transport)
        self._gathering = _Gathering(transport, self.loop)
        super().connection_made(self._gathering)  # type: ignore[arg-type]
        self._unread_bytes = 0  # since the parser last had something whole
        self._awaited: asyncio.TimerHandle | None = self.loop.call_later(HEAD_WAIT_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._had_something()
        self._gathering.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._unread_bytes += len(data)
        try:
            self._read(data)
        except httptools.HttpParserError as error:
            told = error.__context__
            self._refuse(
                told if isinstance(told, ApiError) else InvalidRequestError("This is not a request of HTTP/1.1.")
            )
            return
        if self._unread_bytes > MOST_HEAD_BYTES:
            self._refuse(too_large())
        elif self._unread_bytes and self._awaited is None:
            self._awaited = self.loop.call_later(HEAD_WAIT_S, self._too_slow)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, unframed(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def _read(self, data: bytes) -> None:
        """Raises HttpParserError."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self.scope["method"] == "CONNECT":
                    raise httptools.HttpParserError("no proxy") from None
                data = self._plain_head() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            else:
                return

    def _plain_head(self) -> bytes:
        """The head that was just read, without the wish for another protocol."""
        lines = [b"%s %s HTTP/1.1" % (self.scope["method"].encode(), self.url)]
        for name, value in self.headers:
            if name == b"connection" and b"close" in value.lower():
                lines.append(b"connection: close")
            elif name not in OTHER_PROTOCOLS:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _should_upgrade(self) -> bool:
        """What uvicorn asks in its callbacks, to pass over a request: it is read again, as a plain one."""
        return True

    def on_headers_complete(self) -> None:
        if self._unread_bytes > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            raise too_large()
        self._had_something()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._had_something()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._had_something()
        super().on_message_complete()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _had_something(self) -> None:
        self._unread_bytes = 0
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None

    def _too_slow(self) -> None:
        self._awaited = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # whoever answers looks after the body; and the next request may wait
        if self._unread_bytes:
            self._refuse(RequestTimeoutError("The head of the request came too slowly."))
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Ends the connection, with an answer where none is under way."""
        begun = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not begun and not self.pipeline:
            body = msgspec.json.encode(error.body())
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %s\r\n"
                b"connection: close\r\n\r\n%s"
                % (error.status, HTTPStatus(error.status).phrase.encode(), len(body), new_request_id().encode(), body)
            )
        self.transport.close()


def unframed(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """`app` as a client of HTTP/1.0 must be answered: without chunks, which it does not know (RFC 9112, 6.1)."""

    async def plain(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def send_plain(event: ASGISendEvent) -> None:
            cycle.chunked_encoding = False
            if event["type"] == "http.response.body":
                cycle.expected_content_length = len(event.get("body", b""))  # which is all that uvicorn counts
            await send(event)

        await app(scope, receive, send_plain)

    return plain


def too_large() -> HeadTooLargeError:
    return HeadTooLargeError(f"The head of a request may have {MOST_HEAD_BYTES} bytes. Send what is long in the body.")


class _Gathering:
    """A transport whose writes wait for the end of the turn. Everything else is the transport's own."""

    __slots__ = ("_cut_off", "_loop", "_pending", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []
        self._cut_off: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def close(self) -> None:
        """Closing waits until everything is sent, which a client that does not read would keep it from for ever."""
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._cut_off = self._loop.call_later(CLOSE_WAIT_S, self._transport.abort)

    def lost(self) -> None:
        """The connection is over: asyncio's own transports cannot be aborted any more."""
        if self._cut_off is not None:
            self._cut_off.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            if not self._transport.is_closing():
                self._transport.write(data)


def bound_unsent(transport: asyncio.Transport) -> None:
    """By default the kernel takes megabytes for a client that does not read, and lets no writer notice."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
