"""Questions about usage over many raw rows, on a real PostgreSQL: the answers come from rollups.

    python -m bench.usage [--rows 1000000] [--database-url postgresql://…]

Makes `--rows` rows of usage over 30 days, for 100 projects of 3 keys and 3 models each, straight into the tables with
their rollups (10 000 000 rows take about ten minutes and 4 GB), and asks each question as the API does, for another
project each time. The database must be empty. Prints one line of JSON; times in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from api.storage import schema
from api.storage.session import Database, open_pool
from api.storage.usage_queries import Group, UsageFilter, usage
from bench.ledger import server

PROJECTS, KEYS, MODELS, DAYS = 100, 3, 3, 30
ROUNDS = 100
BATCH = 500_000
START = datetime(2026, 3, 1, tzinfo=UTC)

_MAKE = f"""
INSERT INTO usage (
    request_id, organisation_id, project_id, key_id, operation, model, replica, outcome, finish_reason, provenance,
    prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, status, streamed, started_at, ttft_ms,
    duration_ms
)
SELECT 'req_' || md5(n::text), 'org_' || n % 10, 'proj_' || n % {PROJECTS},
    'key_' || n % {PROJECTS} || '_' || (n / 7) % {KEYS}, 'createChatCompletion', 'model_' || (n / 11) % {MODELS},
    '127.0.0.1:50061', 'finished', 'stop', 'engine', 100 + n % 900, n % 100, 50 + n % 200, 0, 200, true,
    $1::timestamptz + (n * 7919) % {DAYS * 86400} * interval '1 second', 12.5, 99.25
FROM generate_series($2::int8, $3::int8) AS n
"""
_ROLL_UP = """
INSERT INTO usage_rollups
SELECT project_id, width_s, date_bin(width_s * interval '1 s', started_at, '2000-01-01 00:00+00'), key_id, model,
    min(organisation_id), count(*), 0, sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), 0, 0
FROM usage, unnest(ARRAY[3600, 86400]) AS width_s GROUP BY 1, 2, 3, 4, 5
"""
# What is asked: grouped by what, of which project, from when.
QUESTIONS: dict[str, tuple[tuple[Group, ...], bool, timedelta]] = {
    "project_by_day": (("day",), True, timedelta(days=DAYS)),
    "project_by_day_and_model": (("day", "model"), True, timedelta(days=DAYS)),
    "project_by_day_key_and_model": (("day", "key", "model"), True, timedelta(days=DAYS)),
    "project_by_hour_of_a_week": (("hour",), True, timedelta(days=7)),
    "organisation_by_project": (("project",), False, timedelta(days=DAYS)),
    "organisation_by_day": (("day",), False, timedelta(days=DAYS)),
}


async def fill(database: Database, rows: int) -> None:
    await database.execute("SELECT usage_add_month($1)", START)
    for first in range(0, rows, BATCH):
        last = min(rows, first + BATCH) - 1
        await database.execute(_MAKE, START, first, last, timeout_s=3600)
    await database.execute(_ROLL_UP, timeout_s=3600)
    await database.execute("VACUUM ANALYZE usage_rollups", timeout_s=3600)


async def ask(database: Database, by: tuple[Group, ...], of_project: bool, length: timedelta) -> dict[str, Any]:
    times, rows = [], 0
    for number in range(ROUNDS):
        where = UsageFilter(
            START,
            START + length,
            organisation_id=None if of_project else f"org_{number % 10}",
            projects=(f"proj_{number % PROJECTS}",) if of_project else (),
        )
        started = time.perf_counter()
        found = await usage(database, by, where)
        times.append((time.perf_counter() - started) * 1e3)
        rows = max(rows, len(found))
    times.sort()
    p95 = times[int(len(times) * 0.95)]
    return {"rows": rows, "p50_ms": round(statistics.median(times), 2), "p95_ms": round(p95, 2)}


async def measure(url: str, rows: int) -> dict[str, Any]:
    await schema.upgrade(url)
    async with contextlib.aclosing(await open_pool(url, 1)) as database:
        started = time.monotonic()
        await fill(database, rows)
        answer: dict[str, Any] = {"bench": "usage", "raw_rows": rows, "filled_s": round(time.monotonic() - started, 1)}
        [count] = await database.fetch("SELECT count(*) AS n FROM usage_rollups")
        answer["rollup_rows"] = count["n"]
        for name, question in QUESTIONS.items():
            answer[name] = await ask(database, *question)
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)d")
    parser.add_argument("--database-url", help="default: a server of its own")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.database_url or stack.enter_context(server())
        print(json.dumps(asyncio.run(measure(url, options.rows))), flush=True)


if __name__ == "__main__":
    main()
