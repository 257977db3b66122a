"""SQL for files: what is known of each. Their bytes are with `storage/objects.py`, under `File.key`.

A row comes before its bytes and goes after them, so that none are forgotten: *arriving* (until its lease ends),
*stored*, *removed* (for a day more, so that a page can still begin behind it). What has expired is not there, whether
or not it has been removed yet. Statements for callers name the project: what belongs to another one is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from api.domain import OVER
from api.storage.session import Database

_COLUMNS = "id, project_id, purpose, filename, bytes AS size, lines, fault, digest, created_at, expires_at"
_HERE = "state = 'stored' AND (expires_at IS NULL OR expires_at > now())"
# Files of a project take turns to begin, so that together they stay within its quota.
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('files ' || $1, 0))"
_USED = """
SELECT coalesce(sum(bytes), 0)::bigint AS used FROM files
WHERE project_id = $1 AND state <> 'removed' AND (expires_at IS NULL OR expires_at > now())
"""
_BEGIN = """
INSERT INTO files (id, organisation_id, project_id, state, purpose, filename, bytes, expires_at)
VALUES ($1, $2, $3, 'arriving', '', '', $4, now() + $5 * interval '1 second')
"""
# Its place in lists is that of its arrival: who goes on behind the newest one misses none that took longer.
_FINISH = f"""
UPDATE files SET state = 'stored', purpose = $2, filename = $3, bytes = $4, lines = $5, fault = $6, digest = $7,
    position = DEFAULT, created_at = now(), expires_at = now() + $8::float8 * interval '1 second'
WHERE id = $1 AND state = 'arriving' AND expires_at > now()
RETURNING {_COLUMNS}
"""  # noqa: S608 — constants only
_READ = f"SELECT {_COLUMNS} FROM files WHERE id = $1 AND project_id = $2 AND {_HERE}"  # noqa: S608
_POSITION = "SELECT position FROM files WHERE id = $1 AND project_id = $2"
_PAGE = f"""
SELECT {_COLUMNS} FROM files
WHERE project_id = $1 AND {_HERE} AND ($2::text IS NULL OR purpose = $2)
    AND ($3::bigint IS NULL OR position * $4 > $3 * $4)
ORDER BY position * $4 LIMIT $5
"""  # noqa: S608
_REMOVE = f"""
UPDATE files SET state = 'removed', expires_at = now() + interval '1 day'
WHERE id = $1 AND project_id = $2 AND {_HERE} RETURNING {_COLUMNS}
"""  # noqa: S608
_READER = f"""
SELECT id FROM batches
WHERE project_id = $2 AND input_file_id = $1 AND status NOT IN ({", ".join(f"'{status}'" for status in OVER)}) LIMIT 1
"""  # noqa: S608
_ABANDON = """
WITH abandoned AS (UPDATE files SET state = 'removed', expires_at = now() WHERE id = $1 AND state = 'arriving')
SELECT FROM files WHERE id = $1 AND state <> 'arriving'
"""
_OVER = f"SELECT {_COLUMNS} FROM files WHERE expires_at <= now() ORDER BY expires_at LIMIT 100"  # noqa: S608
_PUT_OFF = "UPDATE files SET state = 'removed', expires_at = now() + $2 * interval '1 second' WHERE id = $1"
_FORGET = "DELETE FROM files WHERE id = ANY ($1::text[])"


@dataclass(frozen=True, slots=True)
class File:
    """`lines` and `digest` (SHA-256) are those of its bytes; lines, and their first fault, of a batch's input."""

    id: str
    project_id: str
    purpose: str
    filename: str
    size: int  # bytes
    lines: int | None
    fault: str | None
    digest: bytes | None
    created_at: datetime
    expires_at: datetime | None

    @property
    def key(self) -> str:
        return key(self.project_id, self.id)


def key(project_id: str, file_id: str) -> str:
    """Where the bytes of a file are."""
    return f"{project_id}/{file_id}"


async def used(database: Database, project_id: str) -> int:
    """Bytes of all files of a project, those that arrive as large as they may become."""
    row = await database.fetchrow(_USED, project_id)
    assert row is not None
    return int(row["used"])


async def begin(
    database: Database,
    file_id: str,
    organisation_id: str,
    project_id: str,
    most_bytes: int,
    lease_s: float,
    quota: int | None,
) -> int | None:
    """A place for a file that is about to arrive. What is used already, when `most_bytes` more are beyond `quota`."""
    async with database.transaction() as change:
        await change.execute(_TURN, project_id)
        before = await used(change, project_id)
        if quota is not None and before + most_bytes > quota:
            return before
        await change.execute(_BEGIN, file_id, organisation_id, project_id, most_bytes, lease_s)
        return None


async def finish(
    database: Database,
    file_id: str,
    *,
    purpose: str,
    filename: str,
    size: int,
    lines: int | None,
    fault: str | None,
    digest: bytes,
    expires_after_s: int | None,
) -> File | None:
    """All its bytes are there. None when its lease had ended."""
    row = await database.fetchrow(_FINISH, file_id, purpose, filename, size, lines, fault, digest, expires_after_s)
    return None if row is None else file_of(row)


async def read(database: Database, project_id: str, file_id: str) -> File | None:
    row = await database.fetchrow(_READ, file_id, project_id)
    return None if row is None else file_of(row)


async def position(database: Database, project_id: str, file_id: str) -> int | None:
    """Where a file stands, or stood until lately."""
    row = await database.fetchrow(_POSITION, file_id, project_id)
    return None if row is None else int(row["position"])


async def page(
    database: Database, project_id: str, purpose: str | None, after: int | None, ascending: bool, limit: int
) -> list[File]:
    """Files from behind a position on, in either direction."""
    rows = await database.fetch(_PAGE, project_id, purpose, after, 1 if ascending else -1, limit)
    return [file_of(row) for row in rows]


async def reader(database: Database, project_id: str, file_id: str) -> str | None:
    """A batch that is not over and reads the file."""
    row = await database.fetchrow(_READER, file_id, project_id)
    return None if row is None else str(row["id"])


async def remove(database: Database, project_id: str, file_id: str) -> File | None:
    """Whose bytes are to go now. None when there was none."""
    row = await database.fetchrow(_REMOVE, file_id, project_id)
    return None if row is None else file_of(row)


async def abandon(database: Database, file_id: str) -> bool:
    """It will not be finished. False when it has been: one that a sweep took, since its lease had ended, was not."""
    return await database.fetchrow(_ABANDON, file_id) is None


async def over(database: Database) -> list[File]:
    """Some of those whose time has come, in whatever state: their bytes are to go, then they are to be forgotten."""
    return [file_of(row) for row in await database.fetch(_OVER)]


async def put_off(database: Database, file_id: str, pause_s: float) -> None:
    """Of one whose time has come: its bytes are not to go before that."""
    await database.execute(_PUT_OFF, file_id, pause_s)


async def forget(database: Database, file_ids: Sequence[str]) -> None:
    await database.execute(_FORGET, file_ids)


def file_of(row: asyncpg.Record) -> File:
    return File(**dict(row))
