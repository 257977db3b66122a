"""Batches: how fast they run, whom they disturb, what they take, and what is left after kills.

python -m bench.batch [MODEL.gguf] [--lines N] [--max-tokens 16]     throughput, interference and memory, of chat lines
python -m bench.batch --embeddings [--lines N]                       throughput of embeddings
python -m bench.batch --kills 20 --lines 5000                        exactly once, scripted model

Each prints one JSON line.

  throughput    lines/s of a batch, from its first line to its last, over those of interactive requests that keep every
                slot busy (`bench.load` at the engine's slots), in rounds that take turns
  interference  TTFT p95 and inter-token p95 of 4 interactive streams beside the batch, over those without it
  memory        growth of resident memory, in MB, of api, worker and engine from before the upload to the end, of all
                rounds together; not what the engine keeps of the interactive requests between them
  crash         lines answered, charges, and custom_ids that came twice, after so many kill -9 of the batch worker and
                one of PostgreSQL
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
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench.load import WORDS, apart
from bench.stack import Stack, running

SLOTS = 16
PROCESSES = {"api": "api.main", "worker": "api.worker", "engine": "internal.inference_server"}
SCRIPT = 'script:[{"say": "one "}, {"wait_ms": 40}, {"say": "two"}]'
OVER = ("completed", "failed", "expired", "cancelled")
FIXED = {"ignore_eos": True, "top_k": 40, "top_p": 0.95}
PADDING = "x" * 3000  # of lines that make a large file: a field that nobody looks at


class Client:
    """Batches of one running system."""

    def __init__(self, stack: Stack) -> None:
        headers = {"authorization": f"Bearer {stack.key}"}
        self._http = httpx.Client(base_url=stack.url, headers=headers, timeout=300)
        self.batch_id = ""

    def begin(self, lines: Path, endpoint: str) -> None:
        with lines.open("rb") as file:
            form = {"purpose": "batch"}
            uploaded = self._http.post("/files", data=form, files={"file": (lines.name, file)}).raise_for_status()
        body = {"input_file_id": uploaded.json()["id"], "endpoint": endpoint, "completion_window": "24h"}
        self.batch_id = self._http.post("/batches", json=body).raise_for_status().json()["id"]

    def seen(self) -> dict[str, Any]:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = self._http.get(f"/batches/{self.batch_id}")
                if answer.status_code == 200:
                    found: dict[str, Any] = answer.json()
                    return found
            time.sleep(0.05)

    def until(self, answered: int) -> dict[str, Any]:
        """So many lines have an answer, or it is over."""
        while (seen := self.seen())["status"] not in OVER:
            if seen["completed"] + seen["failed"] >= answered:
                break
            time.sleep(0.05)
        return seen

    def over(self) -> dict[str, Any]:
        seen = self.until(sys.maxsize)
        if seen["status"] == "failed":
            raise SystemExit(f"the batch failed: {seen['errors']}")
        return seen

    def cancel(self) -> None:
        self._http.post(f"/batches/{self.batch_id}/cancel").raise_for_status()

    def answers(self, file_id: str | None) -> Iterator[dict[str, Any]]:
        if file_id is not None:
            with self._http.stream("GET", f"/files/{file_id}/content") as answer:
                yield from map(json.loads, answer.iter_lines())


def write_lines(path: Path, count: int, endpoint: str, body: dict[str, Any], field: str, pad: str = "") -> Path:
    """A file of lines whose prompts no cache has seen."""
    with path.open("w") as file:
        for number in range(count):
            text = " ".join(random.choices(WORDS, k=24))
            prompt: Any = [{"role": "user", "content": text}] if field == "messages" else text
            asked = body | {field: prompt} | ({"padding": pad} if pad else {})
            line = {"custom_id": f"line-{number}", "method": "POST", "url": endpoint, "body": asked}
            file.write(json.dumps(line) + "\n")
    return path


def timed(client: Client, lines: Path, endpoint: str, measured: int = sys.maxsize) -> float:
    """Lines/s of a batch while lines run: what validates them and writes the files is not counted. It is cancelled when
    so many have been measured."""
    client.begin(lines, endpoint)
    seen = client.until(1)
    began_s, before = time.monotonic(), seen["completed"]
    while seen["status"] == "in_progress" and seen["completed"] - before < measured:
        time.sleep(0.25)  # looking costs time that the batch could have
        seen = client.seen()
    took_s = time.monotonic() - began_s
    if seen["failed"]:
        raise SystemExit(f"{seen['failed']} lines failed")
    if seen["status"] == "in_progress":
        client.cancel()
    client.over()
    return float((seen["completed"] - before) / took_s)


def load(stack: Stack, model: str, **options: Any) -> dict[str, Any]:
    return apart(url=stack.url, key=stack.key, model=model, **options)


def memory(stack: Stack) -> dict[str, float]:
    return {name: stack.rss_mb(module) for name, module in PROCESSES.items()}


def chat(options: argparse.Namespace) -> dict[str, Any]:
    endpoint, model = "/v1/chat/completions", options.gguf.stem
    fixed = {"model": model, "max_tokens": options.max_tokens} | FIXED
    extra, most = json.dumps(FIXED), options.max_tokens
    batch, alone, grown_mb = [], [], dict.fromkeys(PROCESSES, 0.0)
    with running(model=options.gguf) as stack, tempfile.TemporaryDirectory() as folder:
        client = Client(stack)
        load(stack, model, concurrency=SLOTS, requests=SLOTS, max_tokens=most, extra=extra)  # warm
        file = write_lines(Path(folder) / "warm", SLOTS, endpoint, fixed, "messages")
        timed(client, file, endpoint)
        for number in range(options.rounds):
            first = (number + 1) * options.lines
            requests = {"concurrency": SLOTS, "requests": min(options.lines, options.measured), "first": first}
            alone.append(load(stack, model, max_tokens=most, extra=extra, **requests)["rps"])
            file = write_lines(Path(folder) / f"{number}", options.lines, endpoint, fixed, "messages", options.pad)
            before = memory(stack)
            batch.append(timed(client, file, endpoint, options.measured))
            after = memory(stack)
            grown_mb = {name: grown_mb[name] + after[name] - before[name] for name in PROCESSES}
        file_mb = round(file.stat().st_size / 1e6, 1)
        calm, disturbed = interference(stack, client, options, Path(folder), fixed)
    ratios = [ours / theirs for ours, theirs in zip(batch, alone, strict=True)]
    return {
        "lines": options.lines,
        "file_mb": file_mb,
        "batch_lines_per_s": round(statistics.median(batch), 1),
        "engine_requests_per_s": round(statistics.median(alone), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ttft_p95_ratio": round(disturbed["ttft_ms"][1] / calm["ttft_ms"][1], 2),
        "gap_p95_ratio": round(disturbed["gap_ms"][1] / calm["gap_ms"][1], 2),
        "calm": {name: calm[name] for name in ("ttft_ms", "gap_ms")},
        "disturbed": {name: disturbed[name] for name in ("ttft_ms", "gap_ms")},
        "grown_mb": {name: round(grown, 1) for name, grown in grown_mb.items()},
    }


def interference(
    stack: Stack, client: Client, options: argparse.Namespace, folder: Path, fixed: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Four streams without and with a batch beside them."""
    streams = {"stream": True, "concurrency": 4, "requests": options.streams, "max_tokens": 64}
    asked = streams | {"extra": json.dumps(FIXED)}
    model = options.gguf.stem
    calm = load(stack, model, first=10_000_000, **asked)
    endpoint = "/v1/chat/completions"
    file = write_lines(folder / "beside", 50_000, endpoint, fixed, "messages")
    client.begin(file, endpoint)
    client.until(1)
    disturbed = load(stack, model, first=20_000_000, **asked)
    still = client.seen()["status"] == "in_progress"
    assert still, "the batch was over too soon: give more lines"
    client.cancel()
    client.over()
    return calm, disturbed


