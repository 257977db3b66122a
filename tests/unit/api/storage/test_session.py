from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

import asyncpg
import pytest

from api.errors import LedgerUnavailableError
from api.storage.session import Database, NotSentError, open_pool
from tests.unit.api.tcp_proxy import proxied


async def test_opens_while_postgresql_is_away_and_works_when_it_is_there(migrated_url: str) -> None:
    async with proxied(migrated_url) as (proxy, url):
        await proxy.cut()
        async with contextlib.aclosing(await open_pool(url, 2, 1.0)) as database:
            with pytest.raises(LedgerUnavailableError) as caught:
                await database.ping()
            assert caught.value.status == 503
            assert caught.value.headers()["retry-after"] == "2"
            await proxy.restore()
            await comes_back(database)


async def test_a_lost_connection_is_replaced(store: Database) -> None:
    async with asyncio.timeout(30):
        [row] = await store.fetch("SELECT pg_backend_pid() AS pid")
        async with store.connection() as other:
            sleeping = asyncio.create_task(store.fetchrow("SELECT pg_sleep(30)"))
            sleeper = "FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND datname = current_database()"
            while not await other.fetchval(f"SELECT count(*) {sleeper}"):
                await asyncio.sleep(0.01)
            await other.execute(f"SELECT pg_terminate_backend(pid) {sleeper}")
            with pytest.raises(LedgerUnavailableError):
                await sleeping
        # The loss of a connection is not an outage: the next use works at once.
        [after] = await store.fetch("SELECT pg_backend_pid() AS pid")
        assert after["pid"] != 0 and row["pid"] != 0


async def test_a_connection_that_is_being_lost_is_no_other_error(migrated_url: str, store: Database) -> None:
    """Between its last word and its end, too: asyncpg takes no statement then, and calls that an error of its own."""
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 1, 1.0)) as database:
        [row] = await database.fetch("SELECT pg_backend_pid() AS pid")
        proxy.hold_ends()
        await store.execute("SELECT pg_terminate_backend($1)", row["pid"])
        async with asyncio.timeout(30):
            await proxy.ended.wait()
        for _ in range(3):  # the event loop hands the last word to asyncpg
            await asyncio.sleep(0)
        with pytest.raises(LedgerUnavailableError):
            await database.fetch("SELECT 1")
        [after] = await database.fetch("SELECT pg_backend_pid() AS pid")
        assert after["pid"] != row["pid"]


async def test_a_silent_server_costs_the_timeout_once_then_nothing(migrated_url: str) -> None:
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 4, 0.4)) as database:
        await database.ping()
        proxy.silence()
        started = time.monotonic()
        with pytest.raises(LedgerUnavailableError):
            await database.fetch("SELECT 1")
        assert 0.3 < time.monotonic() - started < 4.0
        started = time.monotonic()
        for _ in range(100):
            with pytest.raises(LedgerUnavailableError):
                await database.fetch("SELECT 1")
        assert time.monotonic() - started < 4.0  # not the timeout each time
        await proxy.restore()
        await comes_back(database)


async def test_a_server_that_falls_silent_in_a_transaction_costs_the_timeout_once(migrated_url: str) -> None:
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 1, 1.5)) as database:
        started = time.monotonic()
        with pytest.raises(LedgerUnavailableError):
            async with database.transaction() as change, change.transaction() as inside:
                proxy.silence()
                await inside.execute("SELECT 1")
        with pytest.raises(NotSentError):
            await database.fetch("SELECT 1")
        assert 1.4 < time.monotonic() - started < 2.9
        await proxy.restore()
        await comes_back(database)


async def test_one_caller_finds_out_the_others_do_not_wait(migrated_url: str) -> None:
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 4, 0.4)) as database:
        await database.ping()
        proxy.silence()
        with pytest.raises(LedgerUnavailableError):
            await database.fetch("SELECT 1")
        await asyncio.sleep(0.6)  # the pause after a failure is over: somebody may ask again

        async def duration_s() -> float:
            started = time.monotonic()
            with pytest.raises(LedgerUnavailableError):
                await database.fetch("SELECT 1")
            return time.monotonic() - started

        durations = sorted(await asyncio.gather(*(duration_s() for _ in range(20))))
        assert durations[-2] < 0.2 < durations[-1]


