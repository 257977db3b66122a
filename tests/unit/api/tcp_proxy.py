"""A wire between a test and a server, at a port that stays: it can be cut, silent in one direction or both, or slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class TcpProxy:
    """Forwards to `target`, which may change. `cut()` refuses and closes, `silence()` holds every byte back, or only
    the server's, `hold_ends()` passes all but the end on, `delay_s` holds each for a while, `restore()` heals."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.delay_s = 0.0
        self._listener: socket.socket | None = None
        self._asking, self._answering, self._ending = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ended = asyncio.Event()  # an end has come, and all before it was passed on
        self._flow()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.accepted = 0

    async def start(self) -> None:
        # Not asyncio's server: one that is closed in the turn of the loop in which a connection comes (Python 3.11)
        # leaves that connection open.
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def cut(self) -> None:
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def silence(self, answers_only: bool = False) -> None:
        self._answering.clear()
        if not answers_only:
            self._asking.clear()

    def hold_ends(self) -> None:
        self._ending.clear()
        self.ended.clear()

    def _flow(self) -> None:
        self._asking.set()
        self._answering.set()
        self._ending.set()

    async def restore(self) -> None:
        self.delay_s = 0.0
        self._flow()
        if self._listener is None:
            await self.start()

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        self.accepted += 1
        task = asyncio.create_task(self._forward(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also when it is cancelled before its first step, which its own `with` would not see.
        task.add_done_callback(lambda _: connection.close())

    async def _forward(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as ends:
            reader, writer = await asyncio.open_connection(sock=connection)
            ends.callback(writer.transport.abort)
            try:
                up_reader, up_writer = await asyncio.open_connection(*self.target)
            except OSError:
                return
            ends.callback(up_writer.transport.abort)
            directions = [
                asyncio.create_task(self._pump(reader, up_writer, self._asking)),
                asyncio.create_task(self._pump(up_reader, writer, self._answering)),
            ]
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for direction in directions:
                    direction.cancel()
                await asyncio.gather(*directions, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await flowing.wait()
                writer.write(data)
                await writer.drain()
            self.ended.set()
            await self._ending.wait()


@contextlib.asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy before the server of `url`, and the URL that goes through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    proxy = TcpProxy(parts.hostname, parts.port)
    await proxy.start()
    login = parts.netloc.rpartition("@")[0]
    try:
        yield proxy, parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}", query="sslmode=disable").geturl()
    finally:
        await proxy.restore()
        await proxy.cut()
