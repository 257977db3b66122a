"""A `PrefixCache` of llama.cpp's one pool of cells: what is evicted from it is saved, and comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from internal.inference.backends.batching.kv_cache import SequenceMemory
from internal.inference.backends.batching.prefix_cache import Lease, Node, PrefixCache, any_tail
from internal.inference.backends.llamacpp.prompt_cache import (
    WORTH_COPYING,
    WORTH_KEEPING,
    PromptCache,
    SavedPrompt,
    pack,
)


class SharedMemory(SequenceMemory, Protocol):
    """One in which cells can belong to several sequences."""

    def share(self, source: int, target: int, end: int) -> None:
        """Gives `target`, which holds the same first `end` tokens as `source`, the cells of that for them."""


class PoolCache(PrefixCache):
    """See the module. `prompts` keeps what is evicted."""

    def __init__(self, memory: SharedMemory, cells: int, sequences: int, prompts: PromptCache) -> None:
        super().__init__(memory, cells, sequences)
        self._shared = memory
        self._prompts = prompts

    def match(self, salt: str, tokens: Sequence[int], limit: int) -> tuple[int, int]:
        """As of every cache; what is saved takes cells when it comes back."""
        length, unpinned = super().match(salt, tokens, limit)
        more = max(self._prompts.find(salt, pack(tokens[:limit]))[1] - length, 0)
        return length + more, unpinned + more

    def open(self, salt: str, tokens: Sequence[int], limit: int) -> Lease:
        """A sequence that begins with as many of the first `limit` tokens as are there already, or are saved."""
        prompt, saved = self._prompts.find(salt, pack(tokens[:limit]))
        if prompt is not None and saved >= super().match(salt, tokens, limit)[0] + WORTH_COPYING:
            self._prompts.use(prompt)  # so that what is evicted for it is not kept in its place
            if self.reserve(prompt.length):
                lease = super().open(salt, tokens, limit)
                if self._bring_back(lease, prompt, tokens[:saved]):
                    return lease
                self.close(lease, keep=False)
        return super().open(salt, tokens, limit)

    def _bring_back(self, lease: Lease, prompt: SavedPrompt, tokens: Sequence[int]) -> bool:
        """Makes these tokens, with which the prompt begins, all that a running sequence holds; False if that fails."""
        source, shared = self._also_held(lease)
        if not self._prompts.restore(prompt, lease.sequence):
            return False
        self._shared.remove(lease.sequence, len(tokens))
        if source is not None:
            self._shared.share(source.sequence, lease.sequence, shared)
        self.append(lease, tokens[lease.length :])
        return True

    def _also_held(self, lease: Lease) -> tuple[Lease | None, int]:
        """A sequence that begins as this one does, and the most tokens that both have cells for."""
        below: Node | None = None
        for node in lease.node.path():
            others = [tail for tail in node.tails if tail is not lease]
            others += [any_tail(child) for child in node.children if child is not below]
            if others:
                return others[0], node.end
            below = node
        return None, 0

    def _losing(self, node: Node) -> None:
        lease = node.tails[0]
        worth = len(node.tokens) >= (WORTH_COPYING if node.hits else WORTH_KEEPING)
        if not (self._prompts.takes and worth and (lease.likely or node.hits)):
            return
        packed = pack([token for each in reversed(list(node.path())) for token in each.tokens])
        if not self._prompts.holds(node.salt, packed):
            self._prompts.save(node.salt, packed, lease.sequence)
