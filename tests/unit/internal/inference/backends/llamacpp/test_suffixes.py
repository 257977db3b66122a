"""Suffixes that are computed together: the same as those that are computed in their streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gen import inference_pb2 as pb

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


def check_as_in_streams(here: House, parts: list[Work]) -> None:
    found = here.suffixes.decode(parts).copy()
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
