from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from internal.inference.backends.batching.decoding import NO_LOGITS, Decoding
from internal.inference.backends.batching.library import Chunk, Logits
from internal.inference.backends.batching.pictures import Picture, Pictures
from internal.inference.backends.batching.scheduler import Task, Work
from internal.inference.backends.batching.slots import Choice

PICTURE = Picture([-1] * 8, np.zeros((8, 4), np.float32))


class Positions:
    """A context that computes nothing, and takes positions as llama.cpp does: each after the one before."""

    def __init__(self) -> None:
        self.lengths = Counter[int]()

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        for chunk in chunks:
            assert chunk.start == self.lengths[chunk.sequence]
            self.lengths[chunk.sequence] += len(chunk.tokens)
        return NO_LOGITS

    def remove(self, sequence: int, start: int) -> None:
        self.lengths[sequence] = min(self.lengths[sequence], start)


class Gaps:
    """A cache that bridges every gap between sequences."""

    def __init__(self, lengths: dict[int, int]) -> None:
        self._lengths = lengths

    def bridges(self, sequences: Sequence[int]) -> list[tuple[int, int]]:
        missing = {*range(sequences[0], sequences[-1])} - {*sequences}
        return [(sequence, self._lengths[sequence]) for sequence in sorted(missing)]


class Said(Choice):
    """What is decoded of an output: its tokens, and where it has got to."""

    def __init__(self, sequence: int, tokens: list[int], computed: int, *pictures: Picture) -> None:
        Task.__init__(self, 0, 0, "", tokens)
        self.lease = SimpleNamespace(sequence=sequence, length=computed)  # type: ignore[assignment]
        self.prompt = SimpleNamespace(pictures=Pictures(tokens, pictures, whole=False) if pictures else None)  # type: ignore[assignment]


def test_a_part_that_ends_with_a_picture_between_two_streams() -> None:
    """All of it is computed by itself; the sequence is bridged behind that, not where its lease says that it ends."""
    before, behind = Said(0, [1] * 21, 20), Said(2, [1] * 21, 20)
    seen = Said(1, [1, 1, 1, *PICTURE.tokens, 1], 0, PICTURE)
    context: Any = Positions()
    context.lengths.update({0: 20, 2: 20})
    cache: Any = Gaps({0: 20, 1: 0, 2: 20})
    work = [Work(before, 20, 1, True), Work(seen, 0, 9, False), Work(behind, 20, 1, True)]
    Decoding(context, cache).logits(work)
    assert dict(context.lengths) == {0: 21, 1: 9, 2: 21}
