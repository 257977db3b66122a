"""SQL for batches: what each is asked to do and how far it is, its shards, and the answers to their lines.

A batch's status changes in one statement that names what it may have been (`domain.NEXT`), in the transaction that puts
the next job into the queue. Its progress is the sum of its shards until it is over; then the shards are gone, and their
answers with them: they are in its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from api.domain import OVER, BatchEndpoint, BatchStatus, TokenUsage, before
from api.storage.jobs import Job, defer
from api.storage.session import Database

# Shards of a batch that wait in the queue at once: more of them run only behind those of other batches.
WIDTH = 32
VALIDATE, RUN, FINALIZE, EXPIRE = "validate", "run_shard", "finalize", "expire"
FIRST = 1  # what is short goes before shards

_TEXTS = ("organisation_id", "project_id", "key_id", "endpoint", "input_file_id", "status")
_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_COLUMNS = f"""
b.id, b.position, {", ".join(f"b.{name}" for name in _TEXTS)}, b.metadata, b.output_expires_after_s, b.model, b.errors,
b.total, b.completed + coalesce(s.completed, 0) AS completed, b.failed + coalesce(s.failed, 0) AS failed, b.usage,
b.output_file_id, b.error_file_id, b.created_at, b.expires_at, {", ".join(f"b.{name}_at" for name in _TIMES)}
"""
_FROM = """
FROM batches b LEFT JOIN LATERAL (
    SELECT sum(completed)::int4 AS completed, sum(failed)::int4 AS failed FROM batch_shards WHERE batch_id = b.id
) s ON true
"""
# The file stays for as long as the batch may read it, though its own time may come earlier.
_PIN = """
UPDATE files
SET expires_at = CASE WHEN expires_at IS NOT NULL THEN greatest(expires_at, now() + $2 * interval '1 second') END
WHERE id = $1 AND state = 'stored' AND (expires_at IS NULL OR expires_at > now()) RETURNING coalesce(lines, 0) AS lines
"""
PINNED_S = 2 * 24 * 3600.0
ALL_LINES_S = 60.0  # for what looks at every answer, or removes it: there may be gigabytes of them
NEVER_BEGAN = {
    "code": "batch_expired",
    "message": "The completion window ended before the lines could be looked at: none was run. Create the batch again.",
    "param": None,
    "line": None,
}
_ADD = """
INSERT INTO batches (id, organisation_id, project_id, key_id, endpoint, input_file_id, status, metadata,
    output_expires_after_s, total, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, 'validating', $7, $8, $9, now() + $10 * interval '1 second')
RETURNING expires_at
"""
_READ = f"SELECT {_COLUMNS} {_FROM} WHERE b.id = $1 AND ($2::text IS NULL OR b.project_id = $2)"
_POSITION = "SELECT position FROM batches WHERE id = $1 AND project_id = $2"
_PAGE = f"""
SELECT {_COLUMNS} {_FROM} WHERE b.project_id = $1 AND ($2::bigint IS NULL OR b.position < $2)
ORDER BY b.position DESC LIMIT $3
"""
_STATUS = "SELECT status FROM batches WHERE id = $1"
_MOVE = "UPDATE batches SET status = $2, {}_at = now() WHERE id = $1 AND status = ANY ($3::text[]) RETURNING id"
# Batches of a project take turns to begin, so that together they stay within its quota.
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('batches ' || project_id, 0)) FROM batches WHERE id = $1"
_QUEUED = f"""
SELECT coalesce(sum(queued_tokens), 0)::int8 FROM batches
WHERE project_id = $1 AND status NOT IN ({", ".join(f"'{status}'" for status in OVER)})
"""  # noqa: S608 — constants only
_UNSEEN = """
SELECT coalesce(sum(f.bytes), 0)::int8 FROM batches b JOIN files f ON f.id = b.input_file_id
WHERE b.project_id = $1 AND b.status = 'validating'
"""
_COUNTED = "UPDATE batches SET total = $2, model = $3, queued_tokens = $4 WHERE id = $1"
_FAIL = "UPDATE batches SET errors = $2, total = 0 WHERE id = $1"
_ADD_SHARDS = """
INSERT INTO batch_shards (batch_id, number, first_line, lines, start_byte, end_byte)
SELECT $1, * FROM unnest($2::int4[], $3::int4[], $4::int4[], $5::int8[], $6::int8[])
"""
_SHARD = "id, number, first_line, lines, start_byte, end_byte, answered, completed, failed, sealed"
_READ_SHARD = f"SELECT {_SHARD} FROM batch_shards WHERE batch_id = $1 AND number = $2"  # noqa: S608
_SHARDS = f"SELECT {_SHARD} FROM batch_shards WHERE batch_id = $1 ORDER BY number"  # noqa: S608
_UNANSWERED = "SELECT 1 FROM batch_shards WHERE batch_id = $1 AND cardinality(answered) < lines LIMIT 1"
# Locked in the order in which settlements lock them.
_SEAL = """
UPDATE batch_shards SET sealed = true WHERE id = ANY (ARRAY (
    SELECT id FROM batch_shards WHERE batch_id = $1 AND NOT sealed ORDER BY id FOR UPDATE
))
"""
_ANSWERS = "SELECT body FROM line_answers WHERE shard_id = $1 AND failed = $2 ORDER BY line"
_USAGE = """
SELECT coalesce(sum(prompt_tokens), 0)::int8 AS prompt_tokens, coalesce(sum(cached_tokens), 0)::int8 AS cached_tokens,
    coalesce(sum(completion_tokens), 0)::int8 AS completion_tokens,
    coalesce(sum(reasoning_tokens), 0)::int8 AS reasoning_tokens
