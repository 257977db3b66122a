from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from api.errors import LedgerUnavailableError
from api.ledger.price_book import PriceBook
from api.storage import prices
from api.storage.session import Database, open_pool
from tests.unit.api.tcp_proxy import proxied


async def test_a_price_is_in_force_from_its_date_on(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    await prices.add(store, "tiny", 100, 50, 400, now - timedelta(days=30))
    await prices.add(store, "tiny", 300, 50, 400, now + timedelta(days=30))
    await prices.add(store, "tiny", 200, 50, 400, now - timedelta(days=1))
    clock = [now.timestamp()]
    monkeypatch.setattr(store, "now_s", lambda: clock[0])
    book = PriceBook(store)
    await book.refresh()

    def current(days: float) -> int | None:
        clock[0] = (now + timedelta(days=days)).timestamp()
        price = book.current("tiny")
        return price and price.version

    assert [current(days) for days in (-31, -30, -2, -1, 0, 29, 30, 31)] == [None, 1, 1, 3, 3, 3, 2, 2]
    found = book.find("tiny", 2)
    assert found is not None and found.input_nusd_per_mtok == 300
    assert book.find("tiny", 4) is None and book.current("another") is None and book.find("another", 1) is None


async def test_of_two_prices_with_one_date_the_later_version_corrects_the_other(store: Database) -> None:
    since = datetime.now(UTC) - timedelta(days=1)
    for amount in (100, 10, 1):
        await prices.add(store, "tiny", amount, 0, 0, since)
    book = PriceBook(store)
    await book.refresh()
    current = book.current("tiny")
    assert current is not None and current.version == 3


async def test_a_new_price_is_heard_of(store: Database) -> None:
    async with contextlib.aclosing(PriceBook(store)) as book:
        await book.start()
        await until(book, None)
        await prices.add(store, "tiny", 100, 50, 400)
        await until(book, 1)
        await prices.add(store, "tiny", 200, 50, 400)
        await until(book, 2)
        async with asyncio.timeout(10):
            while book._changed.is_set():  # it reads when there is something new, and not all the time
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
async def test_prices_come_into_force_by_the_clock_of_postgresql(
    jump_s: float, migrated_url: str, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prices.add(store, "tiny", 100, 50, 400)
    await prices.add(store, "tiny", 200, 50, 400, datetime.now(UTC) + timedelta(hours=1))
    ours = time.time
    monkeypatch.setattr(time, "time", lambda: ours() + jump_s)
    async with contextlib.aclosing(await open_pool(migrated_url, 1)) as database:
        async with contextlib.aclosing(PriceBook(database)) as book:
            await book.start()
            await until(book, 1)


async def test_before_anything_was_read_nobody_knows_and_afterwards_an_outage_changes_nothing(
    migrated_url: str, store: Database
) -> None:
    await prices.add(store, "tiny", 100, 50, 400)
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 0.5)) as database:
        await proxy.cut()
        async with contextlib.aclosing(PriceBook(database)) as book:
            await book.start()
            for ask in (lambda: book.current("tiny"), lambda: book.find("tiny", 1)):
                with pytest.raises(LedgerUnavailableError):
                    ask()
            await proxy.restore()
            await until(book, 1)
            await proxy.cut()
            await until(book, 1)
            await prices.add(store, "tiny", 200, 50, 400)
            await proxy.restore()
            await until(book, 2)


async def test_prices_are_never_changed(store: Database) -> None:
    await prices.add(store, "tiny", 100, 50, 400)
    for statement in ("UPDATE prices SET input_nusd_per_mtok = 1", "DELETE FROM prices", "TRUNCATE prices"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="rows are facts"):
            await store.execute(statement)
    with pytest.raises(asyncpg.CheckViolationError):
        await prices.add(store, "tiny", 100, 101, 400)  # cached input that costs more breaks the bound


async def until(book: PriceBook, version: int | None) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(LedgerUnavailableError):
                price = book.current("tiny")
                if (price and price.version) == version:
                    return
            await asyncio.sleep(0.01)
