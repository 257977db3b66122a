"""SQL for the answers that are kept under an Idempotency-Key.

A row is *running* (a lease, no status) or *done* (a status). A running row whose lease has passed belongs to nobody:
its process died, and the next request takes it over; unless it had charged already: then it is done, without an answer.
While its hold is open it may still charge, because leases lapse as well when PostgreSQL was away: it counts as running
until the hold is closed, by the sweeper if its process is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.storage.session import Database

# A batch that a request made (`batches.id_of`) will be charged.
_MADE_A_BATCH = "EXISTS (SELECT FROM batches b WHERE b.id = 'batch_' || substr(i.owner, 5))"
_CHARGED = f"""(
    EXISTS (SELECT FROM holds h WHERE h.request_id = i.owner AND h.state = 'settled') OR {_MADE_A_BATCH}
)"""
_MAY_CHARGE = _CHARGED.replace("= 'settled'", "<> 'released'")
_CLAIM = f"""
INSERT INTO idempotency AS i (project_id, route, key, body_digest, owner, lease_until)
VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 second')
ON CONFLICT (project_id, route, key) DO UPDATE
SET body_digest = $4, owner = $5, lease_until = now() + $6 * interval '1 second', status = NULL, headers = NULL,
    body = NULL, created_at = now()
WHERE i.lease_until < now() AND NOT {_MAY_CHARGE} OR i.created_at < now() - $7 * interval '1 second'
RETURNING 1
"""  # noqa: S608 — constants only
_READ = f"""
SELECT body_digest, CASE WHEN lease_until < now() AND {_CHARGED} THEN 200 ELSE status END, headers, body
FROM idempotency i WHERE project_id = $1 AND route = $2 AND key = $3
"""  # noqa: S608 — constants only
_FINISH = """
UPDATE idempotency SET status = $5, headers = $6, body = $7, lease_until = NULL
WHERE project_id = $1 AND route = $2 AND key = $3 AND owner = $4 AND status IS NULL
"""
# A batch may be made though its request is answered 503, because a connection broke behind its commit.
_DROP = f"""
DELETE FROM idempotency i WHERE project_id = $1 AND route = $2 AND key = $3 AND owner = $4 AND status IS NULL
    AND NOT {_MADE_A_BATCH}
"""  # noqa: S608 — constants only
# Found by their places: there is a row for every request of the day that had a key.
_RENEW = """
UPDATE idempotency i SET lease_until = now() + $5 * interval '1 second'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r (project_id, route, key, owner)
WHERE (i.project_id, i.route, i.key, i.owner) = (r.project_id, r.route, r.key, r.owner) AND status IS NULL
"""
_EXPIRE = """
DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency WHERE created_at < now() - $1 * interval '1 second' LIMIT 100))
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is kept: the primary key."""

    project_id: str
    route: str
    key: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is there. `status` None: still running. `body` None of an answer that is done: it could not be kept."""

    body_digest: bytes
    status: int | None
    headers: bytes | None
    body: bytes | None


async def claim(
    database: Database, place: Place, body_digest: bytes, owner: str, lease_s: float, kept_s: float
) -> Kept | None:
    """None when the place is now `owner`'s; else what is there."""
    at = (place.project_id, place.route, place.key)
    while True:
        if await database.fetchrow(_CLAIM, *at, body_digest, owner, lease_s, kept_s) is not None:
            return None
        if (row := await database.fetchrow(_READ, *at)) is not None:  # it may have gone in between
            return Kept(*row)


async def finish(database: Database, place: Place, owner: str, status: int, headers: bytes, body: bytes | None) -> None:
    await database.execute(_FINISH, place.project_id, place.route, place.key, owner, status, headers, body)


async def drop(database: Database, place: Place, owner: str) -> None:
    """The request did not begin: the key is as if it had never come. One that made a batch keeps its key."""
    await database.execute(_DROP, place.project_id, place.route, place.key, owner)


async def renew(database: Database, places: Mapping[str, Place], lease_s: float) -> None:
    """`places`: by their owner."""
    at = [[place.project_id, place.route, place.key, owner] for owner, place in places.items()]
    await database.execute(_RENEW, *(list(column) for column in zip(*at, strict=True)), lease_s)


async def expire(database: Database, kept_s: float) -> bool:
    """Removes some of what is older; True when there may be more."""
    return not (await database.execute(_EXPIRE, kept_s)).endswith(" 0")
