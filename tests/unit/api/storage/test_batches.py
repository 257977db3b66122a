"""The life of a batch: what it may become, and nothing else, whoever asks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from api.domain import NEXT, OVER, BatchStatus, LineAnswer, TokenUsage, UsageRecord, before
from api.storage import batches, files, jobs, line_answers, settlements
from api.storage.batches import Batch, NewShard
from api.storage.session import Database, open_pool
from api.storage.settlements import Settlement

SHARDS = [NewShard(number, 10 * number + 1, 10, 100 * number, 100 * number + 99) for number in range(70)]
FILE = """
INSERT INTO files (id, organisation_id, project_id, state, purpose, filename, bytes)
VALUES ($1, 'org_1', 'proj_1', 'stored', 'batch', '', 1)
"""
# A worker that has not been heard of for so many seconds runs a task's job.
TAKEN = """
WITH worker AS (
    INSERT INTO jobs.procrastinate_workers (last_heartbeat) VALUES (now() - $2 * interval '1 second') RETURNING id
)
UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM worker) WHERE task_name = $1
"""


async def made(store: Database, batch_id: str = "batch_1", status: BatchStatus = "validating") -> Batch:
    whose = "org_1", "proj_1", "key_1"
    await store.execute(FILE, batch_id)
    assert await batches.add(store, batch_id, *whose, "/v1/chat/completions", batch_id, {"a": "b"}, None, 3600.0)
    await store.execute("UPDATE batches SET status = $2 WHERE id = $1", batch_id, status)
    found = await batches.read(store, batch_id)
    assert found is not None
    return found


async def queued(store: Database) -> list[tuple[str, str]]:
    rows = await store.fetch("SELECT task_name, lock FROM jobs.procrastinate_jobs WHERE status = 'todo' ORDER BY id")
    return [(row["task_name"], row["lock"]) for row in rows]


def test_every_status_is_reached_and_four_are_the_end() -> None:
    assert set(OVER) == {"completed", "failed", "expired", "cancelled"}
    assert {status for status in NEXT if not before(status)} == {"validating"}
    for status, following in NEXT.items():
        assert ("cancelling" in following) is (status in ("validating", "in_progress"))


async def test_a_batch_begins_whatever_its_model_is_called(store: Database) -> None:
    assert await batches.begin(store, await made(store), SHARDS[:1], "gpt-\0", 1, 100) is None
    found = await batches.read(store, "batch_1")
    assert found is not None and (found.status, found.model) == ("in_progress", "gpt-\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("status", NEXT)
async def test_what_a_batch_may_become(store: Database, status: BatchStatus) -> None:
    """By every operation there is; what is over stays as it is."""
    done = {
        "in_progress": lambda batch: batches.begin(store, batch, SHARDS[:1], "tiny", 1, 100),
        "failed": lambda batch: batches.fail(store, batch.id, [{"code": "x"}]),
        "cancelling": lambda batch: batches.cancel(store, batch.id),
        "finalizing": lambda batch: batches.follow(store, batch.id, 0),
        **{
            end: lambda batch, end=end: batches.end(store, batch.id, end, None, None, 0, 0, TokenUsage())
            for end in ("completed", "expired", "cancelled")
        },
    }
    for number, (following, act) in enumerate(done.items()):
        batch = await made(store, f"batch_{number}", status)
        await act(batch)
        found = await batches.read(store, batch.id)
        assert found is not None
        moved = following in NEXT[status]
        assert found.status == (following if moved else status)
        assert (getattr(found, f"{following}_at") is not None) is moved


async def test_a_batch_that_never_began_fails_when_its_time_is_up(store: Database) -> None:
    """Else it would run later, and have no end."""
    batch = await made(store)
    await batches.expire(store, batch.id)
    found = await batches.read(store, batch.id)
    assert found is not None and found.status == "failed" and found.errors is not None
    assert [error["code"] for error in found.errors] == ["batch_expired"]
    assert await batches.begin(store, batch, SHARDS[:1], "tiny", 1, 100) is None
    assert await batches.status(store, batch.id) == "failed" and await batches.queued_tokens(store, "proj_1") == 0


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_batch_that_never_began_has_no_lines(store: Database, end: BatchStatus) -> None:
    """While it is looked at, it has as many as its file."""
    batch = await made(store)
    await store.execute("UPDATE batches SET total = 3")
    if end == "failed":
        await batches.fail(store, batch.id, [{"code": "x"}])
    else:
        assert await batches.cancel(store, batch.id)
        assert await batches.end(store, batch.id, end, None, None, 0, 0, TokenUsage())
    found = await batches.read(store, batch.id)
    assert found is not None and (found.status, found.total, found.completed, found.failed) == (end, 0, 0, 0)


async def test_a_batch_ends_in_one_way(store: Database) -> None:
    """Cancelled, expired and ended at the same moment, again and again."""
    for number in range(30):
        batch = await made(store, f"batch_{number}", "finalizing")
        ends = [
            batches.end(store, batch.id, outcome, None, None, 1, 0, TokenUsage())
            for outcome in ("completed", "expired")
        ]
        results = await asyncio.gather(*ends, batches.cancel(store, batch.id))
        found = await batches.read(store, batch.id)
        assert found is not None and sum(map(bool, results)) == 1
        assert found.status in ("completed", "expired", "cancelling")


async def test_jobs_come_with_what_makes_them_due(store: Database) -> None:
    batch = await made(store)
    assert await queued(store) == [("validate", "batch_1"), ("expire", "batch_1 expires")]
    await batches.begin(store, batch, SHARDS, "tiny", 1, 100)
    runs = [lock for task, lock in await queued(store) if task == "run_shard"]
    assert runs == [f"batch_1/{number}" for number in range(batches.WIDTH)]
    await batches.follow(store, "batch_1", 3)
    await batches.follow(store, "batch_1", len(SHARDS) - 1)
    assert [lock for _, lock in await queued(store)][-1] == f"batch_1/{3 + batches.WIDTH}"
    await store.execute("UPDATE batch_shards SET answered = array(SELECT generate_series(1, lines))")
    await batches.follow(store, "batch_1", len(SHARDS) - 1)
    assert (await queued(store))[-1] == ("finalize", "batch_1")
    assert await batches.status(store, "batch_1") == "finalizing"


async def test_what_dead_workers_were_at_is_due_again(store: Database) -> None:
    await made(store)
    for task, silent_s in (("validate", 0), ("expire", 60)):
        await store.execute(TAKEN, task, silent_s)
    assert await jobs.workers(store, 10.0) == 1
    living, dead = [row["id"] for row in await store.fetch("SELECT id FROM jobs.procrastinate_workers ORDER BY id")]
    assert await jobs.take_back(store, 10.0, dead) == 0  # who was not heard of does not judge
    assert await jobs.take_back(store, 10.0, None) == 0
    assert await jobs.take_back(store, 10.0, living) == 1
    assert await queued(store) == [("expire", "batch_1 expires")]


async def test_together_they_stay_within_the_quota(store: Database) -> None:
    """Those that begin at the same moment, too."""
    found = [await made(store, f"batch_{number}") for number in range(8)]
    told = await asyncio.gather(*(batches.begin(store, batch, SHARDS[:1], "tiny", 30, 100) for batch in found))
    assert told.count(None) == 3 and set(told) == {None, 90}
    assert await batches.queued_tokens(store, "proj_1") == 90


async def test_what_is_still_to_be_looked_at(store: Database) -> None:
    for number in range(3):
        await made(store, f"batch_{number}")
    await batches.begin(store, await made(store, "batch_3"), SHARDS[:1], "tiny", 1, 100)
    assert await batches.unseen_bytes(store, "proj_1") == 3
    await batches.fail(store, "batch_0", [])
    await batches.cancel(store, "batch_1")
    assert await batches.unseen_bytes(store, "proj_1") == 1
    assert await batches.unseen_bytes(store, "proj_2") == 0


async def test_pages_and_projects(store: Database) -> None:
    for number in range(5):
        await made(store, f"batch_{number}")
    names = [batch.id for batch in await batches.page(store, "proj_1", None, 3)]
    assert names == ["batch_4", "batch_3", "batch_2"]
    position = await batches.position(store, "batch_2", "proj_1")
    assert [batch.id for batch in await batches.page(store, "proj_1", position, 3)] == ["batch_1", "batch_0"]
    assert await batches.read(store, "batch_1", "proj_2") is None
    assert await batches.position(store, "batch_1", "proj_2") is None


async def test_its_file_stays_while_it_is_read(store: Database) -> None:
    await made(store)
    [forever] = await store.fetch("SELECT expires_at FROM files")
    assert forever[0] is None
    assert await files.reader(store, "proj_1", "batch_1") == "batch_1"
    await batches.fail(store, "batch_1", [])
    assert await files.reader(store, "proj_1", "batch_1") is None
    await store.execute("UPDATE files SET expires_at = now() - interval '1 s'")
    whose = "org_1", "proj_1", "key_1"
    assert not await batches.add(store, "batch_2", *whose, "/v1/chat/completions", "batch_1", None, None, 3600.0)
    assert await batches.read(store, "batch_2") is None
    await store.execute("UPDATE files SET expires_at = now() + interval '1 s', lines = 7")
    assert await batches.add(store, "batch_2", *whose, "/v1/chat/completions", "batch_1", None, None, 3600.0)
    found = await batches.read(store, "batch_2")
    assert found is not None and found.total == 7  # as many as it will run, unless one of them is wrong
    [row] = await store.fetch("SELECT expires_at > now() + interval '1 day' FROM files")
    assert row[0]


async def test_a_file_of_answers_that_has_expired_is_written_again(store: Database) -> None:
    """When the batch takes longer to end than its files are kept: storage was away, or it was cancelled meanwhile. So
    is one that was deleted, and what a caller calls by that name is none."""

    async def becomes(change: str) -> str | None:
        await store.execute(f"UPDATE files SET {change} WHERE id = 'file-1'")
        return await batches.written(store, "proj_1", "batch_1_error.jsonl")

    for purpose, file_id in (("batch_output", "file-1"), ("batch", "file-2")):
        await store.execute(FILE.replace("'batch', ''", f"'{purpose}', 'batch_1_error.jsonl'"), file_id)
    assert await becomes("expires_at = now() + interval '1 h'") == "file-1"
    assert await becomes("expires_at = now()") is None
    assert await becomes("expires_at = NULL") == "file-1"
    assert await becomes("state = 'removed'") is None


async def test_a_batch_is_what_the_answers_to_its_lines_are(
    store: Database, usage_record: Callable[..., UsageRecord]
) -> None:
    """Of all its shards, and of no other batch, in the order of its lines; what was refused used nothing."""
    for number in range(2):
        assert await batches.begin(store, await made(store, f"batch_{number}"), SHARDS[:2], "tiny", 1, 100) is None
    assert await batches.usage(store, "batch_0") == TokenUsage()
    shards = [row["id"] for row in await store.fetch("SELECT id FROM batch_shards ORDER BY batch_id, number")]
    for number, (shard, line) in enumerate((shard, line) for shard in shards for line in (2, 1, 3)):
        answer = LineAnswer(shard, line, failed=line == 3, body=b"%d" % line)
        await line_answers.keep(store, [(f"req_{number}", answer)])
    records = [usage_record(request_id=f"req_{n}", tokens=TokenUsage(4 * n, 3 * n, 2 * n, n)) for n in (0, 1, 3, 4, 6)]
    await settlements.settle(store, "me", [Settlement(record, 0, 0, pays=False, held=False) for record in records])
    assert await batches.usage(store, "batch_0") == TokenUsage(32, 24, 16, 8)
    assert await batches.usage(store, "batch_1") == TokenUsage(24, 18, 12, 6)
    found = await batches.read(store, "batch_0")
    assert found is not None and (found.completed, found.failed) == (4, 2)
    assert await batches.answers(store, shards[1], failed=False) == [b"1", b"2"]
    assert await batches.answers(store, shards[1], failed=True) == [b"3"]


async def test_a_batch_is_sealed_beside_answers_that_come(store: Database, migrated_url: str) -> None:
    """They lock shards in the order of their ids, not in that of the table, where the latest answer is behind."""
    assert await batches.begin(store, await made(store), SHARDS[:2], "tiny", 1, 100) is None
    first, second = [row["id"] for row in await store.fetch("SELECT id FROM batch_shards ORDER BY id")]
    await line_answers.keep(store, [("req_1", LineAnswer(first, 1, failed=False, body=b"{}"))])
    await store.execute("ANALYZE batch_shards")
    lock = "SELECT FROM batch_shards WHERE id = $1 FOR UPDATE"
    async with contextlib.aclosing(await open_pool(f"{migrated_url}?options=-c%20deadlock_timeout%3D20ms")) as database:
        async with store.transaction() as other:
            await other.execute("SET LOCAL deadlock_timeout = '10s'")
            await other.fetch(lock, first)
            sealing = asyncio.create_task(batches.seal(database, "batch_1"))
            while not await other.fetch("SELECT FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.002)
            await other.fetch(lock, second)
        assert [shard.sealed for shard in await sealing] == [True, True]


async def test_a_batch_ends_however_long_its_answers_take_to_go(store: Database, migrated_url: str) -> None:
    batch = await made(store)
    assert await batches.begin(store, batch, SHARDS[:1], "tiny", 1, 100) is None
    await store.execute("UPDATE batches SET status = 'finalizing'")
    async with contextlib.aclosing(await open_pool(migrated_url, 1, 0.3)) as database:
        async with store.transaction() as other:
            await other.fetch("SELECT FROM batch_shards FOR UPDATE")
            ending = asyncio.create_task(batches.end(database, batch.id, "completed", None, None, 10, 0, TokenUsage()))
            await asyncio.wait((ending,), timeout=0.6)
        assert await ending
    found = await batches.read(store, batch.id)
    assert found is not None and (found.status, found.completed) == ("completed", 10)
