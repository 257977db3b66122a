"""Pages that sequences share: each of them stays what it is, whatever the others become."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from internal.errors import WorkerError
from internal.inference.backends.batching.library import Chunk, DecodeError
from internal.inference.backends.transformers.context import PAGE, SPARE_PAGES, Context
from internal.inference.backends.transformers.options import Options
from internal.inference.backends.transformers.weights import load_weights
from tests.unit.internal.inference.backends.transformers.conftest import NOVAI_TINY, torch

SEQUENCES, CELLS = 5, 160


@pytest.fixture(scope="module")
def model() -> Any:
    torch.set_num_threads(1)  # several would wait for one another on a busy machine
    return load_weights(str(NOVAI_TINY / "hf"), Options(device="cpu", dtype="float32"))


def free_pages(context: Context) -> int:
    pool = context._cache.pool
    return int(pool.num_free_sectors + pool.count_free_blocks(0))


class Mirror:
    """A context, and the tokens that its sequences must hold."""

    def __init__(self, model: Any) -> None:
        self.context = Context(model, cells=CELLS, sequences=SEQUENCES, batch=64)
        self.tokens: list[list[int]] = [[] for _ in range(SEQUENCES)]
        self._model = model

    def extend(self, sequence: int, tokens: list[int]) -> None:
        held = self.tokens[sequence]
        logits = self.context.decode([Chunk(sequence, len(held), tokens, True)])
        held += tokens
        with torch.inference_mode():
            expected = self._model(torch.tensor([held])).logits[0, -1:].numpy()
        np.testing.assert_allclose(logits, expected, atol=2e-3)

    def copy(self, source: int, target: int, end: int) -> None:
        self.context.copy(source, target, end)
        self.tokens[target] = self.tokens[source][:end]

    def remove(self, sequence: int, start: int) -> None:
        self.context.remove(sequence, start)
        del self.tokens[sequence][start:]


def test_sequences_that_share_pages_stay_apart(model: Any) -> None:
    mirror = Mirror(model)
    mirror.extend(0, list(range(3, 3 + 2 * PAGE)))
    mirror.copy(0, 1, 2 * PAGE)  # both pages are full and belong to both
    mirror.remove(0, PAGE + 4)
    mirror.extend(0, [7] * 8)
    mirror.extend(1, [8])
    mirror.copy(1, 2, PAGE + 3)
    mirror.extend(2, [9] * PAGE)
    mirror.extend(1, [10])


def test_whatever_happens_in_whatever_order(model: Any) -> None:
    random = Random(5)
    mirror = Mirror(model)
    before = free_pages(mirror.context)
    assert before == CELLS // PAGE + SPARE_PAGES * SEQUENCES
    for _ in range(100):
        sequence, other = random.sample(range(SEQUENCES), 2)
        held = mirror.tokens[sequence]
        if random.random() < 0.3 and held:
            mirror.copy(sequence, other, random.randint(1, len(held)))
        elif random.random() < 0.3 and held:
            mirror.remove(sequence, random.randint(0, len(held) - 1))
        elif len(held) < CELLS // SEQUENCES:
            room = CELLS // SEQUENCES - len(held)
            mirror.extend(sequence, random.choices(range(3, 6000), k=random.randint(1, room)))
    for sequence in range(SEQUENCES):
        mirror.remove(sequence, 0)
    assert free_pages(mirror.context) == before


def test_a_step_that_reads_shared_pages_more_often_than_there_are_pages(model: Any) -> None:
    mirror = Mirror(model)
    for _ in range(2):
        mirror.extend(0, list(range(3, 3 + 4 * PAGE)))
    shared = mirror.tokens[0]
    for sequence in range(1, SEQUENCES):
        mirror.copy(0, sequence, len(shared))
    wanted = [0, 1, 3, 4]
    logits = mirror.context.decode([Chunk(i, len(shared), [100 + i], i in wanted) for i in range(SEQUENCES)])
    with torch.inference_mode():
        expected = model(torch.tensor([[*shared, 100 + i] for i in wanted])).logits[:, -1].numpy()
    np.testing.assert_allclose(logits, expected, atol=2e-3)


def test_a_step_for_which_there_are_no_pages(model: Any) -> None:
    context = Context(model, cells=2 * PAGE, sequences=1, batch=64)
    with pytest.raises(DecodeError) as failed:
        for start in range(0, 8 * PAGE, PAGE):
            context.decode([Chunk(0, start, [5] * PAGE, True)])
    assert failed.value.no_cells
    context.remove(0, 0)
    assert context.decode([Chunk(0, 0, [5, 6], True)]).shape == (1, 6144)


def test_memory_that_is_not_there(model: Any) -> None:
    with pytest.raises(WorkerError, match="KV cache"):
        Context(model, cells=1 << 40, sequences=1, batch=64)
