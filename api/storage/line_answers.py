"""SQL for the answers to lines of batches: one for each line, whoever comes with another.

A shard's row says which of its lines have an answer. It is locked before anything is kept, and what is kept is decided
by what was read under the lock: two workers that ran the same line, one of them given up for dead, cannot both be
right. A shard that is sealed takes no more: its files are being written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.domain import LineAnswer
from api.storage.session import Database

Answered = tuple[str, LineAnswer]  # by the request that answered it

_COLUMNS: tuple[tuple[str, str, Callable[[Answered], object]], ...] = (
    ("request_id", "text", lambda a: a[0]),
    ("shard_id", "int8", lambda a: a[1].shard_id),
    ("line", "int4", lambda a: a[1].line),
    ("failed", "bool", lambda a: a[1].failed),
    ("body", "bytea", lambda a: a[1].body),
)
_NAMES = ", ".join(name for name, _, _ in _COLUMNS)


def given(first: int) -> str:
    """`answers` of a WITH. `first`: the number of the first of its arguments, which `values` makes."""
    arrays = ", ".join(f"${i}::{kind}[]" for i, (_, kind, _) in enumerate(_COLUMNS, first))
    return f"answers AS MATERIALIZED (SELECT * FROM unnest({arrays}) AS a ({_NAMES}))"  # noqa: S608 — constants only


# Parts of a WITH that has `answers`, and `allowed`: the requests whose answers may be kept.
KEPT = """shards AS MATERIALIZED (
    SELECT id, answered, completed, failed FROM batch_shards
    WHERE id = ANY (ARRAY (SELECT shard_id FROM answers)) AND NOT sealed ORDER BY id FOR UPDATE
), kept AS MATERIALIZED (
    SELECT DISTINCT ON (a.shard_id, a.line) a.*
    FROM answers a JOIN allowed USING (request_id) JOIN shards s ON s.id = a.shard_id
    WHERE a.line <> ALL (s.answered) ORDER BY a.shard_id, a.line
), counted AS (
    UPDATE batch_shards b
    SET answered = s.answered || k.lines, completed = s.completed + k.completed, failed = s.failed + k.failed
    FROM (
        SELECT shard_id, array_agg(line) AS lines, count(*) FILTER (WHERE NOT failed) AS completed,
            count(*) FILTER (WHERE failed) AS failed
        FROM kept GROUP BY shard_id
    ) k JOIN shards s ON s.id = k.shard_id
    WHERE b.id = k.shard_id AND b.id = ANY (ARRAY (SELECT shard_id FROM kept))
), written AS (
    INSERT INTO line_answers (shard_id, line, request_id, failed, body)
    SELECT shard_id, line, request_id, failed, body FROM kept
)"""
_KEEP = f"""
WITH {given(1)}, allowed AS MATERIALIZED (SELECT request_id FROM answers), {KEPT} SELECT count(*) FROM kept
"""  # noqa: S608 — constants only


async def keep(database: Database, answers: Sequence[Answered]) -> None:
    """Answers that cost nothing. Those that lines have already, and those of shards that are sealed, are left out."""
    await database.fetch_idempotent(_KEEP, *values(answers))


def values(answers: Sequence[Answered]) -> list[list[object]]:
    return [[read(answer) for answer in answers] for _, _, read in _COLUMNS]