def embeddings(options: argparse.Namespace) -> dict[str, Any]:
    endpoint, model = "/v1/embeddings", "all-MiniLM-L6-v2"
    batch, alone = [], []
    with running() as stack, tempfile.TemporaryDirectory() as folder:
        client = Client(stack)
        body = {"model": model, "encoding_format": "base64"}
        timed(client, write_lines(Path(folder) / "warm", 64, endpoint, body, "input"), endpoint)
        for number in range(options.rounds):
            shape = {"path": "/embeddings", "prompt_tokens": 24, "concurrency": 64, "requests": options.lines}
            extra = json.dumps({"encoding_format": "base64"})
            alone.append(load(stack, model, first=number * options.lines, extra=extra, **shape)["rps"])
            file = write_lines(Path(folder) / f"{number}", options.lines, endpoint, body, "input")
            batch.append(timed(client, file, endpoint))
    ratios = [ours / theirs for ours, theirs in zip(batch, alone, strict=True)]
    return {
        "lines": options.lines,
        "batch_lines_per_s": round(statistics.median(batch), 1),
        "engine_requests_per_s": round(statistics.median(alone), 1),
        "ratio": round(statistics.median(ratios), 3),
    }


def crash(options: argparse.Namespace) -> dict[str, Any]:
    """The worker is killed again and again, and PostgreSQL once, in the middle; `novai dev` starts them anew."""
    endpoint = "/v1/chat/completions"
    models = Path(__file__).parent / "models.scripted.yaml"
    with running(models=models) as stack, tempfile.TemporaryDirectory() as folder:
        client = Client(stack)
        body = {"model": "scripted", "messages": [{"role": "user", "content": SCRIPT}]}
        file = write_lines(Path(folder) / "lines", options.lines, endpoint, body, "nothing")
        began_s = time.monotonic()
        client.begin(file, endpoint)
        for number in range(options.kills):
            seen = client.until(options.lines * (number + 1) // (options.kills + 2))
            if seen["status"] in OVER:
                raise SystemExit("the batch was over too soon: give more lines")
            stack.kill(PROCESSES["worker"])
            if number == options.kills // 2:
                stack.kill("bin/postgres")
        seen = client.over()
        took_s = time.monotonic() - began_s
        files = (seen["output_file_id"], seen["error_file_id"])
        ids = [line["custom_id"] for file_id in files for line in client.answers(file_id)]
        charges = asyncio.run(charged(stack.admin["DATABASE_URL"]))
        verify = subprocess.run(
            [sys.executable, "-m", "api.admin", "ledger", "verify"], env=os.environ | stack.admin, check=False
        )
    return {
        "lines": options.lines,
        "kills": options.kills,
        "answers": len(ids),
        "duplicates": len(ids) - len(set(ids)),
        "failed": seen["failed"],
        "charges": charges,
        "ledger_right": verify.returncode == 0,
        "took_s": round(took_s, 1),
    }


async def charged(database_url: str) -> int:
    """When every hold is closed."""
    connection = await asyncpg.connect(database_url)
    try:
        while await connection.fetchval("SELECT count(*) FROM holds WHERE state = 'open'"):
            await asyncio.sleep(0.2)  # holds have no event to await
        found: int = await connection.fetchval("SELECT count(*) FROM usage WHERE outcome = 'finished'")
        return found
    finally:
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", nargs="?", type=Path)
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--measured", type=int, default=sys.maxsize, help="lines of each; then it is cancelled")
    parser.add_argument("--max-tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=100, help="interactive ones, beside the batch")
    parser.add_argument("--pad", action="store_const", const=PADDING, default="", help="lines of 3 kB and more")
    options = parser.parse_args()
    if options.kills:
        result = crash(options)
    elif options.embeddings:
        result = embeddings(options)
    elif options.gguf is None:
        parser.error("give a GGUF, --embeddings or --kills")
    else:
        result = chat(options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
