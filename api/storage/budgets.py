"""SQL for budgets and credits: what holds of a project or a key must fit.

A budget of kind `credits` is the prepaid money of a project; it is there from the first credit on. A `month` begins
anew on the first of each month, UTC, with the first hold of that month; a `total` never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg

from api.storage.session import Database

Kind = Literal["month", "total"]


@dataclass(frozen=True, slots=True)
class Budget:
    """As it stands now: a month that is over has spent nothing."""

    project_id: str
    scope_id: str  # the project's id, or that of the first key of a line
    owner_id: str  # the project's id, or that of the key that the line has come to
    kind: str
    limit_nusd: int
    spent_nusd: int
    held_nusd: int
    thresholds: tuple[int, ...]  # percent

    @property
    def key_id(self) -> str | None:
        """The key that it is of; None: the project's own."""
        return None if self.owner_id == self.project_id else self.owner_id

    @property
    def left_nusd(self) -> int:
        return self.limit_nusd - self.spent_nusd - self.held_nusd


@dataclass(frozen=True, slots=True)
class Alert:
    project_id: str
    owner_id: str  # as a budget's
    kind: str
    threshold: int  # percent
    limit_nusd: int
    spent_nusd: int
    created_at: datetime


# Whether so much is a threshold, in percent. The last of a budget is never spent, since what a request holds is more
# than what it costs in the end: all of it, 100, is all but a hundredth.
REACHES = "{spent} >= least(threshold, 99) * 0.01 * limit_nusd"
_MONTH = "date_trunc('month', now() AT TIME ZONE 'UTC')::date"
# $1 project, $2 project or first key of a line, $3 kind, $4 limit, $5 thresholds. A new budget begins with what was
# spent before, this month or ever; requests that run just now are not part of it. One below what is spent lets nothing
# more through. Thresholds that it begins beyond are passed by that.
_SET = f"""
WITH spent AS (
    SELECT coalesce(sum(cost_nusd), 0) AS nusd FROM usage_rollups
    WHERE project_id = $1 AND width_s = 86400
        AND ($2 = $1 OR key_id = $2 OR key_id IN (SELECT id FROM api_keys WHERE first_id = $2))
        AND ($3 = 'total' OR bucket >= {_MONTH}::timestamp AT TIME ZONE 'UTC')
), made AS (
    INSERT INTO budgets AS b (
        project_id, scope_id, kind, limit_nusd, opening_nusd, spent_nusd, held_nusd, floor_nusd, period, thresholds
    )
    SELECT $1, $2, $3, $4, nusd, nusd, 0, nusd, CASE $3 WHEN 'month' THEN {_MONTH} ELSE 'epoch' END, $5 FROM spent
    ON CONFLICT (scope_id, kind) DO UPDATE SET limit_nusd = EXCLUDED.limit_nusd, thresholds = EXCLUDED.thresholds,
        floor_nusd = b.spent_nusd + b.held_nusd
    RETURNING *
)
INSERT INTO budget_alerts (budget_id, period, threshold, project_id, scope_id, kind, limit_nusd, spent_nusd)
SELECT id, period, threshold, project_id, scope_id, kind, limit_nusd, spent_nusd FROM made, unnest(thresholds) threshold
WHERE spent_nusd > 0 AND {REACHES.format(spent="spent_nusd")} AND (kind <> 'month' OR period = {_MONTH})
ON CONFLICT DO NOTHING
"""  # noqa: S608 — constants only
_CLEAR = "DELETE FROM budgets WHERE scope_id = $1 AND kind = ANY ($2::text[]) AND kind <> 'credits' RETURNING id"
# Whom to name where a budget is told of: the project, or the newest key of the line.
OWNER = """coalesce(
    (SELECT k.id FROM api_keys k WHERE k.first_id = b.scope_id AND k.rotated_to IS NULL), b.scope_id
) AS owner_id"""
_LIST = f"""
SELECT project_id, scope_id, {OWNER}, kind, limit_nusd, CASE WHEN stale THEN 0 ELSE spent_nusd END AS spent_nusd,
    CASE WHEN stale THEN 0 ELSE held_nusd END AS held_nusd, thresholds
FROM (SELECT *, kind = 'month' AND period < {_MONTH} AS stale FROM budgets) b
WHERE ($1::text IS NULL OR project_id = $1) ORDER BY project_id, scope_id <> project_id, scope_id, kind
"""  # noqa: S608 — constants only
_ALERTS = f"""
SELECT project_id, {OWNER}, kind, threshold, limit_nusd, spent_nusd, created_at FROM budget_alerts b
WHERE ($1::text IS NULL OR project_id = $1) ORDER BY created_at, threshold
"""  # noqa: S608 — constants only
# $1 project, $2 amount, $3 the credit's own id: adding it again adds nothing.
_ADD_CREDITS = """
WITH funded AS (
    INSERT INTO transfers (request_id, kind, project_id, debit, credit, amount_nusd)
    VALUES ($3, 'fund', $1, 'cash', 'credits', $2) ON CONFLICT DO NOTHING RETURNING amount_nusd
)
INSERT INTO budgets AS b (
    project_id, scope_id, kind, limit_nusd, opening_nusd, spent_nusd, held_nusd, floor_nusd, period, thresholds
)
SELECT $1, $1, 'credits', amount_nusd, 0, 0, 0, 0, 'epoch', $4 FROM funded
ON CONFLICT (scope_id, kind) DO UPDATE SET limit_nusd = b.limit_nusd + EXCLUDED.limit_nusd
RETURNING id
"""


async def set_budget(
    database: Database, project_id: str, scope_id: str, kind: Kind, limit_nusd: int, thresholds: Sequence[int]
) -> None:
    """Makes or changes the budget of a project (`scope_id` is its id) or of a line of its keys."""
    await database.execute(_SET, project_id, scope_id, kind, limit_nusd, list(thresholds))


async def clear(database: Database, scope_id: str, kinds: Sequence[Kind]) -> bool:
    """False when there was none."""
    return bool(await database.fetch(_CLEAR, scope_id, list(kinds)))


async def budgets(database: Database, project_id: str | None = None) -> list[Budget]:
    """Of a project and its keys, or all there are; credits among them."""
    rows = await database.fetch(_LIST, project_id)
    return [Budget(**{**row, "thresholds": tuple(row["thresholds"])}) for row in rows]


async def alerts(database: Database, project_id: str | None = None) -> list[Alert]:
    """Thresholds that were passed, oldest first: each once in a period, of each limit that there was in it."""
    return [Alert(**row) for row in await database.fetch(_ALERTS, project_id)]


async def add_credits(
    database: Database, project_id: str, amount_nusd: int, credit_id: str, thresholds: Sequence[int]
) -> bool:
    """False, and nothing is done, when that credit was added before. The first credit makes the project prepaid.
    Raises OverflowError when all of its credits together are more than can be counted."""
    try:
        return await database.fetchrow(_ADD_CREDITS, project_id, amount_nusd, credit_id, list(thresholds)) is not None
    except asyncpg.NumericValueOutOfRangeError:
        raise OverflowError(amount_nusd) from None
