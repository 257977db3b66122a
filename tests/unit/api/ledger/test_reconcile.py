"""The checker itself is tested: a ledger with everything in it is clean, and each fault that is put into it is found by
the invariant that names it. What the database can refuse by itself it refuses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from api import metrics
from api.domain import TokenUsage
from api.ledger.holds import Ledger
from api.ledger.pricing import free_price
from api.ledger.reconcile import Reconciler, verify
from api.storage import budgets, invariants, prices
from api.storage.invariants import INVARIANTS
from api.storage.session import Database
from tests.unit.api.ledger.conftest import COST, principal, record, request

BY_NAME = {invariant.name: invariant for invariant in INVARIANTS}


@pytest.fixture
async def world(ledger: Ledger, store: Database) -> None:
    """Two projects, prepaid and not; holds of every end; budgets that were passed; a free model; an overrun."""
    await prices.add(store, "tiny", 10**9, 10**8, 10**9)
    await budgets.add_credits(store, "proj_1", 100 * COST, "cred_1", (50,))
    await budgets.add_credits(store, "proj_1", 100 * COST, "cred_2", (50,))
    await budgets.set_budget(store, "proj_1", "key_1", "month", 50 * COST, (1, 100))
    await budgets.set_budget(store, "proj_2", "proj_2", "total", 50 * COST, (1, 100))
    for project in ("proj_1", "proj_2"):
        who = principal(project)
        for outcome in ("finished", "client_left", "upstream_broke"):
            hold = await ledger.hold(request(2 * COST, who=who))
            await ledger.settle(hold, record(hold, outcome))  # type: ignore[arg-type]
        await ledger.release(await ledger.hold(request(COST, who=who)))
        await ledger.hold(request(COST, who=who))
        overrun = await ledger.hold(request(COST - 1, who=who))
        await ledger.settle(overrun, record(overrun))
        free = await ledger.hold(request(0, free_price("demo"), who=who))
        await ledger.settle(free, record(free, tokens=TokenUsage(1, 0, 1, 0)))


class OneConnection:
    """As much of a `Database` as the checks need, inside one transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def fetch(self, statement: str, *arguments: Any, timeout_s: float | None = None) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.connection.fetch(statement, *arguments)
        return rows


async def broken(connection: asyncpg.Connection) -> set[str]:
    database: Any = OneConnection(connection)
    return {i.name for i in INVARIANTS if await invariants.offences(database, i, None, 30.0)}


SETTLED = f"(SELECT min(request_id) FROM holds WHERE amount_nusd = {2 * COST} AND state = 'settled')"
BROKEN = "(SELECT min(request_id) FROM usage WHERE outcome = 'upstream_broke')"
RELEASED = f"(SELECT min(request_id) FROM holds WHERE amount_nusd = {COST} AND state = 'released')"
OPEN = "(SELECT min(request_id) FROM holds WHERE state = 'open' AND project_id = 'proj_1')"
POST = "INSERT INTO transfers (request_id, kind, project_id, debit, credit, amount_nusd) VALUES"
HOUR = "width_s = 3600 AND model = 'tiny' AND project_id = 'proj_1'"
NO_TRANSFER_CHECKS = "ALTER TABLE transfers DROP CONSTRAINT ck_transfers_amount, DROP CONSTRAINT ck_transfers_accounts;"
NO_BUDGET_CHECKS = (
    "ALTER TABLE budgets DROP CONSTRAINT ck_budgets_not_overdrawn, DROP CONSTRAINT ck_budgets_not_negative;"
)

