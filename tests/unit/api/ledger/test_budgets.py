"""Budgets over time: months that begin anew, limits that change, alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import pytest

from api import metrics
from api.errors import InsufficientQuotaError
from api.ledger.holds import Hold, Ledger
from api.ledger.pricing import MAX_NUSD, usd
from api.storage import budgets, usage_months
from api.storage.session import Database
from tests.conftest import execute
from tests.unit.api.ledger.conftest import A_MONTH_PASSES, COST, principal, record, request

Verified = Callable[[], Awaitable[None]]
LIMIT = 3 * COST
# After three months have passed: what they have moved was made when they say, too.
MADE_LONG_AGO = """
SET session_replication_role = replica;
UPDATE holds SET created_at = started_at;
UPDATE transfers SET created_at = created_at - interval '120 days'
"""


@pytest.fixture
async def monthly(store: Database) -> None:
    await budgets.set_budget(store, "proj_1", "proj_1", "month", LIMIT, (50, 80, 100))


async def now(store: Database) -> tuple[int, int]:
    """Spent and held of the only budget."""
    [budget] = await budgets.budgets(store, "proj_1")
    return budget.spent_nusd, budget.held_nusd


async def fits(ledger: Ledger, amount_nusd: int) -> Hold | None:
    try:
        return await ledger.hold(request(amount_nusd))
    except InsufficientQuotaError:
        return None


def a_month_passes(url: str, *holds: Hold) -> None:
    execute(url, A_MONTH_PASSES)
    for hold in holds:
        object.__setattr__(hold.request, "started_at_s", hold.request.started_at_s - 40 * 86400)


@pytest.mark.usefixtures("monthly")
async def test_a_month_begins_with_the_whole_budget(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    hold = await ledger.hold(request(LIMIT))
    await ledger.settle(hold, record(hold))
    assert await fits(ledger, LIMIT) is None
    a_month_passes(migrated_url)
    assert await now(store) == (0, 0)
    assert await fits(ledger, LIMIT) and await now(store) == (0, LIMIT)
    await verified()


@pytest.mark.usefixtures("monthly")
@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("end", ["settle", "release"])
async def test_what_was_held_last_month_is_not_of_this_one(
    end: str, begun: bool, ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    old = await ledger.hold(request(LIMIT - COST))
    a_month_passes(migrated_url, old)
    if begun:
        assert await fits(ledger, LIMIT)
    await (ledger.settle(old, record(old)) if end == "settle" else ledger.release(old))
    assert await now(store) == (0, LIMIT if begun else 0)
    await verified()
    assert bool(await fits(ledger, LIMIT)) is not begun
    await verified()


@pytest.mark.usefixtures("monthly")
async def test_a_hold_that_is_extended_over_the_turn_of_the_month_counts_whole_for_the_new_one(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    old, other = await ledger.hold(request(COST)), await ledger.hold(request(COST))
    a_month_passes(migrated_url, old, other)
    assert await fits(ledger, LIMIT - COST)
    assert not await ledger.extend(old, 1) and await now(store) == (0, LIMIT - COST)
    await ledger.release(other)
    await budgets.set_budget(store, "proj_1", "proj_1", "month", LIMIT + COST, ())
    assert await ledger.extend(old, COST) and await now(store) == (0, LIMIT + COST)
    await verified()
    await ledger.settle(old, record(old))
    assert await now(store) == (COST, LIMIT - COST)
    await verified()


@pytest.mark.usefixtures("monthly")
async def test_a_threshold_alerts_once_a_month(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    async def spend() -> list[int]:
        hold = await ledger.hold(request(COST))
        await ledger.settle(hold, record(hold))
        return [alert.threshold for alert in await budgets.alerts(store, "proj_1")]

    assert [await spend() for _ in range(3)] == [[], [50], [50, 80, 100]]
    a_month_passes(migrated_url)
    assert [await spend() for _ in range(3)] == [[50, 80, 100], [50, 80, 100, 50], [50, 80, 100, 50, 80, 100]]
    await verified()


async def test_what_is_left_of_a_budget_that_nothing_fits_into_any_more_is_as_good_as_spent(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    """What a request holds is more than what it costs."""
    await budgets.set_budget(store, "proj_1", "proj_1", "total", 100 * COST, (100,))
    while hold := await fits(ledger, 2 * COST):
        assert not await budgets.alerts(store)
        await ledger.settle(hold, record(hold))
    [alert] = await budgets.alerts(store)
    assert (alert.threshold, alert.spent_nusd) == (100, 99 * COST)
    await verified()


@pytest.mark.parametrize("kind", ["month", "total"])
async def test_a_budget_that_is_made_of_what_is_spent_already_alerts(
    kind: budgets.Kind, ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    async def alerts(limit_nusd: int) -> list[int]:
        await budgets.set_budget(store, "proj_1", "proj_1", kind, limit_nusd, (50, 80, 100))
        return [alert.threshold for alert in await budgets.alerts(store) if alert.limit_nusd == limit_nusd]

    assert await alerts(0) == []
    await budgets.set_budget(store, "proj_1", "proj_1", kind, 9 * COST, ())
    hold = await ledger.hold(request(COST))
    await ledger.settle(hold, record(hold))
    assert await alerts(3 * COST) == []
    assert await alerts(2 * COST) == await alerts(2 * COST) == [50]
    assert await alerts(COST // 2) == [50, 80, 100]
    await budgets.clear(store, "proj_1", (kind,))
    assert await alerts(COST + 1) == [50, 80, 100]
    if kind == "month":
        a_month_passes(migrated_url)
        assert await alerts(COST // 3) == []
    await verified()


async def test_credits_alert_again_when_more_were_added_and_each_alert_is_told(
    ledger: Ledger, store: Database, verified: Verified, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        labels = {"kind": "credits", "threshold": "50"}
        return metrics.REGISTRY.get_sample_value("novai_budget_alerts_total", labels) or 0.0

    async def spend(amount_nusd: int) -> list[int]:
        await budgets.add_credits(store, "proj_1", amount_nusd, f"cred_{amount_nusd}", (50, 100))
        hold = await ledger.hold(request(COST))
        await ledger.settle(hold, record(hold))
        return [alert.threshold for alert in await budgets.alerts(store)]

    before = counted()
    assert await spend(2 * COST) == [50]  # 1 of 2
    assert await spend(COST + 1) == [50, 50]  # 2 of a little more than 3
    assert await spend(5 * COST) == [50, 50]  # 3 of 8
    assert counted() == before + 2
    told = [line for line in caplog.messages if line.startswith("budget alert: ")]
    assert told == [
        f"budget alert: proj_1 of proj_1 passed 50 % of {usd(limit)} (credits): {usd(spent)} are spent"
        for limit, spent in ((2 * COST, COST), (3 * COST + 1, 2 * COST))
    ]
    await verified()


async def test_a_new_budget_begins_with_what_was_spent(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    for key in ("key_1", "key_2"):
        hold = await ledger.hold(request(COST, who=principal(key=key)))
        await ledger.settle(hold, record(hold))
    a_month_passes(migrated_url)
    hold = await ledger.hold(request(COST))
    await ledger.settle(hold, record(hold))
    running = await ledger.hold(request(COST))
    for scope in ("proj_1", "key_1"):
        for kind in ("month", "total"):
            await budgets.set_budget(store, "proj_1", scope, kind, 10 * COST, ())  # type: ignore[arg-type]
    spent = {(b.scope_id, b.kind): b.spent_nusd for b in await budgets.budgets(store)}
    assert spent == {
        ("proj_1", "month"): COST,
        ("proj_1", "total"): 3 * COST,
        ("key_1", "month"): COST,
        ("key_1", "total"): 2 * COST,
    }
    await ledger.settle(running, record(running))  # not counted: it was running when the budgets were set
    assert {(b.scope_id, b.kind): b.spent_nusd for b in await budgets.budgets(store)} == spent
    await verified()


async def test_a_limit_below_what_is_spent_lets_nothing_more_through(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.set_budget(store, "proj_1", "proj_1", "total", 4 * COST, ())
    first, second = await ledger.hold(request(COST)), await ledger.hold(request(COST))
    await ledger.settle(first, record(first))
    await budgets.set_budget(store, "proj_1", "proj_1", "total", COST // 2, ())
    await verified()
    assert not await fits(ledger, 1) and not await ledger.extend(second, 1)
    await ledger.settle(second, record(second))
    assert await now(store) == (2 * COST, 0)
    await budgets.set_budget(store, "proj_1", "proj_1", "total", 3 * COST, ())
    assert await fits(ledger, COST)
    assert not await fits(ledger, 1)
    await verified()


@pytest.mark.parametrize("closed", ["settled", "released"])
async def test_who_waits_for_a_limit_that_is_raised_has_the_new_one(
    ledger: Ledger, store: Database, verified: Verified, closed: str
) -> None:
    """Holds and what closes them begin before the rise is committed, and end after it."""
    await budgets.add_credits(store, "proj_1", COST, "credit 1", ())
    first = await ledger.hold(request(COST))
    async with store.transaction() as change:
        await budgets.add_credits(change, "proj_1", 3 * COST, "credit 2", ())
        holding = asyncio.create_task(ledger.hold(request(2 * COST)))
        await waiting(store, 1)
        closing = ledger.settle(first, record(first)) if closed == "settled" else ledger.release(first)
        await waiting(store, 2)
    second = await holding
    await closing
    spent = COST if closed == "settled" else 0
    assert await now(store) == (spent, 2 * COST)
    await ledger.release(second)
    await verified()


async def waiting(store: Database, statements: int) -> None:
    """Until so many wait for another transaction."""
    while len(await store.fetch("SELECT DISTINCT pid FROM pg_locks WHERE NOT granted")) < statements:
        await asyncio.sleep(0.01)


async def test_a_cleared_budget_binds_nobody_and_holds_made_under_it_end_well(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.set_budget(store, "proj_1", "proj_1", "total", COST, ())
    hold = await ledger.hold(request(COST))
    assert await budgets.clear(store, "proj_1", ("total",)) and not await budgets.clear(store, "proj_1", ("total",))
    assert await ledger.extend(hold, 10 * COST) and await fits(ledger, 10 * COST)
    await ledger.settle(hold, record(hold))
    await verified()


async def test_credits_cannot_be_cleared_and_their_numbers_are_the_databases(store: Database) -> None:
    await budgets.add_credits(store, "proj_1", COST, "cred_1", ())
    assert not await budgets.clear(store, "proj_1", ("month", "total"))
    for change in ("held_nusd = -1", "spent_nusd = -1", f"held_nusd = {COST + 1}", f"spent_nusd = {COST + 1}"):
        with pytest.raises(asyncpg.CheckViolationError):
            await store.execute(f"UPDATE budgets SET {change}")


async def test_old_usage_goes_and_budgets_stay_right(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", 10 * COST, "cred_1", ())
    old, running = await ledger.hold(request(COST)), await ledger.hold(request(COST))
    await ledger.settle(old, record(old))
    for _ in range(3):
        a_month_passes(migrated_url, running)
    execute(migrated_url, "UPDATE holds SET created_at = started_at WHERE state = 'open'")
    execute(migrated_url, MADE_LONG_AGO)
    new = await ledger.hold(request(COST))
    await ledger.settle(new, record(new))
    before = await usage_months.months(store)
    dropped = await usage_months.drop_before(store, before[-3])
    assert dropped == before[:-3] and await usage_months.months(store) == before[-3:]
    rows = await store.fetch("SELECT request_id FROM holds")
    assert {row["request_id"] for row in rows} == {running.request.request_id, new.request.request_id}
    [credit] = await budgets.budgets(store)
    assert credit.spent_nusd == 2 * COST
    await usage_months.add_ahead(store)
    await verified()
    # Its month is made again: what is settled is never refused its row.
    await ledger.settle(running, record(running))
    assert len(await usage_months.months(store)) == 4


async def test_a_month_that_nobody_drew_on_since_stays_right_when_its_usage_goes(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    for scope in ("proj_1", "key_1"):
        await budgets.set_budget(store, "proj_1", scope, "month", LIMIT, ())
    hold = await ledger.hold(request(COST))
    await ledger.settle(hold, record(hold))
    for _ in range(3):
        a_month_passes(migrated_url)
    execute(migrated_url, MADE_LONG_AGO)
    assert await usage_months.drop_before(store, (await usage_months.months(store))[-3])
    assert not await store.fetch("SELECT FROM holds")
    await verified()


async def test_a_process_that_ends_between_the_usage_and_its_holds_leaves_them_to_the_next(
    ledger: Ledger, store: Database, migrated_url: str, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", LIMIT, "cred_1", ())
    hold = await ledger.hold(request(COST))
    await ledger.settle(hold, record(hold))
    for _ in range(3):
        a_month_passes(migrated_url)
    execute(migrated_url, MADE_LONG_AGO)
    *old, first_kept, _, _ = await usage_months.months(store)
    for month in old:
        await store.execute(f"DROP TABLE usage_months.usage_{month:%Y_%m}")
    assert await usage_months.drop_before(store, first_kept) == []
    assert not await store.fetch("SELECT FROM holds")
    await verified()


@pytest.mark.parametrize("percent", [50, 100])
async def test_the_largest_budgets_are_counted_too(
    percent: int, ledger: Ledger, store: Database, verified: Verified
) -> None:
    for kind in ("month", "total"):
        await budgets.set_budget(store, "proj_1", "proj_1", kind, MAX_NUSD, (percent,))
    for credit in range(9):
        await budgets.add_credits(store, "proj_1", MAX_NUSD, f"credit {credit}", (percent,))
    hold = await ledger.hold(request(COST))
    await ledger.settle(hold, record(hold))
    found = [(budget.spent_nusd, budget.held_nusd) for budget in await budgets.budgets(store, "proj_1")]
    assert found == [(COST, 0)] * 3 and not await budgets.alerts(store)
    await verified()


async def test_a_key_and_its_successor_draw_on_one_budget(ledger: Ledger, store: Database, verified: Verified) -> None:
    for kind in ("month", "total"):
        await budgets.set_budget(store, "proj_1", "key_1", kind, LIMIT, (50,))
    successor = replace(principal(key="key_2"), first_key_id="key_1")
    holds = await asyncio.gather(*(ledger.hold(request(COST, who=who)) for who in (principal(), successor)))
    with pytest.raises(InsufficientQuotaError):
        await ledger.hold(request(LIMIT - COST, who=successor))
    await ledger.extend(holds[1], COST)
    for who in (principal(), successor):
        with pytest.raises(InsufficientQuotaError):
            await ledger.hold(request(COST, who=who))
    for hold in holds:
        await ledger.settle(hold, record(hold))
    found = {(b.scope_id, b.kind): (b.spent_nusd, b.held_nusd) for b in await budgets.budgets(store, "proj_1")}
    assert found == {("key_1", kind): (2 * COST, 0) for kind in ("month", "total")}
    await verified()
