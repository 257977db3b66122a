"""Bounds on request bodies: how large, how slow, how many at once, and never compressed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import (
    InvalidRequestError,
    OverloadedError,
    RequestTimeoutError,
    RequestTooLargeError,
    UnsupportedContentTypeError,
)
from api.middleware import reject

# A client that is told 413 while it still sends should get to read it: up to this many times the limit the rest of
# the body is let in (and dropped by the server); beyond, the connection is closed.
_LET_IN = 8
_CLOSE = {"connection": "close"}
# Of the largest bodies, that one project may have in this process before they are whole. Other bodies of it wait with
# their clients: a key would else be enough to fill the memory, before anything counts against its limits.
LARGEST_AT_ONCE = 16
SMALL_BYTES = 64 << 10  # a body that waits takes as much here, too


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The whole of a body is here within `timeout_s`. Where `bytes_per_s` is given, that is for each piece, and for all
    of them there is a second more for so many bytes."""

    max_bytes: int
    timeout_s: float
    setting: str  # that says `max_bytes`
    bytes_per_s: int | None = None

    def too_large(self, size: int | None) -> RequestTooLargeError:
        """`size` in bytes, None when it was not announced."""
        what = "more" if size is None else f"{size} bytes"
        return RequestTooLargeError(
            f"The request body is too large: at most {self.max_bytes} bytes are accepted, got {what}. Send less at "
            f"once, or ask the operator to raise {self.setting}.",
            headers=_CLOSE if size is None or size > _LET_IN * self.max_bytes else None,
        )


class BodyLimitMiddleware:
    """413 by Content-Length before anything is read, and by count while reading; 415 for encoded bodies; 408 for slow
    ones. Inside the application the latter ones are raised by `receive`. `limits`: of paths that have their own."""

    def __init__(self, app: ASGIApp, limit: BodyLimit, limits: Mapping[str, BodyLimit]) -> None:
        self._app = app
        self._limit = limit
        self._limits = limits
        self._rooms: WeakValueDictionary[str, _Room] = WeakValueDictionary()  # of projects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._limit)
        announced: bytes | None = None
        chunked = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = value
            elif name == b"transfer-encoding":
                chunked = True
            elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                await reject(scope, send, _encoded(value))
                return
        if announced is not None:
            if not (announced.isdigit() and len(announced) < 20):
                await reject(scope, send, InvalidRequestError("Content-Length is not a number.", headers=_CLOSE))
                return
            if int(announced) > limit.max_bytes:
                await reject(scope, send, limit.too_large(int(announced)))
                return
        if not chunked and announced in (None, b"0"):
            await self._app(scope, receive, send)
            return
        coming = _Body(receive, limit)
        most_bytes = limit.max_bytes if announced is None else int(announced)
        if most_bytes <= SMALL_BYTES or limit.bytes_per_s is not None:  # uploads are stored while they come
            await self._app(scope, coming.receive, send)
            return
        place = _Place(coming, scope, self._rooms, most_bytes)
        try:
            await self._app(scope, place.receive, send)
        finally:
            place.leave()


class _Body:
    """A request's `receive`, counting and timing the body that passes through it."""

    __slots__ = ("_began_s", "_loop", "_receive", "_size", "limit", "whole")

    def __init__(self, receive: Receive, limit: BodyLimit) -> None:
        self.limit = limit
        self.whole = False  # nothing more of it will come
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._size = 0

    async def receive(self) -> Message:
        if self.whole:
            return await self._receive()  # waits for the client to leave, for as long as the answer takes
        try:
            async with asyncio.timeout_at(self._deadline_s()):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeoutError(
                f"The request body did not arrive within {self.limit.timeout_s:g} seconds.", headers=_CLOSE
            ) from None
        if message["type"] != "http.request":
            self.whole = True
            return message
        self._size += len(message.get("body", b""))
        if self._size > self.limit.max_bytes:
            raise self.limit.too_large(None)
        self.whole = not message.get("more_body", False)
        return message

    def begin(self) -> None:
        """Its time begins now: it was kept from coming."""
        self._began_s = self._loop.time()

    def _deadline_s(self) -> float:
        limit = self.limit
        if limit.bytes_per_s is None:
            return self._began_s + limit.timeout_s
        return limit.timeout_s + min(self._loop.time(), self._began_s + self._size / limit.bytes_per_s)


class _Room:
    """For the bodies of one project that are not whole yet."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: list[asyncio.Future[None]] = []

    async def take(self, size: int) -> None:
        while self._free < size:
            freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            await freed
        self._free -= size

    def give_back(self, size: int) -> None:
        self._free += size
        waiting, self._waiting = self._waiting, []
        for freed in waiting:
            if not freed.done():
                freed.set_result(None)


class _Place:
    """`receive` of a large body, which has to have room for all of it before its first bytes are taken: so those that
    have begun can end. Whose it is, is known by then: the key is looked at before."""

    __slots__ = ("_body", "_room", "_rooms", "_scope", "_size")

    def __init__(self, body: _Body, scope: Scope, rooms: WeakValueDictionary[str, _Room], size: int) -> None:
        self._body = body
        self._scope = scope
        self._rooms = rooms
        self._size = size
        self._room: _Room | None = None

    async def receive(self) -> Message:
        if self._room is None and not self._body.whole:
            await self._enter()
        message = await self._body.receive()
        if self._body.whole:
            self.leave()
        return message

    def leave(self) -> None:
        """Idempotent."""
        if self._room is not None:
            self._room.give_back(self._size)
            self._room = None

    async def _enter(self) -> None:
        """Raises OverloadedError."""
        principal, limit = self._scope.get("state", {}).get("principal"), self._body.limit
        project_id = "" if principal is None else principal.project_id
        room = self._rooms.setdefault(project_id, _Room(LARGEST_AT_ONCE * limit.max_bytes))
        try:
            async with asyncio.timeout(limit.timeout_s):
                await room.take(self._size)
        except TimeoutError:
            raise OverloadedError(
                "Too many large requests of this project arrive at once. Please try again.",
                retry_after_ms=5000,
                headers=_CLOSE,
            ) from None
        self._room = room
        self._body.begin()


def _encoded(value: bytes) -> UnsupportedContentTypeError:
    return UnsupportedContentTypeError(
        f"Content-Encoding is {value[:40].decode('latin-1')!r}: send the body as it is, without compression."
    )
