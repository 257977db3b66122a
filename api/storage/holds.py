"""SQL for holds: money set aside for a request until it is settled or released.

A budget (`credits`, `month`, `total`; of a project or of one key) is a row that holds draw on. It is locked, judged and
updated in one statement per batch, in the order of its id, so that any number of processes may do it at once. An update
sets what was read under the lock: PostgreSQL checks constraints on the row of the statement's snapshot first, which may
be older, and would refuse what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import asyncpg

from api.storage.session import Database, NotSentError, open_pool, unavailable

# The ledger's statements are planned once per connection, on tables that grow from nothing: plans must neither be made
# anew for each batch nor believe that a table stays small. Every condition on a table is `= ANY (array)`, which an
# index answers; what remains to be joined are the rows of the batch.
_SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_nestloop": "off"}
_CONNECTIONS = 4  # holds, settlements, those that are tried again, and what is done now and then


async def open_ledger_pool(database_url: str, timeout_s: float = 5.0) -> Database:
    """Connections for the ledger only: its statements wait behind no others, and are planned as they need."""
    return await open_pool(database_url, _CONNECTIONS, timeout_s, _SETTINGS)


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold as it is asked for, and as much of its request as somebody else needs to settle it."""

    request_id: str
    organisation_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    price_version: int
    amount_nusd: int
    started_at_s: float  # unix seconds
    price_percent: int = 100  # of the price that is charged
    line_id: str = ""  # what the budgets of the key are kept under; not said of a hold that is taken over


class Refused(NamedTuple):
    """A hold that does not fit a budget."""

    kind: Literal["credits", "month", "total"]
    of_key: bool
    left_nusd: int
    unspent_nusd: int  # what is left, and what others hold of it at the moment
    wanted_nusd: int


Reserved = Refused | Literal["held", "closed"]


_COLUMNS: tuple[tuple[str, str, Callable[[HoldRow], object]], ...] = (
    ("request_id", "text", lambda r: r.request_id),
    ("organisation_id", "text", lambda r: r.organisation_id),
    ("project_id", "text", lambda r: r.project_id),
    ("key_id", "text", lambda r: r.key_id),
    ("operation", "text", lambda r: r.operation),
    ("model", "text", lambda r: r.model),
    ("price_version", "int4", lambda r: r.price_version),
    ("price_percent", "int2", lambda r: r.price_percent),
    ("amount_nusd", "int8", lambda r: r.amount_nusd),
    ("started_at", "float8", lambda r: r.started_at_s),
)
_NAMES = ", ".join(name for name, _, _ in _COLUMNS)
_VALUES = _NAMES.replace("started_at", "to_timestamp(started_at)")


def _arrays(first: int) -> str:
    return ", ".join(f"${i}::{kind}[]" for i, (_, kind, _) in enumerate(_COLUMNS, first))


