"""Kills processes with SIGKILL while 100 streams run, and looks whether anything was lost, or charged twice.

python -m bench.chaos [--kills 200] [--streams 100] [--seed 1] [--every 2.0] [--victims …] [--no-sweeper]

Victims, at random: the api (which sweeps, too), the worker, PostgreSQL, Redis. Prints one JSON line; exits with 1 when
an invariant is broken:

  lost          clients that saw [DONE] and have no settlement, or one of another number of tokens
  unwitnessed   of those that saw [DONE], those whose settlement died with the api while PostgreSQL was away, and whose
                worker, the other witness, was killed before it was asked: given back to the client
  twice         requests with more than one posting
  unresolved    holds that are still open `--patience` seconds after the end
  misled        answers that say that the client is at fault, or need not come again: all but 502, 503 and 504
  drift         rows that break an invariant of `novai ledger verify`
  refused       answers without a stream, and streams that ended with an error: how many of each kind
  recovery_s    from a kill to the first whole answer of a request that came after it: median and worst

`--no-sweeper` is the negative control: it must fail.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tqdm import tqdm

from bench.stack import Stack, running

MODELS = Path(__file__).parent / "models.scripted.yaml"
VICTIMS = {
    "api": "api.main",
    "worker": "internal.inference_server",
    "postgres": "bin/postgres",
    "redis": "redis-server",
}
RELEASED = """
SELECT request_id FROM holds WHERE closed_at IS NOT NULL AND request_id NOT IN (SELECT request_id FROM usage)
"""
RECOVERED_WITHIN_S = 60.0
COME_AGAIN = ("502", "503", "504")  # statuses


@dataclass
class Seen:
    """What clients saw."""

    done: dict[str, int] = field(default_factory=dict)  # request id → tokens, of those that saw [DONE]
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by status, or "stream", and code
    answered_s: float = 0.0  # when the latest request came that was answered whole


async def keep_streaming(stack: Stack, rng: random.Random, seen: Seen, stop: asyncio.Event) -> None:
    """One client: streams of random lengths, one after another; it leaves some of them."""
    headers = {"authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=20) as client:
        while not stop.is_set():
            seen.requests += 1
            leaves_after = rng.choice([None, None, None, rng.randrange(1, 40)])
            with contextlib.suppress(httpx.HTTPError):
                await stream(client, rng.randrange(5, 60), leaves_after, seen)
            await asyncio.sleep(rng.random() * 0.2)


async def stream(client: httpx.AsyncClient, words: int, leaves_after: int | None, seen: Seen) -> None:
    script = "script:" + json.dumps([{"wait_ms": 20}, {"say": "word " * words}, {"wait_ms": 400}, {"say": "end"}])
    # No two are alike: whoever asks what ran on two workers that died is refused (`poison_request`).
    messages = [{"role": "system", "content": str(seen.requests)}, {"role": "user", "content": script}]
    body = {"model": "scripted", "messages": messages, "stream": True, "max_tokens": 100}
    came_s = time.monotonic()
    async with client.stream("POST", "/chat/completions", json=body) as answer:
        tokens = 0
        if answer.status_code != 200:
            seen.refused[f"{answer.status_code} {json.loads(await answer.aread())['error']['code']}"] += 1
            return
        async for line in answer.aiter_lines():
            if line.startswith('data: {"error"'):
                seen.refused[f"stream {json.loads(line[6:])['error']['code']}"] += 1
            tokens += '"content":"' in line and '"content":""' not in line
            if line == "data: [DONE]":
                seen.done[answer.headers["x-request-id"]] = tokens
                seen.answered_s = max(seen.answered_s, came_s)
            if leaves_after is not None and tokens >= leaves_after:
                return


async def recovered(seen: Seen, since_s: float) -> float:
    """Seconds from `since_s` to the first whole answer of a request that came after it."""
    while seen.answered_s <= since_s:
        if time.monotonic() - since_s > RECOVERED_WITHIN_S:
            raise SystemExit("nothing is answered any more")
        await asyncio.sleep(0.02)
    return time.monotonic() - since_s


async def resolved(database: asyncpg.Connection, patience_s: float) -> int:
    """Holds that stay open."""
    deadline_s = time.monotonic() + patience_s
    while count := await database.fetchval("SELECT count(*) FROM holds WHERE closed_at IS NULL"):
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(0.2)
    return int(count)


async def judge(stack: Stack, seen: Seen, patience_s: float) -> dict[str, Any]:
    database = await asyncpg.connect(stack.admin["DATABASE_URL"])
    try:
        unresolved = await resolved(database, patience_s)
        billed = dict(await database.fetch("SELECT request_id, completion_tokens FROM usage"))
        released = {row[0] for row in await database.fetch(RELEASED)}
        posts = "SELECT count(*) FROM (SELECT 1 FROM transfers WHERE kind = 'post' GROUP BY request_id"
        twice = await database.fetchval(f"{posts} HAVING count(*) > 1) t")
        posted = await database.fetchval(f"{posts}) t")
    finally:
        await database.close()
    wrong = [name for name, tokens in seen.done.items() if billed.get(name) != tokens]
    lost = [name for name in wrong if name in billed or name not in released]
    command = [sys.executable, "-m", "api.admin", "ledger", "verify"]
    verify = await asyncio.create_subprocess_exec(*command, env=os.environ | stack.admin, stdout=subprocess.PIPE)
    said, _ = await verify.communicate()
    return {
        "requests": seen.requests,
        "done": len(seen.done),
        "posted": posted,
        "lost": len(lost),
        "unwitnessed": len(wrong) - len(lost),
        "twice": twice,
        "unresolved": unresolved,
        "misled": sum(count for kind, count in seen.refused.items() if not kind.startswith((*COME_AGAIN, "stream"))),
        "refused": dict(seen.refused.most_common()),
        "drift": verify.returncode,
        "said": said.decode()[-2000:] if verify.returncode else "",
    }


async def chaos(stack: Stack, a: argparse.Namespace) -> dict[str, Any]:
    rng, seen, stop = random.Random(a.seed), Seen(), asyncio.Event()
    clients = [
        asyncio.create_task(keep_streaming(stack, random.Random(a.seed * 1000 + i), seen, stop))
        for i in range(a.streams)
    ]
    times: dict[str, list[float]] = {victim: [] for victim in VICTIMS}
    for _ in tqdm(range(a.kills), "kills", disable=not sys.stderr.isatty()):
        await asyncio.sleep(a.every * (0.5 + rng.random()))
        victim = rng.choice(a.victims)
        while not stack.kill(VICTIMS[victim]):
            await asyncio.sleep(0.1)  # it is being started
        times[victim].append(await recovered(seen, time.monotonic()))
    stop.set()
    await asyncio.gather(*clients)
    every = [seconds for each in times.values() for seconds in each]
    return {
        "kills": {victim: len(each) for victim, each in times.items()},
        "recovery_s": {"median": round(statistics.median(every), 2), "worst": round(max(every), 2)},
        "worst_by_victim_s": {victim: round(max(each, default=0.0), 2) for victim, each in times.items()},
        **await judge(stack, seen, a.patience),
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--streams", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=float, default=2.0, help="seconds between recovery and the next kill, about")
    p.add_argument("--victims", nargs="+", choices=list(VICTIMS), default=list(VICTIMS))
    p.add_argument("--patience", type=float, default=60.0, help="seconds that holds have to be resolved at the end")
    p.add_argument("--no-sweeper", action="store_true")
    a = p.parse_args()
    env = {"LEDGER_SWEEP_S": "0"} if a.no_sweeper else {}
    with running(models=MODELS, env=env) as stack:
        result = asyncio.run(chaos(stack, a))
    print(json.dumps({"bench": "chaos", "sweeper": not a.no_sweeper, **result}))
    sys.exit(any(result[name] for name in ("lost", "twice", "unresolved", "misled", "drift")))


if __name__ == "__main__":
    main()
