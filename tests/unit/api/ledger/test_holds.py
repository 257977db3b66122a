from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.domain import TokenUsage
from api.errors import InsufficientQuotaError, InternalError, LedgerUnavailableError
from api.ledger.holds import Ledger
from api.ledger.pricing import Price, free_price
from api.storage import budgets
from api.storage.holds import open_ledger_pool
from api.storage.session import Database
from tests.unit.api.ledger.conftest import COST, AtTimesAway, principal, record, request

Verified = Callable[[], Awaitable[None]]


async def rows(store: Database, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await store.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]


async def budget(store: Database, kind: str, scope: str = "proj_1") -> budgets.Budget:
    [found] = [b for b in await budgets.budgets(store) if b.kind == kind and b.scope_id == scope]
    return found


async def test_a_request_is_held_and_settled_whole(ledger: Ledger, store: Database, verified: Verified) -> None:
    hold = await ledger.hold(request(10_000, started_at_s=1_700_000_000.25))
    [open_hold] = await rows(store, "holds")
    assert open_hold["state"] == "open" and open_hold["amount_nusd"] == 10_000 and open_hold["owner"] == ledger.owner
    assert list(ledger.open) == [hold.request.request_id]
    await verified()
    await ledger.settle(hold, record(hold))
    [closed] = await rows(store, "holds")
    assert closed["state"] == "settled" and closed["closed_by"] == ledger.owner and closed["account"] == "receivable"
    [transfer] = await rows(store, "transfers")
    assert (transfer["kind"], transfer["debit"], transfer["credit"]) == ("post", "receivable", "revenue")
    assert transfer["amount_nusd"] == COST
    [used] = await rows(store, "usage")
    assert used.pop("started_at").timestamp() == 1_700_000_000.25
    assert used == {
        "request_id": hold.request.request_id,
        "organisation_id": "org_1",
        "project_id": "proj_1",
        "key_id": "key_1",
        "operation": "createChatCompletion",
        "model": "tiny",
        "replica": "127.0.0.1:5",
        "outcome": "finished",
        "finish_reason": "stop",
        "provenance": "engine",
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 7,
        "reasoning_tokens": 2,
        "status": 200,
        "streamed": True,
        "ttft_ms": 12.5,
        "duration_ms": 99.25,
        "price_version": 1,
        "price_percent": 100,
        "cost_nusd": COST,
    }
    assert [(r["width_s"], r["requests"], r["cost_nusd"]) for r in await rows(store, "usage_rollups")] == [
        (3600, 1, COST),
        (86400, 1, COST),
    ]
    assert not ledger.open
    await verified()


