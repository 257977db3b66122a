"""One suite for every backend of the table: the life of a generation, as `base.py` promises it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.errors import InvalidRequestError, UnsupportedError
from internal.inference.backends import BACKENDS, load_backend
from internal.inference.backends.base import Backend, Generation
from internal.inference.backends.capabilities import FEATURES, LACKS
from tests.conformance.setups import SETUPS, Servers, Setup
from tests.workers import say

pytestmark = pytest.mark.timeout(60)


def each(*features: str, scripts: bool = False) -> pytest.MarkDecorator:
    """Runs a test on every setup that has these features; `scripts`: that says what it is told."""
    names = [
        name
        for name, setup in SETUPS.items()
        if not setup.lacks & set(features)
        and all(feature in setup.honours for feature in features if feature in ("stop", "logprobs"))
        and (setup.scripts or not scripts)
    ]
    return pytest.mark.parametrize("shared", names, indirect=True, scope="module")


@dataclass
class Running:
    """A started backend and everything it published."""

    backend: Backend
    config: ModelConfig
    setup: Setup
    events: dict[Generation, list[pb.Event]] = field(default_factory=dict)
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


def test_every_backend_has_a_setup_and_says_what_it_lacks() -> None:
    assert {setup.backend for setup in SETUPS.values()} == set(BACKENDS) <= set(LACKS)


@pytest.fixture(scope="module")
async def shared(
    request: pytest.FixtureRequest, postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    setup = SETUPS[request.param]
    folder: Path = tmp_path_factory.mktemp("conformance")
    async with AsyncExitStack() as stack:
        config = await stack.enter_async_context(setup.open(Servers(postgres_url, redis_url, folder)))
        running = Running(load_backend(config), config, setup)
        await running.backend.start(running.publish)
        yield running
        await running.backend.aclose()
        await running.backend.aclose()  # idempotent


@pytest.fixture
async def running(shared: Running) -> AsyncIterator[Running]:
    shared.events.clear()
    yield shared
    for generation in list(shared.events):
        shared.backend.cancel(generation)
        await shared.ended(generation)


def kinds(events: list[pb.Event]) -> list[str]:
    return [str(event.WhichOneof("kind")) for event in events]


@each()
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


@each("counting")
async def test_counting_agrees_with_generating(running: Running) -> None:
    request = say("How many tokens is this?", max_tokens=1)
    generation = running.submit(request)
    finished = (await running.ended(generation)).finished
    assert await running.backend.count_tokens(request) == finished.usage.prompt_tokens


@each("tokenizing")
async def test_a_text_comes_back_from_its_tokens(running: Running) -> None:
    text = "Hello, wörld 👋\n<|im_end|>"
    tokens = await running.backend.tokenize(pb.TokenizeRequest(text=text))
    assert len(tokens) > 1
    assert b"".join(await running.backend.pieces(tokens)) == text.encode()
    assert await running.backend.tokenize(pb.TokenizeRequest(text="")) == []
    assert await running.backend.pieces([]) == []


@each("tokenizing")
async def test_tokens_outside_the_vocabulary_are_refused(running: Running) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await running.backend.pieces([0, 1 << 30])
    assert refused.value.param == "tokens"


@each()
async def test_max_tokens_ends_with_length(running: Running) -> None:
    generation = running.submit(long(running, "Tell me a long story", max_tokens=3))
    await running.ended(generation)
    assert running.deltas(generation)[-1].finish == pb.LENGTH


@each("n")
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


@each("prompts")
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


@each("prompts")
async def test_one_prompt_that_does_not_fit_refuses_all(running: Running) -> None:
    generation = running.submit(plain("Hello", "word " * 600))
    failed = (await running.ended(generation)).failed
    assert kinds(running.events[generation]) == ["failed"]
    assert (failed.code, failed.param) == (pb.CONTEXT_LENGTH_EXCEEDED, "prompt")


@each("prompts")
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


@each("prompts", "echo", "prompt_only")
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


@each()
async def test_a_request_needs_a_prompt(running: Running) -> None:
    generation = running.submit(pb.GenerateRequest())
    assert (await running.ended(generation)).failed.code == pb.INVALID_REQUEST


@each()
async def test_a_cancelled_one_finishes_with_what_it_had(running: Running) -> None:
    generation = running.submit(long(running, "Tell me a long story", max_tokens=400))
    await running.until(generation, "delta")
    running.backend.cancel(generation)
    running.backend.cancel(generation)
    finished = (await running.ended(generation)).finished
    assert finished.cancelled
    assert 0 < finished.usage.completion_tokens < 400
    assert finished.usage.completion_tokens == sum(delta.tokens for delta in running.deltas(generation))
    again = running.submit(say("Hello", max_tokens=1))
    assert (await running.ended(again)).HasField("finished")


@each()
async def test_a_prompt_that_does_not_fit_is_refused(running: Running) -> None:
    generation = running.submit(say("word " * 600))
    failed = (await running.ended(generation)).failed
    assert kinds(running.events[generation]) == ["failed"]
    assert failed.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert failed.param == "messages"
    assert "maximum context length is 512 tokens" in failed.message
    assert "prompt is too long" in failed.message


@each()
async def test_a_full_queue_refuses_and_says_when_to_come_back(running: Running) -> None:
    generations = [running.submit(long(running, f"{i}", max_tokens=300)) for i in range(90)]
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


@each()
async def test_closing_ends_everything_as_cancelled(shared: Running) -> None:
    running = Running(load_backend(shared.config), shared.config, shared.setup)
    await running.backend.start(running.publish)
    endless = script({"say": "one "}, {"hang": True}) if running.setup.scripts else long(running, "x", max_tokens=400)
    generations = [running.submit(endless) for _ in range(2)]
    for generation in generations:
        await running.until(generation, "accepted", "failed")
    await running.backend.aclose()
    for generation in generations:
        assert (await running.ended(generation)).finished.cancelled


def long(running: Running, text: str, **fields: Any) -> pb.GenerateRequest:
    """A request that goes on until its `max_tokens`, or at least for a while."""
    if "ignore_eos" not in running.setup.lacks:
        fields["ignore_eos"] = True
    return say(text, **fields)


def script(*steps: dict[str, Any], **fields: Any) -> pb.GenerateRequest:
    return say(f"script:{json.dumps(steps)}", **fields)


UNICODE = 'Grüße, 世界! 👩‍👩‍👧 ẞ\u0301 — "quoted"\n\ttabbed \\ and a line\u2028separator'


@each(scripts=True)
async def test_text_comes_as_it_was_said_wherever_it_was_cut(running: Running) -> None:
    generation = running.submit(script({"say": UNICODE}))
    assert (await running.ended(generation)).HasField("finished")
    assert text_of(running, generation, 0) == UNICODE
    assert running.deltas(generation)[-1].finish == pb.STOP


@each(scripts=True)
async def test_reasoning_is_told_apart_from_text(running: Running) -> None:
    generation = running.submit(script({"think": "two and two "}, {"say": "four"}))
    await running.ended(generation)
    assert "".join(delta.reasoning for delta in running.deltas(generation)) == "two and two "
    assert text_of(running, generation, 0) == "four"


@each(scripts=True)
async def test_calls_come_in_order_each_with_an_id_and_whole_arguments(running: Running) -> None:
    wanted = [("weather", {"city": "Zürich", "days": 2}), ("now", {}), ("weather", {"city": "Bern", "days": 1})]
    steps = [{"call": {"name": name, "arguments": arguments}} for name, arguments in wanted]
    request = script({"say": "I will look. "}, *steps)
    for name in ("weather", "now"):
        request.chat.tools.add(name=name, description="It", parameters_json='{"type": "object"}')
    request.chat.parallel_tool_calls = True
    generation = running.submit(request)
    await running.ended(generation)
    parts = [part for delta in running.deltas(generation) for part in delta.tool_calls]
    assert [part.index for part in parts] == sorted(part.index for part in parts)
    firsts = [part for part in parts if part.id]
    assert [part.name for part in parts if part.name] == [part.name for part in firsts] == [name for name, _ in wanted]
    assert len({part.id for part in firsts}) == len(wanted)
    for index, (_, arguments) in enumerate(wanted):
        assert json.loads("".join(part.arguments for part in parts if part.index == index)) == arguments
    assert running.deltas(generation)[-1].finish == pb.TOOL_CALLS


@each(scripts=True)
async def test_what_breaks_in_the_middle_fails_after_what_was_said(running: Running) -> None:
    generation = running.submit(script({"say": "so far "}, {"fail": "broken"}))
    failed = (await running.ended(generation)).failed
    assert failed.code == pb.INTERNAL
    assert text_of(running, generation, 0) == "so far "
    assert kinds(running.events[generation]) == ["accepted", "delta", "delta", "failed"]


@each("stop")
async def test_a_stop_string_ends_the_text_before_it(running: Running) -> None:
    free = running.submit(say("Tell me a story", max_tokens=16))
    await running.ended(free)
    text = text_of(running, free, 0)
    stop = text.split()[1]
    held = running.submit(say("Tell me a story", max_tokens=16, stop=["never said", stop]))
    await running.ended(held)
    assert text_of(running, held, 0) == text[: text.index(stop)]
    last = running.deltas(held)[-1]
    assert (last.finish, last.stop_sequence) == (pb.STOP, stop)


@each("logprobs")
async def test_log_probabilities_are_told_of_every_token(running: Running) -> None:
    generation = running.submit(say("Hello", max_tokens=4, logprobs=True, top_logprobs=2))
    usage = (await running.ended(generation)).finished.usage
    told = [token for delta in running.deltas(generation) for token in delta.logprobs]
    assert len(told) == usage.completion_tokens
    assert all(token.logprob <= 0 and len(token.top) == 2 for token in told)
    assert b"".join(token.token for token in told).decode() == text_of(running, generation, 0)


def held_to_tools() -> pb.GenerateRequest:
    request = say("Hello", max_tokens=2)
    request.chat.tools.add(name="look", parameters_json='{"type": "object"}')
    request.chat.tool_choice.mode = pb.ToolChoice.REQUIRED
    return request


def with_effort() -> pb.GenerateRequest:
    request = say("Hello", max_tokens=2)
    request.chat.reasoning_effort = "low"
    return request


EXAMPLES: dict[str, Callable[[], pb.GenerateRequest]] = {
    "prompts": lambda: plain("Hello", max_tokens=2),
    "echo": lambda: plain("Hello", max_tokens=2, echo=True),
    "prompt_only": lambda: plain("Hello", prompt_only=True),
    "n": lambda: say("Hello", max_tokens=2, n=2),
    "logprobs": lambda: say("Hello", max_tokens=2, logprobs=True, top_logprobs=1),
    "seed": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(temperature=1, top_p=1, seed=1)),
    "logit_bias": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(top_p=1, logit_bias={72: 1.0})),
    "top_k": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(temperature=1, top_p=1, top_k=5)),
    "min_p": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(temperature=1, top_p=1, min_p=0.1)),
    "presence_penalty": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(top_p=1, presence_penalty=0.5)),
    "frequency_penalty": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(top_p=1, frequency_penalty=0.5)),
    "repetition_penalty": lambda: say("Hello", max_tokens=2, sampling=pb.Sampling(top_p=1, repetition_penalty=1.1)),
    "min_tokens": lambda: say("Hello", max_tokens=2, min_tokens=1),
    "stop_token_ids": lambda: say("Hello", max_tokens=2, stop_token_ids=[7]),
    "ignore_eos": lambda: say("Hello", max_tokens=2, ignore_eos=True),
    "held_to_tools": held_to_tools,
    "reasoning_effort": with_effort,
    "json_schema": lambda: say("Hello", max_tokens=2, constraint=pb.Constraint(json_schema='{"type": "object"}')),
    "json_object": lambda: say("Hello", max_tokens=2, constraint=pb.Constraint(json_object=True)),
    "grammar": lambda: say("Hello", max_tokens=2, constraint=pb.Constraint(regex="[a-z]+", param="structured_outputs")),
}
ELSEWHERE = {"reasoning_effort"}  # a matter of the model, not of its backend


def test_every_feature_has_an_example() -> None:
    assert EXAMPLES.keys() | ELSEWHERE == FEATURES.keys()


@pytest.mark.parametrize("feature", sorted(FEATURES.keys() - ELSEWHERE))
@each()
async def test_what_is_lacking_is_refused_by_its_name_and_all_else_is_taken(running: Running, feature: str) -> None:
    generation = running.submit(EXAMPLES[feature]())
    ended = await running.ended(generation)
    if feature in running.setup.lacks:
        # An upstream may have no word for what it cannot do.
        assert ended.failed.code in (pb.UNSUPPORTED, pb.INVALID_REQUEST), ended
        assert "not supported" in ended.failed.message or "cannot" in ended.failed.message
    else:
        assert ended.HasField("finished"), ended


@each()
async def test_calls_that_are_lacking_are_refused(running: Running) -> None:
    if "counting" in running.setup.lacks:
        with pytest.raises(UnsupportedError):
            await running.backend.count_tokens(say("Hello"))
    if "tokenizing" in running.setup.lacks:
        with pytest.raises(UnsupportedError):
            await running.backend.tokenize(pb.TokenizeRequest(text="Hello"))
        with pytest.raises(UnsupportedError):
            await running.backend.pieces([1])
