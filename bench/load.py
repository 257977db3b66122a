"""Loads an OpenAI-compatible server over raw sockets and reports what a client sees, as one line of JSON.

python -m bench.load --url http://127.0.0.1:8000/v1 --key K --model M [--stream] [--concurrency 32] [--requests 500]
                     [--max-tokens 64] [--prompt-tokens 32] [--path /chat/completions] [--extra '{"ignore_eos":true}']

Connections are kept alive, one per concurrent client; the run is bounded by --requests; loopback only. Latencies are
quantiles in milliseconds: p50, p95, p99. `chunks_per_s` counts events with content, `usage_tokens_per_s` what the
server says it generated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, urlsplit

import uvloop

SAID = re.compile(rb'"(content|text|reasoning_content)": ?"(?!")')  # the first event of a stream may say nothing yet
WORDS = "the quick brown fox jumps over a lazy dog while seven wizards quietly box up jam".split()  # noqa: SIM905


@dataclass
class Seen:
    """What the clients saw."""

    ttft_s: list[float] = field(default_factory=list)
    gap_s: list[float] = field(default_factory=list)  # between tokens, mean of each stream
    longest_gap_s: list[float] = field(default_factory=list)  # per stream
    arrivals_s: list[list[float]] = field(default_factory=list)  # of the tokens of each stream, on the process's clock
    begun_s: list[list[float]] = field(default_factory=list)  # the same of all that have begun, growing
    total_s: list[float] = field(default_factory=list)
    cached_tokens: int = 0
    chunks: int = 0
    usage_tokens: int = 0
    errors: int = 0
    codes: dict[int, int] = field(default_factory=dict)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--url", default="http://127.0.0.1:8000/v1")
    p.add_argument("--key", default="none")
    p.add_argument("--model", default="mock")
    p.add_argument("--stream", action="store_true")
    p.add_argument("--concurrency", type=int, default=32)
    p.add_argument("--requests", type=int, default=500)
    p.add_argument("--first", type=int, default=0, help="number of the first prompt: those of other numbers are new")
    p.add_argument("--max-tokens", type=int, default=64)
    p.add_argument("--prompt-tokens", type=int, default=32)
    p.add_argument("--path", default="/chat/completions")
    p.add_argument("--extra", default="{}", help="JSON merged into every body")
    p.add_argument("--system", default="", help="a system message before every prompt")
    p.add_argument("--input", type=int, default=1, help="texts per embeddings request")
    return p.parse_args(argv)


def body_of(a: argparse.Namespace, i: int) -> bytes:
    text = " ".join(WORDS[(i + k) % len(WORDS)] for k in range(a.prompt_tokens))
    body: dict[str, Any] = {"model": a.model}
    if a.path.endswith("embeddings"):
        body["input"] = [f"{text} {j}" for j in range(a.input)] if a.input > 1 else text
    elif a.path.endswith("chat/completions"):
        system = [{"role": "system", "content": a.system}] if a.system else []
        body |= {"messages": [*system, {"role": "user", "content": f"{i} {text}"}], "max_tokens": a.max_tokens}
        body["temperature"] = 0.8
    else:
        body |= {"prompt": f"{i} {text}", "max_tokens": a.max_tokens, "temperature": 0.8}
    if a.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body | json.loads(a.extra)).encode()


def request_of(a: argparse.Namespace, url: SplitResult, i: int) -> bytes:
    body = body_of(a, i)
    head = (
        f"POST {url.path.rstrip('/')}{a.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {a.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def number_after(body: bytes, name: bytes) -> int:
    at = body.rfind(b'"' + name + b'":')
    if at < 0:
        return 0
    digits = body[at + len(name) + 3 : at + len(name) + 20].lstrip()
    return int(digits.split(b",")[0].split(b"}")[0])


class Client:
    """One kept-alive connection that sends requests until there are none left."""

    def __init__(self, a: argparse.Namespace, todo: Iterator[int], seen: Seen) -> None:
        self._a, self._todo, self._seen = a, todo, seen
        self._url = urlsplit(a.url)
        if self._url.hostname not in ("127.0.0.1", "localhost"):
            raise SystemExit("loopback only")
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        for i in self._todo:
            try:
                await self._one(i)
            except (asyncio.IncompleteReadError, ConnectionError, ValueError):
                self._seen.errors += 1
                self._drop()
        self._drop()

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _send(self, data: bytes) -> tuple[asyncio.StreamReader, bytes]:
        """Sends and reads the head. A kept-alive connection may have been closed meanwhile: one fresh one is tried."""
        while True:
            fresh = self._writer is None
            if self._reader is None or self._writer is None:
                host, port = self._url.hostname, self._url.port
                self._reader, self._writer = await asyncio.open_connection(host, port, limit=1 << 22)
            try:
                self._writer.write(data)
                return self._reader, (await self._reader.readuntil(b"\r\n\r\n")).lower()
            except (asyncio.IncompleteReadError, ConnectionError):
                self._drop()
                if fresh:
                    raise

    async def _one(self, i: int) -> None:
        seen = self._seen
        started = time.perf_counter()
        reader, head = await self._send(request_of(self._a, self._url, i))
        code = int(head.split()[1])
        seen.codes[code] = seen.codes.get(code, 0) + 1
        body, arrivals = bytearray(), list[float]()
        seen.begun_s.append(arrivals)
        if b"transfer-encoding: chunked" in head:
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                data = await reader.readexactly(size + 2)
                body += data[:-2]
                if SAID.search(data):
                    arrivals.append(time.perf_counter())
            await reader.readexactly(2)
        elif b"content-length:" in head:
            body += await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        else:
            body += await reader.read(-1)
            self._drop()
        ended = time.perf_counter()
        if b"connection: close" in head:
            self._drop()
        if code != 200:
            seen.errors += 1
            return
        seen.total_s.append(ended - started)
        seen.usage_tokens += number_after(body, b"completion_tokens")
        seen.cached_tokens += number_after(body, b"cached_tokens")
        if self._a.stream:
            self._streamed(bytes(body), arrivals, started)

    def _streamed(self, body: bytes, arrivals: list[float], started: float) -> None:
        seen = self._seen
        seen.errors += b"[DONE]" not in body or b'"error"' in body
        body = body.replace(b'": "', b'":"')  # as `llama_cpp.server` writes it
        chunks = body.count(b'"content":"') + body.count(b'"text":"') - body.count(b'"content":""')
        seen.chunks += chunks
        if arrivals:
            seen.arrivals_s.append(arrivals)
            seen.ttft_s.append(arrivals[0] - started)
            seen.gap_s.append((arrivals[-1] - arrivals[0]) / max(1, chunks - 1))
            gaps = [b - a for a, b in pairwise(arrivals)]
            seen.longest_gap_s.append(max(gaps, default=0.0))


def quantiles(values: list[float], *which: float) -> list[float]:
    ordered = sorted(values)
    return [round(1e3 * ordered[min(len(ordered) - 1, int(f * len(ordered)))], 2) for f in which] if ordered else []


async def run(a: argparse.Namespace, seen: Seen | None = None) -> Seen:
    """`seen`: to look at meanwhile."""
    seen, todo = seen or Seen(), iter(range(a.first, a.first + a.requests))
    await asyncio.gather(*(Client(a, todo, seen).run() for _ in range(a.concurrency)))
    return seen


async def load(a: argparse.Namespace) -> dict[str, Any]:
    """Runs the load; the figures by name."""
    started = time.perf_counter()
    seen = await run(a)
    elapsed_s = time.perf_counter() - started
    return {
        "seconds": round(elapsed_s, 2),
        "rps": round(len(seen.total_s) / elapsed_s, 1),
        "chunks_per_s": round(seen.chunks / elapsed_s),
        "usage_tokens_per_s": round(seen.usage_tokens / elapsed_s, 1),
        "cached_tokens": seen.cached_tokens,
        "ttft_ms": quantiles(seen.ttft_s, 0.5, 0.95, 0.99),
        "gap_ms": quantiles(seen.gap_s, 0.5, 0.95),
        "longest_gap_ms": quantiles(seen.longest_gap_s, 0.5, 1.0),
        "latency_ms": quantiles(seen.total_s, 0.5, 0.95, 0.99),
        "errors": seen.errors,
        "codes": seen.codes,
    }


def apart(**options: Any) -> dict[str, Any]:
    """The figures of a run in a process of its own. `options`: those of the command line, by name."""
    command = [sys.executable, "-m", "bench.load"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(uvloop.run(load(arguments()))))
