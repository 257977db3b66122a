"""The one door to PostgreSQL: a pool of asyncpg connections.

When PostgreSQL is away: opening a pool succeeds all the same, every use raises LedgerUnavailableError (503) within
`timeout_s`, and after the first failed connection attempt at once, because only one caller at a time may find out
whether the server is back. It is asked again for ever; nothing has to be restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import asyncpg

from api.config import can_be_host
from api.errors import LedgerUnavailableError
from api.storage.revisions import NEWEST

logger = logging.getLogger(__name__)

RETRY_AFTER_MS = 2000
_AWAY = "The service cannot reach its database at the moment. Please try again shortly."
# How long nobody tries after a connection attempt failed.
_PAUSE_S = 0.5
# How long at most before a statement that met others is tried again.
_RETRY_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
_RELEASE_TIMEOUT_S = 1.0
_LISTEN_HEARTBEAT_S = 2.0
_TELL_AGAIN_S = 60.0
_PORT = re.compile("[0-9]{0,5}")
_LISTEN_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)

# What says that the server, not the statement, is the trouble. The statement may or may not have been committed.
AWAY: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, no such host; TimeoutError is one too
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, crashed, cancelled by the server
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.InterfaceError,  # the connection was closed under us, or the pool is
    asyncpg.InternalClientError,  # the server has said that it ends the connection, whose end is still to come
    asyncpg.ReadOnlySQLTransactionError,  # a standby, before its promotion, or what was the primary
    asyncpg.InvalidAuthorizationSpecificationError,  # another password than ours, or we may not come in
    asyncpg.InvalidCatalogNameError,  # it has no such database, or none yet
)


# What says that the tables are not those of this program. An unknown column may as well be a mistake of ours.
NOT_OURS = (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError)


class NotMigratedError(LedgerUnavailableError):
    """PostgreSQL is there, and has no tables, or older ones. Its cause is what the server said."""


class NotSentError(LedgerUnavailableError):
    """PostgreSQL is away, and the statement never left this process."""


async def open_pool(
    database_url: str, size: int = 8, timeout_s: float = 5.0, settings: Mapping[str, str] | None = None
) -> Database:
    """A pool of at most `size` connections, opened when first used. Close it with `aclose()`.

    `settings` are PostgreSQL's, for every connection of the pool. Does not wait for PostgreSQL. Raises ValueError for
    a URL that can never work.
    """
    check_url(database_url)
    pool = await asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=size,
        timeout=timeout_s,
        command_timeout=timeout_s,
        max_inactive_connection_lifetime=300.0,
        server_settings={"application_name": "novai", "jit": "off", **(settings or {})},
        # A connection is given back as it was taken: no statement here changes its session. Saves a round trip.
        reset=_keep_session,
    )
    return Database(pool, database_url, timeout_s)


class Database:
    """Connections to one database. Every method raises LedgerUnavailableError when PostgreSQL is away."""

    def __init__(self, pool: asyncpg.Pool, url: str, timeout_s: float) -> None:
        self.pool = pool
        self.timeout_s = timeout_s
        self._url = url
        self._suspect: BaseException | None = None  # why nobody could be given a connection
        self._ask_again_at = 0.0
        self._tell_again_at: dict[str, float] = {}  # by what is wrong
        self._clock_began_s = time.time() - time.monotonic()  # unix seconds at the monotonic clock's zero

    def now_s(self) -> float:
        """Unix seconds by PostgreSQL's clock, by which all processes go, as listeners heard it within the last two
        seconds, or as `hear_clock` did; by our own before."""
        return time.monotonic() + self._clock_began_s

    def now(self) -> datetime:
        """The same, in UTC."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    async def hear_clock(self) -> None:
        """Once, for those who do not listen."""
        async with self.connection() as connection:
            await self._hear_clock(connection)

    @contextlib.asynccontextmanager
    async def connection(self, timeout_s: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        """One connection for the length of the block; a transaction is the caller's to open."""
        timeout_s = timeout_s or self.timeout_s
        connection = await self._acquire(timeout_s)
        try:
            yield connection
        except BaseException as error:
            if isinstance(error, TimeoutError):
                # A hung server would not answer the request to cancel either: do not wait for it.
                connection.terminate()
                self._suspect_now(error)
            elif isinstance(error, asyncpg.InternalClientError):
                connection.terminate()  # or the next one would be given it
            elif isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await self.pool.expire_connections()  # new ones may lead to who can write
            # An InterfaceError on a connection that lives is a mistake of ours, e.g. a missing argument.
            if isinstance(error, AWAY) and not (isinstance(error, asyncpg.InterfaceError) and _lives(connection)):
                self._tell(type(error).__name__, f"PostgreSQL did not do as it was asked: {describe(error)}")
                raise unavailable() from error
            if isinstance(error, NOT_OURS):
                self._tell_of_tables(error)
                raise NotMigratedError(_AWAY, retry_after_ms=RETRY_AFTER_MS) from error
            raise
        finally:
            await self._release(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """All that is done with what this yields is one durable commit, or nothing if the block raises."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield _Transaction(self, connection)
            except TimeoutError:
                raise  # a hung server would not answer a ROLLBACK either; it makes one when the connection ends
            except BaseException:
                await transaction.rollback()
                raise
            await transaction.commit()

    async def fetch(self, statement: str, *arguments: Any, timeout_s: float | None = None) -> list[asyncpg.Record]:
        async with self.connection(timeout_s) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments, timeout=timeout_s)
            return rows

    async def fetch_idempotent(
        self, statement: str, *arguments: Any, timeout_s: float | None = None
    ) -> list[asyncpg.Record]:
        """`fetch`, tried again after a deadlock or a serialization failure, in which nothing was done."""
        pauses_s = iter(_RETRY_S)
        while True:
            try:
                return await self.fetch(statement, *arguments, timeout_s=timeout_s)
            except asyncpg.TransactionRollbackError as error:
                if (pause_s := next(pauses_s, None)) is None:
                    raise unavailable() from error
                await asyncio.sleep(random.random() * pause_s)  # noqa: S311 (so that two do not meet again)

    async def fetchrow(self, statement: str, *arguments: Any, timeout_s: float | None = None) -> asyncpg.Record | None:
        async with self.connection(timeout_s) as connection:
            return await connection.fetchrow(statement, *arguments, timeout=timeout_s)

    async def execute(self, statement: str, *arguments: Any, timeout_s: float | None = None) -> str:
        """The command tag, e.g. `INSERT 0 3`."""
        async with self.connection(timeout_s) as connection:
            tag: str = await connection.execute(statement, *arguments, timeout=timeout_s)
            return tag

    async def ping(self, timeout_s: float = 1.0) -> None:
        """Returns when PostgreSQL answers, has our tables and takes what is written. Raises NotMigratedError when
        it has none, or those of an older program."""
        ask = "SELECT version_num, current_setting('transaction_read_only') AS read_only FROM alembic_version"
        async with self.connection(timeout_s) as connection:
            row = await connection.fetchrow(ask, timeout=timeout_s)
            if row is None or row["version_num"] < NEWEST:
                told = f"revision {row['version_num'] if row else 'none'}, not {NEWEST}"
                self._tell_of_tables(told)
                raise NotMigratedError(told, retry_after_ms=RETRY_AFTER_MS)
            if row["read_only"] == "on":
                raise asyncpg.ReadOnlySQLTransactionError("it can only be read")

    async def listen(
        self, channel: str, on_notice: Callable[[str], None], on_listening: Callable[[bool], None]
    ) -> NoReturn:
        """Calls `on_notice(payload)` for every NOTIFY on `channel`, until cancelled.

        Holds a connection of its own and reconnects for ever. `on_listening(True)` is called each time notices begin
        to arrive (earlier ones may have been missed), `on_listening(False)` when the connection is lost.
        """
        failures = 0  # since it last listened

        def tell(listening: bool) -> None:
            nonlocal failures
            failures = 0 if listening else failures
            on_listening(listening)

        while True:
            try:
                await self._listen_once(channel, on_notice, tell)
            except Exception as error:  # noqa: BLE001 — whatever it is, a ring that stopped listening would be worse
                if failures == 0:  # a long outage is told of once
                    logger.warning("Not listening on %s: %s. Trying until it works.", channel, describe(error))
            await asyncio.sleep(_LISTEN_BACKOFF_S[min(failures, len(_LISTEN_BACKOFF_S) - 1)])
            failures += 1

    async def _listen_once(
        self, channel: str, on_notice: Callable[[str], None], on_listening: Callable[[bool], None]
    ) -> None:
        connection = await asyncpg.connect(self._url, timeout=self.timeout_s, command_timeout=self.timeout_s)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        try:
            await self._hear_clock(connection)
            await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: on_notice(payload))
            on_listening(True)
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LISTEN_HEARTBEAT_S):
                        await lost.wait()
                await self._hear_clock(connection)  # a silent partition shows here
        finally:
            on_listening(False)
            connection.terminate()

    async def _hear_clock(self, connection: asyncpg.Connection) -> None:
        now_s: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8", timeout=1.0)
        self._clock_began_s = now_s - time.monotonic()

    async def aclose(self) -> None:
        """Waits for connections in use, for at most `timeout_s`, then cuts them."""
        try:
            await asyncio.wait_for(self.pool.close(), self.timeout_s)
        except TimeoutError:
            self.pool.terminate()

    async def _acquire(self, timeout_s: float) -> asyncpg.Connection:
        now = time.monotonic()
        if self._suspect:
            if now < self._ask_again_at:
                raise _not_sent() from self._suspect
            self._ask_again_at = now + timeout_s  # this caller finds out; the others need not wait for it
        try:
            connection = await self.pool.acquire(timeout=timeout_s)
        except ValueError as error:
            raise ValueError(f"DATABASE_URL cannot be used: {error}") from None
        except AWAY as error:
            if not self._suspect:
                logger.error("PostgreSQL is away: %s", describe(error))
            self._suspect_now(error)
            raise _not_sent() from error
        except asyncio.CancelledError:
            self._ask_again_at = 0.0  # the next caller finds out
            raise
        if self._suspect:
            logger.warning("PostgreSQL is back.")
            self._suspect = None
            self._tell_again_at.clear()
        return connection

    def _suspect_now(self, error: BaseException) -> None:
        self._suspect = error
        self._ask_again_at = time.monotonic() + _PAUSE_S

    def _tell_of_tables(self, why: object) -> None:
        self._tell("tables", f"The database has not the tables of this version ({why}). Run `novai migrate`.")

    def _tell(self, trouble: str, message: str) -> None:
        """Once in a while: every request meets it, and everything that is done regularly."""
        if (now := time.monotonic()) >= self._tell_again_at.get(trouble, 0.0):
            self._tell_again_at[trouble] = now + _TELL_AGAIN_S
            logger.error(message)

    async def _release(self, connection: asyncpg.Connection) -> None:
        # A connection that cannot be given back in order is closed by the pool; the statement's outcome stands.
        with contextlib.suppress(*AWAY):
            await self.pool.release(connection, timeout=_RELEASE_TIMEOUT_S)


class _Transaction(Database):
    """The database, as seen through one connection in a transaction."""

    def __init__(self, database: Database, connection: asyncpg.Connection) -> None:
        super().__init__(database.pool, database._url, database.timeout_s)
        self._clock_began_s = database._clock_began_s
        self._connection = connection

    @contextlib.asynccontextmanager
    async def connection(self, timeout_s: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        yield self._connection


def check_url(database_url: str) -> None:
    """Raises ValueError for what asyncpg would not take for a URL."""
    hosts = urlsplit(database_url).netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    fits = database_url.startswith(("postgresql://", "postgres://")) and all(map(_PORT.fullmatch, ports))
    if not (fits and all(map(can_be_host, hosts))):
        raise ValueError("DATABASE_URL cannot be used: expected postgresql://USER:PASSWORD@HOST:PORT/NAME")


def unavailable() -> LedgerUnavailableError:
    return LedgerUnavailableError(_AWAY, retry_after_ms=RETRY_AFTER_MS)


def _not_sent() -> NotSentError:
    return NotSentError(_AWAY, retry_after_ms=RETRY_AFTER_MS)


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _lives(connection: asyncpg.Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the pool took a lost connection back already
        return False


async def _keep_session(_connection: asyncpg.Connection) -> None:
    """Instead of asyncpg's reset query; asyncpg itself still rolls back an open transaction."""