# What was done to the ledger, by which statement, and which invariant must say so.
FAULTS = (
    ("a settled hold lost its post", "I01", f"DELETE FROM transfers WHERE request_id = {SETTLED}"),
    ("a settled hold lost its usage", "I01", f"DELETE FROM usage WHERE request_id = {SETTLED}"),
    (
        "a settled hold is open again",
        "I01",
        f"UPDATE holds SET state = 'open', closed_at = NULL WHERE request_id = {SETTLED}",
    ),
    ("a settled hold is released", "I01", f"UPDATE holds SET state = 'released' WHERE request_id = {SETTLED}"),
    ("a released hold is settled", "I01", f"UPDATE holds SET state = 'settled' WHERE request_id = {RELEASED}"),
    ("a released request pays", "I01", f"UPDATE usage SET outcome = 'finished' WHERE request_id = {BROKEN}"),
    ("a paying request is broken", "I01", f"UPDATE usage SET outcome = 'upstream_broke' WHERE request_id = {SETTLED}"),
    ("an open hold was posted", "I01", f"{POST} ({OPEN}, 'post', 'proj_1', 'credits', 'revenue', 1)"),
    ("a released hold was posted", "I02", f"{POST} ({RELEASED}, 'post', 'proj_1', 'credits', 'revenue', 1)"),
    ("a post without a hold", "I02", f"{POST} ('req_x', 'post', 'proj_1', 'credits', 'revenue', 1)"),
    ("a hold vanished", "I02", f"DELETE FROM holds WHERE request_id = {SETTLED}"),
    ("outage without a hold", "I02", f"{POST} ('req_x', 'outage', 'proj_1', 'expense:outage', 'revenue', 1)"),
    ("outage and post", "I02", f"{POST} ({SETTLED}, 'outage', 'proj_1', 'expense:outage', 'revenue', 1)"),
    ("charged without a hold", "I02", "UPDATE usage SET cost_nusd = 1 WHERE model = 'demo'"),
    ("a negative transfer", "I03", f"{NO_TRANSFER_CHECKS} {POST} ('req_x', 'fund', 'proj_1', 'cash', 'credits', -1)"),
    ("a transfer to itself", "I03", f"{NO_TRANSFER_CHECKS} {POST} ('req_x', 'fund', 'proj_1', 'cash', 'cash', 1)"),
    (
        "credits out of revenue",
        "I03",
        f"{NO_TRANSFER_CHECKS} {POST} ('req_x', 'fund', 'proj_1', 'revenue', 'credits', 1)",
    ),
    ("less was paid in than spent", "I04", "UPDATE transfers SET amount_nusd = 1 WHERE kind = 'fund'"),
    ("more is held than is left", "I04", f"UPDATE holds SET amount_nusd = 10^12 WHERE request_id = {OPEN}"),
    ("more was posted than held", "I05", f"UPDATE holds SET amount_nusd = {COST - 1} WHERE request_id = {SETTLED}"),
    ("charged one nano-USD more", "I06", f"UPDATE usage SET cost_nusd = cost_nusd + 1 WHERE request_id = {SETTLED}"),
    (
        "posted one nano-USD less",
        "I06",
        f"UPDATE transfers SET amount_nusd = amount_nusd - 1 WHERE request_id = {SETTLED}",
    ),
    ("booked one nano-USD less", "I06", "UPDATE transfers SET amount_nusd = amount_nusd - 1 WHERE kind = 'outage'"),
    (
        "one token more",
        "I06",
        f"UPDATE usage SET completion_tokens = completion_tokens + 1 WHERE request_id = {SETTLED}",
    ),
    (
        "one token less cached",
        "I06",
        f"UPDATE usage SET cached_tokens = cached_tokens - 1 WHERE request_id = {SETTLED}",
    ),
    ("another price", "I06", f"UPDATE usage SET price_version = 2 WHERE request_id = {SETTLED}"),
    ("an overrun forgotten", "I06", "DELETE FROM ledger_events"),
    (
        "a hold of nobody",
        "I09",
        f"UPDATE holds SET owner = 'nobody', created_at = now() - interval '1 h' WHERE request_id = {OPEN}",
    ),
    (
        "a lease lapsed and nobody swept",
        "I09",
        "UPDATE holds SET created_at = now() - interval '1 h';"
        "UPDATE ledger_processes SET lease_until = now() - interval '11 s'",
    ),
    ("more held than the budget", "I11", f"UPDATE holds SET amount_nusd = {150 * COST} WHERE request_id = {OPEN}"),
    (
        "more spent than the budget",
        "I11",
        f"UPDATE transfers SET amount_nusd = {150 * COST} WHERE request_id = {SETTLED}",
    ),
    (
        "a limit below what is spent",
        "I11",
        f"{NO_BUDGET_CHECKS} UPDATE budgets SET limit_nusd = {COST} WHERE kind = 'total'",
    ),
    (
        "a request recorded twice",
        "I13",
        "INSERT INTO usage SELECT (jsonb_populate_record(u, jsonb_build_object("
        f"'started_at', started_at + interval '1 s'))).* FROM usage u WHERE request_id = {SETTLED}",
    ),
    ("a trigger disabled", "I14", "ALTER TABLE transfers DISABLE TRIGGER transfers_append_only"),
    ("a trigger dropped", "I14", "DROP TRIGGER holds_closed_once ON holds"),
    ("truncating allowed", "I14", "DROP TRIGGER prices_kept ON prices"),
    ("an hour counts a token more", "I16", f"UPDATE usage_rollups SET prompt_tokens = prompt_tokens + 1 WHERE {HOUR}"),
    ("an hour counts a request less", "I16", f"UPDATE usage_rollups SET requests = requests - 1 WHERE {HOUR}"),
    ("an hour is missing", "I16", f"DELETE FROM usage_rollups WHERE {HOUR}"),
    ("an hour of nothing", "I16", f"UPDATE usage_rollups SET bucket = bucket - interval '1 h' WHERE {HOUR}"),
    ("a day cost less", "I16", "UPDATE usage_rollups SET cost_nusd = cost_nusd - 1 WHERE width_s = 86400"),
    ("usage at an unknown price", "I17", f"UPDATE usage SET price_version = 9 WHERE request_id = {SETTLED}"),
    ("free usage that cost", "I17", "UPDATE usage SET cost_nusd = 1 WHERE model = 'demo'"),
    ("held at an unknown price", "I17", f"UPDATE holds SET price_version = 9 WHERE request_id = {OPEN}"),
    ("a budget counts less spent", "I18", "UPDATE budgets SET spent_nusd = spent_nusd - 1 WHERE kind = 'month'"),
    ("a budget counts nothing held", "I18", "UPDATE budgets SET held_nusd = 0 WHERE kind = 'total'"),
    ("credits that nobody paid", "I18", "UPDATE budgets SET limit_nusd = limit_nusd + 1 WHERE kind = 'credits'"),
    ("the rollups cost more than was posted", "I19", "UPDATE usage_rollups SET cost_nusd = cost_nusd + 1"),
)