@pytest.mark.parametrize("outcome", ["upstream_broke", "refused"])
async def test_what_we_broke_is_free_and_our_expense(
    outcome: Any, ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", 10_000, "cred_1", ())
    hold = await ledger.hold(request(10_000))
    await ledger.settle(hold, record(hold, outcome))
    assert [h["state"] for h in await rows(store, "holds")] == ["released"]
    booked = [(t["kind"], t["debit"], t["amount_nusd"]) for t in await rows(store, "transfers")]
    assert sorted(booked) == [("fund", "cash", 10_000), ("outage", "expense:outage", COST)]
    assert [(u["cost_nusd"], u["completion_tokens"]) for u in await rows(store, "usage")] == [(0, 7)]
    assert (await budget(store, "credits")).left_nusd == 10_000
    await verified()


async def test_a_client_that_left_pays_for_what_was_generated(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    hold = await ledger.hold(request(10_000))
    await ledger.settle(hold, record(hold, "client_left", TokenUsage(10, 0, 1, 0)))
    assert [(t["kind"], t["amount_nusd"]) for t in await rows(store, "transfers")] == [("post", 10 * 150 + 600)]
    await verified()


async def test_a_request_that_never_ran_leaves_nothing(ledger: Ledger, store: Database, verified: Verified) -> None:
    hold = await ledger.hold(request(10_000))
    await ledger.release(hold)
    await ledger.release(hold)
    assert [h["state"] for h in await rows(store, "holds")] == ["released"]
    assert not await rows(store, "usage") and not await rows(store, "transfers") and not ledger.open
    await verified()


async def test_a_free_model_holds_nothing_and_its_usage_is_written(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.set_budget(store, "proj_1", "proj_1", "total", 0, ())
    hold = await ledger.hold(request(0, free_price("demo")))
    assert await ledger.extend(hold, 0) and not ledger.open and not await rows(store, "holds")
    await asyncio.gather(ledger.settle(hold, record(hold)), ledger.settle(hold, record(hold)))
    released = await ledger.hold(request(0, free_price("demo")))
    await ledger.release(released)
    assert [(u["cost_nusd"], u["price_version"]) for u in await rows(store, "usage")] == [(0, 0)]
    assert [r["requests"] for r in await rows(store, "usage_rollups")] == [1, 1]
    assert not await rows(store, "transfers")
    await verified()


async def test_prepaid_credits_are_spent_to_the_last_and_no_further(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    assert await budgets.add_credits(store, "proj_1", 15_000, "cred_1", ())
    assert not await budgets.add_credits(store, "proj_1", 15_000, "cred_1", ())
    first = await ledger.hold(request(10_000))
    with pytest.raises(InsufficientQuotaError) as caught:
        await ledger.hold(request(5_001))
    assert caught.value.headers()["x-should-retry"] == "false" and "retry-after" not in caught.value.headers()
    assert caught.value.body()["error"] == {
        "message": "The project has $0.000005 of its prepaid credits left, and this request may cost up to "
        "$0.000005001. Add credits (`novai credits add`), or ask for less with a smaller max_tokens.",
        "type": "insufficient_quota",
        "code": "insufficient_quota",
        "param": None,
    }
    second = await ledger.hold(request(5_000))
    await ledger.settle(first, record(first))
    await ledger.release(second)
    assert (await budget(store, "credits")).left_nusd == 15_000 - COST
    assert [t["debit"] for t in await rows(store, "transfers") if t["kind"] == "post"] == ["credits"]
    # Another project is not prepaid, and not concerned.
    other = await ledger.hold(request(10**15, who=principal("proj_2")))
    await ledger.release(other)
    await verified()


@pytest.mark.parametrize(
    ("scope", "kind", "told"),
    [
        ("proj_1", "month", "The project has $0.00 of its monthly budget left"),
        ("proj_1", "total", "The project has $0.00 of its budget left"),
        ("key_1", "month", "The API key has $0.00 of its monthly budget left"),
        ("key_1", "total", "The API key has $0.00 of its budget left"),
    ],
)
async def test_budgets_bind_their_project_or_key(
    scope: str, kind: Any, told: str, ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.set_budget(store, "proj_1", scope, kind, 10_000, (50, 80, 100))
    hold = await ledger.hold(request(10_000))
    with pytest.raises(InsufficientQuotaError, match=told.replace("$", r"\$")):
        await ledger.hold(request(1))
    await ledger.settle(hold, record(hold))
    found = await budget(store, kind, scope)
    assert (found.spent_nusd, found.held_nusd) == (COST, 0)
    assert [a.threshold for a in await budgets.alerts(store)] == [50]
    other = await ledger.hold(request(4_600, who=principal(key="key_2")))
    if scope == "key_1":
        other = await ledger.hold(request(10**9, who=principal(key="key_2")))
    await ledger.settle(other, record(other, tokens=TokenUsage(20, 0, 2, 0)))
    assert [a.threshold for a in await budgets.alerts(store)] == ([50] if scope == "key_1" else [50, 80])
    await verified()


async def test_all_budgets_of_a_request_must_cover_it(ledger: Ledger, store: Database, verified: Verified) -> None:
    await budgets.add_credits(store, "proj_1", 100_000, "cred_1", ())
    await budgets.set_budget(store, "proj_1", "proj_1", "month", 50_000, ())
    await budgets.set_budget(store, "proj_1", "key_1", "total", 20_000, ())
    with pytest.raises(InsufficientQuotaError, match="API key"):
        await ledger.hold(request(20_001))
    hold = await ledger.hold(request(20_000))
    assert [b.held_nusd for b in await budgets.budgets(store)] == [20_000] * 3
    with pytest.raises(InsufficientQuotaError, match="monthly"):
        await ledger.hold(request(30_001, who=principal(key="key_2")))
    await ledger.settle(hold, record(hold))
    assert [(b.held_nusd, b.spent_nusd) for b in await budgets.budgets(store)] == [(0, COST)] * 3
    await verified()


async def test_a_hold_is_extended_within_what_is_left(ledger: Ledger, store: Database, verified: Verified) -> None:
    await budgets.add_credits(store, "proj_1", 10_000, "cred_1", ())
    hold = await ledger.hold(request(1_000))
    assert await ledger.extend(hold, 5_000)
    assert not await ledger.extend(hold, 4_001)
    assert await ledger.extend(hold, 4_000)
    assert hold.amount_nusd == 10_000 and (await budget(store, "credits")).left_nusd == 0
    await verified()
    await ledger.settle(hold, record(hold))
    assert not await ledger.extend(hold, 1)
    await verified()


async def test_calls_may_be_repeated(ledger: Ledger, store: Database, verified: Verified) -> None:
    await budgets.add_credits(store, "proj_1", 10_000, "cred_1", ())
    asked = request(8_000)
    holds = await asyncio.gather(*(ledger.hold(asked) for _ in range(5)))
    assert len({id(hold) for hold in holds}) == 1
    assert (await budget(store, "credits")).held_nusd == 8_000
    await asyncio.gather(*(ledger.settle(hold, record(hold)) for hold in holds))
    await ledger.release(holds[0])
    with pytest.raises(InternalError):
        await ledger.hold(asked)
    assert (await budget(store, "credits")).left_nusd == 10_000 - COST
    await verified()


async def test_one_that_does_not_fit_sinks_no_other_of_its_batch(
    ledger: Ledger, store: Database, verified: Verified
) -> None:
    await budgets.add_credits(store, "proj_1", 10_000, "cred_1", ())
    amounts = [4_000, 9_000, 10_001, 3_000, 2_000, 1_001, 1_000, 1]
    answers = await asyncio.gather(*(ledger.hold(request(a)) for a in amounts), return_exceptions=True)
    held = [amount for amount, answer in zip(amounts, answers, strict=True) if not isinstance(answer, Exception)]
    assert held == [4_000, 3_000, 2_000, 1_000]
    assert all(isinstance(answer, InsufficientQuotaError) for answer in answers if isinstance(answer, Exception))
    await verified()


async def test_a_batch_of_which_some_was_not_sent_is_given_back(
    pool: Database, price: Price, store: Database, verified: Verified
) -> None:
    """The third does not fit behind the second, and is asked for once more, alone."""
    await budgets.add_credits(store, "proj_1", 10_000, "cred_1", ())
    async with contextlib.aclosing(Ledger(AtTimesAway(pool, {2}))) as ledger:
        wanted = (ledger.hold(request(amount)) for amount in (4_000, 9_000, 3_000))
        answers = await asyncio.gather(*wanted, return_exceptions=True)
        assert all(isinstance(answer, LedgerUnavailableError) for answer in answers)
    assert {hold["state"] for hold in await rows(store, "holds")} == {"released"}
    assert (await budget(store, "credits")).held_nusd == 0
    await verified()


async def test_what_costs_more_than_held_is_charged_what_was_held(
    ledger: Ledger, store: Database, verified: Verified, caplog: pytest.LogCaptureFixture
) -> None:
    await budgets.add_credits(store, "proj_1", 5_000, "cred_1", ())
    hold = await ledger.hold(request(5_000))
    await ledger.settle(hold, record(hold))
    assert (await budget(store, "credits")).left_nusd == 0
    assert [(e["kind"], e["amount_nusd"]) for e in await rows(store, "ledger_events")] == [("overrun", COST - 5_000)]
    assert "overrun" in caplog.text
    await verified()


async def test_sixty_four_clients_on_a_budget_never_spend_more(
    migrated_url: str, price: Price, store: Database, verified: Verified
) -> None:
    """Two processes, 64 clients, a hold that is extended, settlements of every kind: at no instant beyond the limit."""
    limit = 60 * COST
    await budgets.set_budget(store, "proj_1", "proj_1", "total", limit, ())
    async with contextlib.AsyncExitStack() as stack:
        ledgers = []
        for _ in range(2):
            pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(migrated_url)))
            ledgers.append(await stack.enter_async_context(contextlib.aclosing(Ledger(pool))))
        refused = 0

        async def client(number: int) -> None:
            nonlocal refused
            ledger = ledgers[number % 2]
            for round_ in range(12):
                try:
                    hold = await ledger.hold(request(COST // 2 + number, who=principal(key=f"key_{number % 5}")))
                except InsufficientQuotaError:
                    refused += 1
                    continue
                if await ledger.extend(hold, COST // 2 + round_):
                    await ledger.settle(hold, record(hold, ("finished", "client_left")[round_ % 2]))  # type: ignore[arg-type]
                else:
                    refused += 1
                    await ledger.settle(hold, record(hold, "upstream_broke"))

        watching = True

        async def watch() -> None:
            while watching:
                now = await budget(store, "total")
                assert now.spent_nusd + now.held_nusd <= limit
                await asyncio.sleep(0)

        watcher = asyncio.create_task(watch())
        await asyncio.gather(*map(client, range(64)))
        watching = False
        await watcher
    final = await budget(store, "total")
    assert refused > 0 and final.held_nusd == 0 and limit // 2 < final.spent_nusd <= limit
    await verified()
