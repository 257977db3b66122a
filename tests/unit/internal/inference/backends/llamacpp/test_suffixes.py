"""Suffixes that are computed together: the same as those that are computed in their streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gen import inference_pb2 as pb

from internal.inference.backends.batching.engine import Events
from internal.inference.backends.batching.library import Chunk, DecodeError
from internal.inference.backends.batching.scheduler import Task, Work
from internal.inference.backends.batching.side import SideContext
from internal.inference.backends.batching.suffixes import MOST_TOKENS
from tests.unit.internal.inference.backends.llamacpp.conftest import Start
from tests.unit.internal.inference.backends.llamacpp.house import (
    ROUNDING,
    BreakingBackend,
    Dropping,
    House,
    NotingBackend,
    check_nothing_leaked,
    house,
    started,
)
from tests.unit.internal.inference.backends.llamacpp.test_engine import prompt
from tests.unit.internal.inference.backends.llamacpp.test_gathering import steps_of
from tests.unit.internal.inference.backends.running import (
    TOLD,
    Engine,
    plain,
    same_but_for_ties,
    same_tokens_but_for_ties,
)

SHARED = prompt(400)


@pytest.fixture
def layout() -> str:
    return "streams"


def suffix(here: House, sequence: int, computed: int, length: int, *, samples: bool = True) -> Work:
    """The rest of a prompt of which a part is computed in that stream."""
    tokens = [*SHARED, *prompt(length, sequence + 1)]
    here.streams.decode([Chunk(sequence, 0, tokens[:computed], wants_logits=False)])
    task = Task(0, sequence, "", tokens)
    task.lease = SimpleNamespace(sequence=sequence, length=computed)  # type: ignore[assignment]
    return Work(task, computed, len(tokens) - computed - (not samples), samples)


def commit(parts: list[Work]) -> None:
    """As the scheduler does."""
    for part in parts:
        part.task.lease.length = part.start + part.count  # type: ignore[union-attr, misc]


def check_as_in_streams(here: House, parts: list[Work]) -> None:
    found = here.suffixes.decode(parts).copy()
    commit(parts)
    here.suffixes.settle()
    after = [here.next_logits(part.task.lease.sequence, part.start + part.count, 5) for part in parts]  # type: ignore[union-attr]
    sampling = iter(found)
    for part, next_logits in zip(parts, after, strict=True):
        here.streams.remove(2, 0)
        tokens = part.task.tokens[: part.start + part.count]
        expected = here.streams.decode([Chunk(2, 0, tokens, wants_logits=True)])[0].copy()
        if part.samples:
            np.testing.assert_allclose(next(sampling), expected, rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(next_logits, here.next_logits(2, len(tokens), 5), rtol=0, atol=ROUNDING)
    assert next(sampling, None) is None


def test_what_is_computed_together_is_what_the_streams_would_have(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        check_as_in_streams(here, [suffix(here, 0, 400, 40), suffix(here, 1, 400, 50)])
        assert here.side.held == SHARED
        assert [here.pool.length(number) for number in range(4)] == [400, 0, 0, 0]


def test_who_has_more_computed_begins_where_the_others_do(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        check_as_in_streams(here, [suffix(here, 0, 410, 40), suffix(here, 1, 390, 50, samples=False)])


def test_what_the_prefiller_holds_need_not_be_moved(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        here.compute(2, [*SHARED, *prompt(50, 9)])
        here.prefiller.rest()
        parts = [suffix(here, 0, 400, 40), suffix(here, 1, 400, 50)]
        here.streams.take = None  # type: ignore[assignment, method-assign]
        check_as_in_streams(here, parts)


def test_after_a_failure_nothing_counts_as_held(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        parts = [suffix(here, 0, 400, 40), suffix(here, 1, 400, 50)]
        here.side.context = Dropping(here.pool)
        with pytest.raises(DecodeError, match="suffixes failed: dropped"):
            here.suffixes.decode(parts)
        here.side.context = here.pool
        assert here.side.held == []
        check_as_in_streams(here, parts)


def test_who_gave_up_his_stream_meanwhile_gets_nothing_moved_there(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        parts = [suffix(here, 0, 400, 40), suffix(here, 1, 400, 50)]
        here.suffixes.decode(parts)
        commit(parts[1:])
        here.suffixes.settle()
        assert [here.streams.length(number) for number in range(2)] == [400, 450]
        assert [here.pool.length(number) for number in range(4)] == [400, 0, 0, 0]


def test_what_cannot_be_moved_leaves_nothing_in_the_pool(tiny_gguf: Path) -> None:
    with house(tiny_gguf) as here:
        parts = [suffix(here, 0, 400, 40), suffix(here, 1, 400, 50)]
        here.suffixes.decode(parts)
        commit(parts)
        here.side.streams = Dropping(here.streams)
        with pytest.raises(DecodeError, match="suffixes failed: dropped"):
            here.suffixes.settle()
        assert [here.pool.length(number) for number in range(4)] == [400, 0, 0, 0]


# ------------------------------------------------------------------ in the engine


def side_of(engine: Engine) -> SideContext:
    backend = engine.backend
    assert backend._engine is not None and backend._engine._side is not None
    return backend._engine._side


def at_once(prompts: Sequence[Sequence[int]]) -> pb.Prompts:
    """Of one request, because what arrives apart may be computed apart."""
    return pb.Prompts(items=[plain(each) for each in prompts])


@pytest.mark.parametrize("threads", [1, 2])
async def test_prompts_with_one_beginning_are_answered_as_alone(
    start: Start, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [[*SHARED, *prompt(20 + number, number + 1)] for number in range(9)]  # more than one step's
    assert sum(map(len, prompts)) - 9 * len(SHARED) > MOST_TOKENS
    alone = await start(threads=threads, prefill_aside=False)
    engine = await start(threads=threads)
    await engine.run(SHARED)
    steps = steps_of(engine, monkeypatch)
    answer = await engine.run(at_once(prompts), **TOLD)
    assert steps[0].count(1) > 1  # those who were too many have waited until the others were computed together
    for choice, each in enumerate(prompts):
        same_tokens_but_for_ties(answer.logprobs(choice), (await alone.run(each, **TOLD)).logprobs())
    assert answer.usage.cached_tokens == 9 * 400
    assert side_of(engine).held == SHARED
    check_nothing_leaked(engine)
    longer = [*prompts[8], *prompt(30, 99)]
    answer = await engine.run(longer, **TOLD)
    assert answer.usage.cached_tokens >= len(prompts[8])
    same_but_for_ties(answer, await alone.run(longer, **TOLD))


async def test_first_tokens_do_not_wait_for_what_moves_to_the_streams(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(NotingBackend, tiny_gguf, threads=1) as engine:
        await engine.run(SHARED)
        assert isinstance(engine.backend, NotingBackend)
        notes, inner = engine.backend.noting.notes, engine.backend._engine
        assert inner is not None
        emit, begun = inner._emit, len(notes)
        said: list[int] = []  # how much had been noted when tokens were said

        def noting(events: Events) -> None:
            said.append(len(notes))
            emit(events)

        monkeypatch.setattr(inner, "_emit", noting)
        await engine.run(at_once([[*SHARED, *prompt(30, number)] for number in range(1, 5)]), max_tokens=3)
        moved = [number for number, note in enumerate(notes) if isinstance(note, int) and number >= begun]
        assert len(moved) == 4 and said[0] <= moved[0]


@pytest.mark.parametrize("keep", [True, False])
async def test_an_answer_that_ends_with_its_first_token_leaves_its_prompt_behind(
    start: Start, keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sequence is given up before what was computed moves there; where that is no number, nothing moves."""
    alone, engine = await start(prefill_aside=False), await start(threads=1)
    await engine.run(SHARED)
    prompts = [[*SHARED, *prompt(30, number)] for number in range(1, 5)]
    pool = side_of(engine).context
    decode = pool.decode
    if not keep:
        monkeypatch.setattr(pool, "decode", lambda chunks: decode(chunks) * np.float32("nan"))
    answer = await engine.run(at_once(prompts), max_tokens=1)
    if keep:
        assert [answer.finish(choice) for choice in range(4)] == [pb.LENGTH] * 4
    else:
        assert answer.failure.message == "the model's output is not a number"
    longer = [*prompts[2], *prompt(30, 99)]
    answer = await engine.run(longer, **TOLD)
    assert answer.usage.cached_tokens == (len(prompts[2]) if keep else 0)
    check_nothing_leaked(engine)
    same_but_for_ties(answer, await alone.run(longer, **TOLD))


