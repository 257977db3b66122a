"""Settlements when PostgreSQL is away, slow, restarted, or refuses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from api import metrics
from api.domain import TokenUsage
from api.errors import LedgerUnavailableError
from api.ledger.group_commit import MAX_WAITING
from api.ledger.holds import Hold, Ledger
from api.ledger.pricing import Price, free_price
from api.ledger.reconcile import verify
from api.storage import budgets, prices, schema
from api.storage.holds import open_ledger_pool
from api.storage.session import Database, open_pool
from internal.dev.postgres_server import PostgresServer
from tests.unit.api.ledger.conftest import COST, PRICE, AtTimesAway, principal, record, request
from tests.unit.api.tcp_proxy import proxied

Verified = Callable[[], Awaitable[None]]


async def states(store: Database) -> dict[str, str]:
    return {row["request_id"]: row["state"] for row in await store.fetch("SELECT request_id, state FROM holds")}


async def used(store: Database) -> set[str]:
    return {row["request_id"] for row in await store.fetch("SELECT request_id FROM usage")}


async def nothing_waits(ledger: Ledger) -> None:
    async with asyncio.timeout(30):
        while ledger.unwritten or ledger.open:
            await asyncio.sleep(0.02)


async def test_many_at_once_and_twice_the_same(ledger: Ledger, store: Database, verified: Verified) -> None:
    holds = await asyncio.gather(*(ledger.hold(request(COST)) for _ in range(700)))
    lost = metrics.USAGE_LOST._value.get()
    await asyncio.gather(*(ledger.settle(hold, record(hold)) for hold in (*holds, *holds)))
    assert set((await states(store)).values()) == {"settled"}
    assert metrics.USAGE_LOST._value.get() == lost
    await verified()


async def test_one_more_than_may_wait_is_written_too(ledger: Ledger, store: Database) -> None:
    holds = [await ledger.hold(request(0, free_price("demo"))) for _ in range(MAX_WAITING + 1)]
    written = [ledger.settle(hold, record(hold)) for hold in holds]
    assert ledger.unwritten == 1
    await asyncio.gather(*written)
    await nothing_waits(ledger)
    assert await used(store) == {hold.request.request_id for hold in holds}


async def test_the_longer_postgresql_is_away_the_seldomer_it_is_asked(
    pool: Database, store: Database, verified: Verified
) -> None:
    async with contextlib.aclosing(Ledger(AtTimesAway(pool, {1, 2}))) as ledger:
        hold = await ledger.hold(request(0, free_price("demo")))
        began_s = time.monotonic()
        await ledger.settle(hold, record(hold))
        assert ledger.unwritten == 1
        await nothing_waits(ledger)
        assert time.monotonic() - began_s >= 0.1 + 0.2
    assert await used(store) == {hold.request.request_id}
    await verified()


async def test_one_that_cannot_be_written_is_in_the_log_and_sinks_no_other(
    ledger: Ledger, store: Database, caplog: pytest.LogCaptureFixture
) -> None:
    free = [await ledger.hold(request(0, free_price("demo"))) for _ in range(6)]
    lost = metrics.USAGE_LOST._value.get()
    impossible = record(free[2], tokens=TokenUsage(prompt_tokens=1, cached_tokens=2))
    with caplog.at_level(logging.WARNING, "api.ledger"):
        await asyncio.gather(*(ledger.settle(h, impossible if h is free[2] else record(h)) for h in free))
    assert await used(store) == {h.request.request_id for h in free if h is not free[2]}
    assert metrics.USAGE_LOST._value.get() == lost + 1
    assert f'"request_id":"{impossible.request_id}"' in caplog.text


@pytest.mark.parametrize("how", ["cut", "silence"])
async def test_an_outage_delays_settlements_and_holds_no_answer(
    how: str, migrated_url: str, store: Database, price: Price, verified: Verified
) -> None:
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_ledger_pool(url, 5.0)) as database:
        async with contextlib.aclosing(Ledger(database)) as ledger:
            holds = await asyncio.gather(*(ledger.hold(request(COST)) for _ in range(300)))
            if how == "cut":
                await proxy.cut()
            else:
                proxy.silence()
            started = time.monotonic()
            await asyncio.gather(*(ledger.settle(hold, record(hold)) for hold in holds))
            assert time.monotonic() - started < 4.0  # ANSWER_WAIT_S, and not as long as a statement may take
            async with asyncio.timeout(30):
                while ledger.unwritten < len(holds):
                    await asyncio.sleep(0.02)
            assert metrics.USAGE_WAITING._value.get() == len(holds) == len(ledger.open)
            # Nothing new is taken, and what was refused leaves nothing behind.
            started = time.monotonic()
            for _ in range(20):
                with pytest.raises(LedgerUnavailableError):
                    await ledger.hold(request(COST))
            assert time.monotonic() - started < 4.0
            await proxy.restore()
            await nothing_waits(ledger)
            assert metrics.USAGE_WAITING._value.get() == 0
    settled = {hold.request.request_id for hold in holds}
    assert {name for name, state in (await states(store)).items() if state == "settled"} == settled
    assert "open" not in (await states(store)).values()
    await verified()


async def test_what_is_kept_is_bounded_and_told(
    migrated_url: str, store: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_ledger_pool(url, 0.5)) as database:
        await proxy.cut()
        ledger = Ledger(database, max_unwritten=10)
        holds = [await ledger.hold(request(0, free_price("demo"))) for _ in range(12)]
        with caplog.at_level(logging.ERROR, "api.ledger"):
            await asyncio.gather(*(ledger.settle(hold, record(hold)) for hold in holds))
            await asyncio.sleep(0)
            assert ledger.unwritten == 10
            await ledger.aclose(patience_s=0.1)
    # Nothing disappears without a trace: two found no room, ten were left when the process ended.
    assert all(hold.request.request_id in caplog.text for hold in holds)
    assert await used(store) == set()


async def test_a_caller_who_leaves_leaves_no_hold_and_no_settlement_behind(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", 100 * COST, "cred_1", ())
    hold = await ledger.hold(request(COST))
    leaving = [asyncio.create_task(ledger.hold(request(COST))) for _ in range(20)]
    for task in leaving[::2]:
        await asyncio.sleep(0)
        task.cancel()

    async def settle(closing: Hold) -> None:
        await ledger.settle(closing, record(closing))

    settling = asyncio.create_task(settle(hold))
    await asyncio.sleep(0)
    settling.cancel()
    answers = await asyncio.gather(*leaving, settling, return_exceptions=True)
    await asyncio.gather(*(ledger.settle(h, record(h)) for h in answers if isinstance(h, Hold)))
    await nothing_waits(ledger)
    assert "open" not in (await states(store)).values()
    assert hold.request.request_id in await used(store)
    await verified()


async def test_commits_whose_answer_is_lost_happen_exactly_once(
    migrated_url: str, store: Database, price: Price, verified: Verified
) -> None:
    """Every few milliseconds all connections break, with statements on their way in both directions."""
    await budgets.add_credits(store, "proj_1", 10**9, "cred_1", ())
    held: list[Hold] = []
    refused: set[str] = set()
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_ledger_pool(url, 1.0)) as database:
        async with contextlib.aclosing(Ledger(database)) as ledger:
            stop = False

            async def client(number: int) -> None:
                while not stop:
                    asked = request(COST, who=principal(key=f"key_{number}"))
                    try:
                        hold = await ledger.hold(asked)
                    except LedgerUnavailableError:
                        refused.add(asked.request_id)
                        await asyncio.sleep(0.02)
                        continue
                    held.append(hold)
                    await ledger.settle(hold, record(hold))

            clients = [asyncio.create_task(client(number)) for number in range(16)]
            for number in range(12):
                await asyncio.sleep(0.01 * (number % 5))
                await proxy.cut()
                await proxy.restore()
                before = len(held)
                async with asyncio.timeout(40):
                    while len(held) == before:
                        await asyncio.sleep(0.01)
            stop = True
            await asyncio.gather(*clients)
            await nothing_waits(ledger)
    found = await states(store)
    assert {name for name, state in found.items() if state == "settled"} == {h.request.request_id for h in held}
    assert all(found.get(name, "released") == "released" for name in refused)
    [credit] = await budgets.budgets(store)
    assert (credit.spent_nusd, credit.held_nusd) == (len(held) * COST, 0)
    await verified()


async def test_postgresql_is_killed_and_started_again_in_the_middle(server_folder: Path) -> None:
    """A server of its own, killed without warning: what was acknowledged is there, exactly once, after recovery."""
    server = PostgresServer(server_folder / "killed")
    with server:
        url, port = server.url, server.port
        await schema.upgrade(url)
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(contextlib.aclosing(await open_pool(url, 2)))
            pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(url, 1.0)))
            ledger = await stack.enter_async_context(contextlib.aclosing(Ledger(pool)))
            await ledger.start()
            p = PRICE
            await prices.add(store, p.model, p.input_nusd_per_mtok, p.cached_nusd_per_mtok, p.output_nusd_per_mtok)
            await budgets.add_credits(store, "proj_1", 10**12, "cred_1", ())
            settled: list[str] = []
            stop = False

            async def client() -> None:
                while not stop:
                    try:
                        hold = await ledger.hold(request(COST))
                    except LedgerUnavailableError:
                        await asyncio.sleep(0.05)
                        continue
                    await ledger.settle(hold, record(hold))
                    settled.append(hold.request.request_id)

            clients = [asyncio.create_task(client()) for _ in range(16)]
            for _ in range(2):
                before = len(settled)
                async with asyncio.timeout(30):
                    while len(settled) < before + 50:
                        await asyncio.sleep(0.02)
                kill(server)
                server._start_on(port)
            async with asyncio.timeout(30):
                before = len(settled)
                while len(settled) < before + 50:
                    await asyncio.sleep(0.02)
            stop = True
            await asyncio.gather(*clients)
            await nothing_waits(ledger)
            found = await states(store)
            assert {name for name, state in found.items() if state == "settled"} == set(settled)
            assert "open" not in found.values()
            findings = await verify(store)
            assert not [(f.invariant.name, f.offences) for f in findings if f.offences]


def kill(server: PostgresServer) -> None:
    """SIGKILL to the server and all its processes, as a power cut would."""
    import psutil

    parent = psutil.Process(server.pid)
    processes = [parent, *parent.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, 10)
    server.stop()
    (server.folder / "data/postmaster.pid").unlink(missing_ok=True)
