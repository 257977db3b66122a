"""SQL for settlements: what a request used, what it costs, and the end of its hold. One durable commit for a batch.

A hold is closed by whoever finds it open; everything else a settlement writes follows from that, so that settling again
changes nothing, whoever does it. The answer to a line of a batch is part of it: it is kept and charged together, once
for each line, and whoever comes second with another request has worked at our expense.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import asyncpg
import msgspec

from api.domain import LineAnswer, UsageRecord
from api.storage import line_answers, usage_months
from api.storage.budgets import OWNER, REACHES, Alert
from api.storage.session import Database


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a request ended, and what that costs.

    With a hold: `pays` settles it with the cost, otherwise it is released and the cost is our expense. Without one
    (`held` is false: the model is free) there is nothing to close, and the cost is 0.
    """

    record: UsageRecord
    price_version: int
    cost_nusd: int
    pays: bool
    held: bool
    price_percent: int = 100  # of the price that is charged
    answer: LineAnswer | None = None


# late: somebody else had closed the hold; nothing was written but an event, with the record.
# overrun: the request cost more than was held, which is what was charged; an event says how much that lost.
Outcome = Literal["late", "overrun"]

# Column, its array type, and where a settlement keeps it.
_USAGE: tuple[tuple[str, str, Callable[[UsageRecord], object]], ...] = (
    ("request_id", "text", lambda r: r.request_id),
    ("organisation_id", "text", lambda r: r.principal.organisation_id),
    ("project_id", "text", lambda r: r.principal.project_id),
    ("key_id", "text", lambda r: r.principal.key_id),
    ("operation", "text", lambda r: r.operation),
    ("model", "text", lambda r: r.model),
    ("replica", "text", lambda r: r.replica),
    ("outcome", "text", lambda r: r.outcome),
    ("finish_reason", "text", lambda r: r.finish_reason),
    ("provenance", "text", lambda r: r.provenance),
    ("prompt_tokens", "int8", lambda r: r.tokens.prompt_tokens),
    ("cached_tokens", "int8", lambda r: r.tokens.cached_tokens),
    ("completion_tokens", "int8", lambda r: r.tokens.completion_tokens),
    ("reasoning_tokens", "int8", lambda r: r.tokens.reasoning_tokens),
    ("status", "int2", lambda r: r.status),
    ("streamed", "bool", lambda r: r.streamed),
    ("started_at", "float8", lambda r: r.started_at_s),
    ("ttft_ms", "float8", lambda r: r.ttft_ms),
    ("duration_ms", "float8", lambda r: r.duration_ms),
)
_PRICED: tuple[tuple[str, str, Callable[[Settlement], object]], ...] = (
    ("price_version", "int4", lambda s: s.price_version),
    ("price_percent", "int2", lambda s: s.price_percent),
    ("cost_nusd", "int8", lambda s: s.cost_nusd),
    ("pays", "bool", lambda s: s.pays),
    ("held", "bool", lambda s: s.held),
)
_COLUMNS = {name: kind for name, kind, _ in (*_USAGE, *_PRICED)}
_NAMES = ", ".join(name for name, _, _ in _USAGE)
_VALUES = _NAMES.replace("started_at", "to_timestamp(started_at) AS started_at")
_ARRAYS = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(_COLUMNS.values(), 4))
_COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
_SUMS = ("requests", "broken", *_COUNTS, "cost_nusd")
_TOLD = f"{_NAMES}, {', '.join(name for name, _, _ in _PRICED)}"
_SOURCE = f"""
SELECT {_VALUES}, {_TOLD.removeprefix(_NAMES + ", ")} FROM unnest({_ARRAYS}) AS g ({", ".join(_COLUMNS)})
"""  # noqa: S608 — constants only


