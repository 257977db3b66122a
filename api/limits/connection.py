"""The one door to Redis: a single connection that all calls of a process share.

Calls leave in order and are answered in order; those made in one turn of the event loop leave in one write. A call
that is not answered in time, or an error of the connection, ends the connection for all of its calls. A new one is
tried at once and then every `RETRY_S` seconds, for ever, in the background: while there is none every call fails at
once, so an outage costs a request nothing.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from hashlib import sha1
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import hiredis

RETRY_S = 1.0
CONNECT_S = 2.0

Word = str | int | float | bytes | memoryview  # what hiredis packs
Orphan = Callable[[Any], None]


class RedisAwayError(Exception):
    """Redis did not answer. What was asked may have been done all the same, unless `asked` is false."""

    asked = True


class NotAskedError(RedisAwayError):
    asked = False


class Script:
    """A Lua script by its digest. Every connection loads all of them first."""

    def __init__(self, name: str) -> None:
        folder = Path(__file__).parent
        self.source = (folder / "bucket.lua").read_text() + (folder / f"{name}.lua").read_text()
        self.sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest().encode()


class Connection(asyncio.Protocol):
    """One connection. `on_lost` is called once, when it is over."""

    def __init__(self, timeout_s: float, on_lost: Callable[[Exception], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._outgoing: list[bytes] = []
        # When each call was made, who waits for its answer, and whom an answer concerns that nobody waits for.
        self._waiting: deque[tuple[float, asyncio.Future[Any], Orphan | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.lost = False

    def call(self, *words: Word, orphan: Orphan | None = None) -> asyncio.Future[Any]:
        """The answer, or hiredis.ReplyError, or RedisAwayError. When the future is cancelled, `orphan` is called with
        the answer."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.lost:
            _fail(future, NotAskedError("the connection is lost"))
            return future
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub has one word only
        self._waiting.append((time.monotonic(), future, orphan))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._check)
        return future

    def close(self, reason: str = "closed") -> None:
        """Every call under way fails."""
        if self.lost:
            return
        self.lost = True
        if self._transport is not None:
            self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            _fail(self._waiting.popleft()[1], RedisAwayError(reason))
        self._on_lost(RedisAwayError(reason))

    # ---------------------------------------------------------------- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                self._answer(answer)
        except hiredis.ProtocolError as error:
            self.close(f"not the protocol of Redis: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self.close(f"the connection broke: {error or 'closed by Redis'}")

    # ----------------------------------------------------------------

    def _flush(self) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _answer(self, answer: Any) -> None:
        if not self._waiting:
            self.close("an answer to nothing")
            return
        _, future, orphan = self._waiting.popleft()
        if future.cancelled():
            if orphan is not None:
                orphan(answer)
        elif isinstance(answer, hiredis.ReplyError):
            _fail(future, answer)
        else:
            future.set_result(answer)

    def _check(self) -> None:
        self._timer = None
        if self._waiting:
            left_s = self._waiting[0][0] + self._timeout_s - time.monotonic()
            if left_s > 0:
                self._timer = self._loop.call_later(left_s, self._check)
            else:
                self.close(f"no answer within {self._timeout_s * 1e3:g} ms")


class Redis:
    """The connection there is, if any. `start()` tries once and goes on in the background; `aclose()` ends it.

    `on_up` runs on every new connection before it is used by others. `on_change(None)` is called when there is a
    connection, `on_change(error)` when there is none any more.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        scripts: tuple[Script, ...],
        on_up: Callable[[Connection], Awaitable[None]],
        on_change: Callable[[Exception | None], None],
    ) -> None:
        self._connect, self._greeting = _parse(url)
        self._timeout_s = timeout_s
        self._scripts = scripts
        self._on_up = on_up
        self._on_change = on_change
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connection(self) -> Connection:
        """Raises RedisAwayError."""
        if self._connection is None:
            raise NotAskedError("no connection")
        return self._connection

    async def start(self) -> None:
        """Returns when the first attempt is over. Never raises for a Redis that is away."""
        if self._task is None:
            await self._try()
            self._task = asyncio.create_task(self._keep_connected(), name="redis")

    async def aclose(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.close()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def load(self, connection: Connection) -> None:
        """The scripts again, when Redis has forgotten them."""
        for script in self._scripts:
            connection.call("SCRIPT", "LOAD", script.source).add_done_callback(seen)

    async def _keep_connected(self) -> NoReturn:
        while True:
            if self._connection is None and not await self._try():
                await asyncio.sleep(RETRY_S)
            elif self._connection is not None:
                await self._lost.wait()

    async def _try(self) -> bool:
        self._lost.clear()
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._connect(lambda: Connection(self._timeout_s, self._on_lost))
        except (OSError, TimeoutError) as error:
            self._on_change(error)
            return False
        try:
            for words in (*self._greeting, *(("SCRIPT", "LOAD", script.source) for script in self._scripts)):
                await connection.call(*words)
            await self._on_up(connection)
        except (RedisAwayError, hiredis.HiredisError) as error:
            connection.close(str(error))
            return False
        except BaseException:
            connection.close()
            raise
        if connection.lost:
            return False
        self._connection = connection
        self._on_change(None)
        return True

    def _on_lost(self, error: Exception) -> None:
        self._connection = None
        self._lost.set()
        if not self._closed:
            self._on_change(error)


def check_url(url: str) -> None:
    """Raises ValueError for a URL that can never work."""
    _parse(url)


def _parse(url: str) -> tuple[Callable[[Callable[[], Connection]], Awaitable[Connection]], list[tuple[str, ...]]]:
    """How to connect, and what to say first. Raises ValueError for a URL that can never work."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    number = query.get("db", [""])[0] or ("" if parts.scheme == "unix" else parts.path.strip("/"))
    if parts.scheme not in ("redis", "rediss", "unix") or not (number or "0").isdecimal() or not _has_address(parts):
        raise ValueError(
            "REDIS_URL cannot be used: expected redis://[USER:PASSWORD@]HOST:PORT/NUMBER, rediss: or unix:"
        )
    greeting: list[tuple[str, ...]] = []
    if parts.password:
        greeting.append(("AUTH", *filter(None, (unquote(parts.username or ""), unquote(parts.password)))))
    if number not in ("", "0"):
        greeting.append(("SELECT", str(int(number))))
    greeting.append(("CLIENT", "SETNAME", "novai-api"))
    port, tls = parts.port or 6379, ssl.create_default_context() if parts.scheme == "rediss" else None

    async def connect(factory: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        if parts.scheme == "unix":
            return (await loop.create_unix_connection(factory, parts.path))[1]
        return (await loop.create_connection(factory, parts.hostname or "127.0.0.1", port, ssl=tls))[1]

    return connect, greeting


def _has_address(parts: SplitResult) -> bool:
    """A name that can be one, and a port that can be connected to, or none, which is the usual one."""
    try:
        (parts.hostname or "").encode("idna")
        return parts.port != 0
    except ValueError:  # UnicodeError is one
        return False


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody may be waiting any more: no complaint about an exception that was not seen


def seen(future: asyncio.Future[Any]) -> None:
    """The end of a call that nobody waits for: no complaint about an exception that was not seen."""
    if not future.cancelled():
        future.exception()
