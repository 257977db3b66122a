"""Bounds on request bodies: how large, how slow, and never compressed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import InvalidRequestError, RequestTimeoutError, RequestTooLargeError, UnsupportedContentTypeError
from api.middleware import reject

# A client that is told 413 while it still sends should get to read it: up to this many times the limit the rest of
# the body is let in (and dropped by the server); beyond, the connection is closed.
_LET_IN = 8
_CLOSE = {"connection": "close"}


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
        if chunked or announced not in (None, b"0"):
            receive = _Body(receive, limit).receive
        await self._app(scope, receive, send)


class _Body:
    """A request's `receive`, counting and timing the body that passes through it."""

    __slots__ = ("_began_s", "_limit", "_loop", "_receive", "_whole", "size")

    def __init__(self, receive: Receive, limit: BodyLimit) -> None:
        self._receive = receive
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._whole = False
        self.size = 0

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()  # waits for the client to leave, for as long as the answer takes
        try:
            async with asyncio.timeout_at(self._deadline_s()):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeoutError(
                f"The request body did not arrive within {self._limit.timeout_s:g} seconds.", headers=_CLOSE
            ) from None
        if message["type"] != "http.request":
            self._whole = True
            return message
        self.size += len(message.get("body", b""))
        if self.size > self._limit.max_bytes:
            raise self._limit.too_large(None)
        self._whole = not message.get("more_body", False)
        return message

    def _deadline_s(self) -> float:
        limit = self._limit
        if limit.bytes_per_s is None:
            return self._began_s + limit.timeout_s
        return limit.timeout_s + min(self._loop.time(), self._began_s + self.size / limit.bytes_per_s)


def _encoded(value: bytes) -> UnsupportedContentTypeError:
    return UnsupportedContentTypeError(
        f"Content-Encoding is {value[:40].decode('latin-1')!r}: send the body as it is, without compression."
    )
