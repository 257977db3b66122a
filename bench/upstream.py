"""What the edge and an upstream worker add to somebody else's API, with keys, limits and money on.

python -m bench.upstream [--rounds 3] [--mock MODULE:APP] [--peer URL --peer-key KEY --peer-port PORT]

A mock upstream that answers at once is asked directly, through NovAI and, where one is named, through a peer that was
started by hand in front of `--peer-port`. Prints one JSON line, medians of rounds in which all take turns.

  added_ms_p50   at concurrency 1, one token, not streamed: the median latency less that of the mock itself
  requests_per_s one token, not streamed, 32 clients;  chunks_per_s  64 tokens, streamed, 32 clients
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import apart
from bench.stack import Stack, running
from internal.dev.processes import free_port

SINGLE = {"concurrency": 1, "max_tokens": 1}
REQUESTS = {"concurrency": 32, "max_tokens": 1}
CHUNKS = {"concurrency": 32, "max_tokens": 64, "stream": True}
MODELS = """
models:
  - name: mock
    kind: chat
    backend: openai_compatible
    options: {base_url: "http://127.0.0.1:PORT/v1", model: mock, name: mock, keys: [env:MOCK_KEY]}
    price: {input: "0.05", output: "0.20"}
"""


@dataclass(frozen=True)
class Side:
    """Something to ask, and how often, so that each takes about as long."""

    name: str
    url: str
    key: str
    requests: int
    streams: int

    def load(self, options: dict[str, Any], requests: int) -> dict[str, Any]:
        result = apart(url=self.url, key=self.key, model="mock", requests=requests, **options)
        if result["errors"]:
            raise SystemExit(f"errors under load: {self.name}: {result}")
        return result

    def round(self) -> dict[str, float]:
        single = self.load(SINGLE, 300)["latency_ms"]
        return {
            "latency_ms_p50": single[0],
            "requests_per_s": self.load(REQUESTS, self.requests)["rps"],
            "chunks_per_s": self.load(CHUNKS, self.streams)["chunks_per_s"],
        }


@contextlib.contextmanager
def mock_upstream(app: str, port: int) -> Iterator[str]:
    """Its base URL."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    child = subprocess.Popen(command)
    try:
        wait_for(f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.terminate()
        child.wait(10)


def wait_for(url: str) -> None:
    """Until something answers there, whatever it says."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{url} does not answer")


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]}


def sides(stack: Stack, mock: str, peer: str, peer_key: str) -> list[Side]:
    found = [Side("mock", mock, "none", 4000, 400), Side("novai", stack.url, stack.key, 2000, 400)]
    return [*found, Side("peer", peer, peer_key, 400, 64)] if peer else found


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--mock", default="bench.mock_upstream:app")
    p.add_argument("--peer", default="", help="ends with /v1")
    p.add_argument("--peer-key", default="none")
    p.add_argument("--peer-port", type=int, default=0, help="where the peer expects the mock")
    a = p.parse_args()
    port = a.peer_port or free_port()
    with tempfile.TemporaryDirectory(prefix="novai-bench-") as folder, mock_upstream(a.mock, port) as mock:
        models = Path(folder) / "models.yaml"
        models.write_text(MODELS.replace("PORT", str(port)))
        with running(models=models, env=dict(os.environ) | {"MOCK_KEY": "bench"}) as stack:
            asked = sides(stack, mock, a.peer, a.peer_key)
            for side in asked:
                side.load(REQUESTS, 200)  # warm
            rounds = [{side.name: side.round() for side in asked} for _ in range(a.rounds)]
    found = {side.name: medians([each[side.name] for each in rounds]) for side in asked}
    print(json.dumps({"bench": "upstream", **found, **summary(rounds, bool(a.peer))}))


def summary(rounds: list[dict[str, dict[str, float]]], peer: bool) -> dict[str, Any]:
    """What the bars are about: ratios are of one round, then their median."""
    added = [each["novai"]["latency_ms_p50"] - each["mock"]["latency_ms_p50"] for each in rounds]
    result: dict[str, Any] = {"added_ms_p50": round(statistics.median(added), 2)}
    for name in ("requests_per_s", "chunks_per_s") if peer else ():
        ratios = [each["novai"][name] / each["peer"][name] for each in rounds]
        result[f"{name}_to_peer"] = round(statistics.median(ratios), 2)
    return result


if __name__ == "__main__":
    main()