def _statement(given: str, released: str) -> str:
    """$1 owner, $2 requests whose hold is to be closed, $3 those of them that are released. Rows that other processes
    change too are taken in the order of their keys, table by table. Percents of a limit are numeric: a hundred times
    the largest limits is no bigint. Of a budget all that its check is about is written, as in `holds.py`.

    `given`: where the settlements come from; `released`: whether the hold of a request is."""
    return f"""
WITH {given}, closed AS (
    UPDATE holds SET state = CASE WHEN {released} THEN 'released' ELSE 'settled' END,
        closed_at = clock_timestamp(), closed_by = $1
    WHERE request_id = ANY ($2::text[]) AND state = 'open'
    RETURNING request_id, amount_nusd, account, budget_ids, month
), due AS MATERIALIZED (
    SELECT g.*, c.account, c.budget_ids, c.month, c.amount_nusd,
        CASE WHEN NOT pays THEN 0 WHEN held THEN least(cost_nusd, c.amount_nusd) ELSE cost_nusd END AS charge_nusd
    FROM given g LEFT JOIN closed c USING (request_id) WHERE c.request_id IS NOT NULL OR NOT held
), used AS (
    INSERT INTO usage ({_NAMES}, price_version, price_percent, cost_nusd)
    SELECT {_NAMES}, price_version, price_percent, charge_nusd FROM due
    ON CONFLICT DO NOTHING RETURNING request_id
), posted AS (
    INSERT INTO transfers (request_id, kind, project_id, debit, credit, amount_nusd)
    SELECT request_id, 'post', project_id, account, 'revenue', charge_nusd FROM due WHERE held AND pays
    UNION ALL
    SELECT request_id, 'outage', project_id, 'expense:outage', 'revenue', cost_nusd FROM due
    WHERE NOT pays AND cost_nusd > 0
), rolled AS (
    INSERT INTO usage_rollups AS r (project_id, width_s, bucket, key_id, model, organisation_id, {", ".join(_SUMS)})
    SELECT project_id, width_s, date_bin(width_s * interval '1 second', started_at, '2000-01-01 00:00+00'), key_id,
        model, min(organisation_id), count(*), count(*) FILTER (WHERE NOT pays),
        {", ".join(f"sum({count})" for count in _COUNTS)}, sum(charge_nusd)
    FROM due JOIN used USING (request_id), unnest(ARRAY[3600, 86400]) AS width_s
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (project_id, width_s, bucket, key_id, model)
    DO UPDATE SET {", ".join(f"{name} = r.{name} + EXCLUDED.{name}" for name in _SUMS)}
), drawn AS MATERIALIZED (
    SELECT unnest(budget_ids) AS id, month, amount_nusd, charge_nusd FROM due WHERE budget_ids <> '{{}}'
), locked AS MATERIALIZED (
    SELECT id, kind, period, held_nusd, spent_nusd, limit_nusd, floor_nusd FROM budgets
    WHERE id = ANY (ARRAY (SELECT id FROM drawn)) ORDER BY id FOR UPDATE
), moved AS (
    UPDATE budgets b SET held_nusd = s.held_nusd, spent_nusd = s.spent_nusd, limit_nusd = s.limit_nusd,
        floor_nusd = s.floor_nusd
    FROM (
        SELECT id, held_nusd - sum(d.amount_nusd) AS held_nusd, spent_nusd + sum(d.charge_nusd) AS spent_nusd,
            limit_nusd, floor_nusd, sum(d.charge_nusd) AS charge_nusd
        FROM locked l JOIN drawn d USING (id) WHERE l.kind <> 'month' OR l.period = d.month
        GROUP BY id, held_nusd, spent_nusd, limit_nusd, floor_nusd
    ) s
    WHERE b.id = s.id AND b.id = ANY (ARRAY (SELECT id FROM drawn))
    RETURNING b.*, s.charge_nusd
), alerted AS (
    INSERT INTO budget_alerts AS b (budget_id, period, threshold, project_id, scope_id, kind, limit_nusd, spent_nusd)
    SELECT id, period, threshold, project_id, scope_id, kind, limit_nusd, spent_nusd
    FROM moved, unnest(thresholds) AS threshold
    WHERE {REACHES.format(spent="spent_nusd")} AND NOT {REACHES.format(spent="spent_nusd - charge_nusd")}
    ON CONFLICT DO NOTHING RETURNING project_id, {OWNER}, kind, threshold, limit_nusd, spent_nusd, created_at
), overrun AS (
    INSERT INTO ledger_events (request_id, kind, project_id, amount_nusd, detail)
    SELECT request_id, 'overrun', project_id, cost_nusd - charge_nusd, '{{}}' FROM due
    WHERE pays AND cost_nusd > charge_nusd
    ON CONFLICT DO NOTHING RETURNING request_id
), missed AS MATERIALIZED (
    SELECT request_id FROM given WHERE held EXCEPT SELECT request_id FROM closed
), late AS (
    SELECT m.request_id, h.state, h.closed_by
    FROM missed m LEFT JOIN (
        SELECT * FROM holds WHERE request_id = ANY (ARRAY (SELECT request_id FROM missed))
    ) h USING (request_id)
    WHERE closed_by IS DISTINCT FROM $1
)
SELECT request_id, CASE WHEN state = 'open' THEN 'again' ELSE 'late' END AS outcome, NULL::jsonb AS alert FROM late
UNION ALL SELECT request_id, 'overrun', NULL FROM overrun
UNION ALL SELECT NULL, NULL, to_jsonb(alerted) FROM alerted
"""  # noqa: S608 — constants only