@pytest.mark.parametrize("tokens", [1, 16])
async def test_what_cannot_be_moved_is_computed_again_behind_its_first_token(start: Start, tokens: int) -> None:
    alone, engine = await start(prefill_aside=False), await start(threads=1)
    await engine.run(SHARED)
    side = side_of(engine)
    streams, side.streams = side.streams, Dropping(side.streams)  # type: ignore[arg-type]
    prompts = [[*SHARED, *prompt(30, number)] for number in range(1, 5)]
    answer = await engine.run(at_once(prompts), max_tokens=tokens, **TOLD)
    side.streams = streams
    for choice, each in enumerate(prompts):
        expected = await alone.run(each, max_tokens=tokens, **TOLD)
        same_tokens_but_for_ties(answer.logprobs(choice), expected.logprobs())
    again = await engine.run(prompts[0], **TOLD)
    check_nothing_leaked(engine)
    same_but_for_ties(again, await alone.run(prompts[0], **TOLD))


async def test_what_cannot_be_computed_together_is_computed_in_its_stream(
    tiny_gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(BreakingBackend, tiny_gguf, threads=1) as engine:
        await engine.run(SHARED)
        for _ in range(2):  # the second time it is not tried again
            answer = await engine.run(at_once([[*SHARED, *prompt(30, number)] for number in range(1, 5)]))
            assert [answer.finish(choice) for choice in range(4)] == [pb.LENGTH] * 4
        assert [record.message for record in caplog.records if "suffixes" in record.message] == [
            "computing suffixes failed: no; from now on the streams do it"
        ]
        check_nothing_leaked(engine)
