"""Steps that go wrong: whoever comes next does not go on with what they left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.inference.backends.batching.backend import Loaded
from internal.inference.backends.batching.engine import MOST_FAILURES
from internal.inference.backends.batching.library import Chunk, Context, DecodeError, Logits, Model
from internal.inference.backends.llamacpp import LlamaCppBackend
from tests.unit.internal.inference.backends.llamacpp.house import check_nothing_leaked
from tests.unit.internal.inference.backends.llamacpp.test_engine import prompt, sampling
from tests.unit.internal.inference.backends.running import Engine


class Sick:
    """A context that computes, and then does what it is told to."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.symptom = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def remove(self, sequence: int, start: int) -> None:
        if self.symptom == "cannot even forget":
            raise DecodeError("nor that")
        self._context.remove(sequence, start)

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        symptom = self.symptom
        if symptom == "refuses":
            raise DecodeError("no")
        if symptom == "has no cells":
            self.symptom = ""
            raise DecodeError("no", no_cells=True)
        logits = self._context.decode(chunks)
        if symptom == "no numbers":
            return np.full_like(logits, np.nan)
        if symptom:
            raise ValueError("something else")
        return logits


class Mute:
    """A model that cannot say one of its tokens."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.unsaid = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def piece(self, token: int) -> bytes:
        if token == self.unsaid:
            raise ValueError("unsaid")
        return self._model.piece(token)


class SickBackend(LlamaCppBackend):
    context: Sick
    model: Mute

    def __init__(self, config: ModelConfig) -> None:
        self.gave_up = threading.Event()
        super().__init__(config, self.gave_up.set)

    def _load(self, resources: ExitStack) -> Loaded:
        loaded = super()._load(resources)
        self.context, self.model = Sick(loaded.context), Mute(loaded.model)
        return replace(loaded, context=self.context, model=self.model)


@pytest.fixture(params=["streams", "unified"])
async def sick(request: pytest.FixtureRequest, tiny_gguf: Path) -> AsyncIterator[tuple[SickBackend, Engine]]:
    row = ModelConfig(
        name="tiny", kind="chat", backend="llamacpp", path=str(tiny_gguf), options={"kv": str(request.param)}
    )
    backend = SickBackend(row)
    engine = Engine(backend)
    await backend.start(engine.publish)
    yield backend, engine
    await backend.aclose()


@pytest.mark.parametrize("symptom", ["raises", "no numbers"])
async def test_nobody_goes_on_with_what_a_broken_step_computed(sick: tuple[SickBackend, Engine], symptom: str) -> None:
    backend, engine = sick
    backend.context.symptom = symptom
    broken = await engine.run(prompt(100))
    assert broken.failure.code == pb.INTERNAL
    backend.context.symptom = ""
    assert (await engine.run(prompt(100))).usage.cached_tokens == 0
    assert (await engine.run(prompt(100))).usage.cached_tokens == 99
    check_nothing_leaked(engine)


async def test_what_was_there_before_a_step_that_was_not_computed_stays(sick: tuple[SickBackend, Engine]) -> None:
    backend, engine = sick
    for number in range(MOST_FAILURES + 1):  # not in a row
        answer = engine.submit(prompt(100, number), max_tokens=1900)
        await answer.until(lambda answer=answer: answer.tokens() > 0)  # type: ignore[misc]
        backend.context.symptom = "refuses"
        assert (await answer.end()).failure.message == "the model could not be run; try again"
        backend.context.symptom = ""
        assert (await engine.run(prompt(100, number))).usage.cached_tokens == 99
    assert not backend.gave_up.is_set()
    check_nothing_leaked(engine)


async def test_an_engine_whose_steps_all_fail_gives_up(sick: tuple[SickBackend, Engine]) -> None:
    backend, engine = sick
    backend.context.symptom = "refuses"
    for number in range(MOST_FAILURES):
        assert not backend.gave_up.is_set()
        assert (await engine.run(prompt(10, number))).failure.code == pb.INTERNAL
    assert await asyncio.to_thread(backend.gave_up.wait, 30)


async def test_where_cells_run_out_after_all_the_youngest_gives_way(sick: tuple[SickBackend, Engine]) -> None:
    backend, engine = sick
    answers = [engine.submit(prompt(30, number), max_tokens=200) for number in range(2)]
    for answer in answers:
        await answer.until(lambda answer=answer: answer.tokens() > 0)  # type: ignore[misc]
    backend.context.symptom = "has no cells"
    assert [(await answer.end()).usage.completion_tokens for answer in answers] == [200, 200]
    assert backend._engine._scheduler.preemptions == 1  # type: ignore[union-attr]
    check_nothing_leaked(engine)


async def test_an_engine_that_cannot_end_what_failed_gives_up(sick: tuple[SickBackend, Engine]) -> None:
    backend, engine = sick
    backend.context.symptom = "cannot even forget"
    engine.submit(prompt(100))
    assert await asyncio.to_thread(backend.gave_up.wait, 30)
    backend.context.symptom = ""


async def test_an_answer_that_cannot_be_written_fails_alone(sick: tuple[SickBackend, Engine]) -> None:
    backend, engine = sick
    backend.model.unsaid = 90
    company = engine.submit(prompt(20), max_tokens=200, sampling=sampling(logit_bias={90: -100}))
    await company.until(lambda: company.tokens() > 0)
    broken = await engine.run(prompt(30), sampling=sampling(logit_bias={90: 100}))
    assert (broken.failure.code, "unsaid" in broken.failure.message) == (pb.INTERNAL, False)
    assert not company.over
    assert (await company.end()).tokens() == 200
    check_nothing_leaked(engine)
