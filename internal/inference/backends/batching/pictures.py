"""Pictures in prompts: a picture becomes tokens of its own, with an embedding for each.

Tokens of pictures are numbers below 0, drawn from what the picture shows. So all that compares tokens, the prefix
caches first of all, takes the same picture for the same prompt and another one for another, and knows of no pictures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from internal.inference.backends.batching.library import Chunk, Embeddings


@dataclass(frozen=True, slots=True)
class Picture:
    """`tokens`: what stands for it in a prompt, with the text tokens that the model wants around it. `embeddings`: of
    those below 0, in their order; none where the picture was only measured."""

    tokens: list[int]
    embeddings: Embeddings


class Pictures:
    """Where the pictures of a prompt are, and what is computed there instead of its tokens. `whole`: a picture is not
    computed in pieces."""

    def __init__(self, tokens: Sequence[int], pictures: Sequence[Picture], *, whole: bool) -> None:
        self._whole = whole
        seen = np.array(tokens) < 0
        self._edges: list[int] = (np.flatnonzero(np.diff(seen)) + 1).tolist()  # where text and pictures meet
        self._rows: list[int] = [0, *np.cumsum(seen).tolist()]  # embeddings of the tokens before each position
        self._embeddings = np.concatenate([picture.embeddings for picture in pictures])

    def extent(self, start: int, count: int) -> int:
        """So many tokens from `start` on, or up to the picture that would be cut, or all of it when it comes first."""
        stop = start + count
        if not (self._whole and self._is_seen(stop - 1) and self._is_seen(stop)):
            return count
        after = bisect_left(self._edges, stop)
        begin, end = self._edges[after - 1], self._edges[after]
        return begin - start if begin > start else end - start

    def _is_seen(self, position: int) -> bool:
        return position + 1 < len(self._rows) and self._rows[position + 1] > self._rows[position]

    def cut(self, chunk: Chunk) -> list[Chunk]:
        """The same in chunks of one kind: of text, or of pictures, which have embeddings."""
        end = chunk.start + len(chunk.tokens)
        cuts = [chunk.start, *(edge for edge in self._edges if chunk.start < edge < end), end]
        return [self._part(chunk, left, right) for left, right in pairwise(cuts)]

    def _part(self, chunk: Chunk, start: int, end: int) -> Chunk:
        tokens = chunk.tokens[start - chunk.start : end - chunk.start]
        last = end == chunk.start + len(chunk.tokens)
        seen = tokens[0] < 0
        embeddings = self._embeddings[self._rows[start] : self._rows[end]] if seen else None
        return Chunk(chunk.sequence, start, tokens, chunk.wants_logits and last, embeddings, seen and self._whole)


class Eyes(Protocol):
    """How a model sees."""

    @property
    def most_tokens(self) -> int:
        """Of one picture."""

    @property
    def whole(self) -> bool:
        """Whether a picture's tokens look at those behind them, so that all must be computed at once."""

    def see(self, file: bytes, salt: str) -> Picture:
        """Takes as long as the model's encoder does. One thread at a time. What is kept is kept for requests of one
        salt. Raises UndecodableError, InternalError."""

    def measure(self, file: bytes) -> Picture:
        """Its tokens without embeddings. Raises UndecodableError, InternalError."""


def drawn(digest: bytes) -> list[int]:
    """Numbers below 0, one for every four bytes."""
    numbers: list[int] = (np.frombuffer(digest, np.int32) | np.int32(-(2**31))).tolist()
    return numbers
