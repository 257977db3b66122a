"""Sequences are copied when somebody needs the copy.

A prefix is copied to a stream as soon as a request gets that stream. Where the request is then computed elsewhere and
moves in with all that it has, as the suffixes of one prefix do (`suffixes.py`), that copy would be overwritten unread,
after 2 ms for a thousand tokens of a small model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from internal.inference.backends.batching.library import Chunk, Logits, MovableContext, Parcel
from internal.inference.backends.llamacpp.prompt_cache import SavedMemory


class SavedContext(MovableContext, SavedMemory, Protocol):
    """One whose sequences can be kept outside of it, too."""


class _Copy(NamedTuple):
    source: int
    end: int


class LazyCopies:
    """A `SavedContext` before another one. DecodeErrors of copying come from whatever needed the copy."""

    def __init__(self, context: SavedContext) -> None:
        self._context = context
        self._owed: dict[int, _Copy] = {}  # by target, which holds what nobody wants any more

    @property
    def unified(self) -> bool:
        return self._context.unified

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        for chunk in chunks:
            self._make(chunk.sequence)
        return self._context.decode(chunks)

    def copy(self, source: int, target: int, end: int) -> None:
        self._make_those_of(target, 0)
        first = self._owed.get(source)
        self._owed[target] = _Copy(first.source if first else source, end)

    def remove(self, sequence: int, start: int) -> None:
        self._make_those_of(sequence, start)
        owed = self._owed.pop(sequence, None)
        if owed is None or not start:
            self._context.remove(sequence, start)
        else:
            self._owed[sequence] = _Copy(owed.source, min(owed.end, start))

    def length(self, sequence: int) -> int:
        owed = self._owed.get(sequence)
        return owed.end if owed else self._context.length(sequence)

    def take(self, sequence: int) -> Parcel:
        self._make(sequence)
        return self._context.take(sequence)

    def put(self, sequence: int, parcel: Parcel) -> None:
        """As of others; the parcel is not one of this context, whose memory for it copies pass through."""
        self._give_up(sequence)
        self._context.put(sequence, parcel)

    def save(self, sequence: int) -> Parcel:
        self._make(sequence)
        return self._context.save(sequence)

    def restore(self, sequence: int, parcel: Parcel) -> None:
        self._give_up(sequence)
        self._context.restore(sequence, parcel)

    def use_threads(self, threads: int | None) -> None:
        self._context.use_threads(threads)

    def _make(self, target: int) -> None:
        owed = self._owed.get(target)
        if owed is not None:
            self._context.copy(owed.source, target, owed.end)
            del self._owed[target]  # not before: a copy that fails is still owed

    def _give_up(self, sequence: int) -> None:
        """Before all that the sequence holds, or is owed, is replaced."""
        self._make_those_of(sequence, 0)
        self._owed.pop(sequence, None)

    def _make_those_of(self, source: int, start: int) -> None:
        """Before that sequence loses its tokens from `start` on."""
        for target in [target for target, copy in self._owed.items() if copy.source == source and copy.end > start]:
            self._make(target)
