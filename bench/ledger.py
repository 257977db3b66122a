"""Hold and settle, as one api process does it, on a real PostgreSQL with fsync and synchronous_commit on.

    python -m bench.ledger [--seconds 5] [--database-url postgresql://…]

Pairs per second at 200 concurrent requests, for one project and for 1 000, all prepaid, with and without a monthly
budget of the key besides; and what one hold and one settlement take when nothing else runs. The database must be empty.
Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from api.domain import Principal, TokenUsage, UsageRecord
from api.ledger.holds import Hold, HoldRequest, Ledger
from api.ledger.pricing import Price
from api.ledger.reconcile import verify
from api.storage import budgets, prices, schema
from api.storage.holds import open_ledger_pool
from api.storage.session import Database, open_pool
from internal.dev.postgres_server import PostgresServer

CONCURRENCY = 200
SINGLE = 400  # pairs at concurrency 1
PRICE = Price("bench", 1, 150_000_000, 75_000_000, 600_000_000)
TOKENS = TokenUsage(200, 50, 100, 0)
HELD_NUSD = 200_000


async def pair(ledger: Ledger, project: int) -> tuple[float, float]:
    """One request; how long the hold and the settlement took, in ms."""
    started = time.perf_counter()
    hold = await ledger.hold(asked(project))
    held = time.perf_counter()
    await ledger.settle(hold, used(hold))
    return (held - started) * 1e3, (time.perf_counter() - held) * 1e3


def asked(project: int) -> HoldRequest:
    who = Principal("org_1", f"proj_{project}", f"key_{project}", frozenset({"inference"}))
    return HoldRequest(
        "req_" + secrets.token_urlsafe(18), who, "createChatCompletion", "bench", PRICE, HELD_NUSD, time.time()
    )


def used(hold: Hold) -> UsageRecord:
    asked = hold.request
    return UsageRecord(
        request_id=asked.request_id,
        principal=asked.principal,
        operation=asked.operation,
        model="bench",
        replica="127.0.0.1:50061",
        outcome="finished",
        finish_reason="stop",
        provenance="engine",
        tokens=TOKENS,
        status=200,
        streamed=True,
        started_at_s=asked.started_at_s,
        ttft_ms=12.5,
        duration_ms=99.25,
    )


async def crowd(ledger: Ledger, projects: int, seconds: float) -> dict[str, Any]:
    """Pairs per second of `CONCURRENCY` clients."""
    until = time.perf_counter() + seconds
    holds: list[float] = []
    settlements: list[float] = []

    async def client(number: int) -> None:
        while time.perf_counter() < until:
            held_ms, settled_ms = await pair(ledger, number % projects)
            holds.append(held_ms)
            settlements.append(settled_ms)
            number += CONCURRENCY

    started = time.perf_counter()
    await asyncio.gather(*map(client, range(CONCURRENCY)))
    elapsed_s = time.perf_counter() - started
    return {"pairs_per_s": round(len(holds) / elapsed_s), "hold_ms": spread(holds), "settle_ms": spread(settlements)}


async def alone(ledger: Ledger) -> dict[str, Any]:
    times = [await pair(ledger, 0) for _ in range(SINGLE)]
    return {"hold_ms": spread([held for held, _ in times]), "settle_ms": spread([settled for _, settled in times])}


def spread(times_ms: list[float]) -> dict[str, float]:
    ordered = sorted(times_ms)
    return {"p50": round(statistics.median(ordered), 2), "p99": round(ordered[len(ordered) * 99 // 100], 2)}


async def prepare(database: Database, projects: int, monthly: bool) -> None:
    for number in range(projects):
        await budgets.add_credits(database, f"proj_{number}", 10**15, f"credit_{number}", (50, 80, 100))
        if monthly:
            await budgets.set_budget(database, f"proj_{number}", f"key_{number}", "month", 10**15, (50, 80, 100))


async def measure(url: str, seconds: float) -> dict[str, Any]:
    await schema.upgrade(url)
    answer: dict[str, Any] = {"bench": "ledger", "concurrency": CONCURRENCY}
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(contextlib.aclosing(await open_pool(url, 2)))
        pool = await stack.enter_async_context(contextlib.aclosing(await open_ledger_pool(url)))
        ledger = await stack.enter_async_context(contextlib.aclosing(Ledger(pool)))
        await ledger.start()
        await prices.add(
            database, "bench", *(getattr(PRICE, f"{kind}_nusd_per_mtok") for kind in ("input", "cached", "output"))
        )
        for projects, monthly in ((1, False), (1000, False), (1000, True)):
            await prepare(database, projects, monthly)
            await alone(ledger)  # every connection has its plans
            name = f"{projects}_project{'s' if projects > 1 else ''}{'_and_key_budgets' if monthly else ''}"
            answer[name] = await crowd(ledger, projects, seconds)
            answer[name]["alone"] = await alone(ledger)
        findings = await verify(database)
        answer["broken_invariants"] = [finding.invariant.name for finding in findings if finding.offences]
    return answer


@contextlib.contextmanager
def server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="novai-bench-") as folder:
        Path(folder).chmod(0o755)
        with PostgresServer(Path(folder) / "postgres") as running:
            yield running.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: %(default)g)")
    parser.add_argument("--database-url", help="default: a server of its own")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.database_url or stack.enter_context(server())
        print(json.dumps(uvloop.run(measure(url, options.seconds))), flush=True)


if __name__ == "__main__":
    main()
