"""Generations as server-sent events: every event is whole, those that wait for a client leave in one socket write. And
bytes that are passed on as they are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.config import Settings
from api.errors import ApiError, ShuttingDownError
from api.services.answering import AnswerStream

KEEPALIVE = b": keepalive\n\n"
# A stream's status is decided by its first token, or by this much waiting for it: until then a worker that dies is an
# honest 503, and clients that give up on silent streams still hear something in time.
DECIDE_S = 5.0
LOOK_AFTER_S = 0.02  # how soon a client that went away is missed, at the latest
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


Said = TypeVar("Said")
Said_contra = TypeVar("Said_contra", contravariant=True)


class Encoder(Protocol[Said_contra]):
    """What an answer says → bytes of complete events, in one public form. One per stream."""

    def start(self) -> bytes:
        """Before the first token."""

    def delta(self, said: Said_contra, /) -> bytes:
        """The events of one thing said: none, one, or several when it carries text and the end."""

    def failed(self, error: ApiError) -> bytes:
        """The stream broke after it began. Nothing follows."""

    def end(self) -> bytes:
        """All is read and settled. Nothing follows."""


class leaving:  # noqa: N801 (read as a `with` statement)
    """Inside, a client that goes away calls `on_leave`, whatever the body of the block waits for.

    Most answers are over before it is worth a task to look whether their client is still there: it looks from
    `LOOK_AFTER_S` on.
    """

    __slots__ = ("_on_leave", "_receive", "_timer", "_watcher")

    def __init__(self, receive: Receive, on_leave: Callable[[], None]) -> None:
        self._receive = receive
        self._on_leave = on_leave
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_AFTER_S, self._look)

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _look(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._on_leave()


async def read_whole(stream: AnswerStream[Said], receive: Receive, take: Callable[[Said], object]) -> bool:
    """Reads a stream to its end and settles it. False when the client left meanwhile.

    Raises the ApiError that ended it.
    """
    try:
        with leaving(receive, stream.leave):
            await stream.collect(take)
    finally:
        await stream.aclose()
    return not stream.left


async def nothing_to_keep(_error: ApiError | None) -> None:
    """Most answers are over when they are settled."""


class EventStream(Response, Generic[Said]):
    """The streamed answer. Until the first token, or `DECIDE_S` of waiting for it, a failure is an HTTP status.

    `on_settled` is told once, after the settlement and before the last events, what broke the stream, if anything did.
    It must not raise.
    """

    def __init__(
        self,
        stream: AnswerStream[Said],
        encoder: Encoder[Said],
        headers: dict[str, str],
        settings: Settings,
        on_settled: Callable[[ApiError | None], Awaitable[None]] = nothing_to_keep,
    ) -> None:
        super().__init__(status_code=200, headers=HEADERS | headers, media_type="text/event-stream; charset=utf-8")
        del self.headers["content-length"]
        self._stream = stream
        self._encoder = encoder
        self._keepalive_s = settings.keepalive_s
        self._write_timeout_s = settings.write_timeout_s
        self._on_settled = on_settled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = self._stream
        try:
            with leaving(receive, stream.leave):
                await stream.start()
                first = await stream.first(DECIDE_S)
                if stream.left:
                    return
                self.headers.update(stream.upstream_headers)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._body(send, first, scope["state"])
        except BaseException:
            if not stream.left:
                scope["state"]["broken"] = True
            raise
        finally:
            await stream.aclose()

    async def _body(self, send: Send, first: Sequence[Said], state: dict[str, Any]) -> None:
        stream = self._stream
        events = self._encoder
        writer = StallingWriter(send, self._write_timeout_s, stream.leave)
        waiting = events.start() + b"".join(map(events.delta, first))
        try:
            while not stream.over:
                if waiting:
                    await writer.write(waiting)
                deltas = await stream.next()
                waiting = b"".join(map(events.delta, deltas))
                if not waiting and writer.silent_s() >= self._keepalive_s:
                    waiting = KEEPALIVE
        except (ApiError, ClientDisconnect, asyncio.CancelledError) as caught:
            if isinstance(caught, ApiError):
                error: ApiError | None = caught
            else:
                error = None if stream.left else ShuttingDownError()
            await stream.aclose()
            await self._on_settled(error)
            if error is None:
                raise
            state["broken"] = True
            await writer.write(events.failed(error), last=True)
            return
        # Settled before the client is told that all is done: who saw the end was recorded exactly once.
        await stream.aclose()
        await self._on_settled(None)
        await writer.write(waiting + events.end(), last=True)


class ByteStream(Response):
    """`size` bytes, or as many as there are, read piece by piece as the client takes them. Until the first piece a
    failure is an HTTP status; after it, the connection ends before the announced length, or the last chunk."""

    def __init__(
        self, pieces: AsyncIterator[bytes], size: int | None, headers: dict[str, str], settings: Settings
    ) -> None:
        super().__init__(status_code=200, headers=headers)
        if size is None:
            del self.headers["content-length"]  # 0, as Starlette has it
        else:
            self.headers["content-length"] = str(size)
        self._pieces = pieces
        self._write_timeout_s = settings.write_timeout_s
        self._left = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with leaving(receive, self._leave):
            piece = await anext(self._pieces, b"")
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            writer = StallingWriter(send, self._write_timeout_s, self._leave)
            while piece and not self._left and scope["method"] != "HEAD":
                await writer.write(piece)
                piece = await anext(self._pieces, b"")
            await writer.write(b"", last=True)

    def _leave(self) -> None:
        self._left = True


class StallingWriter:
    """Writes; a client that takes nothing for `timeout_s` is left. One timer per stream, not one per write."""

    def __init__(self, send: Send, timeout_s: float, on_stall: Callable[[], None]) -> None:
        self._send = send
        self._timeout_s = timeout_s
        self._on_stall = on_stall
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._stalled = False
        self._writing_since_s: float | None = None
        self._last_s = self._loop.time()
        self._timer = self._loop.call_later(timeout_s, self._check)

    async def write(self, data: bytes, last: bool = False) -> None:
        """Raises ClientDisconnect when the client has taken nothing for too long."""
        self._writing_since_s = self._loop.time()
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        except asyncio.CancelledError:
            if not self._stalled:
                raise
            raise ClientDisconnect from None
        self._writing_since_s = None
        self._last_s = self._loop.time()
        if last:
            self._timer.cancel()

    def silent_s(self) -> float:
        return self._loop.time() - self._last_s

    def _check(self) -> None:
        if self._task is None or self._task.done():
            return
        since_s = self._writing_since_s
        waited_s = 0.0 if since_s is None else self._loop.time() - since_s
        if waited_s >= self._timeout_s:
            self._stalled = True
            self._on_stall()
            self._task.cancel()
            return
        self._timer = self._loop.call_later(self._timeout_s - waited_s, self._check)
