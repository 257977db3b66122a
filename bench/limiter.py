"""Rate limits against a real Redis: what an admission costs, and whether anybody gets more than the limit.

python -m bench.limiter [--attempts 100000] [--processes 4]

Prints one JSON line. `added_ms`: from `acquire` to its grant at concurrency 1, on the loop that the api runs on, with
three limits (requests and tokens per minute, concurrent requests), as every key of the default tier has them.
`over_admission`: what processes admitted together, all attempts at once, beyond `burst + rate × t`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from api.domain import Limit, Limits, Principal
from api.errors import RateLimitError
from api.limits.limiter import Limiter
from internal.dev.redis_server import RedisServer

SINGLE = 4_000
CONCURRENCY = 64
MANY = 40_000
DAY_S = 86_400
LIMIT = 20_000  # requests and, ten times as many, tokens a day, all of them at once: refilled by one in 4 s
TOKENS = 10


def someone(*limits: Limit) -> Principal:
    return Principal("org_bench", "proj_bench", "key_bench", frozenset(), None, Limits(project=limits))


FREE = someone(
    Limit("requests_per_minute", 10**9), Limit("tokens_per_minute", 10**11), Limit("concurrent_requests", 10**6)
)
SCARCE = someone(Limit("requests_per_day", LIMIT), Limit("tokens_per_day", LIMIT * TOKENS))


async def opened(url: str) -> Limiter:
    limiter = Limiter(url, "closed", timeout_s=5.0)
    await limiter.start()
    return limiter


async def single(url: str) -> dict[str, float]:
    """One request after the other."""
    limiter = await opened(url)
    durations_ms = []
    for n in range(SINGLE + 200):
        started_s = time.perf_counter()
        grant = await limiter.acquire(FREE, "m", f"single {n}", 500)
        durations_ms.append((time.perf_counter() - started_s) * 1e3)
        grant.settle(300)
        await asyncio.sleep(0)
    await limiter.aclose()
    centiles = statistics.quantiles(durations_ms[200:], n=100)
    return {"added_ms_p50": round(centiles[49], 3), "added_ms_p99": round(centiles[98], 3)}


async def concurrent(url: str) -> dict[str, float]:
    limiter = await opened(url)
    numbers = iter(range(MANY))

    async def client() -> None:
        for n in numbers:
            (await limiter.acquire(FREE, "m", f"many {n}", 500)).settle(300)

    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    await limiter.aclose()
    return {"decisions_per_s": round(MANY / elapsed_s), "cpu_us_per_decision": round(cpu_s / MANY * 1e6, 1)}


async def attempts(url: str, name: str, number: int) -> int:
    """How many of so many attempts, all at once, were admitted."""
    limiter = await opened(url)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    numbers, admitted = iter(range(number)), 0

    async def client() -> None:
        nonlocal admitted
        for n in numbers:
            try:
                await limiter.acquire(SCARCE, "m", f"{name} {n}", TOKENS)
            except RateLimitError:
                continue
            admitted += 1

    await asyncio.gather(*(client() for _ in range(250)))
    await limiter.aclose()
    return admitted


def over_admission(url: str, number: int, processes: int) -> dict[str, int]:
    command = [sys.executable, "-m", "bench.limiter", "--redis-url", url, "--attempts", str(number // processes)]
    clients = [
        subprocess.Popen([*command, "--name", str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(processes)
    ]
    for client in clients:
        assert client.stdout is not None
        client.stdout.readline()
    started_s = time.monotonic()
    for client in clients:
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
    admitted = sum(int(client.communicate()[0]) for client in clients)
    bound = LIMIT + int(LIMIT / DAY_S * (time.monotonic() - started_s))
    return {
        "attempts": number,
        "processes": processes,
        "admitted": admitted,
        "bound": bound,
        "over_admission": max(0, admitted - bound),
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--attempts", type=int, default=100_000)
    p.add_argument("--processes", type=int, default=4)
    p.add_argument("--redis-url", help="a client of the third measurement, on this Redis")
    p.add_argument("--name", help="its name")
    a = p.parse_args()
    if a.redis_url:
        print(uvloop.run(attempts(a.redis_url, a.name, a.attempts)))
        return
    with tempfile.TemporaryDirectory(prefix="novai-bench-") as folder, RedisServer(Path(folder)) as server:
        result = uvloop.run(single(server.url)) | uvloop.run(concurrent(server.url))
        print(json.dumps({"bench": "limiter"} | result | over_admission(server.url, a.attempts, a.processes)))


if __name__ == "__main__":
    main()
