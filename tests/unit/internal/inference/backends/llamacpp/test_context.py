"""The working memory of a real model: what moves from one sequence to another is what the first one holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.make_gguf import byte_vocabulary, write_gguf
from internal.inference.backends.batching.library import Chunk
from internal.inference.backends.llamacpp.context import Context
from internal.inference.backends.llamacpp.model import Model
from internal.inference.backends.llamacpp.options import CACHE_BITS, CacheType, Options, cell_bytes
from tests.unit.internal.inference.backends.llamacpp.conftest import TINY
from tests.unit.internal.inference.backends.llamacpp.house import ROUNDING, STREAMS, house
from tests.unit.internal.inference.backends.llamacpp.test_engine import prompt


def test_a_copy_that_needs_more_room_is_not_of_what_was_copied_before(tiny_gguf: Path) -> None:
    """The room that is there at the start is for numbers of 16 bits; those of a cache in f32 are twice as long."""
    short, long = prompt(200), prompt(500, 1)
    with house(tiny_gguf) as here:
        here.streams.decode([Chunk(0, 0, short, wants_logits=False)])
        here.streams.copy(0, 1, len(short))
        here.streams.decode([Chunk(2, 0, long, wants_logits=False)])
        here.streams.copy(2, 1, 499)
        assert here.streams.length(1) == 499
        found = here.next_logits(1, 499, 5)
        here.streams.remove(2, 499)
        np.testing.assert_allclose(found, here.next_logits(2, 499, 5), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("head_length", "types"),
    [(0, ("f16", "f16")), (128, ("f16", "f16")), *((0, (kind, "q8_0")) for kind in CACHE_BITS)],
)
def test_cells_take_what_was_reckoned(head_length: int, types: tuple[CacheType, CacheType], tmp_path: Path) -> None:
    """Memory is shared out by it. Heads may be longer than their part of the model's width."""
    options = Options(cache_type_k=types[0], cache_type_v=types[1])
    path = tmp_path / "model.gguf"
    write_gguf(path, replace(TINY, head_length=head_length), byte_vocabulary())
    model = Model(str(path))
    context = Context(model, replace(STREAMS, cache_type_k=types[0], cache_type_v=types[1]))
    try:
        sizes = []
        for length in (100, 200):
            context.decode([Chunk(0, context.length(0), prompt(100), wants_logits=False)])
            sizes.append(len(context.save(0)))
            assert context.length(0) == length
        told_apart = 12  # of a cell, beside its numbers: its position and whose it is
        assert (sizes[1] - sizes[0]) // 100 == cell_bytes(options, model.kv_values_per_cell) + told_apart
    finally:
        context.free()
        model.free()
