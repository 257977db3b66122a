"""One suite for every backend of the table: the life of a generation, as `base.py` promises it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.errors import InvalidRequestError
from internal.inference.backends import BACKENDS, load_backend
from internal.inference.backends.base import Backend, Generation
from tests.workers import say

NOVAI_TINY = Path(__file__).parents[5] / "models/novai-tiny/novai-tiny.Q8_0.gguf"
# How a backend is set up so that its limits can be met: 2 slots, a queue of 2 (or what the least is), 512 tokens.
SETUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "scripted": ("", {"slots": 2, "queue_limit": 2, "context_length": 512, "tokens": 200, "step_ms": 1.0}),
    "llamacpp": (str(NOVAI_TINY), {"slots": 2, "queue_limit": 2, "context_length": 512}),
}
pytestmark = pytest.mark.timeout(60)


@dataclass
class Running:
    """A started backend and everything it published."""

    backend: Backend
    events: dict[Generation, list[pb.Event]] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    published: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, events: Sequence[tuple[Generation, pb.Event]]) -> None:
        for generation, event in events:
            self.events.setdefault(generation, []).append(event)
        self.published.set()

    def submit(self, request: pb.GenerateRequest) -> Generation:
        generation = Generation(request_id="r", request=request)
        self.backend.submit(generation)
        return generation

    async def until(self, generation: Generation, *kinds: str) -> pb.Event:
        """The first event of one of these kinds."""
        while True:
            for event in self.events.get(generation, []):
                if event.WhichOneof("kind") in kinds:
                    return event
            self.published.clear()
            await self.published.wait()

    async def ended(self, generation: Generation) -> pb.Event:
        return await self.until(generation, "finished", "failed")

    def deltas(self, generation: Generation) -> list[pb.Delta]:
        return [event.delta for event in self.events[generation] if event.HasField("delta")]


def test_every_backend_has_a_setup() -> None:
    assert SETUPS.keys() == BACKENDS.keys()


@pytest.fixture(scope="module", params=sorted(BACKENDS))
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    path, options = SETUPS[request.param]
    backend = load_backend(ModelConfig(name="m", kind="chat", backend=request.param, path=path, options=options))
    running = Running(backend)
    await backend.start(running.publish)
    yield running
    await backend.aclose()
    await backend.aclose()  # idempotent


@pytest.fixture
async def running(shared: Running) -> AsyncIterator[Running]:
    shared.events.clear()
    yield shared
    for generation in list(shared.events):
        shared.backend.cancel(generation)
        await shared.ended(generation)


def kinds(events: list[pb.Event]) -> list[str]:
    return [str(event.WhichOneof("kind")) for event in events]


async def test_the_life_of_a_generation(running: Running) -> None:
    generation = running.submit(say("Hello", max_tokens=8))
    finished = (await running.ended(generation)).finished
    events = running.events[generation]
    assert kinds(events) == ["accepted", *["delta"] * (len(events) - 2), "finished"]
    deltas = running.deltas(generation)
    assert [bool(delta.finish) for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    assert sum(delta.tokens for delta in deltas) == finished.usage.completion_tokens == 8
    assert "".join(delta.text for delta in deltas)
    assert events[0].accepted.prompt_tokens == finished.usage.prompt_tokens
    assert generation.usage == finished.usage
    assert not finished.cancelled


async def test_counting_agrees_with_generating(running: Running) -> None:
    request = say("How many tokens is this?", max_tokens=1)
    generation = running.submit(request)
    finished = (await running.ended(generation)).finished
    assert await running.backend.count_tokens(request) == finished.usage.prompt_tokens


async def test_a_text_comes_back_from_its_tokens(running: Running) -> None:
    text = "Hello, wörld 👋\n<|im_end|>"
    tokens = await running.backend.tokenize(pb.TokenizeRequest(text=text))
    assert len(tokens) > 1
    assert b"".join(await running.backend.pieces(tokens)) == text.encode()
    assert await running.backend.tokenize(pb.TokenizeRequest(text="")) == []
    assert await running.backend.pieces([]) == []


async def test_tokens_outside_the_vocabulary_are_refused(running: Running) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await running.backend.pieces([0, 1 << 30])
    assert refused.value.param == "tokens"


async def test_max_tokens_ends_with_length(running: Running) -> None:
    generation = running.submit(say("Tell me a long story", max_tokens=3, ignore_eos=True))
    await running.ended(generation)
    assert running.deltas(generation)[-1].finish == pb.LENGTH


async def test_every_choice_ends_once_and_the_prompt_counts_once(running: Running) -> None:
    one = running.submit(say("Hello there", max_tokens=5))
    many = running.submit(say("Hello there", max_tokens=5, n=2))
    single, both = (await running.ended(one)).finished.usage, (await running.ended(many)).finished.usage
    ends = [delta.choice for delta in running.deltas(many) if delta.finish]
    assert sorted(ends) == [0, 1]
    assert both.prompt_tokens == single.prompt_tokens
    assert both.completion_tokens == sum(delta.tokens for delta in running.deltas(many))


def plain(*prompts: str | list[int], **fields: Any) -> pb.GenerateRequest:
    items = [pb.Prompt(text=p) if isinstance(p, str) else pb.Prompt(tokens=pb.TokenIds(ids=p)) for p in prompts]
    return pb.GenerateRequest(prompts=pb.Prompts(items=items), **fields)


async def test_several_prompts_are_what_they_would_be_alone(running: Running) -> None:
    fields: dict[str, Any] = {"max_tokens": 5, "n": 2, "sampling": pb.Sampling(temperature=1, top_p=1, seed=5)}
    prompts: list[str | list[int]] = ["Hello there", "How are you", [72, 101, 108]]
    together = running.submit(plain(*prompts, **fields))
    usage = (await running.ended(together)).finished.usage
    texts, counted = [], 0
    for prompt in prompts:
        alone = running.submit(plain(prompt, **fields))
        counted += (await running.ended(alone)).finished.usage.prompt_tokens
        texts += [text_of(running, alone, choice) for choice in range(2)]
    assert [text_of(running, together, choice) for choice in range(6)] == texts
    assert usage.prompt_tokens == counted == await running.backend.count_tokens(together.request)
    assert usage.completion_tokens == sum(delta.tokens for delta in running.deltas(together))
    assert sorted(delta.choice for delta in running.deltas(together) if delta.finish) == list(range(6))


def text_of(running: Running, generation: Generation, choice: int) -> str:
    return "".join(delta.text for delta in running.deltas(generation) if delta.choice == choice)


async def test_one_prompt_that_does_not_fit_refuses_all(running: Running) -> None:
    generation = running.submit(plain("Hello", "word " * 600))
    failed = (await running.ended(generation)).failed
    assert kinds(running.events[generation]) == ["failed"]
    assert (failed.code, failed.param) == (pb.CONTEXT_LENGTH_EXCEEDED, "prompt")


async def test_several_prompts_are_cancelled_together(running: Running) -> None:
    generation = running.submit(plain(*"abcdef", max_tokens=400, ignore_eos=True))  # more than there are slots
    await running.until(generation, "delta")
    running.backend.cancel(generation)
    finished = (await running.ended(generation)).finished
    assert finished.cancelled
    assert finished.usage.completion_tokens == sum(delta.tokens for delta in running.deltas(generation))
    again = running.submit(say("Hello", max_tokens=1))
    assert (await running.ended(again)).HasField("finished")
    assert kinds(running.events[generation])[-1] == "finished"


async def test_prompts_alone_come_back_and_nothing_is_generated(running: Running) -> None:
    generation = running.submit(plain("Hello you", [72], prompt_only=True, echo=True, n=2))
    finished = (await running.ended(generation)).finished
    accepted = running.events[generation][0].accepted
    assert accepted.echo[0] == "Hello you"
    assert len(accepted.echo) == 2
    assert accepted.prompt_tokens == finished.usage.prompt_tokens > 0
    assert finished.usage.completion_tokens == 0
    assert [(delta.choice, delta.text, delta.finish) for delta in running.deltas(generation)] == [
        (choice, "", pb.LENGTH) for choice in range(4)
    ]


async def test_a_request_needs_a_prompt(running: Running) -> None:
    generation = running.submit(pb.GenerateRequest())
    assert (await running.ended(generation)).failed.code == pb.INVALID_REQUEST


async def test_a_cancelled_one_finishes_with_what_it_had(running: Running) -> None:
    generation = running.submit(say("Tell me a long story", max_tokens=400, ignore_eos=True))
    await running.until(generation, "delta")
    running.backend.cancel(generation)
    running.backend.cancel(generation)
    finished = (await running.ended(generation)).finished
    assert finished.cancelled
    assert 0 < finished.usage.completion_tokens < 400
    assert finished.usage.completion_tokens == sum(delta.tokens for delta in running.deltas(generation))
    again = running.submit(say("Hello", max_tokens=1))
    assert (await running.ended(again)).HasField("finished")


async def test_a_prompt_that_does_not_fit_is_refused(running: Running) -> None:
    generation = running.submit(say("word " * 600))
    failed = (await running.ended(generation)).failed
    assert kinds(running.events[generation]) == ["failed"]
    assert failed.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert failed.param == "messages"
    assert "maximum context length is 512 tokens" in failed.message
    assert "prompt is too long" in failed.message


async def test_a_full_queue_refuses_and_says_when_to_come_back(running: Running) -> None:
    generations = [running.submit(say(f"{i}", max_tokens=300, ignore_eos=True)) for i in range(90)]
    for generation in generations:
        await running.until(generation, "accepted", "failed")
    refused = [g for g in generations if running.events[g][0].HasField("failed")]
    assert refused
    for generation in refused:
        assert running.events[generation][0].failed.code == pb.OVERLOADED
        assert running.events[generation][0].failed.retry_after_ms > 0
    for generation in generations:
        running.backend.cancel(generation)
        await running.ended(generation)


async def test_closing_ends_everything_as_cancelled(request: pytest.FixtureRequest) -> None:
    for name in sorted(BACKENDS):
        path, options = SETUPS[name]
        running = Running(load_backend(ModelConfig(name="m", kind="chat", backend=name, path=path, options=options)))
        await running.backend.start(running.publish)
        generations = [running.submit(say("x", max_tokens=400, ignore_eos=True)) for _ in range(3)]
        for generation in generations:
            await running.until(generation, "accepted", "failed")
        await running.backend.aclose()
        for generation in generations:
            assert (await running.ended(generation)).WhichOneof("kind") in ("finished", "failed")