# $1 owner, $2 scopes, $3 lines of keys. A hold that exists is raised to the amount, never lowered; where it need not be
# raised it stands, whatever has become of its budgets. Within a batch running sums decide: they count every row before,
# also one that turns out not to fit, so a refusal is final only for a row that does not fit what is left in the end. A
# hold of last month that is raised in this one moves: all of it counts for this month. PostgreSQL checks the row that
# is written before it looks whether another transaction has changed it since the statement began: what the check is
# about is all written as it was locked, so that nobody fails for a limit that has just been raised.
_RESERVE = f"""
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest({_arrays(4)}, $3::text[]) WITH ORDINALITY AS w ({_NAMES}, line_id, place)
), known AS MATERIALIZED (
    SELECT request_id, state, amount_nusd AS held_nusd, budget_ids, month FROM holds WHERE request_id = ANY ($4)
), locked AS MATERIALIZED (
    SELECT id, scope_id, kind, limit_nusd, spent_nusd, held_nusd, floor_nusd, period
    FROM budgets WHERE scope_id = ANY ($2::text[]) ORDER BY id FOR UPDATE
), this AS MATERIALIZED (
    SELECT greatest(date_trunc('month', now() AT TIME ZONE 'UTC')::date, max(period)) AS month FROM locked
), purses AS MATERIALIZED (
    SELECT id, scope_id, kind, stale, limit_nusd - spent_nusd - held_nusd AS left_nusd,
        limit_nusd - spent_nusd AS unspent_nusd, limit_nusd, spent_nusd, held_nusd, floor_nusd
    FROM (
        SELECT id, scope_id, kind, limit_nusd, stale, CASE WHEN stale THEN 0 ELSE spent_nusd END AS spent_nusd,
            CASE WHEN stale THEN 0 ELSE held_nusd END AS held_nusd,
            CASE WHEN stale THEN 0 ELSE floor_nusd END AS floor_nusd
        FROM (SELECT *, kind = 'month' AND period < month AS stale FROM locked, this) l
    ) l
), draws AS MATERIALIZED (
    SELECT *, left_nusd < sum(due_nusd) OVER (PARTITION BY id ORDER BY place) AS too_much
    FROM (
        SELECT w.place, w.request_id, p.id, p.kind, p.left_nusd, p.unspent_nusd, p.scope_id <> w.project_id AS of_key,
            greatest(0, w.amount_nusd - CASE
                WHEN k.request_id IS NULL OR p.kind = 'month' AND k.month < (SELECT month FROM this) THEN 0
                ELSE k.held_nusd
            END) AS due_nusd
        FROM (
            SELECT place, request_id, amount_nusd, project_id, project_id AS scope_id FROM wanted
            UNION ALL SELECT place, request_id, amount_nusd, project_id, line_id FROM wanted
        ) w
        JOIN purses p USING (scope_id)
        LEFT JOIN known k USING (request_id)
        WHERE k.request_id IS NULL
            OR k.state = 'open' AND k.held_nusd < w.amount_nusd AND p.id = ANY (k.budget_ids)
    ) d
), judged AS MATERIALIZED (
    SELECT place, bool_or(too_much) AS refused, array_agg(id) AS budget_ids, bool_or(kind = 'credits') AS prepaid
    FROM draws GROUP BY place
), held AS (
    INSERT INTO holds ({_NAMES}, account, budget_ids, month, owner)
    SELECT {_VALUES},
        CASE WHEN prepaid THEN 'credits' ELSE 'receivable' END, coalesce(budget_ids, '{{}}'), this.month, $1
    FROM this, wanted LEFT JOIN judged USING (place)
    WHERE refused IS NOT TRUE ORDER BY request_id
    ON CONFLICT (request_id) DO UPDATE SET amount_nusd = EXCLUDED.amount_nusd, month = EXCLUDED.month,
        extensions_nusd = holds.extensions_nusd || (EXCLUDED.amount_nusd - holds.amount_nusd),
        extended_at = holds.extended_at || clock_timestamp()
    WHERE holds.state = 'open' AND holds.amount_nusd < EXCLUDED.amount_nusd
        AND holds.request_id = ANY (ARRAY (SELECT request_id FROM known))
    RETURNING request_id
), drawn AS MATERIALIZED (
    SELECT id, sum(due_nusd) AS due_nusd FROM draws JOIN held USING (request_id) GROUP BY id
), moved AS (
    UPDATE budgets b SET held_nusd = p.held_nusd + d.due_nusd, spent_nusd = p.spent_nusd,
        limit_nusd = p.limit_nusd, floor_nusd = p.floor_nusd,
        opening_nusd = CASE WHEN stale THEN 0 ELSE b.opening_nusd END,
        period = CASE WHEN stale THEN (SELECT month FROM this) ELSE b.period END
    FROM drawn d JOIN purses p USING (id) WHERE b.id = d.id AND b.id = ANY (ARRAY (SELECT id FROM drawn))
), refusals AS (
    SELECT DISTINCT ON (place) place, kind, of_key, due_nusd, unspent_nusd,
        left_nusd - coalesce(drawn_nusd, 0) AS left_nusd
    FROM draws LEFT JOIN (SELECT id, due_nusd AS drawn_nusd FROM drawn) d USING (id)
    WHERE too_much ORDER BY place, left_nusd - coalesce(drawn_nusd, 0)
)
SELECT place, k.state, r.kind, r.of_key, r.left_nusd, r.unspent_nusd, r.due_nusd AS wanted_nusd
FROM wanted LEFT JOIN refusals r USING (place) LEFT JOIN known k USING (request_id)
WHERE request_id NOT IN (SELECT request_id FROM held)
"""  # noqa: S608 — constants only
# $1 owner. A hold that is not there is written as released: the statement that may still be on its way to make it then
# finds it closed.
_RELEASE = f"""
WITH closed AS (
    INSERT INTO holds ({_NAMES}, state, account, budget_ids, month, owner, closed_at, closed_by)
    SELECT {_VALUES}, 'released', 'receivable', '{{}}', date_trunc('month', now() AT TIME ZONE 'UTC'), $1,
        clock_timestamp(), $1
    FROM unnest({_arrays(2)}) AS w ({_NAMES}) ORDER BY request_id
    ON CONFLICT (request_id) DO UPDATE SET state = 'released', closed_at = EXCLUDED.closed_at, closed_by = $1
    WHERE holds.state = 'open'
    RETURNING budget_ids, month, amount_nusd
), drawn AS MATERIALIZED (
    SELECT unnest(budget_ids) AS id, month, amount_nusd FROM closed
), locked AS MATERIALIZED (
    SELECT id, kind, period, held_nusd, spent_nusd, limit_nusd, floor_nusd FROM budgets
    WHERE id = ANY (ARRAY (SELECT id FROM drawn)) ORDER BY id FOR UPDATE
)
UPDATE budgets b SET held_nusd = s.held_nusd, spent_nusd = s.spent_nusd, limit_nusd = s.limit_nusd,
    floor_nusd = s.floor_nusd
FROM (
    SELECT id, held_nusd - sum(amount_nusd) AS held_nusd, spent_nusd, limit_nusd, floor_nusd
    FROM locked l JOIN drawn d USING (id) WHERE l.kind <> 'month' OR l.period = d.month
    GROUP BY id, held_nusd, spent_nusd, limit_nusd, floor_nusd
) s
WHERE b.id = s.id AND b.id = ANY (ARRAY (SELECT id FROM drawn))
"""  # noqa: S608 — constants only
# $1 process, $2 lease in seconds. `since`: from when on it has been held without a gap.
_RENEW = """
INSERT INTO ledger_processes AS p (id, since, lease_until)
VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (id) DO UPDATE SET lease_until = EXCLUDED.lease_until,
    since = CASE WHEN p.lease_until < clock_timestamp() THEN EXCLUDED.since ELSE p.since END
"""
_RESIGN = "DELETE FROM ledger_processes WHERE id = ANY ($1::text[])"
_FORGET = """
DELETE FROM ledger_processes WHERE lease_until < clock_timestamp() - interval '1 hour'
    AND id NOT IN (SELECT owner FROM holds WHERE state = 'open')
"""
# $1 process, $2 lease in seconds, $3 requests it knows to be running, $4 at most. Only who has held a lease for as long
# as one lasts may judge that others have none: after an outage of PostgreSQL nobody has been able to renew.
_CLAIM = f"""
UPDATE holds SET owner = $1 WHERE state = 'open' AND request_id = ANY (ARRAY (
    SELECT request_id FROM holds
    WHERE state = 'open' AND created_at < clock_timestamp() - $2 * interval '1 second'
        AND owner NOT IN (SELECT id FROM ledger_processes WHERE lease_until > clock_timestamp() AND id <> $1)
        AND (owner <> $1 OR request_id <> ALL ($3::text[]))
        AND EXISTS (
            SELECT FROM ledger_processes WHERE id = $1 AND since < clock_timestamp() - $2 * interval '1 second'
        )
    ORDER BY created_at LIMIT $4 FOR UPDATE SKIP LOCKED
)) RETURNING {_NAMES.replace("started_at", "extract(epoch FROM started_at)::float8 AS started_at_s")}
"""  # noqa: S608 — constants only


