"""The edge alone: everything real but the model, which is the scripted backend. One api process.

python -m bench.edge [--rounds 3]

Prints one JSON line: medians of the rounds. `priced`: with keys, limits, money and usage; `free`: a model that costs
nothing, so nothing is held. `added_ms` is the whole latency of a request at concurrency 1, since the scripted backend
answers at once. Memory is that of the api process before and after 20 000 requests.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from bench.load import apart
from bench.stack import Stack, running

MODELS = Path(__file__).parent / "models.scripted.yaml"
# One token a request where requests are counted, 64 where chunks are.
REQUESTS = {"concurrency": 32, "requests": 4000, "max_tokens": 1}
LONGER = {"concurrency": 32, "requests": 1500, "max_tokens": 64}
CHUNKS = {"concurrency": 32, "requests": 1000, "max_tokens": 64, "stream": True}
SHOWN = {"priced": "scripted", "free": "free"}
SINGLE = {"concurrency": 1, "requests": 500, "max_tokens": 1}


def load(stack: Stack, options: dict[str, Any], model: str = "scripted") -> dict[str, Any]:
    result = apart(url=stack.url, key=stack.key, model=model, **options)
    if result["errors"]:
        raise SystemExit(f"errors under load: {result}")
    return result


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    with running(models=MODELS) as stack:
        load(stack, REQUESTS)  # warm
        warm_mb = stack.rss_mb("api.main")
        rounds = [{name: measured(stack, name) for name in ("scripted", "free")} for _ in range(a.rounds)]
        grown_mb = stack.rss_mb("api.main")
        done = sum(sum(run["codes"].values()) for each in rounds for runs in each.values() for run in runs)
        while done < 20_000:
            done += sum(load(stack, REQUESTS)["codes"].values())
        memory = {"warm": warm_mb, "rounds": grown_mb, "after": stack.rss_mb("api.main"), "requests": done}
        result = {name: medians([each[model] for each in rounds]) for name, model in SHOWN.items()}
        print(json.dumps({"bench": "edge", **result, "api_rss_mb": memory, "ready_s": stack.ready_s}))


def measured(stack: Stack, model: str) -> tuple[dict[str, Any], ...]:
    return tuple(load(stack, options, model) for options in (REQUESTS, LONGER, CHUNKS, SINGLE))


def medians(rounds: list[tuple[dict[str, Any], ...]]) -> dict[str, float]:
    return {
        "requests_per_s": statistics.median(r[0]["rps"] for r in rounds),
        "requests_per_s_64_tokens": statistics.median(r[1]["rps"] for r in rounds),
        "chunks_per_s": statistics.median(r[2]["chunks_per_s"] for r in rounds),
        "added_ms_p50": statistics.median(r[3]["latency_ms"][0] for r in rounds),
        "added_ms_p95": statistics.median(r[3]["latency_ms"][1] for r in rounds),
    }


if __name__ == "__main__":
    main()
