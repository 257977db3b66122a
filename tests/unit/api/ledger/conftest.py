"""A ledger on a real PostgreSQL, and money for it to hold."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import pytest

from api.domain import Outcome, Principal, TokenUsage, UsageRecord
from api.ledger.holds import Hold, HoldRequest, Ledger
from api.ledger.pricing import Price
from api.ledger.reconcile import verify
from api.storage import prices
from api.storage.holds import open_ledger_pool
from api.storage.session import Database, NotSentError

PRICE = Price("tiny", 1, 150_000_000, 75_000_000, 600_000_000)  # 150, 75 and 600 nano-USD a token

# Everything that was becomes a month older.
A_MONTH_PASSES = """
SET session_replication_role = replica;
UPDATE budgets SET period = period - interval '1 month' WHERE kind = 'month';
UPDATE budget_alerts SET period = period - interval '1 month' WHERE kind = 'month';
UPDATE holds SET month = month - interval '1 month', started_at = started_at - interval '40 days';
SELECT usage_add_month(started_at - interval '40 days') FROM usage;
UPDATE usage SET started_at = started_at - interval '40 days';
UPDATE usage_rollups SET bucket = bucket - interval '40000 days';
UPDATE usage_rollups SET bucket = bucket + interval '39960 days'; -- never two rows with one key
"""


class AtTimesAway(Database):
    """Does not reach PostgreSQL with some of its statements, by their number."""

    def __init__(self, database: Database, lost: Collection[int]) -> None:
        super().__init__(database.pool, "", database.timeout_s)
        self._lost = lost
        self._statements = 0

    async def fetch_idempotent(self, statement: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        self._statements += 1
        if self._statements in self._lost:
            raise NotSentError("away")
        return await super().fetch_idempotent(statement, *arguments, timeout_s=timeout_s)


@pytest.fixture
async def price(store: Database) -> Price:
    """A price that is in force."""
    p = PRICE
    await prices.add(store, p.model, p.input_nusd_per_mtok, p.cached_nusd_per_mtok, p.output_nusd_per_mtok)
    return p


@pytest.fixture
async def pool(migrated_url: str) -> AsyncIterator[Database]:
    """The ledger's own connections."""
    async with contextlib.aclosing(await open_ledger_pool(migrated_url)) as opened:
        yield opened


@pytest.fixture
async def ledger(pool: Database, price: Price) -> AsyncIterator[Ledger]:
    async with contextlib.aclosing(Ledger(pool)) as opened:
        await opened.start()
        yield opened


def principal(project: str = "proj_1", key: str = "key_1") -> Principal:
    return Principal("org_1", project, key, frozenset({"inference"}))


def request(
    amount_nusd: int, price: Price = PRICE, who: Principal | None = None, started_at_s: float | None = None
) -> HoldRequest:
    return HoldRequest(
        request_id="req_" + secrets.token_urlsafe(18),
        principal=who or principal(),
        operation="createChatCompletion",
        model=price.model,
        price=price,
        amount_nusd=amount_nusd,
        started_at_s=time.time() if started_at_s is None else started_at_s,
    )


def record(hold: Hold, outcome: Outcome = "finished", tokens: TokenUsage | None = None) -> UsageRecord:
    """What the request of a hold used: by default 10 tokens in, 4 of them cached, and 7 out: 5 400 nano-USD."""
    asked = hold.request
    return UsageRecord(
        request_id=asked.request_id,
        principal=asked.principal,
        operation=asked.operation,
        model=asked.model,
        replica="127.0.0.1:5",
        outcome=outcome,
        finish_reason="stop",
        provenance="engine",
        tokens=tokens or TokenUsage(10, 4, 7, 2),
        status=200,
        streamed=True,
        started_at_s=asked.started_at_s,
        ttft_ms=12.5,
        duration_ms=99.25,
    )


COST = 6 * 150 + 4 * 75 + 7 * 600


@pytest.fixture
def verified(store: Database) -> Callable[[], object]:
    """Asserts that the ledger breaks no invariant."""

    async def check() -> None:
        findings = await verify(store)
        assert not [(f.invariant.name, f.offences) for f in findings if f.offences]

    return check
