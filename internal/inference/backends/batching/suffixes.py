"""Short continuations of one long prefix, computed together.

In streams each has its own copy of the prefix, and attention of its few tokens reads that alone: llama.cpp goes fast
where 64 tokens or more read the same cells (its tiled attention). So those that wait at the same time, such as chats
with one system prompt, are computed in one pool, and move to their streams afterwards: in half of the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from internal.inference.backends.batching.kv_cache import Lease
from internal.inference.backends.batching.library import Chunk, DecodeError, Logits
from internal.inference.backends.batching.scheduler import LONG_PREFIX, Work
from internal.inference.backends.batching.side import BASE, FIRST_OTHER, TILE, SideContext

LEAST_SUFFIX = 8  # fewer are as quick in their stream as on the way here and back
# Together: more take longer each, since all look through the cells of all; and the first of them are answered while the
# others are computed. Measured on 30 M and 0.5 B models on two cores.
MOST_TOKENS = 5 * TILE // 2


class Suffixes:
    """On the engine's thread."""

    def __init__(self, side: SideContext) -> None:
        self._side = side
        self._computed: list[_Computed] = []

    def among(self, work: Sequence[Work]) -> tuple[list[Work], list[Work]]:
        """The parts of a step to compute here, and those that better follow in a later one; none where it would not
        pay."""
        return together(work, self._side.others, min(self._side.batch, MOST_TOKENS))

    def decode(self, parts: Sequence[Work]) -> Logits:
        """Computes what `among` found; returns the logits of those that sample, in their order. `settle` follows.

        Raises DecodeError, after which the sequences of the parts may hold nothing.
        """
        context = self._side.context
        start = min(part.start for part in parts)
        prefix = parts[0].task.tokens[:start]
        try:
            self._side.hold(prefix, self._side.missing(prefix, parts[0].sequence))
            chunks = []
            for other, part in enumerate(parts, FIRST_OTHER):
                context.copy(BASE, other, start)
                tokens = part.task.tokens[start : part.start + part.count]
                chunks.append(Chunk(other, start, tokens, part.samples))
            logits = context.decode(chunks)
        except DecodeError as error:
            raise self._failed(error, len(parts)) from error
        self._computed = [
            _Computed(other, part.task.lease, part.start + part.count)
            for other, part in enumerate(parts, FIRST_OTHER)
            if part.task.lease is not None
        ]
        return logits

    def settle(self) -> None:
        """Moves what was computed to the streams, which say by now that they hold it; one that was given up meanwhile
        stays as it is. Nobody's first token waits for this.

        Raises DecodeError, after which the sequences of all parts may hold nothing.
        """
        computed, self._computed = self._computed, []
        try:
            for other, lease, length in computed:
                if lease.length == length:
                    self._side.bring_back(other, lease.sequence)
                else:
                    self._side.context.remove(other, 0)
        except DecodeError as error:
            raise self._failed(error, len(computed)) from error

    def _failed(self, error: DecodeError, parts: int) -> DecodeError:
        for other in range(FIRST_OTHER, FIRST_OTHER + parts):
            self._side.context.remove(other, 0)
        return DecodeError(f"computing suffixes failed: {error}")


class _Computed(NamedTuple):
    other: int  # sequence in the pool
    lease: Lease
    length: int  # of its sequence, with what was computed


def together(work: Sequence[Work], most_parts: int, most_tokens: int) -> tuple[list[Work], list[Work]]:
    """Of the parts that are short and continue the same tokens, those that are most tokens, and such that would be too
    many; none if that is no tile."""
    groups: defaultdict[tuple[str, tuple[int, ...]], list[Work]] = defaultdict(list)
    for part in work:
        if part.start >= LONG_PREFIX and LEAST_SUFFIX <= part.count < TILE and part.task.movable:
            groups[part.task.salt, tuple(part.task.tokens[:LONG_PREFIX])].append(part)
    found = (_of_one_prefix(group, most_parts, most_tokens) for group in groups.values() if len(group) > 1)
    parts, others, tokens = max(found, key=lambda each: each[2], default=([], [], 0))
    return (parts, others) if tokens >= TILE and len(parts) > 1 else ([], [])


def _of_one_prefix(group: Sequence[Work], most_parts: int, most_tokens: int) -> tuple[list[Work], list[Work], int]:
    """Those that continue what the one with the least computed does, such that are too many, and the tokens of the
    former from there on."""
    start = min(part.start for part in group)
    prefix = next(part.task.tokens[:start] for part in group if part.start == start)
    parts: list[Work] = []
    others: list[Work] = []
    tokens = 0
    for part in group:
        count = part.start + part.count - start
        if count >= 2 * TILE or part.task.tokens[:start] != prefix:
            continue
        if len(parts) < most_parts and tokens + count <= most_tokens:
            parts.append(part)
            tokens += count
        else:
            others.append(part)
    return parts, others, tokens
