"""What is stored of rate limits: one JSON document of the same shape for each tier, project and key.

    {"project": {"requests_per_minute": {"limit": 600, "burst": 100}}, "key": {…}, "models": {"tiny": {…}, "*": {…}}}

`project`: all keys of the project together. `key`: each key by itself. `models`: the project's use of one model; `*`
is every model. A later document overrides an earlier one dimension by dimension (tier, project, key); a limit of null
lifts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import asyncpg
import msgspec

from api.domain import Limit, LimitName, Limits
from api.storage.session import Database

Owner = Literal["tier", "project", "key"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    limit: int | None  # None: without limit
    burst: int | None = None


Rules = dict[LimitName, Rule]


class Document(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    project: Rules = {}
    key: Rules = {}
    models: dict[str, Rules] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """The document of a tier, project or key, and the tier's name where there is one."""

    tier: str | None
    document: Document


_decode = msgspec.json.Decoder(Document).decode
_encode = msgspec.json.Encoder().encode

_TABLES: dict[Owner, tuple[str, str, str]] = {
    # owner: table, its key, where the tier's name is
    "tier": ("tiers", "name", "name"),
    "project": ("projects", "id", "tier"),
    "key": ("api_keys", "id", "NULL"),
}
_FIND = {
    owner: f"SELECT {tier} AS tier, limits FROM {table} WHERE {key} = $1"  # noqa: S608 — constants only
    for owner, (table, key, tier) in _TABLES.items()
}
_UPDATE = {
    owner: f"UPDATE {table} SET limits = $2::jsonb WHERE {key} = $1"  # noqa: S608 — constants only
    for owner, (table, key, _) in _TABLES.items()
}
_TIERS = "SELECT name, limits FROM tiers ORDER BY created_at, name"
_ADD_TIER = "INSERT INTO tiers (name) VALUES ($1) ON CONFLICT DO NOTHING"
_ASSIGN = "UPDATE projects SET tier = $2 WHERE id = $1"


@lru_cache(4096)
def effective(*documents: str) -> Limits:
    """What documents of rising precedence amount to. Keys that agree share the value."""
    found = [_decode(text) for text in documents]
    models = {name for document in found for name in document.models}
    every_model = _merged(document.models.get("*", {}) for document in found)
    return Limits(
        key=_limits(_merged(document.key for document in found)),
        project=_limits(_merged(document.project for document in found)),
        models=tuple(
            (name, _limits(every_model | _merged(document.models.get(name, {}) for document in found)))
            for name in sorted(models)
        ),
    )


async def tiers(database: Database) -> dict[str, Document]:
    return {row["name"]: _decode(row["limits"]) for row in await database.fetch(_TIERS)}


async def add_tier(database: Database, name: str) -> None:
    """One that is there stays as it is."""
    await database.execute(_ADD_TIER, name)


async def assign_tier(database: Database, project_id: str, tier: str) -> None:
    """Raises LookupError when there is no such tier."""
    try:
        await database.execute(_ASSIGN, project_id, tier)
    except asyncpg.ForeignKeyViolationError:
        raise LookupError(tier) from None


async def find(database: Database, owner: Owner, owner_id: str) -> Stored | None:
    row = await database.fetchrow(_FIND[owner], owner_id)
    return row and Stored(row["tier"], _decode(row["limits"]))


async def change(database: Database, owner: Owner, owner_id: str, edit: Callable[[Document], None]) -> Document | None:
    """Lets `edit` change the document, and returns it. None when there is no such owner."""
    async with database.transaction() as inside:
        row = await inside.fetchrow(_FIND[owner] + " FOR UPDATE", owner_id)
        if row is None:
            return None
        document = _decode(row["limits"])
        edit(document)
        await inside.execute(_UPDATE[owner], owner_id, _encode(document).decode())
        return document


def _merged(documents: Iterable[Rules]) -> Rules:
    merged: Rules = {}
    for rules in documents:
        merged |= rules
    return merged


def _limits(rules: Rules) -> tuple[Limit, ...]:
    return tuple(Limit(name, rule.limit, rule.burst) for name, rule in sorted(rules.items()) if rule.limit is not None)
