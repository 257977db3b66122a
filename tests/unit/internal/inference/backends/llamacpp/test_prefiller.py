"""Prompts that are computed beside the streams: the same as those that are computed in their steps."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gen import inference_pb2 as pb

from internal.inference.backends.batching.library import Chunk, DecodeError
from internal.inference.backends.batching.prefiller import LEAST_TOKENS, NAME, Prefiller
from internal.inference.backends.batching.scheduler import BEGINNING
from internal.llamacpp import llama
from tests.unit.internal.inference.backends.llamacpp.conftest import Start
from tests.unit.internal.inference.backends.llamacpp.house import (
    POOL,
    ROUNDING,
    BreakingBackend,
    Dropping,
    NotingBackend,
    check_nothing_leaked,
    house,
    started,
)
from tests.unit.internal.inference.backends.llamacpp.test_engine import prompt
from tests.unit.internal.inference.backends.running import TOLD, Answer, Engine, same_but_for_ties


@pytest.fixture
def layout() -> str:
    return "streams"


def test_what_it_computed_is_what_the_streams_would_have(tiny_gguf: Path) -> None:
    tokens = prompt(300)
    with house(tiny_gguf) as here:
        last = here.streams.decode([Chunk(0, 0, tokens, wants_logits=True)])[0].copy()
        expected = here.next_logits(0, 300, 5)
        np.testing.assert_allclose(here.compute(2, tokens), last, rtol=0, atol=ROUNDING)
        assert here.streams.length(2) == 300
        np.testing.assert_allclose(here.next_logits(2, 300, 5), expected, rtol=0, atol=ROUNDING)


def test_it_goes_on_from_what_a_stream_holds(tiny_gguf: Path) -> None:
    tokens = prompt(300)
    with house(tiny_gguf) as here:
        here.streams.decode([Chunk(1, 0, tokens[:100], wants_logits=False)])
        other = here.streams.length(0)
        here.compute(1, tokens, start=100)
        found = here.next_logits(1, 300, 5)
        here.streams.decode([Chunk(0, 0, tokens, wants_logits=False)])
        np.testing.assert_allclose(found, here.next_logits(0, 300, 5), rtol=0, atol=ROUNDING)
        assert other == 0  # and nobody else was touched


def test_a_prompt_that_was_hurried_goes_on_where_it_ended(tiny_gguf: Path) -> None:
    tokens = prompt(500)
    with house(tiny_gguf, replace(POOL, batch=64, ubatch=64)) as here:
        done = here.begin(0, tokens, 0)
        here.prefiller.hurry()
        assert done.wait(30)
        reached, logits = here.prefiller.end(0)
        assert 0 <= reached < 500 and logits is None
        assert here.streams.length(0) == reached
        here.compute(0, tokens, start=reached)
        here.streams.decode([Chunk(1, 0, tokens, wants_logits=False)])
        found, expected = here.next_logits(0, 500, 5), here.next_logits(1, 500, 5)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_what_nobody_wants_touches_no_stream(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        here.compute(0, prompt(100))
        assert here.begin(1, prompt(200, 1), 0).wait(30)
        here.prefiller.end(None)
        assert [here.streams.length(number) for number in range(3)] == [100, 0, 0]


def test_after_a_move_that_failed_nothing_counts_as_computed(tiny_gguf: Path) -> None:
    tokens = prompt(300)
    with house(tiny_gguf) as here:
        here.compute(0, tokens[:100])
        here.streams.decode([Chunk(1, 0, prompt(50, 1), wants_logits=False)])
        here.side.context = Dropping(here.pool)
        with pytest.raises(DecodeError, match="dropped"):
            here.compute(1, prompt(200, 1), start=50)
        here.side.context = here.pool
        here.compute(0, tokens, start=100)
        here.streams.decode([Chunk(2, 0, tokens, wants_logits=False)])
        np.testing.assert_allclose(here.next_logits(0, 300, 5), here.next_logits(2, 300, 5), rtol=0, atol=ROUNDING)


def test_threads_are_shared_only_while_it_works(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        threads = partial(llama.llama_n_threads, here.streams.pointer)
        assert (here.prefiller.shares, threads()) == (False, 2)
        at_rest = here.prefiller.least_tokens
        here.compute(0, prompt(100))
        assert (here.prefiller.shares, threads()) == (True, 1)
        # In steps with half of the threads prompts would take twice as long.
        assert here.prefiller.least_tokens < at_rest
        assert NAME in {thread.name for thread in threading.enumerate()}
        here.prefiller.rest()
        assert (here.prefiller.shares, threads()) == (False, 2)
        assert NAME not in {thread.name for thread in threading.enumerate()}
        here.compute(1, prompt(100, 1))  # and it comes back


def test_it_is_known_at_the_start_whether_sequences_can_be_moved(tiny_gguf: Path) -> None:
    for pool, works in ((POOL, True), (replace(POOL, cache_type_k="f16"), False)):
        with house(tiny_gguf, pool) as here:
            here.streams.decode([Chunk(1, 0, prompt(5), wants_logits=False)])
            assert here.side.works(1) == works


# ------------------------------------------------------------------ in the engine


async def reader(engine: Engine) -> Answer:
    """A stream that someone reads along."""
    stream = engine.submit(prompt(5, 99), max_tokens=1900)
    await stream.until(lambda: stream.tokens() > BEGINNING)
    return stream


def prefiller_of(engine: Engine) -> Prefiller:
    backend = engine.backend
    assert backend._engine is not None and backend._engine._aside is not None
    return backend._engine._aside.prefiller


def went_aside(engine: Engine) -> bool:
    return bool(prefiller_of(engine)._cost.token_s)


async def test_beside_a_stream_a_prompt_is_answered_as_alone(start: Start) -> None:
    alone = await (await start(threads=2)).run(prompt(700), **TOLD)
    engine = await start(threads=2)
    stream = await reader(engine)
    same_but_for_ties(await engine.run(prompt(700), **TOLD), alone)
    assert went_aside(engine)
    assert not stream.over
    engine.cancel(stream)
    await stream.end()
    check_nothing_leaked(engine)


async def test_the_first_token_waits_for_no_step_and_the_streams_have_one_before_the_second(tiny_gguf: Path) -> None:
    async with started(NotingBackend, tiny_gguf, threads=2) as engine:
        stream = await reader(engine)
        await engine.run(prompt(700), max_tokens=3)
        engine.cancel(stream)
        await stream.end()
        assert isinstance(engine.backend, NotingBackend)
        notes = engine.backend.noting.notes
    landed = max(number for number, note in enumerate(notes) if isinstance(note, int))
    steps = [note for note in notes[landed + 1 :] if isinstance(note, list)]
    of_prompt = [[chunk for chunk in step if chunk[0] == notes[landed]] for step in steps]
    assert of_prompt[:3] == [[], [(notes[landed], 700, 1)], [(notes[landed], 701, 1)]]
    assert not any(of_prompt[3:]) and all(steps)


async def test_beside_a_stream_a_conversation_goes_on_from_its_last_turn(start: Start) -> None:
    engine = await start(threads=2)
    first = prompt(300)
    expected = await engine.run([*first, *prompt(200, 1)], **TOLD)
    stream = await reader(engine)
    await engine.run(first, cache_salt="here")
    prefiller_of(engine)._cost.token_s = 0.0
    answer = await engine.run([*first, *prompt(200, 1)], cache_salt="here", **TOLD)
    assert answer.usage.cached_tokens == 300
    assert went_aside(engine)
    same_but_for_ties(answer, expected)
    engine.cancel(stream)
    await stream.end()


async def test_prompts_beside_a_stream_share_what_they_begin_with(start: Start) -> None:
    engine = await start(threads=2)
    stream, second = await reader(engine), await reader(engine)
    shared = prompt(600)
    answers = [engine.submit([*shared, *prompt(100, number)]) for number in (1, 2)]
    for answer in answers:
        await answer.end()
    assert went_aside(engine)
    assert sorted(answer.usage.cached_tokens for answer in answers) == [0, 600]
    for each in (stream, second):
        engine.cancel(each)
        await each.end()
    check_nothing_leaked(engine)


async def test_whoever_leaves_while_his_prompt_is_computed_leaves_nothing(start: Start) -> None:
    engine = await start(threads=2)
    stream = await reader(engine)
    for number in range(5):
        long = engine.submit(prompt(1800, number))
        await long.until(lambda long=long: long.accepted)  # type: ignore[misc]
        engine.cancel(long)
        await long.end()
        assert long.events[-1].finished.cancelled
    engine.cancel(stream)
    await stream.end()
    assert (await engine.run(prompt(100))).finish() == pb.LENGTH
    check_nothing_leaked(engine)


async def test_closing_does_not_wait_for_a_long_prompt_to_be_answered(start: Start) -> None:
    engine = await start(threads=2)
    stream = await reader(engine)
    long = engine.submit(prompt(1800))
    await long.until(lambda: long.accepted)
    await engine.backend.aclose()
    assert stream.events[-1].finished.cancelled and long.events[-1].finished.cancelled
    assert NAME not in {thread.name for thread in threading.enumerate()}


async def test_a_prompt_that_cannot_be_computed_ends_its_request_only(tiny_gguf: Path) -> None:
    async with started(BreakingBackend, tiny_gguf, threads=2) as engine:
        stream = await reader(engine)
        assert (await engine.run(prompt(500))).failure.code == pb.INTERNAL
        before = stream.tokens()
        await stream.until(lambda: stream.tokens() > before)
        assert (await engine.run(prompt(LEAST_TOKENS))).finish() == pb.LENGTH
        engine.cancel(stream)
        await stream.end()
        check_nothing_leaked(engine)


@pytest.mark.parametrize("options", [{"prefill_aside": False}, {"threads": 1}, {"kv": "unified"}])
async def test_where_there_is_none(start: Start, options: dict[str, Any]) -> None:
    engine = await start(**({"threads": 2} | options))
    assert engine.backend._engine is not None and engine.backend._engine._aside is None
