"""Answers to lines of batches: each line is answered once and charged once, whoever brings it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

from api.domain import LineAnswer
from api.ledger.holds import Ledger
from api.ledger.pricing import Price, free_price
from api.storage import batches, holds, line_answers
from api.storage.batches import NewShard
from api.storage.holds import open_ledger_pool
from api.storage.session import Database
from tests.unit.api.ledger.conftest import COST, PRICE, record, request

Verified = Callable[[], Awaitable[None]]
LINES = 40
FILE = """
INSERT INTO files (id, organisation_id, project_id, state, purpose, filename, bytes)
VALUES ('file-1', 'org_1', 'proj_1', 'stored', 'batch', '', 1)
"""


async def begun(store: Database, lines: int = LINES) -> int:
    """A batch of one shard: the shard's id."""
    whose = "org_1", "proj_1", "key_1"
    await store.execute(FILE)
    assert await batches.add(store, "batch_1", *whose, "/v1/chat/completions", "file-1", None, None, 3600.0)
    batch = await batches.read(store, "batch_1")
    assert batch is not None
    assert await batches.begin(store, batch, [NewShard(0, 1, lines, 0, 100)], "tiny", 1, 100) is None
    shard = await batches.read_shard(store, "batch_1", 0)
    assert shard is not None
    return shard.id


def answer(shard_id: int, line: int, body: bytes = b"{}") -> LineAnswer:
    return LineAnswer(shard_id, line, failed=False, body=body)


async def count(store: Database, query: str) -> int:
    [row] = await store.fetch(query)
    return int(row[0])


async def test_of_all_who_answer_a_line_one_is_right(
    migrated_url: str, ledger: Ledger, store: Database, verified: Verified
) -> None:
    """Two processes, every line five times, all at once. The others' work is our expense."""
    shard_id = await begun(store)
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(migrated_url)))
        other = await stack.enter_async_context(contextlib.aclosing(Ledger(pool)))
        await other.start()
        attempts = [(line, random.choice((ledger, other))) for line in range(1, LINES + 1) for _ in range(5)]
        random.shuffle(attempts)

        async def attempt(line: int, by: Ledger) -> None:
            hold = await by.hold(request(COST))
            await by.settle(hold, record(hold), answer(shard_id, line, hold.request.request_id.encode()))

        await asyncio.gather(*(attempt(line, by) for line, by in attempts))
    kept = await store.fetch("SELECT line, request_id, body FROM line_answers")
    assert sorted(row["line"] for row in kept) == list(range(1, LINES + 1))
    assert all(row["request_id"].encode() == row["body"] for row in kept)
    posted = await store.fetch("SELECT request_id FROM transfers WHERE kind = 'post'")
    assert {row["request_id"] for row in posted} == {row["request_id"] for row in kept} and len(posted) == LINES
    assert await count(store, "SELECT count(*) FROM transfers WHERE kind = 'outage'") == 4 * LINES
    shard = await batches.read_shard(store, "batch_1", 0)
    assert shard is not None and shard.answered == set(range(1, LINES + 1)) and shard.completed == LINES
    await verified()


async def test_a_sealed_shard_takes_no_more(ledger: Ledger, store: Database, verified: Verified) -> None:
    shard_id = await begun(store)
    hold = await ledger.hold(request(COST))
    await batches.seal(store, "batch_1")
    await ledger.settle(hold, record(hold), answer(shard_id, 1))
    assert await count(store, "SELECT count(*) FROM line_answers") == 0
    assert await count(store, "SELECT count(*) FROM transfers WHERE kind = 'post'") == 0
    await verified()


async def test_who_lost_the_hold_has_no_answer(ledger: Ledger, store: Database, verified: Verified) -> None:
    """Somebody took a process for dead and gave its hold back: its answer is not kept, and the line is run again."""
    shard_id = await begun(store)
    hold = await ledger.hold(request(COST))
    [row] = await store.fetch("SELECT * FROM holds")
    swept = {name: row[name] for name in holds.HoldRow.__dataclass_fields__ if name in row.keys()}  # noqa: SIM118
    swept["started_at_s"] = row["started_at"].timestamp()
    await holds.release(store, "somebody", [holds.HoldRow(**swept)])
    await ledger.settle(hold, record(hold), answer(shard_id, 1))
    assert await count(store, "SELECT count(*) FROM line_answers") == 0
    again = await ledger.hold(request(COST))
    await ledger.settle(again, record(again), answer(shard_id, 1))
    assert await count(store, "SELECT count(*) FROM line_answers") == 1
    await verified()


async def test_refusals_and_free_models(ledger: Ledger, store: Database, verified: Verified) -> None:
    """They cost nothing, and are kept once all the same; a settlement without an answer goes along."""
    shard_id = await begun(store)
    refused = LineAnswer(shard_id, 1, failed=True, body=b"no")
    await line_answers.keep(store, [("req_a", refused), ("req_b", refused)])
    await line_answers.keep(store, [("req_c", answer(shard_id, 1))])
    free = [await ledger.hold(request(0, free_price("demo"))) for _ in range(3)]
    paid = await ledger.hold(request(COST))
    await asyncio.gather(
        ledger.settle(free[0], record(free[0]), answer(shard_id, 1)),
        ledger.settle(free[1], record(free[1]), answer(shard_id, 2)),
        ledger.settle(free[2], record(free[2])),
        ledger.settle(paid, record(paid)),
    )
    found = await store.fetch("SELECT line, failed, body FROM line_answers ORDER BY line")
    assert [tuple(row) for row in found] == [(1, True, b"no"), (2, False, b"{}")]
    shard = await batches.read_shard(store, "batch_1", 0)
    assert shard is not None and (shard.completed, shard.failed) == (1, 1)
    await verified()


async def test_half_the_price(ledger: Ledger, store: Database, price: Price, verified: Verified) -> None:
    """To the nano-USD, rounded up once, of what is held and of what is charged."""
    half = PRICE.at(50)
    hold = await ledger.hold(request(COST, half))
    await ledger.settle(hold, record(hold))
    [used] = await store.fetch("SELECT cost_nusd, price_percent FROM usage")
    assert (used["cost_nusd"], used["price_percent"]) == (-(-COST // 2), 50)
    await verified()
