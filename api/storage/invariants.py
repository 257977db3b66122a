# ruff: noqa: S608 — queries are put together from constants of this file
"""SQL for the invariants of the ledger: what may never be found in it.

Each query returns the rows that break its rule: an id and what is wrong. All of them hold at every instant, so a check
needs no quiet moment: one statement sees one snapshot. `$1` is a time: rows that were made before it are not looked at,
where that saves work.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from api.storage.session import Database

LEASE_GRACE_S = 10  # an open hold whose lease lapsed is closed within it
_LIMIT = 100  # offending rows of one invariant
_TURN_LOCK = 0x6E6F76616C  # "noval"
_EVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Invariant:
    """`cheap`: its cost does not grow with what was made before `$1`."""

    name: str
    rule: str
    query: str
    cheap: bool = True


class Offence(NamedTuple):
    """A row that breaks a rule."""

    id: str
    detail: str


_PAYS = "u.outcome IN ('finished', 'client_left')"
_COST = """ceil((
    (u.prompt_tokens - u.cached_tokens)::numeric * p.input_nusd_per_mtok
    + u.cached_tokens::numeric * p.cached_nusd_per_mtok + u.completion_tokens::numeric * p.output_nusd_per_mtok
) * u.price_percent / 100000000)"""
# Raw usage and holds go when they are old enough, transfers stay.
_HORIZON = """(
    SELECT coalesce(min(to_date(right(relname, 7), 'YYYY_MM')), 'infinity')::timestamp AT TIME ZONE 'UTC'
        + interval '2 days'
    FROM pg_class WHERE relnamespace = 'usage_months'::regnamespace AND relkind = 'r'
)"""
_TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
_ROLLED = ("requests", "broken", *_TOKENS, "cost_nusd")


def _array(element: str) -> str:
    return f"ARRAY[{', '.join(element.format(name) for name in _ROLLED)}]::numeric[]"


_RAW_SUMS = f"""ARRAY[
    count(*), count(*) FILTER (WHERE NOT {_PAYS}), {", ".join(f"sum({name})" for name in (*_TOKENS, "cost_nusd"))}
]::numeric[]"""
# When all of time is looked at, the hour that is not over too.
_UNTIL = "CASE WHEN $1 < now() - interval '1 day' THEN 'infinity' ELSE date_trunc('hour', now(), 'UTC') END"
# Every budget, with what was really spent, held and paid in.
_ADDED_UP = """(
    SELECT b.*, opening_nusd + coalesce(h.posted, 0) AS spent, coalesce(h.held, 0) AS held,
        CASE WHEN kind = 'credits' THEN coalesce(f.funded, 0) ELSE limit_nusd END AS funded
    FROM budgets b
    LEFT JOIN (
        SELECT id, sum(t.amount_nusd) AS posted, sum(h.amount_nusd) FILTER (WHERE state = 'open') AS held
        FROM holds h CROSS JOIN unnest(budget_ids) AS drawn
        JOIN budgets ON id = drawn AND (kind <> 'month' OR month = period)
        LEFT JOIN transfers t ON t.request_id = h.request_id AND t.kind = 'post'
        GROUP BY id
    ) h USING (id)
    LEFT JOIN (
        SELECT project_id, sum(amount_nusd) AS funded FROM transfers WHERE kind = 'fund' GROUP BY project_id
    ) f USING (project_id)
) a"""

INVARIANTS = (
    Invariant(
        "I01",
        "a settled hold has one post and one usage row that pays; a released or open one has none",
        f"""
        SELECT h.request_id, format('%s with %s posts, %s usage rows that pay, %s that do not', h.state,
            t.posts, u.paying, u.free)
        FROM holds h
        CROSS JOIN LATERAL (
            SELECT count(*) AS posts FROM transfers t WHERE t.request_id = h.request_id AND t.kind = 'post'
        ) t
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE {_PAYS}) AS paying, count(*) FILTER (WHERE NOT {_PAYS}) AS free
            FROM usage u WHERE u.request_id = h.request_id AND u.started_at = h.started_at
        ) u
        WHERE h.created_at >= $1 AND NOT CASE h.state
            WHEN 'settled' THEN posts = 1 AND paying = 1 AND free = 0
            WHEN 'released' THEN posts = 0 AND paying = 0 AND free <= 1
            ELSE posts = 0 AND paying = 0 AND free = 0
        END
        """,
    ),
    Invariant(
        "I02",
        "what is posted, booked as outage or charged belongs to a hold that ended so",
        f"""
        SELECT t.request_id, t.kind || ' without its hold' FROM transfers t
        LEFT JOIN holds h ON h.request_id = t.request_id
            AND h.state = CASE t.kind WHEN 'post' THEN 'settled' ELSE 'released' END
        WHERE t.kind <> 'fund' AND t.created_at >= greatest($1, {_HORIZON}) AND h.request_id IS NULL
        UNION ALL
        SELECT u.request_id, 'charged without a hold' FROM usage u
        LEFT JOIN holds h ON h.request_id = u.request_id AND h.started_at = u.started_at
        WHERE u.cost_nusd > 0 AND u.started_at >= greatest($1, {_HORIZON}) AND h.request_id IS NULL
        """,
    ),
    Invariant(
        "I03",
        "every transfer moves an amount between two accounts, and all balances add up to nothing",
        """
        SELECT request_id, format('%s of %s from %s to %s', kind, amount_nusd, debit, credit) FROM transfers
        WHERE created_at >= $1 AND (amount_nusd < 0 OR debit = credit OR (kind, debit, credit) NOT IN (
            ('fund', 'cash', 'credits'), ('post', 'credits', 'revenue'), ('post', 'receivable', 'revenue'),
            ('outage', 'expense:outage', 'revenue')
        ))
        """,
    ),
    Invariant(
        "I04",
        "what was paid in covers what was posted and what is held, for every prepaid project",
        """
        SELECT project_id, format('%s paid in, %s posted, %s held', funded, posted, held) FROM (
            SELECT project_id, coalesce(sum(amount_nusd) FILTER (WHERE credit = 'credits'), 0) AS funded,
                coalesce(sum(amount_nusd) FILTER (WHERE debit = 'credits'), 0) AS posted
            FROM transfers GROUP BY project_id
        ) t LEFT JOIN LATERAL (
            SELECT coalesce(sum(amount_nusd), 0) AS held FROM holds h
            WHERE h.state = 'open' AND h.account = 'credits' AND h.project_id = t.project_id
        ) h ON true
        WHERE funded - posted - held < 0
        """,
        cheap=False,
    ),
    Invariant(
        "I05",
        "nothing is posted beyond what was held",
        """
        SELECT h.request_id, format('%s held, %s posted', h.amount_nusd, t.amount_nusd)
        FROM holds h JOIN transfers t ON t.request_id = h.request_id AND t.kind = 'post'
        WHERE h.created_at >= $1 AND t.amount_nusd > h.amount_nusd
        """,
    ),
    Invariant(
        "I06",
        "the cost is that of the tokens at the stored price, to the nano-USD, and is what was posted",
        f"""
        SELECT u.request_id, format('%s charged, %s posted, %s booked as outage, %s over the hold; %s is right',
            u.cost_nusd, coalesce(t.amount_nusd, 0), coalesce(o.amount_nusd, 0), coalesce(e.amount_nusd, 0), {_COST})
        FROM usage u JOIN prices p ON p.model = u.model AND p.version = u.price_version
        LEFT JOIN transfers t ON t.request_id = u.request_id AND t.kind = 'post'
        LEFT JOIN transfers o ON o.request_id = u.request_id AND o.kind = 'outage'
        LEFT JOIN ledger_events e ON e.request_id = u.request_id AND e.kind = 'overrun'
        WHERE u.started_at >= $1 AND (
            u.cost_nusd + coalesce(e.amount_nusd, 0) <> CASE WHEN {_PAYS} THEN {_COST} ELSE 0 END
            OR coalesce(t.amount_nusd, 0) <> u.cost_nusd
            OR coalesce(o.amount_nusd, 0) <> CASE WHEN {_PAYS} THEN 0 ELSE {_COST} END
        )
        """,
    ),
    Invariant(
        "I09",
        f"no hold stays open more than {LEASE_GRACE_S} s after its process let the lease lapse",
        f"""
        SELECT h.request_id, format('held since %s by %s, whose lease ended %s', h.created_at, h.owner,
            coalesce(p.lease_until::text, 'before'))
        FROM holds h LEFT JOIN ledger_processes p ON p.id = h.owner
        WHERE h.state = 'open' AND h.created_at < clock_timestamp() - interval '{2 * LEASE_GRACE_S} s'
            AND coalesce(p.lease_until, '-infinity') < clock_timestamp() - interval '{LEASE_GRACE_S} s'
        """,
    ),
    Invariant(
        "I11",
        "no budget is overdrawn: what was spent and what is held stay within the limit",
        f"""
        SELECT id::text, format('%s of %s: limit %s, spent %s, held %s', kind, scope_id, limit_nusd, spent, held)
        FROM {_ADDED_UP} WHERE spent + held > greatest(limit_nusd, floor_nusd)
        """,
        cheap=False,
    ),
    Invariant(
        "I13",
        "a request is recorded once",
        """
        SELECT request_id, format('%s usage rows', count(*)) FROM usage WHERE started_at >= $1
        GROUP BY request_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I14",
        "what is a fact cannot be changed: the triggers that refuse it are in force",
        """
        SELECT name, 'missing or disabled' FROM unnest(ARRAY[
            'prices_append_only', 'transfers_append_only', 'usage_append_only', 'prices_kept', 'transfers_kept',
            'holds_closed_once', 'holds_kept_open'
        ]) AS name
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled IN ('O', 'A'))
        UNION ALL
        SELECT relname, 'a month of usage without its trigger' FROM pg_class c
        WHERE relnamespace = 'usage_months'::regnamespace AND relkind = 'r' AND NOT EXISTS (
            SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'usage_append_only' AND tgenabled IN ('O', 'A')
        )
        """,
    ),
    Invariant(
        "I16",
        "the rollups are the sums of the usage: of each hour that is over, and of the hours in each day",
        f"""
        SELECT format('%s %s %s %s', project_id, bucket, key_id, model), format('hour: %s; used: %s', r.sums, u.sums)
        FROM (
            SELECT project_id, bucket, key_id, model, {_array("{}")} AS sums FROM usage_rollups
            WHERE width_s = 3600 AND bucket >= greatest(date_trunc('hour', $1, 'UTC'), {_HORIZON}) AND bucket < {_UNTIL}
        ) r FULL JOIN (
            SELECT project_id, date_trunc('hour', started_at, 'UTC') AS bucket, key_id, model, {_RAW_SUMS} AS sums
            FROM usage u
            WHERE started_at >= greatest(date_trunc('hour', $1, 'UTC'), {_HORIZON}) AND started_at < {_UNTIL}
            GROUP BY 1, 2, 3, 4
        ) u USING (project_id, bucket, key_id, model)
        WHERE r.sums IS DISTINCT FROM u.sums
        UNION ALL
        SELECT format('%s %s %s %s', project_id, bucket, key_id, model), format('day: %s; hours: %s', d.sums, h.sums)
        FROM (
            SELECT project_id, bucket, key_id, model, {_array("{}")} AS sums
            FROM usage_rollups WHERE width_s = 86400 AND bucket >= date_trunc('day', $1, 'UTC')
        ) d FULL JOIN (
            SELECT project_id, date_trunc('day', bucket, 'UTC') AS bucket, key_id, model, {_array("sum({})")} AS sums
            FROM usage_rollups WHERE width_s = 3600 AND bucket >= date_trunc('day', $1, 'UTC') GROUP BY 1, 2, 3, 4
        ) h USING (project_id, bucket, key_id, model)
        WHERE d.sums IS DISTINCT FROM h.sums
        """,
    ),
    Invariant(
        "I17",
        "every price that was used is known",
        """
        SELECT u.request_id, format('%s at price %s', u.model, u.price_version) FROM usage u
        LEFT JOIN prices p ON p.model = u.model AND p.version = u.price_version
        WHERE u.started_at >= $1 AND p.model IS NULL AND (u.price_version <> 0 OR u.cost_nusd <> 0)
        UNION ALL
        SELECT h.request_id, format('%s held at price %s', h.model, h.price_version) FROM holds h
        LEFT JOIN prices p ON p.model = h.model AND p.version = h.price_version
        WHERE h.created_at >= $1 AND p.model IS NULL
        """,
    ),
    Invariant(
        "I18",
        "what a budget counts is what its holds and transfers add up to",
        f"""
        SELECT id::text, format('%s of %s: counts %s spent and %s held, limit %s; right are %s, %s and %s', kind,
            scope_id, spent_nusd, held_nusd, limit_nusd, spent, held, funded)
        FROM {_ADDED_UP} WHERE (spent_nusd, held_nusd, limit_nusd) <> (spent, held, funded)
        """,
        cheap=False,
    ),
    Invariant(
        "I19",
        "what was posted for a project is what its rollups say it cost",
        """
        SELECT project_id, format('%s posted, %s in the rollups', posted, cost) FROM (
            SELECT project_id, sum(amount_nusd) AS posted FROM transfers WHERE kind = 'post' GROUP BY project_id
        ) t FULL JOIN (
            SELECT project_id, sum(cost_nusd) AS cost FROM usage_rollups WHERE width_s = 86400 GROUP BY project_id
        ) r USING (project_id)
        WHERE coalesce(posted, 0) <> coalesce(cost, 0)
        """,
        cheap=False,
    ),
)


async def offences(database: Database, invariant: Invariant, since: datetime | None, timeout_s: float) -> list[Offence]:
    """The rows that break it, at most a hundred. `since` None: of all time."""
    statement = f"SELECT * FROM ({invariant.query}) AS o (id, detail) LIMIT {_LIMIT}"
    arguments = [since or _EVER] if "$1" in invariant.query else []
    return [Offence(*row) for row in await database.fetch(statement, *arguments, timeout_s=timeout_s)]


@contextlib.asynccontextmanager
async def turn(database: Database) -> AsyncIterator[bool]:
    """Whether it is this process's turn to check: that of one at a time, for the length of the block."""
    async with database.connection() as connection:
        ours: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _TURN_LOCK)
        try:
            yield ours
        finally:
            if ours:
                await connection.execute("SELECT pg_advisory_unlock($1)", _TURN_LOCK)
