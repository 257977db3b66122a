"""Constrained output in the engine itself, in this process, without HTTP.

python -m bench.constrained [MODEL.gguf] [--streams 16] [--tokens 128] [--rounds 5] [--threads N]

Prints one JSON line:

  free_tokens_per_s   of one free stream, medians of rounds that take turns: all streams free, half of them constrained,
                      half of them and nothing else; `ratio` is of the second to the first, pair by pair
  cpu_ms_per_step     of the same rounds, processor time of the whole process: with --threads 1 it tells what masks cost
                      even when others use the machine
  first_token_ms      at concurrency 1: a schema never seen, one that is kept, no constraint
  mask_us             of one token under an ordinary schema: to make it, and to lay it on the logits; median and p99
  refused_ms          processor time to refuse the hostile schema that takes longest, median of its rounds
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.errors import InvalidRequestError
from internal.inference.backends.base import Generation
from internal.inference.backends.batching.constraints import Constraints, GrammarMask
from internal.inference.backends.llamacpp import LlamaCppBackend
from internal.inference.backends.llamacpp.model import Model

DEMO = Path(__file__).parents[1] / "models/novai-tiny/novai-tiny.Q8_0.gguf"
FIRST_TOKENS = 40
TEXT = '{"name":"Ada Lovelace","age":36,"email":"ada@example.org","tags":["mathematics","poetry"],"address":'
TEXT += (
    '{"street":"St James\'s Square 12","city":"London","country":"GB"},"active":true,"score":99.5,"field_NUMBER":null}'
)


def schema(number: int) -> dict[str, Any]:
    """An ordinary one; every number makes another."""
    text = {"type": "string"}
    address = {"street": text, "city": text, "country": {"enum": ["GB", "FR", "DE"]}}
    properties = {
        "name": {**text, "description": f"Person {number}"},
        "age": {"type": "integer", "minimum": 0},
        "email": {**text, "format": "email"},
        "tags": {"type": "array", "items": text},
        "address": {"type": "object", "properties": address, "required": [*address], "additionalProperties": False},
        "active": {"type": "boolean"},
        "score": {"type": "number"},
        f"field_{number}": {"anyOf": [text, {"type": "null"}]},
    }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


# Goes on for as long as it is measured.
ENDLESS = {"type": "array", "items": schema(0), "minItems": 1000}
# As in Reliability S32.
HOSTILE = {
    "ten megabytes": json.dumps({"description": "x" * 10_000_000}),
    "ten thousand levels": '{"items":' * 10_000 + "{}" + "}" * 10_000,
    "a hundred thousand values": json.dumps({"enum": list(range(100_000))}),
    "a billion items": json.dumps({"type": "array", "minItems": 10**9}),
    "a counted bomb": json.dumps({"type": "string", "pattern": "(a{1,100000}b)*"}),
    "nested counts": json.dumps({"type": "string", "pattern": "((a{100}){100}){100}"}),
    "multiplied unions": json.dumps({"allOf": [{"anyOf": [{"const": j} for j in range(10)]} for _ in range(6)]}),
    "too many states": json.dumps({"type": "integer", "multipleOf": 99_991}),
    "no end": '{"$defs": {"n": {"$ref": "#/$defs/n"}}, "$ref": "#/$defs/n"}',
}


class Stream:
    """One generation and when its tokens came."""

    def __init__(self, request: pb.GenerateRequest) -> None:
        self.generation = Generation("bench", request, owner=self)
        self.submitted = 0.0
        self.arrivals: list[float] = []
        self.tokens = 0
        self.over = asyncio.Event()

    def put(self, event: pb.Event) -> None:
        if event.HasField("delta") and event.delta.tokens:
            self.arrivals.append(time.perf_counter())
            self.tokens += event.delta.tokens
        if event.HasField("finished") or event.HasField("failed"):
            assert event.HasField("finished"), event
            self.over.set()

    @property
    def tokens_per_s(self) -> float:
        return (self.tokens - 1) / (self.arrivals[-1] - self.arrivals[0])

    @property
    def first_token_ms(self) -> float:
        return 1e3 * (self.arrivals[0] - self.submitted)


def request(number: int, max_tokens: int, constraint: dict[str, Any] | None = None) -> pb.GenerateRequest:
    message = pb.Message(role="user", parts=[pb.Part(text=f"{number} Who was she? Answer in JSON.")])
    made = pb.GenerateRequest(
        chat=pb.Chat(messages=[message], parallel_tool_calls=True),
        sampling=pb.Sampling(temperature=0.8, top_k=40, top_p=0.95, seed=number),
        max_tokens=max_tokens,
        ignore_eos=constraint is None,
    )
    if constraint is not None:
        made.constraint.json_schema = json.dumps(constraint)
    return made


def publish(events: Sequence[tuple[Generation, pb.Event]]) -> None:
    for generation, event in events:
        stream = generation.owner
        assert isinstance(stream, Stream)
        stream.put(event)


async def run(backend: LlamaCppBackend, requests: Sequence[pb.GenerateRequest]) -> list[Stream]:
    streams = [Stream(each) for each in requests]
    for stream in streams:
        stream.submitted = time.perf_counter()
        backend.submit(stream.generation)
    for stream in streams:
        await stream.over.wait()
    return streams


async def pace(backend: LlamaCppBackend, streams: int, tokens: int, rounds: int) -> dict[str, dict[str, float]]:
    half = streams // 2
    free = [request(number, tokens) for number in range(streams)]
    held = [request(number, tokens, ENDLESS) for number in range(half, streams)]
    sides = {"all_free": free, "half_constrained": free[:half] + held, "half_alone": free[:half]}
    found: dict[str, list[float]] = {name: [] for name in sides}
    cpu_ms: dict[str, list[float]] = {name: [] for name in sides}
    for requests in sides.values():
        await run(backend, requests)  # warm
    for _ in range(rounds):
        for name, requests in sides.items():
            started = time.process_time()
            done = await run(backend, requests)
            cpu_ms[name].append(1e3 * (time.process_time() - started) / tokens)
            found[name].append(statistics.median(stream.tokens_per_s for stream in done[:half]))
    return {"free_tokens_per_s": compared(found), "cpu_ms_per_step": compared(cpu_ms)}


def compared(found: dict[str, list[float]]) -> dict[str, float]:
    """Medians, and how half of the streams constrained compares to all of them free."""
    pairs = zip(found["half_constrained"], found["all_free"], strict=True)
    medians = {name: round(statistics.median(values), 2) for name, values in found.items()}
    return medians | {"ratio": round(statistics.median(mixed / free for mixed, free in pairs), 3)}


async def first_token(backend: LlamaCppBackend) -> dict[str, float]:
    kinds: dict[str, list[float]] = {"new": [], "kept": [], "free": []}
    for number in range(1, FIRST_TOKENS + 1):
        await run(backend, [request(number, 1)])  # its prompt is computed once, for all three
        for kind, constraint in (("new", schema(number)), ("kept", schema(number)), ("free", None)):
            (stream,) = await run(backend, [request(number, 2, constraint)])
            kinds[kind].append(stream.first_token_ms)
    return {kind: round(statistics.median(values), 2) for kind, values in kinds.items()}


def masks(path: Path) -> dict[str, Any]:
    model = Model(str(path))
    constraints = Constraints(model, None)
    started = time.perf_counter()
    constraints.warm()
    vocabulary_s = time.perf_counter() - started
    logits = np.zeros(model.vocabulary_size, np.float32)
    made, laid = [], []
    for number in range(20):
        grammar = constraints.grammar(request(number, 1, schema(number)), reasoning_open=False)
        assert grammar is not None
        mask = GrammarMask(grammar, model.end_ids)
        for token in model.tokenize(TEXT.replace("NUMBER", str(number)), add_special=False):
            started = time.perf_counter()
            mask.apply(logits)
            taken = time.perf_counter()
            mask.accept(token)
            made.append(time.perf_counter() - taken)
            laid.append(taken - started)
    model.free()
    return {
        "vocabulary": {"tokens": len(logits), "seconds": round(vocabulary_s, 3)},
        "mask_us": {"make": _microseconds(made), "apply": _microseconds(laid)},
    }


def refusals(path: Path, rounds: int) -> dict[str, float]:
    """The slowest one, by name."""
    model = Model(str(path))
    constraints = Constraints(model, None)
    constraints.warm()
    found = {
        name: statistics.median(_refused_ms(constraints, text) for _ in range(rounds)) for name, text in HOSTILE.items()
    }
    model.free()
    slowest = max(found, key=found.__getitem__)
    return {slowest: round(found[slowest], 1)}


def _refused_ms(constraints: Constraints, schema: str) -> float:
    asked = request(0, 1)
    asked.constraint.json_schema = schema
    started = time.process_time()
    try:
        constraints.grammar(asked, reasoning_open=False)
    except InvalidRequestError:
        return 1e3 * (time.process_time() - started)
    raise AssertionError(f"{schema[:60]} was not refused")


def _microseconds(seconds: list[float]) -> list[float]:
    ordered = sorted(seconds)
    return [round(1e6 * ordered[int(share * len(ordered))], 1) for share in (0.5, 0.99)]


async def measure(a: argparse.Namespace) -> dict[str, Any]:
    options = {"context_length": 1024, "slots": a.streams} | ({"threads": a.threads} if a.threads else {})
    backend = LlamaCppBackend(
        ModelConfig(name="model", kind="chat", backend="llamacpp", path=str(a.gguf), options=options)
    )
    await backend.start(publish)
    try:
        return {
            "bench": "constrained",
            "model": a.gguf.stem,
            "streams": a.streams,
            **await pace(backend, a.streams, a.tokens, a.rounds),
            "first_token_ms": await first_token(backend),
            **masks(a.gguf),
            "refused_ms": refusals(a.gguf, a.rounds),
        }
    finally:
        await backend.aclose()


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("gguf", nargs="?", type=Path, default=DEMO)
    p.add_argument("--streams", type=int, default=16)
    p.add_argument("--tokens", type=int, default=128)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int)
    print(json.dumps(asyncio.run(measure(p.parse_args()))))


if __name__ == "__main__":
    main()
