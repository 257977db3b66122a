"""What the scheduler knows of the KV cache, whichever way it is laid out.

In a `PrefixCache` all sequences share one pool of cells, in a `StreamCache` each has cells of its own. Both keep what
finished requests computed for the next ones that begin alike, one world per salt; both change the real cache only
through `SequenceMemory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class SequenceMemory(Protocol):
    """The KV cache itself."""

    def copy(self, source: int, target: int, end: int) -> None:
        """Makes the first `end` tokens of `source` all that `target` holds."""

    def remove(self, sequence: int, start: int) -> None:
        """Takes the tokens from position `start` on out of the sequence."""


class Lease(Protocol):
    """A sequence that someone runs on. Its number may change between steps."""

    @property
    def sequence(self) -> int: ...

    @property
    def length(self) -> int:
        """Tokens computed."""


Leased = TypeVar("Leased")


class Cache(Protocol[Leased]):
    """Which tokens are there already, and room for more."""

    @property
    def shares(self) -> bool:
        """Whether one request can use what another one computed."""

    @property
    def available(self) -> int:
        """Cells that are empty or can be made so."""

    def match(self, salt: str, tokens: Sequence[int], limit: int) -> tuple[int, int]:
        """How many of the first `limit` tokens are there already, and how many of those count as available cells."""

    def open(self, salt: str, tokens: Sequence[int], limit: int) -> Leased:
        """A sequence that begins with as many of the first `limit` tokens as are there already."""

    def append(self, lease: Leased, tokens: Sequence[int]) -> None:
        """Tokens of a running sequence were computed. Their cells must have been reserved."""

    def close(self, lease: Leased, *, keep: bool = True, likely: bool = True) -> None:
        """The sequence runs no more. `keep`: others may still use it. `likely`: somebody may go on with it."""

    def pause(self, lease: Leased) -> None:
        """As `close`, by someone who will come back with the same tokens."""

    def reserve(self, cells: int) -> bool:
        """Makes room for so many more tokens; False when running sequences hold too many cells."""

    def bridges(self, sequences: Sequence[int]) -> list[tuple[int, int]]:
        """Idle sequences to compute a token of beside these (ascending), with their lengths, because that is faster."""

    def decoded(self, tokens: int) -> None:
        """So many tokens were decoded."""

    def tidy(self) -> None:
        """Between steps, every now and then."""

    def clear(self) -> None:
        """Forgets everything that no running sequence needs."""


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of what two token lists (of one type) begin with alike."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    low, high = 0, length  # equal up to low, not up to high
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
