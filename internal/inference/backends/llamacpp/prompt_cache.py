"""What streams held and somebody may want again: keys and values as bytes in memory, the latest used.

There are as many streams as requests run at once, and more chats than that. What a stream loses when another request
gets it is put here, and comes back for a copy: a thousand times as fast as computing it (llama-server's `--cache-ram`).

What begins alike is found by blocks, as vLLM finds pages: the number of a block stands for its tokens and for all that
come before. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from internal.inference.backends.batching.kv_cache import common_prefix
from internal.inference.backends.batching.library import Parcel

BLOCK_BYTES = 32 * 4  # of packed tokens: 32 of them


class Prompt:
    """Tokens, packed, and what was computed of them. Identity is the object."""

    __slots__ = ("packed", "parcel", "salt")

    def __init__(self, salt: str, packed: bytes, parcel: Parcel) -> None:
        self.salt = salt
        self.packed = packed
        self.parcel = parcel

    def shares(self, salt: str, packed: bytes) -> int:
        """Bytes that it begins with as the packed ones do."""
        return common_prefix(self.packed, packed) if salt == self.salt else 0


class PromptCache:
    """See the module. `room`: how many bytes of parcels it may hold, when it holds so many. `takes`: whether it is to
    hold any."""

    def __init__(self, room: Callable[[int], int], *, takes: bool = True) -> None:
        self.takes = takes
        self._room = room
        self._bytes = 0
        self._prompts: OrderedDict[Prompt, None] = OrderedDict()  # the latest used last
        # By block: the latest used of those that have it. So when one leaves, whoever else had its blocks has left.
        self._latest: dict[int, Prompt] = {}

    def find(self, salt: str, packed: bytes) -> tuple[Prompt | None, int]:
        """The prompt that shares the most blocks with the packed tokens, and how many bytes it shares."""
        found = None
        for block in _blocks(salt, packed):
            prompt = self._latest.get(block)
            if prompt is None:
                break
            found = prompt
        return found, found.shares(salt, packed) if found else 0

    def holds(self, salt: str, packed: bytes) -> bool:
        """Whether a prompt begins with these tokens."""
        return self.find(salt, packed)[1] == len(packed)

    def put(self, prompt: Prompt) -> None:
        """Keeps it in place of its own beginning, if that is here, and of what was used longest ago."""
        room = self._room(self._bytes)
        if len(prompt.packed) >= BLOCK_BYTES and prompt.parcel.nbytes <= room:
            before, _ = self.find(prompt.salt, prompt.packed)
            self._bytes += prompt.parcel.nbytes
            self.use(prompt)
            if before is not None and prompt.packed.startswith(before.packed):
                self._drop(before)
        while self._bytes > room:
            self._drop(next(iter(self._prompts)))

    def use(self, prompt: Prompt) -> None:
        """It is the latest used now."""
        self._prompts[prompt] = None
        self._prompts.move_to_end(prompt)
        self._latest |= dict.fromkeys(_blocks(prompt.salt, prompt.packed), prompt)

    def close(self) -> None:
        """It holds nothing any more."""
        self.takes = False
        self.clear()

    def clear(self) -> None:
        self._prompts.clear()
        self._latest.clear()
        self._bytes = 0

    def _drop(self, prompt: Prompt) -> None:
        del self._prompts[prompt]
        self._bytes -= prompt.parcel.nbytes
        for block in _blocks(prompt.salt, prompt.packed):
            if self._latest.get(block) is prompt:
                del self._latest[block]


def _blocks(salt: str, packed: bytes) -> Iterator[int]:
    """The numbers of the whole blocks, in their order."""
    number = hash(salt)
    for start in range(0, len(packed) - BLOCK_BYTES + 1, BLOCK_BYTES):
        number = hash((number, packed[start : start + BLOCK_BYTES]))
        yield number
