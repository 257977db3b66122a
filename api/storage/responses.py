"""SQL for responses that are kept for later turns, and for their items.

Every statement names the project: what belongs to another one is not there. What has expired is not there either,
whether or not it has been removed yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.storage.session import Database

_KEEP = """
WITH kept AS (
    INSERT INTO responses (id, project_id, previous_id, body, item_bytes, expires_at)
    SELECT $1, $2, $3, $4, sum(octet_length(item)), now() + $5 * interval '1 day' FROM unnest($7::bytea[]) AS item
)
INSERT INTO response_items (response_id, position, project_id, item_id, output, item)
SELECT $1, position, $2, item_id, position > $8, item
FROM unnest($6::text[], $7::bytea[]) WITH ORDINALITY AS items (item_id, item, position)
"""
_READ = "SELECT body FROM responses WHERE id = $1 AND project_id = $2 AND expires_at > now()"
_REMOVE = "DELETE FROM responses WHERE id = $1 AND project_id = $2 AND expires_at > now() RETURNING 1"
# From the named response back to the first turn, adding up bytes, and not further than they may go.
_HISTORY = """
WITH RECURSIVE turns AS (
    SELECT id, previous_id, item_bytes AS bytes, 1 AS back
    FROM responses WHERE id = $1 AND project_id = $2 AND expires_at > now()
    UNION ALL
    SELECT r.id, r.previous_id, t.bytes + r.item_bytes, t.back + 1
    FROM turns t JOIN responses r ON r.id = t.previous_id
    WHERE r.project_id = $2 AND r.expires_at > now() AND t.bytes <= $3
)
SELECT previous_id, bytes,
    CASE WHEN bytes <= $3 THEN ARRAY(SELECT item FROM response_items WHERE response_id = turns.id ORDER BY position)
    END AS items
FROM turns ORDER BY back DESC
"""
# The same item may be there more than once, because it was sent back: the newest counts.
_FIND = """
WITH found AS (
    SELECT DISTINCT ON (i.item_id) i.item_id, i.item
    FROM response_items i JOIN responses r ON r.id = i.response_id
    WHERE i.project_id = $1 AND i.item_id = ANY ($2::text[]) AND r.expires_at > now()
    ORDER BY i.item_id, r.created_at DESC
)
SELECT item_id, CASE WHEN (SELECT sum(octet_length(item)) FROM found) <= $3 THEN item END AS item FROM found
"""
_POSITION = "SELECT position FROM response_items WHERE response_id = $1 AND item_id = $2 AND NOT output"
_PAGE = """
SELECT item_id, item FROM response_items
WHERE response_id = $1 AND NOT output AND ($2::int IS NULL OR position * $3 > $2 * $3)
ORDER BY position * $3 LIMIT $4
"""
# A hundred at a time: each may be megabytes, and a statement that takes longer than others may is cut off.
_EXPIRE = """
DELETE FROM responses WHERE id = ANY (ARRAY (SELECT id FROM responses WHERE expires_at <= now() LIMIT 100))
"""


class TooLargeError(Exception):
    """There is more than the caller wants to read."""


@dataclass(frozen=True, slots=True)
class Item:
    """`body` is JSON."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A response with its items. `body` is JSON, as it was answered."""

    id: str
    project_id: str
    previous_id: str | None
    body: bytes
    input: Sequence[Item]
    output: Sequence[Item]


async def keep(database: Database, stored: Stored, days: int, timeout_s: float) -> None:
    """One durable commit. Raises LedgerUnavailableError."""
    items = [*stored.input, *stored.output]
    ids, bodies = [item.id for item in items], [item.body for item in items]
    at = (stored.id, stored.project_id, stored.previous_id, stored.body)
    await database.execute(_KEEP, *at, days, ids, bodies, len(stored.input), timeout_s=timeout_s)


async def read(database: Database, project_id: str, response_id: str) -> bytes | None:
    row = await database.fetchrow(_READ, response_id, project_id)
    return None if row is None else bytes(row["body"])


async def remove(database: Database, project_id: str, response_id: str) -> bool:
    """False when there was none."""
    return await database.fetchrow(_REMOVE, response_id, project_id) is not None


async def history(database: Database, project_id: str, response_id: str, most_bytes: int) -> list[bytes] | None:
    """The items of a response and of all turns before it, oldest first; None when one of these turns is not there.

    Raises TooLargeError when they are more than `most_bytes` together.
    """
    turns = await database.fetch(_HISTORY, response_id, project_id, most_bytes)
    if turns and turns[0]["bytes"] > most_bytes:
        raise TooLargeError
    if not turns or turns[0]["previous_id"] is not None:
        return None
    return [item for turn in turns for item in turn["items"]]


async def find(database: Database, project_id: str, item_ids: Sequence[str], most_bytes: int) -> dict[str, bytes]:
    """The items of these ids that are there. Raises TooLargeError when they are more than `most_bytes` together."""
    rows = await database.fetch(_FIND, project_id, item_ids, most_bytes)
    if rows and rows[0]["item"] is None:
        raise TooLargeError
    return {row["item_id"]: row["item"] for row in rows}


async def position(database: Database, response_id: str, item_id: str) -> int | None:
    """Where an item of its input stands."""
    row = await database.fetchrow(_POSITION, response_id, item_id)
    return None if row is None else int(row["position"])


async def page(database: Database, response_id: str, after: int | None, ascending: bool, limit: int) -> list[Item]:
    """Items of its input from behind a position on, in either direction."""
    rows = await database.fetch(_PAGE, response_id, after, 1 if ascending else -1, limit)
    return [Item(row["item_id"], row["item"]) for row in rows]


async def expire(database: Database) -> bool:
    """Removes some of what has expired; True when there may be more."""
    return not (await database.execute(_EXPIRE)).endswith(" 0")