_SETTLE = _statement(f"given AS MATERIALIZED ({_SOURCE})", "request_id = ANY ($3::text[])")
# With answers, whose arguments come after the others. Those are kept that are the first of their line, of requests
# whose hold is still open; the others are lost, with what they cost.
_LOST = _TOLD.replace("outcome", "'upstream_broke'").replace("pays", "false")
_SETTLE_ANSWERED = _statement(
    f"""told AS MATERIALIZED ({_SOURCE}), open AS MATERIALIZED (
    SELECT request_id FROM holds WHERE request_id = ANY ($2::text[]) AND state = 'open' ORDER BY request_id FOR UPDATE
), allowed AS MATERIALIZED (
    SELECT request_id FROM open UNION ALL SELECT request_id FROM told WHERE NOT held
), {line_answers.given(len(_COLUMNS) + 4)}, {line_answers.KEPT}, lost AS MATERIALIZED (
    SELECT request_id FROM answers EXCEPT SELECT request_id FROM kept
), given AS MATERIALIZED (
    SELECT {_TOLD} FROM told WHERE request_id NOT IN (SELECT request_id FROM lost)
    UNION ALL SELECT {_LOST} FROM told WHERE request_id IN (SELECT request_id FROM lost)
)""",  # noqa: S608 — constants only
    "request_id = ANY ($3::text[]) OR request_id = ANY (ARRAY (SELECT request_id FROM lost))",
)
_LATE = """
INSERT INTO ledger_events (request_id, project_id, amount_nusd, detail, kind)
SELECT *, 'late_settlement' FROM unnest($1::text[], $2::text[], $3::int8[], $4::jsonb[]) ON CONFLICT DO NOTHING
"""
_NO_PARTITION = "no partition of relation"


async def settle(
    database: Database, owner: str, settlements: Sequence[Settlement]
) -> tuple[dict[str, Outcome], list[Alert]]:
    """Writes all of them in one durable commit. What did not go as it should, by request_id; others are not in it. And
    the thresholds of budgets that are passed by it. Request ids must differ. Idempotent."""
    outcomes: dict[str, Outcome] = {}
    alerts: list[Alert] = []
    waiting = list(settlements)
    while waiting:
        rows = await _settle(database, owner, waiting)
        alerts += [msgspec.json.decode(row["alert"], type=Alert) for row in rows if row["alert"]]
        found = {row["request_id"]: row["outcome"] for row in rows if row["request_id"]}
        waiting = [s for s in waiting if found.get(s.record.request_id) == "again"]
        outcomes |= {request_id: outcome for request_id, outcome in found.items() if outcome != "again"}
    if late := [s for s in settlements if outcomes.get(s.record.request_id) == "late"]:
        await _tell_late(database, late)
    return outcomes, alerts


async def _settle(database: Database, owner: str, settlements: Sequence[Settlement]) -> list[asyncpg.Record]:
    records = [settlement.record for settlement in settlements]
    answers = [(s.record.request_id, s.answer) for s in settlements if s.answer is not None]
    arguments = (
        owner,
        [s.record.request_id for s in settlements if s.held],
        [s.record.request_id for s in settlements if s.held and not s.pays],
        *([read(record) for record in records] for _, _, read in _USAGE),
        *([read(settlement) for settlement in settlements] for _, _, read in _PRICED),
        *(line_answers.values(answers) if answers else ()),
    )
    statement = _SETTLE_ANSWERED if answers else _SETTLE
    try:
        return await database.fetch_idempotent(statement, *arguments)
    except asyncpg.CheckViolationError as error:
        if _NO_PARTITION not in str(error):
            raise
    await usage_months.add(database, {record.started_at_s for record in records})
    return await database.fetch_idempotent(statement, *arguments)


async def _tell_late(database: Database, settlements: Sequence[Settlement]) -> None:
    await database.execute(
        _LATE,
        [s.record.request_id for s in settlements],
        [s.record.principal.project_id for s in settlements],
        [s.cost_nusd for s in settlements],
        [msgspec.json.encode(s.record, enc_hook=list).decode() for s in settlements],
    )
