"""A wire between a test and a server, at a port that stays: it can be cut, silent in one direction or both, or slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class TcpProxy:
    """Forwards to `target`, which may change. `cut()` refuses and closes, `silence()` holds every byte back, or only
    the server's, `hold_ends()` passes all but the end on, `delay_s` holds each for a while, `restore()` heals."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.delay_s = 0.0
        self._server: asyncio.Server | None = None
        self._asking, self._answering, self._ending = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ended = asyncio.Event()  # an end has come, and all before it was passed on
        self._flow()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.accepted = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        for _ in range(4):  # turns of the loop from a socket's accept to its `_accept`, which refuses it now
            await asyncio.sleep(0)
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
        if self._server is None:
            await self.start()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()
            return
        self.accepted += 1
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also when it is cancelled before its first step, which its own `finally` would not see.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            return
        directions = [
            asyncio.create_task(self._pump(reader, up_writer, self._asking)),
            asyncio.create_task(self._pump(up_reader, writer, self._answering)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            up_writer.transport.abort()  # before anything is awaited: `cut` may cancel this again
            writer.transport.abort()
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
