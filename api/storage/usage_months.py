"""SQL for the months of `usage`: a partition for each, made ahead, dropped when it is too old.

Making or dropping one locks all of `usage`, and every settlement waits behind whoever waits for that lock. So it is
given up soon: a dump that reads the table must not stop the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import asyncpg

from api.storage.session import Database, unavailable

_WAIT = "SET LOCAL lock_timeout = '500ms'"
_ADD = "SELECT usage_add_month(to_timestamp(at)) FROM unnest($1::float8[]) AS at"
_ADD_AHEAD = "SELECT usage_add_month(now() + n * interval '1 month') FROM generate_series(0, 2) AS n"
_MONTHS = """
SELECT to_date(right(relname, 7), 'YYYY_MM') AS month FROM pg_class
WHERE relnamespace = 'usage_months'::regnamespace AND relkind = 'r' ORDER BY month
"""
_DROP = "DROP TABLE usage_months.usage_{:%Y_%m}"
# Closed holds say nothing that usage and transfers do not: they go with the usage of their month, a batch at a time.
# What they had posted stays in the budgets that they drew on; of a monthly one, unless another month has begun there.
_FORGET = """
WITH old AS (
    DELETE FROM holds WHERE request_id = ANY (ARRAY (
        SELECT request_id FROM holds
        WHERE state <> 'open' AND started_at < $1 AND created_at < $1 + interval '1 day' LIMIT 10000
    )) RETURNING request_id, budget_ids, month
), posted AS (
    SELECT id, period, sum(amount_nusd) AS amount_nusd
    FROM old CROSS JOIN unnest(budget_ids) AS drawn
    JOIN budgets ON id = drawn AND (kind <> 'month' OR period = month)
    JOIN transfers t ON t.request_id = old.request_id AND t.kind = 'post'
    GROUP BY id, period
), kept AS (
    UPDATE budgets b SET opening_nusd = b.opening_nusd + p.amount_nusd FROM posted p
    WHERE b.id = p.id AND b.period = p.period
)
SELECT count(*) AS forgotten FROM old
"""


async def add(database: Database, times_s: Iterable[float]) -> None:
    """The months of these times (unix seconds), unless they are there. Raises LedgerUnavailableError, also while
    somebody reads all of `usage`."""
    try:
        await _change(database, _ADD, sorted(times_s))
    except asyncpg.LockNotAvailableError as error:
        raise unavailable() from error


async def add_ahead(database: Database) -> None:
    """This month and the next two. Raises asyncpg.LockNotAvailableError while somebody reads all of `usage`."""
    await _change(database, _ADD_AHEAD)


async def months(database: Database) -> list[dt.date]:
    """The months there are, as their first days."""
    return [row["month"] for row in await database.fetch(_MONTHS)]


async def drop_before(database: Database, month: dt.date) -> list[dt.date]:
    """Drops raw usage of the months before this one, with the holds it came from; returns what was dropped. Rollups,
    transfers and prices stay. Holds that are left of months dropped before go too: a process may end in between. Raises
    as `add_ahead`."""
    dropped = [old for old in await months(database) if old < month]
    for old in dropped:
        await _change(database, _DROP.format(old))
    until = dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC)
    while (await database.fetch_idempotent(_FORGET, until))[0]["forgotten"]:  # settlements lock the same budgets
        pass
    return dropped


async def _change(database: Database, statement: str, *arguments: object) -> None:
    async with database.transaction() as change:
        await change.execute(_WAIT)
        await change.execute(statement, *arguments)