async def test_what_was_asked_wrongly_is_not_an_outage(store: Database) -> None:
    for statement, arguments, error in (
        ("SELECT nonsense", (), asyncpg.UndefinedColumnError),
        ("SELECT $1::int", ("x",), asyncpg.DataError),
        ("SELECT $1::text", ("a\0b",), asyncpg.DataError),
        ("SELECT 1/0", (), asyncpg.DivisionByZeroError),
        ("SELECT $1::int", (), asyncpg.InterfaceError),
    ):
        with pytest.raises(Exception) as caught:
            await store.fetch(statement, *arguments)
        assert not isinstance(caught.value, LedgerUnavailableError)
        assert isinstance(caught.value, error)
    await store.ping()


@pytest.mark.parametrize("url", ["", "mysql://x/y", "127.0.0.1:5432"])
async def test_a_url_that_can_never_work_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        await open_pool(url)


async def test_cancelled_statements_never_leave_their_answer_to_others(store: Database) -> None:
    """Reliability S16: a connection given back too early would answer the next caller with the last one's rows."""

    async def ask(number: int) -> int:
        row = await store.fetchrow("SELECT $1::int AS number, pg_sleep(0.002)", number)
        assert row is not None
        return int(row["number"])

    async def cancelled(number: int) -> None:
        task = asyncio.create_task(ask(number))
        await asyncio.sleep(0.0007 * (number % 5))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LedgerUnavailableError):
            assert await task == number

    async def answered(number: int) -> None:
        assert await ask(number) == number

    await asyncio.gather(*(cancelled(n) if n % 2 else answered(n) for n in range(200)))


async def test_listening_survives_a_cut(migrated_url: str, store: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    states: asyncio.Queue[bool] = asyncio.Queue()
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 1, 1.0)) as database:
        listening = asyncio.create_task(database.listen("novai_keys", heard.put_nowait, states.put_nowait))
        try:
            async with asyncio.timeout(30):
                assert await states.get() is True
                await store.execute("SELECT pg_notify('novai_keys', 'one')")
                assert await heard.get() == "one"
                await proxy.cut()
                assert await states.get() is False
                await proxy.restore()
                while not await states.get():
                    pass
                await store.execute("SELECT pg_notify('novai_keys', 'two')")
                assert await heard.get() == "two"
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def test_every_outage_of_a_listener_is_told_once(migrated_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also the next one after a long one, whatever the other listeners of the process do."""

    def told() -> int:
        return sum(record.message.startswith("Not listening on novai_keys") for record in caplog.records)

    states: asyncio.Queue[bool] = asyncio.Queue()
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 1, 1.0)) as database:
        channels = (("novai_prices", lambda _listening: None), ("novai_keys", states.put_nowait))
        listening = [asyncio.create_task(database.listen(name, lambda _: None, tell)) for name, tell in channels]
        try:
            async with asyncio.timeout(30):
                assert await states.get() is True
                for outage in (1, 2):
                    await proxy.cut()
                    assert await states.get() is False
                    await asyncio.sleep(1.0)  # several attempts
                    assert told() == outage
                    await proxy.restore()
                    assert await states.get() is True
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)


async def test_who_left_while_finding_out_whether_postgresql_is_back_keeps_nobody_out(migrated_url: str) -> None:
    """Only one caller at a time finds out, and the others are refused until that one's time is up."""
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 25.0)) as database:
        await proxy.cut()
        with pytest.raises(LedgerUnavailableError):
            await database.ping()
        await proxy.restore()
        proxy.silence()
        await asyncio.sleep(0.6)  # nobody tries before that
        asking, before = asyncio.create_task(database.fetch("SELECT 1")), proxy.accepted
        async with asyncio.timeout(10):
            while proxy.accepted == before:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await proxy.restore()
            await comes_back(database)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"query": "default_transaction_read_only=on"}, asyncpg.ReadOnlySQLTransactionError),
        ({"netloc": "novai:wrong@{0.hostname}:{0.port}"}, asyncpg.InvalidAuthorizationSpecificationError),
        ({"path": "/none"}, asyncpg.InvalidCatalogNameError),
    ],
)
async def test_what_keeps_everybody_out_is_told_once_and_to_whom_it_meets(
    migrated_url: str, caplog: pytest.LogCaptureFixture, changed: dict[str, str], cause: type[Exception]
) -> None:
    url = urlsplit(migrated_url)
    url = url._replace(**{part: value.format(url) for part, value in changed.items()})
    async with contextlib.aclosing(await open_pool(url.geturl(), 1)) as database:
        for _ in range(3):
            with pytest.raises(LedgerUnavailableError) as caught:
                await database.execute("UPDATE api_keys SET name = name")
            assert isinstance(caught.value.__cause__, cause)
    assert len(caplog.messages) == 1 and type(caught.value.__cause__).__name__ in caplog.text


async def comes_back(database: Database) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(LedgerUnavailableError):
                await database.ping()
                return
            await asyncio.sleep(0.02)