@contextlib.asynccontextmanager
async def undone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """What is done in the block is undone: dropped constraints too."""
    begun = connection.transaction()
    await begun.start()
    yield
    await begun.rollback()


@pytest.mark.usefixtures("world")
async def test_each_fault_is_found(store: Database) -> None:
    missed = []
    async with store.connection() as connection:
        for what, name, statement in FAULTS:
            async with undone(connection):
                assert await broken(connection) == set()
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute(statement)
                if name not in (found := await broken(connection)):
                    missed.append((what, name, found))
    assert missed == []


def test_every_invariant_is_tried() -> None:
    assert {fault[1] for fault in FAULTS} == BY_NAME.keys() and len(FAULTS) > 25


ATTACKS = (
    "UPDATE transfers SET amount_nusd = 0",
    "DELETE FROM transfers",
    "TRUNCATE transfers",
    "UPDATE usage SET cost_nusd = 0",
    "DELETE FROM usage",
    "UPDATE prices SET output_nusd_per_mtok = 0",
    "DELETE FROM prices",
    f"UPDATE holds SET state = 'open', closed_at = NULL WHERE request_id = {SETTLED}",
    f"UPDATE holds SET state = 'settled' WHERE request_id = {RELEASED}",
    f"UPDATE holds SET amount_nusd = 0 WHERE request_id = {SETTLED}",
    f"DELETE FROM holds WHERE request_id = {OPEN}",
    f"UPDATE holds SET state = 'settled' WHERE request_id = {OPEN}",
    f"UPDATE holds SET amount_nusd = -1 WHERE request_id = {OPEN}",
    f"{POST} ({SETTLED}, 'post', 'proj_1', 'credits', 'revenue', 1)",
    f"{POST} ('req_x', 'fund', 'proj_1', 'cash', 'credits', -1)",
    f"{POST} ('req_x', 'fund', 'proj_1', 'revenue', 'credits', 1)",
    f"{POST} ('req_x', 'post', 'proj_1', 'cash', 'revenue', 1)",
    f"UPDATE budgets SET held_nusd = {201 * COST} WHERE kind = 'credits'",
    f"UPDATE budgets SET spent_nusd = {51 * COST} WHERE kind = 'total'",
    "UPDATE budgets SET held_nusd = -1",
    "UPDATE budgets SET limit_nusd = 0 WHERE kind = 'total'",
)


