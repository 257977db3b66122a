"""The life of models: what loading and unloading leaves behind, and what it costs those who use another model.

python -m bench.lifecycle [MODEL.gguf] [--cycles 100] [--rounds 10]

Prints one JSON line.

  cycles    loads and unloads one after the other; files, processes, ports and RSS of the model host before and after
            (before: after a tenth of the cycles, when what is opened once is open)
  traffic   tokens/s of 4 streams on another model, while one is loaded over while none is, in rounds that take turns;
            `after` is the second after each load
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.stack import Stack, running

TINY = Path("models/novai-tiny/novai-tiny.Q8_0.gguf")
STREAMS = 4
QUIET_S = 2.0
ROWS = """
models:
  - {{name: served, kind: chat, backend: llamacpp, path: {path}, free: true}}
  - {{name: cycled, kind: chat, backend: llamacpp, path: {path}, free: true, preload: false, options: {{slots: 2}}}}
"""


class Operator:
    """What an administrator does with one model. Every call returns when it is done."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient) -> None:
        self._at = stack.url.removesuffix("/v1") + "/admin/v1/models/cycled"
        self._http = http
        self._headers = {"authorization": f"Bearer {stack.admin_key}"}

    async def load(self) -> None:
        await self._ask("load", "ready")

    async def unload(self) -> None:
        await self._ask("unload", "unloaded")

    async def _ask(self, verb: str, wanted: str) -> None:
        (await self._http.post(f"{self._at}/{verb}", json={}, headers=self._headers)).raise_for_status()
        while True:
            answer = (await self._http.get(f"{self._at}/status", headers=self._headers)).raise_for_status().json()
            if answer["state"] == wanted:
                return
            assert answer["state"] != "failed", answer
            await asyncio.sleep(0.05)


def held(host: psutil.Process) -> dict[str, float]:
    """By the model host and its workers."""
    family = [host, *host.children(recursive=True)]
    ports = [link for each in family for link in each.net_connections("tcp") if link.status == psutil.CONN_LISTEN]
    rss_mb = round(host.memory_info().rss / 1e6, 1)
    return {"processes": len(family), "ports": len(ports), "files": host.num_fds(), "rss_mb": rss_mb}


async def cycles(operator: Operator, host: psutil.Process, count: int) -> dict[str, Any]:
    took_s = []
    before: dict[str, float] = {}
    for number in range(count):
        if number == count // 10:
            before = held(host)
        began_s = time.monotonic()
        await operator.load()
        await operator.unload()
        took_s.append(time.monotonic() - began_s)
    return {"count": count, "p50_ms": round(statistics.median(took_s) * 1e3), "before": before, "after": held(host)}


class Traffic:
    """Streams that follow one another, and when each token of them came."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient) -> None:
        self._url = f"{stack.url}/chat/completions"
        self._headers = {"authorization": f"Bearer {stack.key}"}
        self._http = http
        self.came_s: list[float] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(STREAMS):
                tasks.create_task(self._stream())

    async def _stream(self) -> None:
        message = {"role": "user", "content": "Tell me about keys."}
        body = {"model": "served", "messages": [message], "stream": True, "max_tokens": 128, "ignore_eos": True}
        while True:
            async with self._http.stream("POST", self._url, json=body, headers=self._headers) as answer:
                async for piece in answer.aiter_raw():
                    self.came_s += [time.monotonic()] * piece.count(b"data: ")

    def rate(self, since_s: float, until_s: float) -> float:
        return sum(since_s <= at_s < until_s for at_s in self.came_s) / (until_s - since_s)


async def traffic(operator: Operator, stack: Stack, http: httpx.AsyncClient, rounds: int) -> dict[str, Any]:
    streams = Traffic(stack, http)
    running_task = asyncio.create_task(streams.run())
    quiet, loading, after, load_s = [], [], [], []
    await asyncio.sleep(QUIET_S)
    for _ in range(rounds):
        began_s = time.monotonic()
        await asyncio.sleep(QUIET_S)
        asked_s = time.monotonic()
        await operator.load()
        ready_s = time.monotonic()
        await asyncio.sleep(QUIET_S)
        quiet.append(streams.rate(began_s, asked_s))
        loading.append(streams.rate(asked_s, ready_s))
        after.append(streams.rate(ready_s + QUIET_S / 2, ready_s + QUIET_S))
        load_s.append(ready_s - asked_s)
        await operator.unload()
    running_task.cancel()
    ratios = [during / before for during, before in zip(loading, quiet, strict=True)]
    return {
        "streams": STREAMS,
        "rounds": rounds,
        "load_ms": round(statistics.median(load_s) * 1e3),
        "tokens_per_s": round(statistics.median(quiet)),
        "while_loading": round(statistics.median(ratios), 3),
        "while_loading_worst": round(min(ratios), 3),
        "after": round(statistics.median(late / before for late, before in zip(after, quiet, strict=True)), 3),
    }


async def measure(stack: Stack, options: argparse.Namespace) -> dict[str, Any]:
    [host] = stack.find("internal.host")
    async with httpx.AsyncClient(timeout=60) as http:
        operator = Operator(stack, http)
        costs = await traffic(operator, stack, http, options.rounds)
        return {"bench": "lifecycle", "cycles": await cycles(operator, host, options.cycles), "traffic": costs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=TINY)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models.yaml"
        models.write_text(ROWS.format(path=options.model.resolve()))
        with running(models=models) as stack:
            print(json.dumps(asyncio.run(measure(stack, options))))


if __name__ == "__main__":
    main()
