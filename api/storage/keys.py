"""SQL for API keys. A key itself is never here, only its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.domain import UNLIMITED, Limits
from api.storage.limits import effective
from api.storage.session import Database

CHANNEL = "novai_keys"  # the migrations' triggers notify it; payload: digest in hex, or `*`


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A row of `api_keys`, with the organisation that its project belongs to once it was read from there."""

    id: str
    project_id: str
    digest: bytes
    last4: str
    name: str
    scopes: tuple[str, ...]
    models: tuple[str, ...] | None  # None: every model
    created_at: datetime | None = None
    expires_at: datetime | None = None
    expired: bool = False  # when it was read
    revoked_at: datetime | None = None
    rotated_to: str | None = None
    first_id: str = ""  # of the keys that were rotated into this one; its own without any
    organisation_id: str = ""
    archived: bool = False  # its project or organisation is
    limits: Limits = UNLIMITED


_COLUMNS = """
k.id, k.project_id, k.digest, k.last4, k.name, k.scopes, k.models, k.created_at, k.expires_at,
coalesce(k.expires_at <= now(), false) AS expired, k.revoked_at,
k.rotated_to, coalesce(k.first_id, k.id) AS first_id, p.organisation_id,
(p.archived_at IS NOT NULL OR o.archived_at IS NOT NULL) AS archived,
t.limits AS tier_limits, p.limits AS project_limits, k.limits AS key_limits
FROM api_keys k JOIN projects p ON p.id = k.project_id JOIN organisations o ON o.id = p.organisation_id
JOIN tiers t ON t.name = p.tier
"""
_BY_DIGEST = f"SELECT {_COLUMNS} WHERE k.digest = ANY($1::bytea[])"
_BY_ID = f"SELECT {_COLUMNS} WHERE k.id = $1"
_OF_LINE = f"""SELECT {_COLUMNS},
    (SELECT coalesce(first_id, id) AS id FROM api_keys WHERE id = $1 AND revoked_at IS NULL) line
WHERE (k.id = line.id OR k.first_id = line.id) AND k.revoked_at IS NULL AND coalesce(k.expires_at, 'infinity') > now()
    AND p.archived_at IS NULL AND o.archived_at IS NULL
ORDER BY k.created_at DESC LIMIT 1"""  # noqa: S608 — constants only
_LIST = f"""SELECT {_COLUMNS}
WHERE ($1::text IS NULL OR k.project_id = $1) AND ($2::text IS NULL OR p.organisation_id = $2)
    AND ($3::text IS NULL OR (k.created_at, k.id) > (SELECT created_at, id FROM api_keys WHERE id = $3))
ORDER BY k.created_at, k.id LIMIT $4"""  # noqa: S608 — constants only
_ADD = """
INSERT INTO api_keys (id, project_id, digest, last4, name, scopes, models, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_REVOKE = "UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id"
_REVOKE_NAMED = "UPDATE api_keys SET revoked_at = now() WHERE project_id = $1 AND name = $2 AND revoked_at IS NULL"
_SUCCEED = """
UPDATE api_keys
SET rotated_to = $2, expires_at = least(expires_at, now() + $3 * interval '1 second')
WHERE id = $1 AND revoked_at IS NULL AND rotated_to IS NULL AND coalesce(expires_at, 'infinity') > now()
RETURNING id
"""
_INHERIT = """
UPDATE api_keys SET limits = old.limits, first_id = coalesce(old.first_id, old.id)
FROM api_keys old WHERE api_keys.id = $2 AND old.id = $1
"""


async def by_digest(
    database: Database, digests: Sequence[bytes], timeout_s: float | None = None
) -> dict[bytes, KeyRecord]:
    """Those of the digests that exist, whatever their state."""
    rows = await database.fetch(_BY_DIGEST, digests, timeout_s=timeout_s)
    return {row["digest"]: _record(row) for row in rows}


async def find(database: Database, key_id: str) -> KeyRecord | None:
    row = await database.fetchrow(_BY_ID, key_id)
    return row and _record(row)


async def newest_in_force(database: Database, key_id: str) -> KeyRecord | None:
    """Of a key that was not revoked, those that were rotated into it, and those that it was rotated into."""
    row = await database.fetchrow(_OF_LINE, key_id)
    return row and _record(row)


async def list_keys(
    database: Database,
    project_id: str | None = None,
    organisation_id: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[KeyRecord]:
    """Of a project, of an organisation, or all there are, whatever their state, the oldest first; behind the key
    `after`, at most `limit`."""
    return [_record(row) for row in await database.fetch(_LIST, project_id, organisation_id, after, limit)]


async def add(database: Database, record: KeyRecord) -> None:
    await database.execute(_ADD, *_values(record))


async def revoke(database: Database, key_id: str) -> bool:
    """False when there is no such key or it was revoked before."""
    return await database.fetchrow(_REVOKE, key_id) is not None


async def revoke_named(database: Database, project_id: str, name: str) -> None:
    await database.execute(_REVOKE_NAMED, project_id, name)


async def succeed(database: Database, key_id: str, successor: KeyRecord, overlap_s: float) -> bool:
    """Adds `successor`; the key `key_id` works for `overlap_s` seconds more. False, and nothing is done, when that
    key is not in force or has a successor."""
    async with database.transaction() as change:
        await change.execute(_ADD, *_values(successor))
        if await change.fetchrow(_SUCCEED, key_id, successor.id, overlap_s) is not None:
            await change.execute(_INHERIT, key_id, successor.id)
            return True
        await change.execute("DELETE FROM api_keys WHERE id = $1", successor.id)
        return False


def _values(record: KeyRecord) -> tuple[object, ...]:
    r = record
    return (r.id, r.project_id, r.digest, r.last4, r.name, r.scopes, r.models, r.expires_at)


def _record(row: object) -> KeyRecord:
    fields = dict(row)  # type: ignore[call-overload]
    models = fields.pop("models")
    limits = effective(*(fields.pop(f"{owner}_limits") for owner in ("tier", "project", "key")))
    return KeyRecord(
        scopes=tuple(fields.pop("scopes")), models=None if models is None else tuple(models), limits=limits, **fields
    )
