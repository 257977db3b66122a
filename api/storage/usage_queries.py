"""SQL for what was used: sums of the rollups, so that an answer costs the same however many requests there were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from api.storage.session import Database

Group = Literal["day", "hour", "project", "key", "model"]

HOUR_S, DAY_S = 3600, 86400
_COLUMN: dict[Group, str] = {
    "day": "date_trunc('day', bucket, 'UTC')",
    "hour": "bucket",
    "project": "project_id",
    "key": "key_id",
    "model": "model",
}
_SUMS = (
    *("requests", "broken", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"),
    "cost_nusd",
)


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """`start` is inclusive, `end` exclusive; both are hours' beginnings. Empty tuples: any."""

    start: datetime
    end: datetime
    organisation_id: str | None = None
    projects: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums over one group. `group` has the values that were grouped by, in that order."""

    group: tuple[datetime | str, ...]
    requests: int
    broken: int  # of the requests: not finished, through no fault of the client
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost_nusd: int


async def usage(
    database: Database,
    by: Sequence[Group],
    where: UsageFilter,
    after: Sequence[datetime | str] | None = None,
    limit: int = 1000,
) -> list[UsageRow]:
    """Sums by `by`, in its order, at most `limit`. The next page comes after the `group` of the last row of this one.

    Raises ValueError for times that are not whole hours, and for both `day` and `hour`.
    """
    columns = [_COLUMN[group] for group in by]
    if len(set(by)) < len(by) or {"day", "hour"} <= set(by):
        raise ValueError("usage is grouped by day or by hour, and by nothing twice")
    if any(int(at.timestamp()) % HOUR_S for at in (where.start, where.end)):
        raise ValueError("usage begins and ends with an hour")
    arguments: list[object] = [_width_s(by, where), where.start, where.end]
    conditions = ["width_s = $1", "bucket >= $2", "bucket < $3"]

    def condition(text: str, *values: object) -> None:
        places = [f"${len(arguments) + i}" for i in range(1, len(values) + 1)]
        arguments.extend(values)
        conditions.append(text.format(*places, places=", ".join(places)))

    for column, wanted in (("project_id", where.projects), ("key_id", where.keys), ("model", where.models)):
        if wanted:
            condition(column + " = ANY ({}::text[])", list(wanted))
    if where.organisation_id is not None:
        condition("organisation_id = {}", where.organisation_id)
    if after is not None and columns:
        condition(f"({', '.join(columns)}) > ({{places}})", *after)
    grouped = f"GROUP BY {', '.join(columns)} ORDER BY {', '.join(columns)}" if columns else "HAVING count(*) > 0"
    selected = [*columns, *(f"sum({name})::int8 AS {name}" for name in _SUMS)]
    statement = f"""
        SELECT {", ".join(selected)}
        FROM usage_rollups WHERE {" AND ".join(conditions)} {grouped} LIMIT {int(limit)}
    """  # noqa: S608 — column names of the tables above
    rows = await database.fetch(statement, *arguments)
    return [UsageRow(row[: len(by)], *(row[name] for name in _SUMS)) for row in rows]


def _width_s(by: Sequence[Group], where: UsageFilter) -> int:
    """Days, unless hours are asked for or needed."""
    whole = all(at.astimezone(UTC).hour == 0 for at in (where.start, where.end))
    return DAY_S if whole and "hour" not in by else HOUR_S
