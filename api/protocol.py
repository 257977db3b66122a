"""uvicorn's HTTP protocol, with one socket write where it makes several.

uvicorn writes the head of an answer and its body apart: two system calls, of 15 to 25 µs each on a virtual machine, of
the few that a request takes. Here what is written in one turn of the event loop leaves together.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

UNSENT_BYTES = 64 << 10  # what the kernel takes for a client that does not read; as much again waits in this process
CLOSE_WAIT_S = 3.0  # how long a client may take for the last of what it was sent, once its connection is closed


class Protocol(HttpToolsProtocol):
    """Passed to uvicorn as `http=`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        bound_unsent(transport)
        super().connection_made(_Gathering(transport, self.loop))  # type: ignore[arg-type]


class _Gathering:
    """A transport whose writes wait for the end of the turn. Everything else is the transport's own."""

    __slots__ = ("_loop", "_pending", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def close(self) -> None:
        """Closing waits until everything is sent, which a client that does not read would keep it from for ever."""
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(CLOSE_WAIT_S, self._transport.abort)

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
