"""Copies that are made late, or never, are not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internal.inference.backends.batching.library import Chunk, DecodeError, Logits, MovableContext, Parcel
from internal.inference.backends.llamacpp.lazy_copies import LazyCopies

SEQUENCES = 4


class Lists:
    """A context that remembers tokens. Its parcels are those tokens."""

    unified = False

    def __init__(self) -> None:
        self.held: list[list[int]] = [[] for _ in range(SEQUENCES)]
        self.copied = 0

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        for chunk in chunks:
            assert chunk.start == len(self.held[chunk.sequence])
            self.held[chunk.sequence] += chunk.tokens
        return np.empty((0, 0), np.float32)

    def copy(self, source: int, target: int, end: int) -> None:
        assert source != target
        assert end <= len(self.held[source])
        self.held[target] = self.held[source][:end]
        self.copied += 1

    def remove(self, sequence: int, start: int) -> None:
        del self.held[sequence][start:]

    def length(self, sequence: int) -> int:
        return len(self.held[sequence])

    def take(self, sequence: int) -> Parcel:
        return np.array(self.held[sequence], np.uint8)

    def put(self, sequence: int, parcel: Parcel) -> None:
        self.held[sequence] = parcel.tolist()

    save, restore = take, put

    def use_threads(self, threads: int | None) -> None:
        pass


def decode(context: MovableContext, sequence: int, tokens: Sequence[int]) -> None:
    context.decode([Chunk(sequence, context.length(sequence), tokens, wants_logits=False)])


def copy(context: MovableContext, source: int, target: int, end: int) -> None:
    if source != target and (end := min(end, context.length(source))):
        context.copy(source, target, end)


sequences = st.integers(0, SEQUENCES - 1)
lengths = st.integers(0, 9)
tokens = st.lists(st.integers(0, 255), min_size=1, max_size=4)
changes: st.SearchStrategy[tuple[Callable[..., None], tuple[object, ...]]] = st.one_of(
    st.tuples(st.just(decode), st.tuples(sequences, tokens)),
    st.tuples(st.just(copy), st.tuples(sequences, sequences, lengths)),
    st.tuples(st.just(Lists.remove), st.tuples(sequences, lengths)),
    st.tuples(
        st.sampled_from([Lists.put, Lists.restore]),
        st.tuples(sequences, tokens.map(lambda each: np.array(each, np.uint8))),
    ),
)


def changed(context: MovableContext, change: Callable[..., None], arguments: tuple[object, ...]) -> None:
    if change in (decode, copy):
        change(context, *arguments)
    else:
        getattr(context, change.__name__)(*arguments)


@given(st.lists(changes, max_size=40))
def test_as_if_they_had_been_made_at_once(steps: list[tuple[Callable[..., None], tuple[object, ...]]]) -> None:
    eager, inner = Lists(), Lists()
    lazy = LazyCopies(inner)
    for change, arguments in steps:
        for context in (eager, lazy):
            changed(context, change, arguments)
        assert [lazy.length(sequence) for sequence in range(SEQUENCES)] == list(map(len, eager.held))
    assert inner.copied <= eager.copied
    told = [(lazy.save if sequence % 2 else lazy.take)(sequence) for sequence in range(SEQUENCES)]
    assert [parcel.tolist() for parcel in told] == eager.held


def test_what_is_overwritten_unread_is_not_copied() -> None:
    inner = Lists()
    lazy = LazyCopies(inner)
    decode(lazy, 0, [1, 2, 3])
    for target in (1, 2, 3):
        lazy.copy(0, target, 2)
    lazy.put(1, np.array([1, 2, 9], np.uint8))
    lazy.copy(3, 2, 1)
    assert inner.copied == 0
    decode(lazy, 3, [5])
    lazy.remove(0, 0)
    assert inner.held == [[], [1, 2, 9], [1], [1, 2, 5]]
    assert inner.copied == 2


def test_a_copy_that_fails_is_still_owed() -> None:
    class Failing(Lists):
        fails = True

        def copy(self, source: int, target: int, end: int) -> None:
            if self.fails:
                raise DecodeError("no")
            super().copy(source, target, end)

    inner = Failing()
    lazy = LazyCopies(inner)
    decode(lazy, 0, [1, 2, 3])
    lazy.copy(0, 1, 2)
    for _ in range(2):
        with pytest.raises(DecodeError):
            decode(lazy, 1, [5])
        assert lazy.length(1) == 2
    inner.fails = False
    decode(lazy, 1, [5])
    assert inner.held[1] == [1, 2, 5]
