from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from api.domain import TokenUsage
from api.ledger.holds import Hold, Ledger
from api.ledger.price_book import PriceBook
from api.ledger.pricing import Price
from api.ledger.sweeper import Heard, Receipt, Sweeper
from api.storage import budgets, holds, prices
from api.storage.holds import open_ledger_pool
from api.storage.session import Database
from tests.unit.api.ledger.conftest import COST, record, request

Verified = Callable[[], Awaitable[None]]
TOKENS = TokenUsage(10, 4, 7, 2)  # cost COST


class Workers:
    """What workers say of requests, by request_id."""

    def __init__(self) -> None:
        self.receipts: dict[str, Receipt] = {}
        self.asked: list[tuple[str, list[str]]] = []
        self.broken = False
        self.missing = False  # one of them is down

    async def __call__(self, model: str, names: Sequence[str]) -> Heard:
        self.asked.append((model, list(names)))
        if self.broken:
            raise OSError("no route to host")
        return Heard({name: self.receipts[name] for name in names if name in self.receipts}, not self.missing)

    def say(self, hold: Hold, *, client_left: bool) -> None:
        self.receipts[hold.request.request_id] = Receipt("127.0.0.1:5", TOKENS, client_left)


@pytest.fixture
async def book(store: Database, price: Price) -> PriceBook:
    book = PriceBook(store)
    await book.refresh()
    return book


@pytest.fixture
async def dead(migrated_url: str, price: Price) -> AsyncIterator[Ledger]:
    """A ledger whose process is about to die: nobody renews its lease."""
    async with contextlib.aclosing(await open_ledger_pool(migrated_url)) as pool:
        async with contextlib.aclosing(Ledger(pool)) as ledger:
            await holds.renew(pool, ledger.owner, 10.0)
            yield ledger


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture(autouse=True)
async def living(ledger: Ledger) -> None:
    """The process that sweeps has been heard of before any time passes: it renews by itself a little later."""
    await holds.renew(ledger.database, ledger.owner, 10.0)


@pytest.fixture
async def sweeper(ledger: Ledger, book: PriceBook, workers: Workers) -> Sweeper:
    return Sweeper(ledger, book, workers, grace_s=0.0)


async def an_hour_passes(store: Database, *dead: Ledger) -> None:
    """All leases but those of the dead have been renewed all the time."""
    await store.execute("UPDATE holds SET created_at = created_at - interval '1 hour' WHERE state = 'open'")
    await store.execute("UPDATE ledger_processes SET since = since - interval '1 hour'")
    await store.execute(
        "UPDATE ledger_processes SET lease_until = lease_until - interval '1 hour' WHERE id = ANY ($1::text[])",
        [ledger.owner for ledger in dead],
    )


async def ends(store: Database) -> dict[str, tuple[str, str]]:
    rows = await store.fetch("SELECT request_id, state, closed_by FROM holds")
    return {row["request_id"]: (row["state"], row["closed_by"]) for row in rows}


async def transfers(store: Database) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await store.fetch("SELECT request_id, kind, amount_nusd FROM transfers ORDER BY 2")]


