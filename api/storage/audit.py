"""SQL for the audit log: who changed what by hand. A change and its entry are one commit."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from api.storage.session import Database


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    created_at: datetime
    organisation_id: str | None  # None: of the whole installation
    actor: str  # the id of an API key, or `cli`
    action: str
    target: str
    details: dict[str, Any]


# Changes by hand happen one after the other, so that the ids of entries are in the order of their commits.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtext('audit_log'))"
_ADD = "INSERT INTO audit_log (organisation_id, actor, action, target, details) VALUES ($1, $2, $3, $4, $5::jsonb)"
# $1 organisation; null: every one. $2 before this id. What is of the whole installation is everyone's.
_PAGE = """
SELECT id, created_at, organisation_id, actor, action, target, details FROM audit_log
WHERE ($1::text IS NULL OR organisation_id = $1 OR organisation_id IS NULL) AND ($2::int8 IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""


@contextlib.asynccontextmanager
async def changing(database: Database) -> AsyncIterator[Database]:
    """What is done with the database that this yields, `add` included, is one durable commit, or nothing."""
    async with database.transaction() as inside:
        await inside.execute(_TAKE_TURN)
        yield inside


async def add(
    inside: Database, actor: str, organisation_id: str | None, action: str, target: str, details: Mapping[str, Any]
) -> None:
    """Writes what was done. `details` is never a secret."""
    await inside.execute(_ADD, organisation_id, actor, action, target, msgspec.json.encode(details).decode())


async def page(database: Database, organisation_id: str | None, before: int | None, limit: int) -> list[Entry]:
    """At most `limit` entries, the newest first, of those before the id `before`."""
    rows = await database.fetch(_PAGE, organisation_id, before, limit)
    return [Entry(**{**row, "details": msgspec.json.decode(row["details"])}) for row in rows]
