from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, date, datetime

import asyncpg
import pytest

from api.ledger.holds import Ledger
from api.ledger.retention import Retention, first_kept
from api.storage import holds, usage_months
from api.storage.session import Database, open_pool
from tests.unit.api.ledger.conftest import record, request
from tests.unit.api.tcp_proxy import proxied

LONG_AGO_S = datetime(2001, 1, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "keep", "first"),
    [
        ((2026, 11, 21), 1, date(2026, 10, 1)),
        ((2026, 1, 31), 1, date(2025, 12, 1)),
        ((2026, 12, 1), 12, date(2025, 12, 1)),
        ((2026, 1, 1), 25, date(2023, 12, 1)),
    ],
)
def test_whole_months_are_kept(now: tuple[int, int, int], keep: int, first: date) -> None:
    assert first_kept(datetime(*now, 23, 59, tzinfo=UTC), keep) == first


async def test_months_come_and_go(store: Database) -> None:
    await usage_months.add(store, [datetime(2001, month, 15, tzinfo=UTC).timestamp() for month in (1, 2)])
    assert await Retention(store, 0).run() == [] and date(2001, 1, 1) in await usage_months.months(store)
    dropped = await Retention(store, 3).run()
    assert dropped[:2] == [date(2001, 1, 1), date(2001, 2, 1)]
    assert await Retention(store, 3).run() == []
    now = datetime.now(UTC)
    months = await usage_months.months(store)
    assert {first_kept(now, 0), first_kept(now, -1), first_kept(now, -2)} <= set(months)
    assert min(months) >= first_kept(now, 3)


async def test_dead_processes_are_forgotten_once_they_hold_nothing(store: Database) -> None:
    for name in ("alive", "dead"):
        await holds.renew(store, name, 10.0)
    await store.execute("UPDATE ledger_processes SET lease_until = now() - interval '2 hours' WHERE id = 'dead'")
    await Retention(store, 0).run()
    assert [row["id"] for row in await store.fetch("SELECT id FROM ledger_processes")] == ["alive"]


async def test_it_begins_when_postgresql_is_there(migrated_url: str, store: Database) -> None:
    await usage_months.add(store, [datetime(2001, 1, 15, tzinfo=UTC).timestamp()])
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 1, 0.5)) as database:
        await proxy.cut()
        async with contextlib.aclosing(Retention(database, 3, interval_s=0.05)) as retention:
            await retention.start()
            await asyncio.sleep(0)
            await proxy.restore()
            async with asyncio.timeout(30):
                while date(2001, 1, 1) in await usage_months.months(store):
                    await asyncio.sleep(0.02)


async def test_a_dump_keeps_months_waiting_and_no_settlements(store: Database, ledger: Ledger) -> None:
    await usage_months.add(store, [LONG_AGO_S])
    hold, late = await ledger.hold(request(10_000)), await ledger.hold(request(10_000, started_at_s=LONG_AGO_S - 1e7))
    async with store.transaction() as dump:
        await dump.execute("LOCK TABLE usage IN ACCESS SHARE MODE")
        dropping = asyncio.create_task(Retention(store, 3).run())
        while not await dump.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.002)
        await ledger.settle(hold, record(hold))
        async with asyncio.timeout(10):
            while hold.request.request_id in ledger.open:
                await asyncio.sleep(0.02)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await dropping
        await ledger.settle(late, record(late))  # of a month that is not there: it is kept until that can be made
        assert ledger.open
    async with asyncio.timeout(10):
        while ledger.open:
            await asyncio.sleep(0.02)
    assert len(await store.fetch("SELECT FROM usage")) == 2
    assert (await Retention(store, 3).run())[0] == date(2000, 9, 1)
