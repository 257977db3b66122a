"""What the KV cache held and somebody may want again: keys and values as bytes in memory, the latest used.

There is room for as many chats as run at once, or a few more, and there are more chats than that. What is lost when
another request gets its place is saved here, and comes back for a copy: a hundred times as fast as computing it
(llama-server's `--cache-ram`).

What begins alike is found by blocks, as vLLM finds pages: the number of a block stands for its tokens and for all that
come before.
"""

from __future__ import annotations

import logging
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from internal.inference.backends.batching.kv_cache import SequenceMemory, common_prefix
from internal.inference.backends.batching.library import DecodeError, Parcel

log = logging.getLogger("novai.engine")

WIDTH = array("i").itemsize  # bytes of a packed token
BLOCK_BYTES = 32 * WIDTH
# Tokens from which on copying is cheaper than computing.
WORTH_COPYING = 16
# Tokens that nobody has come back for yet, and which are worth keeping all the same: a fiftieth of computing them.
WORTH_KEEPING = 64
MOST_PROMPTS = 10_000  # each is a mapping of its own, of which Linux lets a process have 65 530


class SavedMemory(SequenceMemory, Protocol):
    """One whose sequences can be read and written as a whole."""

    def save(self, sequence: int) -> Parcel:
        """All that the sequence holds, and it holds something. Raises DecodeError, MemoryError."""

    def restore(self, sequence: int, parcel: Parcel) -> None:
        """Makes what was saved of any sequence all that this one holds. Raises DecodeError, after which that may be
        anything."""


class SavedPrompt:
    """Tokens, packed, and what was computed of them. Identity is the object."""

    __slots__ = ("packed", "parcel", "salt")

    def __init__(self, salt: str, packed: bytes, parcel: Parcel) -> None:
        self.salt = salt
        self.packed = packed
        self.parcel = parcel

    @property
    def length(self) -> int:
        """Tokens."""
        return len(self.packed) // WIDTH

    def shares(self, salt: str, packed: bytes) -> int:
        """Tokens that it begins with as the packed ones do."""
        return common_prefix(self.packed, packed) // WIDTH if salt == self.salt else 0


class PromptCache:
    """See the module. `room`: how many bytes of parcels it may hold, when it holds so many. `takes`: whether it is to
    hold any."""

    def __init__(self, memory: SavedMemory, room: Callable[[int], int], *, takes: bool = True) -> None:
        self.takes = takes
        self._memory = memory
        self._room = room
        self._bytes = 0
        self._prompts: OrderedDict[SavedPrompt, None] = OrderedDict()  # the latest used last
        # By block: the latest used of those that have it. So when one leaves, whoever else had its blocks has left.
        self._latest: dict[int, SavedPrompt] = {}

    def save(self, salt: str, packed: bytes, sequence: int) -> None:
        """Keeps what a sequence holds, which are these tokens."""
        try:
            parcel = self._memory.save(sequence)
        except (DecodeError, MemoryError) as error:
            self._give_up(error)
        else:
            self._put(SavedPrompt(salt, packed, parcel))

    def restore(self, prompt: SavedPrompt, sequence: int) -> bool:
        """Makes a prompt all that the sequence holds; if that fails, it holds nothing."""
        try:
            self._memory.restore(sequence, prompt.parcel)
        except DecodeError as error:
            self._give_up(error)  # first, because a memory that cannot even be emptied raises
            self._memory.remove(sequence, 0)
            return False
        return True

    def find(self, salt: str, packed: bytes) -> tuple[SavedPrompt | None, int]:
        """The prompt that shares the most blocks with the packed tokens, and how many tokens it shares."""
        found = None
        for block in _blocks(salt, packed):
            prompt = self._latest.get(block)
            if prompt is None:
                break
            found = prompt
        return found, found.shares(salt, packed) if found else 0

    def holds(self, salt: str, packed: bytes) -> bool:
        """Whether a prompt begins with these tokens."""
        return self.find(salt, packed)[1] * WIDTH == len(packed)

    def _put(self, prompt: SavedPrompt) -> None:
        """Keeps it in place of its own beginning, if that is here, and of what was used longest ago."""
        room = self._room(self._bytes)
        if len(prompt.packed) >= BLOCK_BYTES and prompt.parcel.nbytes <= room:
            before, _ = self.find(prompt.salt, prompt.packed)
            self._bytes += prompt.parcel.nbytes
            self.use(prompt)
            if before is not None and prompt.packed.startswith(before.packed):
                self._drop(before)
        while self._bytes > room or len(self._prompts) > MOST_PROMPTS:
            self._drop(next(iter(self._prompts)))

    def use(self, prompt: SavedPrompt) -> None:
        """It is the latest used now."""
        self._prompts[prompt] = None
        self._prompts.move_to_end(prompt)
        self._latest |= dict.fromkeys(_blocks(prompt.salt, prompt.packed), prompt)

    def _give_up(self, error: Exception) -> None:
        log.warning("prompts are not kept in memory any more: %s", error)
        self.takes = False
        self._prompts.clear()
        self._latest.clear()
        self._bytes = 0

    def _drop(self, prompt: SavedPrompt) -> None:
        del self._prompts[prompt]
        self._bytes -= prompt.parcel.nbytes
        for block in _blocks(prompt.salt, prompt.packed):
            if self._latest.get(block) is prompt:
                del self._latest[block]


def pack(tokens: Sequence[int]) -> bytes:
    """So that comparing thousands of them takes no time."""
    return array("i", tokens).tobytes()


def _blocks(salt: str, packed: bytes) -> Iterator[int]:
    """The numbers of the whole blocks, in their order."""
    number = hash(salt)
    for start in range(0, len(packed) - BLOCK_BYTES + 1, BLOCK_BYTES):
        number = hash((number, packed[start : start + BLOCK_BYTES]))
        yield number
