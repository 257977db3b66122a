"""Runs requests on a started backend, and reads the events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from gen import inference_pb2 as pb

from internal.inference.backends.base import Generation
from internal.inference.backends.batching.backend import BatchingBackend
from internal.inference.backends.llamacpp.stream_cache import StreamCache

Prompt = str | Sequence[int] | pb.Chat | pb.Prompts


class Answer:
    """The events of one generation."""

    _ids = itertools.count()

    def __init__(self, request: pb.GenerateRequest) -> None:
        self.generation = Generation(f"r{next(self._ids)}", request, owner=self)
        self.events: list[pb.Event] = []
        self._news = asyncio.Event()

    def put(self, event: pb.Event) -> None:
        assert not self.over, f"{event} follows the end"
        copy = pb.Event()
        copy.CopyFrom(event)
        self.events.append(copy)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                assert not self.over, f"ended before: {self.events[-1]}"
                self._news.clear()
                await self._news.wait()

    async def end(self) -> Answer:
        async with asyncio.timeout(60):
            while not self.over:
                self._news.clear()
                await self._news.wait()
        return self

    @property
    def over(self) -> bool:
        return bool(self.events) and self.events[-1].WhichOneof("kind") in ("finished", "failed")

    @property
    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("kind")) for event in self.events]

    @property
    def accepted(self) -> bool:
        return "accepted" in self.kinds

    def deltas(self, choice: int = 0) -> list[pb.Delta]:
        return [event.delta for event in self.events if event.HasField("delta") and event.delta.choice == choice]

    def text(self, choice: int = 0) -> str:
        return "".join(delta.text for delta in self.deltas(choice))

    def tokens(self, choice: int = 0) -> int:
        return sum(delta.tokens for delta in self.deltas(choice))

    def logprobs(self, choice: int = 0) -> list[pb.TokenLogprob]:
        return [entry for delta in self.deltas(choice) for entry in delta.logprobs]

    def finish(self, choice: int = 0) -> int:
        *before, last = self.deltas(choice)
        assert not any(delta.finish for delta in before)
        return last.finish

    @property
    def usage(self) -> pb.Usage:
        last = self.events[-1]
        return last.finished.usage if last.HasField("finished") else last.failed.usage

    @property
    def failure(self) -> pb.Failed:
        assert self.kinds[-1] == "failed", self.kinds
        return self.events[-1].failed


class Engine:
    """A started backend."""

    def __init__(self, backend: BatchingBackend) -> None:
        self.backend = backend

    def publish(self, events: Sequence[tuple[Generation, pb.Event]]) -> None:
        for generation, event in events:
            answer = generation.owner
            assert isinstance(answer, Answer)
            answer.put(event)

    def submit(self, prompt: Prompt, **fields: Any) -> Answer:
        answer = Answer(request(prompt, **fields))
        self.backend.submit(answer.generation)
        return answer

    async def run(self, prompt: Prompt, **fields: Any) -> Answer:
        return await self.submit(prompt, **fields).end()

    def cancel(self, answer: Answer) -> None:
        self.backend.cancel(answer.generation)

    def held(self) -> tuple[int, dict[int, int]]:
        """How many sequences are running, and the length of all that are not empty. Asked between steps only."""
        cache = self.backend._engine._cache  # type: ignore[union-attr]
        if isinstance(cache, StreamCache):
            leases: list[Any] = cache._streams
        else:
            leases = [tail for node in cache.nodes() for tail in node.tails]
        return sum(lease.running for lease in leases), {x.sequence: x.length for x in leases if x.length}


def request(prompt: Prompt, **fields: Any) -> pb.GenerateRequest:
    """Greedy, 16 tokens, and never ended by the model, unless said otherwise."""
    fields = {"max_tokens": 16, "ignore_eos": True} | fields
    if isinstance(prompt, pb.Chat):
        return pb.GenerateRequest(chat=prompt, **fields)
    prompts = prompt if isinstance(prompt, pb.Prompts) else pb.Prompts(items=[plain(prompt)])
    return pb.GenerateRequest(prompts=prompts, **fields)


def plain(prompt: str | Sequence[int]) -> pb.Prompt:
    return pb.Prompt(text=prompt) if isinstance(prompt, str) else pb.Prompt(tokens=pb.TokenIds(ids=prompt))


ROUNDING = 1e-2  # of log probabilities, which add up what every layer rounds
# What `same_but_for_ties` wants of both.
TOLD: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}


def same_but_for_ties(answer: Answer, expected: Answer, rounding: float = ROUNDING) -> None:
    """The same greedy tokens, up to where two were equally likely: what is computed in chunks of other sizes rounds
    differently, and among hundreds of draws one may fall into such a crack. From there on the texts are strangers."""
    assert (answer.finish(), answer.usage.completion_tokens) == (expected.finish(), expected.usage.completion_tokens)
    same_tokens_but_for_ties(answer.logprobs(), expected.logprobs(), rounding)


def same_tokens_but_for_ties(
    answer: Sequence[pb.TokenLogprob], expected: Sequence[pb.TokenLogprob], rounding: float = ROUNDING
) -> None:
    for mine, other in zip(answer, expected, strict=True):
        if mine.token != other.token:
            first, second = other.top
            assert first.logprob - second.logprob < rounding, (mine, other)
            return
        assert mine.logprob == pytest.approx(other.logprob, abs=rounding)