FROM batch_shards s JOIN line_answers a ON a.shard_id = s.id JOIN usage u ON u.request_id = a.request_id
WHERE s.batch_id = $1 AND u.started_at >= (SELECT created_at FROM batches WHERE id = $1) - interval '1 minute'
"""
_END = """
UPDATE batches
SET output_file_id = $2, error_file_id = $3, completed = $4, failed = $5, total = $4::int4 + $5::int4, usage = $6
WHERE id = $1
"""
_FORGET_SHARDS = "DELETE FROM batch_shards WHERE batch_id = $1"
_WRITTEN = """
SELECT id FROM files
WHERE project_id = $1 AND filename = $2 AND purpose = 'batch_output' AND state = 'stored'
    AND (expires_at IS NULL OR expires_at > now())
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of `batches`, with its progress."""

    id: str
    position: int
    organisation_id: str
    project_id: str
    key_id: str
    endpoint: BatchEndpoint
    input_file_id: str
    status: BatchStatus
    metadata: dict[str, str] | None
    output_expires_after_s: int | None
    model: str | None
    errors: list[dict[str, Any]] | None
    total: int
    completed: int
    failed: int
    usage: TokenUsage | None
    output_file_id: str | None
    error_file_id: str | None
    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None
    finalizing_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    expired_at: datetime | None
    cancelling_at: datetime | None
    cancelled_at: datetime | None

    @property
    def over(self) -> bool:
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class NewShard:
    """Lines that stand side by side in the file, from `start_byte` up to `end_byte`."""

    number: int
    first_line: int
    lines: int
    start_byte: int
    end_byte: int


@dataclass(frozen=True, slots=True)
class Shard(NewShard):
    id: int
    answered: frozenset[int]  # lines
    completed: int
    failed: int
    sealed: bool

    @property
    def unanswered(self) -> bool:
        """There is something to do yet."""
        return not self.sealed and len(self.answered) < self.lines


# ---------------------------------------------------------------- for callers


def id_of(request_id: str) -> str:
    """Of the batch that a request makes: whoever knows the request can tell whether it did."""
    return "batch_" + request_id.removeprefix("req_")


async def add(
    database: Database,
    batch_id: str,
    organisation_id: str,
    project_id: str,
    key_id: str,
    endpoint: str,
    input_file_id: str,
    metadata: dict[str, str] | None,
    output_expires_after_s: int | None,
    window_s: float,
) -> bool:
    """A batch whose lines are to be looked at. False when its file is not there any more."""
    async with database.transaction() as change:
        file = await change.fetchrow(_PIN, input_file_id, PINNED_S)
        if file is None:
            return False
        given = (organisation_id, project_id, key_id, endpoint, input_file_id, _json(metadata), output_expires_after_s)
        row = await change.fetchrow(_ADD, batch_id, *given, file["lines"], window_s)
        assert row is not None
        arguments = {"batch_id": batch_id}
        await defer(
            change,
            Job(VALIDATE, batch_id, arguments, FIRST),
            Job(EXPIRE, f"{batch_id} expires", arguments, FIRST, row["expires_at"]),
        )
        return True


async def read(database: Database, batch_id: str, project_id: str | None = None) -> Batch | None:
    """With a project: None for batches of others."""
    row = await database.fetchrow(_READ, batch_id, project_id)
    return None if row is None else _batch(row)


async def position(database: Database, batch_id: str, project_id: str) -> int | None:
    row = await database.fetchrow(_POSITION, batch_id, project_id)
    return None if row is None else int(row["position"])


async def page(database: Database, project_id: str, before_position: int | None, limit: int) -> list[Batch]:
    """The newest first."""
    return [_batch(row) for row in await database.fetch(_PAGE, project_id, before_position, limit)]


async def queued_tokens(database: Database, project_id: str) -> int:
    """Of all its batches that are not over."""
    row = await database.fetchrow(_QUEUED, project_id)
    assert row is not None
    return int(row[0])


async def unseen_bytes(database: Database, project_id: str) -> int:
    """Of the files of all its batches whose lines are still to be looked at."""
    row = await database.fetchrow(_UNSEEN, project_id)
    assert row is not None
    return int(row[0])


async def cancel(database: Database, batch_id: str) -> bool:
    """False when it is over, or being cancelled."""
    return await _finish_with(database, batch_id, "cancelling")


# ---------------------------------------------------------------- for workers


async def status(database: Database, batch_id: str) -> BatchStatus | None:
    row = await database.fetchrow(_STATUS, batch_id)
    return None if row is None else row["status"]


async def begin(
    database: Database, batch: Batch, shards: Sequence[NewShard], model: str, tokens: int, quota: int
) -> int | None:
    """Its lines are valid, and are run. None; or the tokens that the project's batches have queued, when these would
    be beyond `quota`. Nothing happens to a batch that is not being validated any more."""
    async with database.transaction() as change:
        await change.execute(_TURN, batch.id)
        queued = await queued_tokens(change, batch.project_id)
        if queued + tokens > quota:
            return queued
        if await _move(change, batch.id, "in_progress"):
            total = sum(shard.lines for shard in shards)
            shown = model.replace("\0", "\N{REPLACEMENT CHARACTER}")  # an alias with `*` takes what a text does not
            await change.execute(_COUNTED, batch.id, total, shown, tokens)
            columns = [list(column) for column in zip(*map(_shard_values, shards), strict=True)]
            await change.execute(_ADD_SHARDS, batch.id, *columns)
            await defer(change, *(_run(batch.id, shard.number) for shard in shards[:WIDTH]))
        return None


async def fail(database: Database, batch_id: str, errors: Sequence[dict[str, Any]]) -> None:
    """Its lines cannot be run, and none was."""
    async with database.transaction() as change:
        if await _move(change, batch_id, "failed"):
            await change.execute(_FAIL, batch_id, _json(errors))


async def expire(database: Database, batch_id: str) -> None:
    """Its time is up: no further line begins. One that is still looked at has none that ran, and fails."""
    await fail(database, batch_id, [NEVER_BEGAN])
    await _finish_with(database, batch_id, "finalizing")


async def read_shard(database: Database, batch_id: str, number: int) -> Shard | None:
    """None when its batch is over."""
    row = await database.fetchrow(_READ_SHARD, batch_id, number)
    return None if row is None else _shard(row)


async def follow(database: Database, batch_id: str, number: int) -> None:
    """A shard is done: the next one may run, and when it was the last one with lines to answer, the files are made."""
    if await read_shard(database, batch_id, number + WIDTH) is not None:
        await defer(database, _run(batch_id, number + WIDTH))
    if await database.fetchrow(_UNANSWERED, batch_id) is None:
        await _finish_with(database, batch_id, "finalizing")


async def seal(database: Database, batch_id: str) -> list[Shard]:
    """Its shards, in order, which take no more answers from now on."""
    await database.execute(_SEAL, batch_id)
    return [_shard(row) for row in await database.fetch(_SHARDS, batch_id)]


async def answers(database: Database, shard_id: int, failed: bool) -> list[bytes]:
    """Of those lines, in order."""
    return [row["body"] for row in await database.fetch(_ANSWERS, shard_id, failed)]


async def usage(database: Database, batch_id: str) -> TokenUsage:
    """Of all its answers."""
    row = await database.fetchrow(_USAGE, batch_id, timeout_s=ALL_LINES_S)
    assert row is not None
    return TokenUsage(**dict(row))


async def written(database: Database, project_id: str, filename: str) -> str | None:
    """The file that somebody made of the same answers before, and could not say so."""
    row = await database.fetchrow(_WRITTEN, project_id, filename)
    return None if row is None else str(row["id"])


async def end(
    database: Database,
    batch_id: str,
    outcome: BatchStatus,
    output_file_id: str | None,
    error_file_id: str | None,
    completed: int,
    failed: int,
    used: TokenUsage,
) -> bool:
    """Its files are there. False when it is not what can become `outcome`."""
    async with database.transaction() as change:
        if not await _move(change, batch_id, outcome):
            return False
        files = (output_file_id, error_file_id)
        await change.execute(_END, batch_id, *files, completed, failed, _json(asdict(used)))
        await change.execute(_FORGET_SHARDS, batch_id, timeout_s=ALL_LINES_S)
        return True


# ---------------------------------------------------------------- inside


async def _move(change: Database, batch_id: str, following: BatchStatus) -> bool:
    """False when the batch is not what can become that."""
    statement = _MOVE.format(following)
    return await change.fetchrow(statement, batch_id, following, before(following)) is not None


async def _finish_with(database: Database, batch_id: str, following: BatchStatus) -> bool:
    async with database.transaction() as change:
        if moved := await _move(change, batch_id, following):
            await defer(change, Job(FINALIZE, batch_id, {"batch_id": batch_id}, FIRST))
        return moved


def _run(batch_id: str, number: int) -> Job:
    return Job(RUN, f"{batch_id}/{number}", {"batch_id": batch_id, "number": number})


def _shard_values(shard: NewShard) -> tuple[int, ...]:
    return shard.number, shard.first_line, shard.lines, shard.start_byte, shard.end_byte


def _batch(row: asyncpg.Record) -> Batch:
    fields = dict(row)
    for name, kind in (("metadata", dict), ("errors", list), ("usage", TokenUsage)):
        if fields[name] is not None:
            fields[name] = msgspec.json.decode(fields[name], type=kind)
    return Batch(**fields)


def _shard(row: asyncpg.Record) -> Shard:
    return Shard(**{**dict(row), "answered": frozenset(row["answered"])})


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
