"""The working memory of a real model: what moves from one sequence to another is what the first one holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from internal.inference.backends.batching.library import Chunk
from tests.unit.internal.inference.backends.llamacpp.house import ROUNDING, house
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