@pytest.mark.usefixtures("world")
async def test_what_the_database_refuses(store: Database) -> None:
    done = []
    async with store.connection() as connection:
        for statement in ATTACKS:
            async with undone(connection):
                with contextlib.suppress(asyncpg.IntegrityConstraintViolationError):
                    done.append(await connection.execute(statement))
    assert done == []


@pytest.mark.usefixtures("world")
async def test_a_clean_ledger_is_clean_to_the_last_check(store: Database) -> None:
    assert [(f.invariant.name, f.offences) for f in await verify(store) if f.offences] == []


@pytest.mark.usefixtures("world")
async def test_the_cheap_checks_run_by_themselves_and_set_the_metric(store: Database) -> None:
    reconciler = Reconciler(store, check_s=0.01)
    findings = await reconciler.check()
    assert {finding.invariant.name for finding in findings} == {i.name for i in INVARIANTS if i.cheap}
    assert not any(finding.offences for finding in findings)
    drift = metrics.LEDGER_DRIFT.labels("I02")
    assert drift._value.get() == 0
    await store.execute(f"{POST} ('req_x', 'post', 'proj_1', 'credits', 'revenue', 1)")
    async with contextlib.aclosing(reconciler):
        await reconciler.start()
        async with asyncio.timeout(30):
            while drift._value.get() != 1:
                await asyncio.sleep(0.01)


async def test_drift_is_told_until_it_is_mended(store: Database, world: None) -> None:
    reconciler = Reconciler(store, window_s=2.0)
    await store.execute(f"{POST} ('req_x', 'post', 'proj_1', 'credits', 'revenue', 1)")
    await reconciler.check()
    reconciler._window_s = -3600.0  # as if all of this had been an hour ago
    drift = metrics.LEDGER_DRIFT.labels("I02")
    for _ in range(2):
        await reconciler.check()
        assert drift._value.get() == 1
    async with store.transaction() as inside:
        await inside.execute("SET LOCAL session_replication_role = replica")
        await inside.execute("DELETE FROM transfers WHERE request_id = 'req_x'")
    await reconciler.check()
    assert drift._value.get() == 0 and reconciler._broken_since is None


@pytest.mark.usefixtures("world")
async def test_one_process_at_a_time_checks(store: Database) -> None:
    async with invariants.turn(store) as ours:
        assert ours and await Reconciler(store).check() == []
    assert await Reconciler(store).check()


@pytest.mark.usefixtures("world")
async def test_a_check_of_the_last_minutes_looks_at_no_more(store: Database) -> None:
    await store.execute(f"{POST} ('req_x', 'post', 'proj_1', 'credits', 'revenue', 1)")
    found = await invariants.offences(store, BY_NAME["I02"], None, 10.0)
    assert [offence.id for offence in found] == ["req_x"]
    assert not await invariants.offences(store, BY_NAME["I02"], datetime.now(UTC).replace(year=2100), 10.0)