async def reserve(
    database: Database, owner: str, rows: Sequence[HoldRow], timeout_s: float | None = None
) -> list[Reserved]:
    """Holds the amounts, or raises holds to them; one answer for each row, in order. One durable commit, and another
    one for rows that larger ones before them kept from fitting. Idempotent. NotSentError: nothing was done."""
    answers: list[Reserved | None] = [None] * len(rows)
    waiting = list(range(len(rows)))
    while waiting:
        # Of several rows for one request each is a batch of its own.
        places = list({rows[place].request_id: place for place in reversed(waiting)}.values())[::-1]
        batch = [rows[place] for place in places]
        lines = [row.line_id for row in batch]
        scopes = sorted({row.project_id for row in batch}.union(lines))
        try:
            found = await database.fetch_idempotent(
                _RESERVE, owner, scopes, lines, *_values(batch), timeout_s=timeout_s
            )
        except NotSentError as error:
            raise (error if len(waiting) == len(rows) else unavailable()) from error
        exceptions = {record["place"] - 1: record for record in found}
        for i, place in enumerate(places):
            answers[place] = _judge(exceptions.get(i))
        waiting = [place for place in waiting if answers[place] is None]
    return [answer for answer in answers if answer is not None]


async def release(database: Database, owner: str, rows: Sequence[HoldRow]) -> None:
    """Gives back what is held; what is closed already stays as it is. A request that has no hold can get none after
    this. Request ids must differ. Idempotent."""
    await database.fetch_idempotent(_RELEASE, owner, *_values(rows))


async def renew(database: Database, process: str, lease_s: float) -> None:
    """Extends the lease of everything that the process holds."""
    await database.execute(_RENEW, process, lease_s)


async def resign(database: Database, processes: Iterable[str]) -> None:
    """Their leases end now."""
    await database.execute(_RESIGN, list(processes))


async def forget_processes(database: Database) -> None:
    """Those that have been dead for an hour and hold nothing."""
    await database.execute(_FORGET)


async def claim(database: Database, process: str, lease_s: float, running: Iterable[str], limit: int) -> list[HoldRow]:
    """Takes over open holds whose process let its lease lapse, and those that carry the process's own name without it
    knowing of them. Nobody else gets the same, as long as this process renews its own lease."""
    rows = await database.fetch_idempotent(_CLAIM, process, lease_s, list(running), limit)
    return [HoldRow(**row) for row in rows]


def _judge(exception: asyncpg.Record | None) -> Reserved | None:
    """The answer for a row, from what the statement said about it, if anything. None: to be tried again."""
    if exception is None:
        return "held"
    if exception["kind"] is not None:
        left_nusd, wanted_nusd = int(exception["left_nusd"]), int(exception["wanted_nusd"])
        if wanted_nusd <= left_nusd:
            return None  # it fits by itself: larger ones before it did not
        return Refused(exception["kind"], exception["of_key"], left_nusd, int(exception["unspent_nusd"]), wanted_nusd)
    if exception["state"] is None:
        return None  # made by another statement a moment ago
    return "held" if exception["state"] == "open" else "closed"


def _values(rows: Sequence[HoldRow]) -> list[list[object]]:
    return [[read(row) for row in rows] for _, _, read in _COLUMNS]
