"""SQL for the bill of one request: what was held for it, what it used, and who paid."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeVar

import asyncpg

from api.storage.session import Database

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class HoldPart:
    state: Literal["open", "settled", "released"]
    amount_nusd: int  # with every extension
    account: Literal["credits", "receivable"]
    created_at: datetime
    closed_at: datetime | None
    extensions_nusd: list[int]
    extended_at: list[datetime]  # as many


@dataclass(frozen=True, slots=True)
class PricePart:
    version: int
    input_nusd_per_mtok: int
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    percent: int  # of it that is charged


@dataclass(frozen=True, slots=True)
class UsedPart:
    replica: str
    outcome: Literal["finished", "client_left", "upstream_broke", "refused"]
    finish_reason: str
    provenance: Literal["engine", "provider", "estimated"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    status: int
    streamed: bool
    ttft_ms: float | None
    duration_ms: float
    cost_nusd: int


@dataclass(frozen=True, slots=True)
class EventPart:
    kind: Literal["late_settlement", "overrun"]
    amount_nusd: int


@dataclass(frozen=True, slots=True)
class Bill:
    """`hold` and `price` are None for a model that is free, `used` while the request runs or when it never ran."""

    request_id: str
    organisation_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    started_at: datetime
    debit: Literal["credits", "receivable"] | None  # where the caller's money came from; None: it paid nothing
    outage_nusd: int  # what it cost the operator
    hold: HoldPart | None
    price: PricePart | None
    used: UsedPart | None
    events: tuple[EventPart, ...]


# `used` is looked for in every month: an index answers for each.
_FIND = """
SELECT coalesce(u.organisation_id, h.organisation_id) AS organisation_id,
    coalesce(u.project_id, h.project_id) AS project_id, coalesce(u.key_id, h.key_id) AS key_id,
    coalesce(u.operation, h.operation) AS operation, coalesce(u.model, h.model) AS model,
    coalesce(u.started_at, h.started_at) AS started_at,
    (SELECT debit FROM transfers t WHERE t.request_id = $1 AND t.kind = 'post') AS debit,
    coalesce((SELECT sum(amount_nusd)::int8 FROM transfers t WHERE t.request_id = $1 AND t.kind = 'outage'), 0)
        AS outage_nusd,
    h.state, h.amount_nusd, h.account, h.created_at, h.closed_at, h.extensions_nusd, h.extended_at,
    p.version, p.input_nusd_per_mtok, p.cached_nusd_per_mtok, p.output_nusd_per_mtok,
    coalesce(u.price_percent, h.price_percent) AS percent,
    u.replica, u.outcome, u.finish_reason, u.provenance, u.prompt_tokens, u.cached_tokens, u.completion_tokens,
    u.reasoning_tokens, u.status, u.streamed, u.ttft_ms, u.duration_ms, u.cost_nusd
FROM (SELECT * FROM usage WHERE request_id = $1) u
FULL JOIN (SELECT * FROM holds WHERE request_id = $1) h USING (request_id)
LEFT JOIN prices p ON p.model = coalesce(u.model, h.model) AND p.version = coalesce(u.price_version, h.price_version)
"""
_HEAD = ("organisation_id", "project_id", "key_id", "operation", "model", "started_at", "debit", "outage_nusd")
_EVENTS = "SELECT kind, amount_nusd FROM ledger_events WHERE request_id = $1 ORDER BY created_at"


async def find(database: Database, request_id: str) -> Bill | None:
    """None for a request that was never admitted."""
    row = await database.fetchrow(_FIND, request_id)
    if row is None:
        return None
    events = await database.fetch(_EVENTS, request_id)
    return Bill(
        request_id,
        **{name: row[name] for name in _HEAD},
        hold=_part(row, HoldPart, "state"),
        price=_part(row, PricePart, "version"),
        used=_part(row, UsedPart, "replica"),
        events=tuple(EventPart(**event) for event in events),
    )


def _part(row: asyncpg.Record, kind: type[T], there: str) -> T | None:
    """None where the row has nothing at `there`."""
    return None if row[there] is None else kind(*(row[field.name] for field in fields(kind)))
