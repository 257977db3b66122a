"""SQL for the queue: a job is put there in the transaction that makes it due, so that neither is there alone.

The queue itself is procrastinate's, in the schema `jobs`; workers take from it through procrastinate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from api.storage.session import Database

SCHEMA = "jobs"
QUEUE = "batches"

_DEFER = """
SELECT jobs.procrastinate_defer_jobs_v1(array_agg(
    ROW($1::text, task, priority, lock, NULL, arguments, at)::jobs.procrastinate_job_to_defer_v1
))
FROM unnest($2::text[], $3::int4[], $4::text[], $5::jsonb[], $6::timestamptz[])
    AS j (task, priority, lock, arguments, at)
"""
# What a dead worker was at is to be done by others. Who was not heard of itself must not judge: after a pause of this
# process or of PostgreSQL all seem dead, and what runs would be run a second time.
_TAKE_BACK = """
UPDATE jobs.procrastinate_jobs SET status = 'todo', worker_id = NULL, attempts = attempts + 1
WHERE id = ANY (ARRAY (
    SELECT j.id FROM jobs.procrastinate_jobs j LEFT JOIN jobs.procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status = 'doing' AND coalesce(w.last_heartbeat, '-infinity') < now() - $1 * interval '1 second'
    FOR UPDATE OF j SKIP LOCKED
)) AND status = 'doing' AND EXISTS (
    SELECT FROM jobs.procrastinate_workers WHERE id = $2 AND last_heartbeat >= now() - $1 * interval '1 second'
)
RETURNING id
"""
_WORKERS = "SELECT count(*) FROM jobs.procrastinate_workers WHERE last_heartbeat > now() - $1 * interval '1 second'"


@dataclass(frozen=True, slots=True)
class Job:
    """Of two jobs with the same lock one runs at a time. Those of higher priority go first."""

    task: str
    lock: str
    arguments: Mapping[str, object]
    priority: int = 0
    at: datetime | None = None  # not before


async def defer(database: Database, *jobs: Job) -> None:
    if jobs:
        await database.execute(
            _DEFER,
            QUEUE,
            [job.task for job in jobs],
            [job.priority for job in jobs],
            [job.lock for job in jobs],
            [msgspec.json.encode(job.arguments).decode() for job in jobs],
            [job.at for job in jobs],
        )


async def take_back(database: Database, silent_s: float, worker_id: int | None) -> int:
    """Makes what workers were at that have not been heard of for so long due again: how many jobs that were. None while
    the one that asks, `worker_id`, has not been heard of itself."""
    return len(await database.fetch(_TAKE_BACK, silent_s, worker_id))


async def workers(database: Database, silent_s: float) -> int:
    """How many have been heard of within that time."""
    row = await database.fetchrow(_WORKERS, silent_s)
    assert row is not None
    return int(row[0])
