"""Who comes together: whether a step waits for those whose prompts are just being read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from gen import inference_pb2 as pb

from internal.inference.backends.base import Generation
from internal.inference.backends.batching import engine as batching_engine
from internal.inference.backends.batching.library import Chunk, Logits
from internal.inference.backends.batching.scheduler import BEGINNING
from internal.inference.backends.batching.slots import Request
from tests.unit.internal.inference.backends.llamacpp.conftest import Start
from tests.unit.internal.inference.backends.llamacpp.test_engine import prompt
from tests.unit.internal.inference.backends.running import Engine


def steps_of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The tokens of every sequence in each step from now on."""
    context, steps = engine.backend._engine._context, list[list[int]]()  # type: ignore[attr-defined]
    decode = context.decode

    def told(chunks: list[Chunk]) -> Logits:
        steps.append([len(chunk.tokens) for chunk in chunks])
        return decode(chunks)  # type: ignore[no-any-return]

    monkeypatch.setattr(context, "decode", told)
    return steps


def expect(engine: Engine) -> Callable[[], None]:
    """Somebody who never comes, until what is returned is called."""
    request, inner = Request(Generation("late", pb.GenerateRequest(), owner=None)), engine.backend._engine
    assert inner is not None
    inner.expect(request)
    return partial(inner.forget, request)


async def test_prompts_that_come_together_are_computed_together(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """If they continue what is computed; until nobody else is expected, be it that he is refused."""
    engine = await start(slots=8, prefill_aside=False)
    shared = prompt(300)
    monkeypatch.setattr(batching_engine, "GATHER_S", 60)
    forget = expect(engine)
    await engine.run(shared)
    steps = steps_of(engine, monkeypatch)
    answers = [engine.submit([*shared, *prompt(10 + number, number)]) for number in range(3)]
    refused = engine.submit(prompt(10), top_logprobs=1000)
    await refused.end()
    forget()
    for answer in answers:
        assert (await answer.end()).tokens() == 16
    assert refused.failure.param == "top_logprobs"
    assert sorted(steps[0]) == [10, 11, 12]


async def test_who_reads_along_does_not_wait_for_others(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start(slots=8, prefill_aside=False)
    shared = prompt(300)
    await engine.run(shared)
    reader = engine.submit(prompt(10), max_tokens=1000)
    await reader.until(lambda: reader.tokens() > BEGINNING)
    monkeypatch.setattr(batching_engine, "GATHER_S", 60)
    expect(engine)
    assert (await engine.run(shared)).tokens() == 16
    engine.cancel(reader)
    await reader.end()


async def test_nobody_is_waited_for_for_long(start: Start) -> None:
    engine = await start()
    expect(engine)
    for _ in range(2):
        assert (await engine.run(prompt(300))).tokens() == 16
