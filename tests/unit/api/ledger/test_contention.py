"""Statements that meet: deadlocks, serialization failures, two processes that close the same hold, clocks that jump."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import date

import asyncpg
import pytest

from api import metrics
from api.errors import LedgerUnavailableError
from api.ledger.holds import Hold, Ledger
from api.ledger.pricing import Price
from api.storage import budgets, usage_months
from api.storage.holds import open_ledger_pool
from api.storage.session import Database, open_pool
from tests.conftest import execute
from tests.unit.api.ledger.conftest import COST, principal, record, request

Verified = Callable[[], Awaitable[None]]


@pytest.fixture
async def serializable(migrated_url: str, store: Database) -> str:
    """The same database, for sessions that PostgreSQL isolates as strictly as it can."""
    return f"{migrated_url}?options=-c%20default_transaction_isolation%3Dserializable"


async def test_serialization_failures_reach_no_caller(
    serializable: str, store: Database, price: Price, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", 10**9, "cred_1", ())
    async with contextlib.AsyncExitStack() as stack:
        ledgers = []
        for _ in range(3):
            pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(serializable)))
            ledgers.append(await stack.enter_async_context(contextlib.aclosing(Ledger(pool))))

        async def client(ledger: Ledger) -> None:
            for _ in range(15):
                hold = await ledger.hold(request(COST))
                await ledger.settle(hold, record(hold))

        await asyncio.gather(*(client(ledger) for ledger in ledgers for _ in range(4)))
    [credit] = await budgets.budgets(store)
    assert (credit.spent_nusd, credit.held_nusd) == (180 * COST, 0)
    await verified()


async def test_a_deadlock_is_tried_again(migrated_url: str, store: Database, price: Price, verified: Verified) -> None:
    """Somebody else takes the same two budgets in the other order."""
    await budgets.set_budget(store, "proj_1", "proj_1", "total", 10**9, ())
    await budgets.set_budget(store, "proj_1", "key_1", "total", 10**9, ())
    first, second = [row["id"] for row in await store.fetch("SELECT id FROM budgets ORDER BY id")]
    lock = "SELECT 1 FROM budgets WHERE id = $1 FOR UPDATE"
    url = f"{migrated_url}?options=-c%20deadlock_timeout%3D20ms"  # so that it is the ledger's statement that loses
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(url)))
        ledger = await stack.enter_async_context(contextlib.aclosing(Ledger(pool)))
        other = await asyncpg.connect(migrated_url)
        stack.push_async_callback(other.close)
        async with other.transaction():
            await other.execute("SET LOCAL deadlock_timeout = '10s'")
            await other.fetch(lock, second)
            holding = asyncio.create_task(ledger.hold(request(COST)))
            while not await store.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.002)
            await other.fetch(lock, first)
        hold = await holding
        await ledger.settle(hold, record(hold))
    await verified()


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_old_holds_are_forgotten_beside_settlements(
    migrated_url: str, store: Database, ledger: Ledger, order: str
) -> None:
    """Both change budgets, in whatever order."""
    for scope in ("proj_1", "key_1"):
        await budgets.set_budget(store, "proj_1", scope, "total", 10**9, ())
    hold = await ledger.hold(request(COST))
    await ledger.settle(hold, record(hold))
    long_ago = "UPDATE holds SET created_at = date '2001-01-01', started_at = date '2001-01-01'"
    execute(migrated_url, f"SET session_replication_role = replica; {long_ago}")
    first, second = [row["id"] for row in await store.fetch(f"SELECT id FROM budgets ORDER BY id {order}")]
    lock = "SELECT 1 FROM budgets WHERE id = $1 FOR UPDATE"
    async with contextlib.aclosing(await open_pool(f"{migrated_url}?options=-c%20deadlock_timeout%3D20ms")) as database:
        async with store.transaction() as other:
            await other.execute("SET LOCAL deadlock_timeout = '10s'")
            await other.fetch(lock, first)
            forgetting = asyncio.create_task(usage_months.drop_before(database, date(2001, 2, 1)))
            while not await other.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.002)
            await other.fetch(lock, second)
        await forgetting
    assert not await store.fetch("SELECT FROM holds")
    assert [row["opening_nusd"] for row in await store.fetch("SELECT opening_nusd FROM budgets")] == [COST, COST]


async def test_a_hold_that_is_being_written_is_closed_afterwards(
    migrated_url: str, store: Database, price: Price, verified: Verified
) -> None:
    """An answer ends while more is being held for it. Sent together, the two statements would wait for each other."""
    await budgets.set_budget(store, "proj_1", "proj_1", "total", 10**9, ())
    url = f"{migrated_url}?options=-c%20deadlock_timeout%3D10s"  # nobody ends a deadlock before the hold is given up
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(url)))
        ledger = await stack.enter_async_context(contextlib.aclosing(Ledger(pool)))
        other = await asyncpg.connect(migrated_url)
        stack.push_async_callback(other.close)
        hold, queued = [await ledger.hold(request(COST)) for _ in range(2)]
        async with other.transaction():
            await other.fetch("SELECT 1 FROM budgets FOR UPDATE")
            extending = asyncio.create_task(ledger.extend(hold, 5))
            while not await store.fetch(f"{waiting} HAVING count(*) = 1"):
                await asyncio.sleep(0.002)
            too_late = asyncio.create_task(ledger.extend(queued, 5))
            await asyncio.sleep(0)
            closing = [ledger.settle(hold, record(hold)), ledger.release(queued)]
            for _ in range(20):
                await store.fetch("SELECT 1")
            # The release may be sent, since nothing of `queued` is; the settlement waits for the extension.
            [row] = await store.fetch("SELECT state FROM holds WHERE request_id = $1", hold.request.request_id)
            assert row["state"] == "open" and not closing[0].done()
        assert await extending
        assert not await too_late
        await asyncio.gather(*closing)
        assert not ledger.open and not ledger.unwritten
    [total] = await budgets.budgets(store)
    assert (total.spent_nusd, total.held_nusd) == (COST, 0)
    await verified()


async def test_what_never_gets_its_turn_is_unavailable_not_broken(store: Database) -> None:
    fails = "DO $$ BEGIN RAISE 'met another' USING ERRCODE = 'serialization_failure'; END $$"
    with pytest.raises(LedgerUnavailableError):
        await store.fetch_idempotent(fails)


async def test_two_processes_that_settle_the_same_requests_charge_them_once(
    migrated_url: str, store: Database, price: Price, verified: Verified
) -> None:
    late = metrics.LEDGER_EVENTS.labels("late")._value
    before = late.get()
    async with contextlib.AsyncExitStack() as stack:
        ledgers = []
        for _ in range(2):
            pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(migrated_url)))
            ledgers.append(await stack.enter_async_context(contextlib.aclosing(Ledger(pool))))
        holds = await asyncio.gather(*(ledgers[0].hold(request(COST)) for _ in range(500)))

        async def settle(ledger: Ledger) -> None:
            theirs = [Hold(hold.request) for hold in holds]
            await asyncio.gather(*(ledger.settle(hold, record(hold)) for hold in theirs))

        await asyncio.gather(*map(settle, ledgers))
        while any(ledger.unwritten for ledger in ledgers):
            await asyncio.sleep(0.01)
    posts = await store.fetch("SELECT count(*) AS n, sum(amount_nusd) AS sum FROM transfers WHERE kind = 'post'")
    assert [tuple(row) for row in posts] == [(500, 500 * COST)]
    assert late.get() - before == 500
    await verified()


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
async def test_a_process_whose_clock_is_wrong_holds_and_settles_as_others_do(
    jump_s: float, ledger: Ledger, store: Database, verified: Verified
) -> None:
    """The times that it tells are only told: leases, months and budgets go by the clock of PostgreSQL."""
    await budgets.set_budget(store, "proj_1", "proj_1", "month", 100 * COST, ())
    asked = [request(COST, who=principal(), started_at_s=time.time() + jump_s) for _ in range(20)]
    holds = await asyncio.gather(*map(ledger.hold, asked))
    await asyncio.gather(*(ledger.settle(hold, record(hold)) for hold in holds))
    [budget] = await budgets.budgets(store)
    assert (budget.spent_nusd, budget.held_nusd) == (20 * COST, 0)
    async with contextlib.aclosing(await open_pool(store._url, 1)) as fresh:
        assert not await fresh.fetch("SELECT 1 FROM ledger_processes WHERE lease_until > now() + interval '11 s'")
    await verified()
