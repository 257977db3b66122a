"""The engine through the whole stack, on any GGUF, beside a peer on the same file.

python -m bench.engine MODEL.gguf [--peer llama-server=PATH] [--peer llama_cpp.server=PYTHON] [--streams N]
python -m bench.engine --url http://127.0.0.1:8000/v1 --key K --model M        any OpenAI-compatible server

Prints one JSON line. Throughput is measured in rounds that take turns: ours, the peer's, ours … Both sides get the same
prompts, threads, sampling (temperature 0.8, top_k 40, top_p 0.95) and fixed lengths (`ignore_eos`).

  tokens_per_s   at `--streams` streams, by the servers' own count of tokens where they tell it, medians of the rounds
  long_prompt    longest gap between tokens of 8 running streams while a long prompt is computed (median of streams),
                 over the median gap before it; three times
  shared_prefix  16 clients, one system prompt of about 1 000 tokens: TTFT of the first, median TTFT of the 15 others
  returning      three times as many chats as streams, of about 250 tokens each, then all of them again
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import uvloop

from bench import load
from bench.stack import running
from internal.dev.processes import free_port
from internal.inference.backends.llamacpp.model import Model

SAMPLING: dict[str, Any] = {"ignore_eos": True, "top_k": 40, "top_p": 0.95, "min_p": 0}
SAMPLERS = {"samplers": ["top_k", "top_p", "temperature"]}  # llama-server runs more of them by default
WORDS_OF_PREFIX = 700  # about 1 000 tokens of the benchmark models' vocabulary
# Streams run when each has so many tokens; a peer that answers one after another is not waited for longer than this.
SETTLED, SETTLING_S = 60, 10


@dataclass
class Server:
    """Something to measure."""

    name: str
    url: str
    key: str = "none"
    model: str = "model"
    extra: dict[str, Any] = field(default_factory=dict)
    tokens_per_s: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)

    def run(self, **options: Any) -> dict[str, Any]:
        """One run of the load generator, in a process of its own."""
        extra = json.dumps(SAMPLING | self.extra)
        result = load.apart(url=self.url, key=self.key, model=self.model, stream=True, extra=extra, **options)
        if result["errors"]:
            print(f"{self.name}: {result['errors']} errors", file=sys.stderr)
        return result


@contextlib.contextmanager
def ours(gguf: Path, name: str = "ours") -> Iterator[Server]:
    with running(model=gguf) as stack:
        yield Server(name, stack.url, stack.key, gguf.stem)


@contextlib.contextmanager
def peer(kind: str, program: str, gguf: Path, streams: int) -> Iterator[Server]:
    """A peer on the same file. `llama-server` is a binary, `llama_cpp.server` the python that has it."""
    port, threads = free_port(), str(os.cpu_count())
    context = str(streams * 4096)  # 4 096 tokens for every stream, as ours
    if kind == "llama-server":
        command = [program, "-m", str(gguf), "--port", str(port), "-np", str(streams), "-c", context]
        command += ["-t", threads, "-tb", threads, "--no-webui"]
    else:
        command = [program, "-m", "llama_cpp.server", "--model", str(gguf), "--port", str(port), "--n_ctx", context]
        command += ["--n_threads", threads, "--interrupt_requests", "False"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/v1/models", child)
        yield Server(kind, f"http://127.0.0.1:{port}/v1", extra=SAMPLERS if kind == "llama-server" else {})
    finally:
        child.terminate()
        child.wait(30)


def wait_for(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def throughput(servers: list[Server], streams: int, rounds: int, max_tokens: int) -> None:
    """Takes turns, so that a noisy machine is noisy for all. Every round has prompts that no cache has seen."""
    for server in servers:  # warm
        server.run(concurrency=streams, requests=streams, max_tokens=16)
    for number in range(1, rounds + 1):
        for server in servers:
            requests = 2 * streams
            result = server.run(concurrency=streams, requests=requests, first=number * requests, max_tokens=max_tokens)
            server.tokens_per_s.append(tokens_per_s(result, requests * max_tokens))
            alone = server.run(concurrency=1, requests=2, max_tokens=max_tokens)
            server.single.append(tokens_per_s(alone, 2 * max_tokens))


def tokens_per_s(result: dict[str, Any], asked_for: int) -> float:
    """By the server's own count. The streams of `llama_cpp.server` tell none: then all that was asked for, and no
    answer has more."""
    told: float = result["usage_tokens_per_s"]
    return told or round(asked_for / result["seconds"], 1)


def without_text(gguf: Path) -> list[int]:
    """Tokens that a stream tells nothing of when they come: parts of a letter, and control tokens."""
    model = Model(str(gguf))
    try:
        return [token for token in range(model.vocabulary_size) if not is_text(model.piece(token))]
    finally:
        model.free()


def is_text(piece: bytes) -> bool:
    try:
        return bool(piece.decode())
    except UnicodeDecodeError:
        return False


async def long_prompt(server: Server, streams: int, first: int, silent: Sequence[int]) -> dict[str, float]:
    """Streams run; a prompt of about 3 000 tokens arrives. How long do the streams stand still until it is answered?

    `silent`: tokens that are not to be sampled, because the gap around one would be counted as one step.
    """
    base = ["--url", server.url, "--key", server.key, "--model", server.model, "--stream", "--first", str(first)]
    biased = {"logit_bias": {str(token): -100 for token in silent}}
    base += ["--extra", json.dumps(SAMPLING | server.extra | biased)]
    calm = load.arguments([*base, "--concurrency", str(streams), "--requests", str(streams), "--max-tokens", "400"])
    prompt = ["--concurrency", "1", "--requests", "1", "--max-tokens", "4", "--prompt-tokens", "2000"]
    seen = load.Seen()
    running = asyncio.create_task(load.run(calm, seen))
    waited_s = time.perf_counter() + SETTLING_S
    while sum(len(stream) >= SETTLED for stream in seen.begun_s) < streams and time.perf_counter() < waited_s:
        await asyncio.sleep(0.05)
    sent_s = time.perf_counter()
    arrivals_s = (await load.run(load.arguments([*base, *prompt]))).arrivals_s
    calm_run = await running
    if not arrivals_s or not calm_run.arrivals_s:  # a peer that cannot
        return {}
    answered_s = arrivals_s[0][0]
    gaps = [list(pairwise(stream)) for stream in calm_run.arrivals_s]
    calm_s = statistics.median(b - a for stream in gaps for a, b in stream if b < sent_s)
    longest_s = [max((b - a for a, b in stream if b > sent_s and a < answered_s), default=0.0) for stream in gaps]
    return {
        "median_gap_ms": round(calm_s * 1e3, 2),
        "longest_gap_ms": round(statistics.median(longest_s) * 1e3, 2),
        "ratio": round(statistics.median(longest_s) / calm_s, 2),
        "its_ttft_ms": round((answered_s - sent_s) * 1e3, 1),
    }


def shared_prefix(server: Server, together: bool) -> dict[str, Any]:
    """One system prompt, 16 clients: one first and 15 after it, or all at once."""
    words = load.WORDS * (WORDS_OF_PREFIX // len(load.WORDS) + 1)
    text = " ".join([f"{time.monotonic_ns()}", *words[:WORDS_OF_PREFIX]])  # no other run has begun like this
    options = {"system": text, "max_tokens": 8, "prompt_tokens": 8}
    if together:
        result = server.run(concurrency=16, requests=16, **options)
        return {"ttft_p50_ms": (result["ttft_ms"] or [None])[0], "cached_tokens": result["cached_tokens"]}
    first = server.run(concurrency=1, requests=1, **options)
    others = server.run(concurrency=15, requests=15, **options)
    if not (first["ttft_ms"] and others["ttft_ms"]):  # a peer that cannot
        return {}
    return {
        "first_ttft_ms": first["ttft_ms"][0],
        "others_ttft_p50_ms": others["ttft_ms"][0],
        "ratio": round(others["ttft_ms"][0] / first["ttft_ms"][0], 3),
        "cached_tokens_of_others": others["cached_tokens"],
    }


def returning(server: Server, streams: int) -> dict[str, Any]:
    """More chats than streams: what is left of each of them when all others have been there?"""
    chats = {"concurrency": streams, "requests": 3 * streams, "first": 40_000, "max_tokens": 16, "prompt_tokens": 150}
    first, again = server.run(**chats), server.run(**chats)
    if not (first["ttft_ms"] and again["ttft_ms"]):  # a peer that cannot
        return {}
    return {
        "first_ttft_p50_ms": first["ttft_ms"][0],
        "again_ttft_p50_ms": again["ttft_ms"][0],
        "seconds": [first["seconds"], again["seconds"]],
        "cached_tokens_of_again": again["cached_tokens"],
    }


def report(servers: list[Server], a: argparse.Namespace) -> dict[str, Any]:
    silent = without_text(a.gguf) if a.gguf else []
    result: dict[str, Any] = {"bench": "engine", "streams": a.streams, "rounds": a.rounds}
    for server in servers:
        result[server.name] = {
            "tokens_per_s": round(statistics.median(server.tokens_per_s), 1),
            "tokens_per_s_1_stream": round(statistics.median(server.single), 1),
            "long_prompt": [uvloop.run(long_prompt(server, 8, first, silent)) for first in (10_000, 20_000, 30_000)],
            "shared_prefix": shared_prefix(server, together=False),
            "shared_prefix_together": shared_prefix(server, together=True),
            "returning": returning(server, a.streams),
        }
    for server in servers[1:]:
        pairs = zip(servers[0].tokens_per_s, server.tokens_per_s, strict=True)
        result[f"ratio_to_{server.name}"] = round(statistics.median(mine / theirs for mine, theirs in pairs), 3)
    return result


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("gguf", nargs="?", type=Path)
    p.add_argument("--peer", action="append", default=[], help="llama-server=PATH or llama_cpp.server=PYTHON")
    p.add_argument("--url")
    p.add_argument("--key", default="none")
    p.add_argument("--model", default="model")
    p.add_argument("--streams", type=int, default=16)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--max-tokens", type=int, default=128)
    a = p.parse_args()
    with contextlib.ExitStack() as stack:
        if a.url:
            servers = [Server("server", a.url, a.key, a.model)]
        elif a.gguf:
            servers = [stack.enter_context(ours(a.gguf))]
        else:
            p.error("a GGUF file or --url is needed")
        for each in a.peer:
            kind, _, program = each.partition("=")
            servers.append(stack.enter_context(peer(kind, program, a.gguf, a.streams)))
        throughput(servers, a.streams, a.rounds, a.max_tokens)
        print(json.dumps(report(servers, a)))


if __name__ == "__main__":
    main()