async def test_what_a_dead_process_held_ends_by_what_the_workers_say(
    dead: Ledger, ledger: Ledger, sweeper: Sweeper, workers: Workers, store: Database, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", 10 * COST, "cred_1", ())
    left, broken, unknown = [await dead.hold(request(2 * COST)) for _ in range(3)]
    workers.say(left, client_left=True)
    workers.say(broken, client_left=False)
    assert await sweeper.sweep() == 0 and not workers.asked
    await an_hour_passes(store, dead)
    assert await sweeper.sweep() == 3
    assert await ends(store) == {
        left.request.request_id: ("settled", ledger.owner),
        broken.request.request_id: ("released", ledger.owner),
        unknown.request.request_id: ("released", ledger.owner),
    }
    assert await transfers(store) == [
        ("cred_1", "fund", 10 * COST),
        (broken.request.request_id, "outage", COST),
        (left.request.request_id, "post", COST),
    ]
    rows = await store.fetch("SELECT request_id, outcome, status, replica, cost_nusd FROM usage ORDER BY cost_nusd")
    assert [tuple(row) for row in rows] == [
        (broken.request.request_id, "upstream_broke", 502, "127.0.0.1:5", 0),
        (left.request.request_id, "client_left", 499, "127.0.0.1:5", COST),
    ]
    [credit] = await budgets.budgets(store)
    assert (credit.spent_nusd, credit.held_nusd) == (COST, 0)
    assert await sweeper.sweep() == 0 and not ledger.open
    await verified()


async def test_a_price_that_is_not_known_yet_keeps_nobody_else(
    dead: Ledger, ledger: Ledger, workers: Workers, store: Database, price: Price, verified: Verified
) -> None:
    book = PriceBook(store)
    await book.refresh()
    await prices.add(store, price.model, 1, 1, 1)
    newer = replace(price, version=price.version + 1)
    waiting, ending = await dead.hold(request(COST, newer)), await dead.hold(request(COST))
    workers.say(waiting, client_left=True)
    workers.say(ending, client_left=True)
    await an_hour_passes(store, dead)
    sweeper = Sweeper(ledger, book, workers, grace_s=0.0)
    assert await sweeper.sweep() == 1
    assert (await ends(store))[waiting.request.request_id][0] == "open"
    await book.refresh()
    assert await sweeper.sweep() == 1
    assert {state for state, _ in (await ends(store)).values()} == {"settled"}
    await verified()


async def test_what_runs_is_left_alone_however_long_it_runs(
    dead: Ledger, ledger: Ledger, sweeper: Sweeper, store: Database, verified: Verified
) -> None:
    ours, theirs = await ledger.hold(request(COST)), await dead.hold(request(COST))
    await an_hour_passes(store)
    assert await sweeper.sweep() == 0
    await ledger.settle(ours, record(ours))
    await dead.settle(theirs, record(theirs))
    await verified()


async def test_nobody_is_judged_right_after_an_outage(
    dead: Ledger, ledger: Ledger, sweeper: Sweeper, store: Database
) -> None:
    """While PostgreSQL was away nobody could renew: whoever is back first must not take over what the others hold."""
    await dead.hold(request(COST))
    await an_hour_passes(store, dead, ledger)
    await holds.renew(store, ledger.owner, 10.0)
    assert await sweeper.sweep() == 0
    await store.execute("UPDATE ledger_processes SET since = since - interval '11 s'")
    assert await sweeper.sweep() == 1


async def test_a_process_that_comes_back_too_late_changes_nothing(
    dead: Ledger, sweeper: Sweeper, workers: Workers, store: Database, verified: Verified
) -> None:
    late, unknown = await dead.hold(request(COST)), await dead.hold(request(COST))
    workers.say(late, client_left=True)
    await an_hour_passes(store, dead)
    assert await sweeper.sweep() == 2
    before = await transfers(store)
    assert not await dead.extend(late, COST)
    await asyncio.gather(dead.settle(late, record(late)), dead.settle(unknown, record(unknown)))
    assert await transfers(store) == before
    events = await store.fetch("SELECT request_id, kind, amount_nusd, detail->>'outcome' FROM ledger_events")
    assert {tuple(row) for row in events} == {
        (hold.request.request_id, "late_settlement", COST, "finished") for hold in (late, unknown)
    }
    assert not dead.open
    await verified()


async def test_a_process_that_settles_while_its_holds_are_taken_over_is_in_time(
    dead: Ledger, ledger: Ledger, book: PriceBook, workers: Workers, store: Database, verified: Verified
) -> None:
    hold = await dead.hold(request(COST))
    sweeper = Sweeper(ledger, book, workers, grace_s=3600.0)
    await an_hour_passes(store, dead)
    assert await sweeper.sweep() == 0 and workers.asked == [("tiny", [hold.request.request_id])]
    await dead.settle(hold, record(hold))
    workers.say(hold, client_left=True)
    assert await sweeper.sweep() == 1  # and finds it closed
    assert await ends(store) == {hold.request.request_id: ("settled", dead.owner)}
    assert len(await transfers(store)) == 1
    await verified()


async def test_the_workers_have_a_while_to_say_how_it_ended(
    dead: Ledger, ledger: Ledger, book: PriceBook, workers: Workers, store: Database
) -> None:
    hold = await dead.hold(request(COST))
    await an_hour_passes(store, dead)
    sweeper = Sweeper(ledger, book, workers, grace_s=3600.0)
    workers.broken = True
    assert await sweeper.sweep() == 0
    workers.broken = False
    assert await sweeper.sweep() == 0
    workers.say(hold, client_left=True)
    assert await sweeper.sweep() == 1
    assert (await ends(store))[hold.request.request_id][0] == "settled"


async def test_a_worker_that_is_down_is_waited_for(
    dead: Ledger, ledger: Ledger, book: PriceBook, workers: Workers, store: Database
) -> None:
    """It may have noted what it generated, and says so when it is back; but nobody waits for ever."""
    returns, never = await dead.hold(request(COST)), await dead.hold(request(COST))
    await an_hour_passes(store, dead)
    workers.missing = True
    sweeper = Sweeper(ledger, book, workers, grace_s=0.0, patience_s=3600.0)
    assert await sweeper.sweep() == 0
    workers.say(returns, client_left=True)
    assert await sweeper.sweep() == 1
    sweeper._patience_s = 0.0  # which are over
    assert await sweeper.sweep() == 1
    states = await ends(store)
    assert (states[returns.request.request_id][0], states[never.request.request_id][0]) == ("settled", "released")


async def test_a_hold_that_its_own_process_forgot_is_swept(
    ledger: Ledger, sweeper: Sweeper, store: Database, verified: Verified
) -> None:
    lost, kept = await ledger.hold(request(COST)), await ledger.hold(request(COST))
    ledger._forget(lost.request.request_id)
    await an_hour_passes(store)
    assert await sweeper.sweep() == 1
    assert (await ends(store))[lost.request.request_id][0] == "released"
    assert (await ends(store))[kept.request.request_id][0] == "open"
    await verified()


async def test_of_many_sweepers_one_closes_each_hold(
    dead: Ledger, migrated_url: str, book: PriceBook, workers: Workers, store: Database, verified: Verified
) -> None:
    made = await asyncio.gather(*(dead.hold(request(COST)) for _ in range(600)))
    for number, hold in enumerate(made):
        if number % 3:
            workers.say(hold, client_left=number % 3 == 1)
    async with contextlib.AsyncExitStack() as stack:
        sweepers = []
        for _ in range(4):
            pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(migrated_url)))
            other = await stack.enter_async_context(contextlib.aclosing(Ledger(pool)))
            await holds.renew(pool, other.owner, 10.0)
            sweepers.append(Sweeper(other, book, workers, grace_s=0.0))
        await an_hour_passes(store, dead)
        closed = 0
        while swept := sum(await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))):
            closed += swept
    assert closed == 600
    assert "open" not in {state for state, _ in (await ends(store)).values()}
    assert len(await transfers(store)) == 400 and not await store.fetch("SELECT * FROM ledger_events")
    await verified()


async def test_leases_lapse_and_are_swept_by_the_clock(
    migrated_url: str, book: PriceBook, workers: Workers, store: Database, verified: Verified
) -> None:
    """The loops as they run in a process, only quicker."""
    async with contextlib.AsyncExitStack() as stack:
        ledgers = []
        for _ in range(2):
            pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(migrated_url)))
            ledger = Ledger(pool, lease_s=0.5, renew_s=0.1)
            await ledger.start()
            ledgers.append(ledger)
            stack.push_async_callback(ledger.aclose)
        alive, dying = ledgers
        sweeper = Sweeper(alive, book, workers, sweep_s=0.05, grace_s=0.1)
        await sweeper.start()
        stack.push_async_callback(sweeper.aclose)
        kept, lost = await alive.hold(request(COST)), await dying.hold(request(COST))
        await dying._renewal.aclose()
        async with asyncio.timeout(30):
            while (await ends(store))[lost.request.request_id][0] == "open":
                await asyncio.sleep(0.05)
        assert (await ends(store))[kept.request.request_id][0] == "open"
        await alive.settle(kept, record(kept))
    await verified()
