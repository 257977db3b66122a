"""Which tokens the KV cache holds, and who may use them: a radix tree of token prefixes, one per salt.

A node is a run of tokens, computed once and kept in as many cells. A sequence of llama.cpp is a path from the root: its
tail is the node where it ends. Running and finished sequences share the tree, so a new request finds the longest prefix
that anyone has computed. The tree mirrors the cells exactly: what is free is known here, without asking.

Pure: it changes the real cache only through `SequenceMemory`.

Finished sequences stay for the next request that begins alike, until their cells are wanted. They are not free to
keep, though: attention reads over every cell in use, whoever it belongs to. So a run pays rent, counted in tokens that
were decoded since it was last used, and leaves before the rent exceeds what computing it again would cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from internal.inference.backends.batching.kv_cache import SequenceMemory, common_prefix

# Decoded tokens after which reading over a cell has cost as much as computing it again. Measured on 30 M and 0.5 B
# models on CPU: 5 000 to 11 000.
RENT_TOKENS = 8000
# Nobody knows whether a finished sequence will be wanted; the share of those that were is learned. What was let go is
# remembered by its first tokens, so that the share also grows when it is wanted too late.
FIRST_CHANCE = 1 / 4
LEAST_CHANCE = 1 / 256
LEARNING_RATE = 1 / 8
# A sequence that would stay for less is not kept at all while others run: cells never move, so those that come next
# would be put behind it, and attention reads up to the last cell in use.
LEAST_LIFETIME = 64
GHOST_TOKENS = 16
MOST_GHOSTS = 512
# Evicting frees at least so many cells at once, so that it is not done for every token.
EVICTION_CELLS = 64


class Node:
    """A run of tokens with its cells. The root of a salt is empty and stays."""

    __slots__ = ("children", "hits", "last_use", "parent", "pins", "salt", "start", "tails", "tokens", "used_at")

    def __init__(self, parent: Node | None, start: int, tokens: list[int], salt: str) -> None:
        self.parent = parent
        self.salt = salt
        self.start = start  # position of its first token
        self.tokens = tokens
        self.children: list[Node] = []
        self.tails: list[Lease] = []  # sequences that end here
        self.pins = 0  # running sequences that end here or below
        self.hits = 0  # requests that found it computed
        self.used_at = 0  # decoded tokens until then
        self.last_use = 0  # order of uses

    @property
    def end(self) -> int:
        return self.start + len(self.tokens)

    def path(self) -> Iterator[Node]:
        """The node and those above it, without the root."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent


class Lease:
    """One sequence: who runs holds it until `close`; afterwards the cache keeps it, if it ends alone and at a leaf."""

    __slots__ = ("likely", "node", "running", "sequence")

    def __init__(self, sequence: int, node: Node) -> None:
        self.sequence = sequence
        self.node = node
        self.running = True
        self.likely = True  # somebody may go on with it

    @property
    def length(self) -> int:
        """Tokens computed."""
        return self.node.end


class PrefixCache:
    """See the module. `cells` and `sequences` are what the KV cache has.

    At most `sequences` leases can be running at once; the caller sees to that.
    """

    shares = True

    def __init__(self, memory: SequenceMemory, cells: int, sequences: int) -> None:
        self._memory = memory
        self._roots: dict[str, Node] = {}
        self._free_sequences = list(range(sequences - 1, -1, -1))
        self._cells = cells
        self._used = 0
        self._pinned = 0  # of the used: needed by running sequences
        self._uses = 0
        self._decoded = 0
        self._chance = FIRST_CHANCE
        self._ghosts: dict[tuple[str, int, tuple[int, ...]], None] = {}

    @property
    def free(self) -> int:
        """Cells that are empty."""
        return self._cells - self._used

    @property
    def available(self) -> int:
        """Cells that are empty or can be made so."""
        return self._cells - self._pinned

    # ------------------------------------------------------------------ running sequences

    def match(self, salt: str, tokens: Sequence[int], limit: int) -> tuple[int, int]:
        """How many of the first `limit` tokens are there already, and how many of those count as available cells."""
        node, length = self._find(salt, tokens, limit)
        unpinned = sum(min(each.end, length) - each.start for each in node.path() if not each.pins)
        return length, unpinned

    def open(self, salt: str, tokens: Sequence[int], limit: int) -> Lease:
        """A sequence that begins with as many of the first `limit` tokens as are there already."""
        if not self._free_sequences:
            self._drop_idle()
        node, length = self._find(salt, tokens, limit)
        if length < node.end:
            node = self._split(node, length)
        if self._ghosts.pop((salt, length, tuple(tokens[length : length + GHOST_TOKENS])), self) is None:
            self._wanted()
        self._use(node)
        lease = next((tail for tail in node.tails if not tail.running), None) if length else None
        if lease is not None:
            lease.running = True  # nobody else ends here: it goes on where it stopped
            self._pin(node, 1)
            return lease
        self._pin(node, 1)
        sequence = self._free_sequences.pop()
        if length:
            self._memory.copy(any_tail(node).sequence, sequence, length)
        lease = Lease(sequence, node)
        node.tails.append(lease)
        return lease

    def append(self, lease: Lease, tokens: Sequence[int]) -> None:
        """Tokens of a running sequence were computed. Their cells must have been reserved."""
        node = lease.node
        if node.parent is None or node.children or len(node.tails) > 1:
            node.tails.remove(lease)
            child = Node(node, node.end, [], node.salt)
            child.pins, child.used_at, child.last_use, child.tails = 1, self._decoded, node.last_use, [lease]
            node.children.append(child)
            lease.node = node = child
        node.tokens += tokens
        self._used += len(tokens)
        self._pinned += len(tokens)

    def close(self, lease: Lease, *, keep: bool = True, likely: bool = True) -> None:
        """The sequence runs no more. `keep`: others may still use it. `likely`: somebody may go on with it."""
        node = lease.node
        self._pin(node, -1)
        lease.running, lease.likely = False, likely
        if keep and node.parent is not None:
            self._use(node, hit=False)
            alone = node.tails == [lease] and not node.children
            if self._pinned and alone and self._lifetime(node) < LEAST_LIFETIME:
                self._remember(node)
                self._losing(node)
                keep = False
        if not keep or node.parent is None or node.children or len(node.tails) > 1:
            self._drop(lease)

    def pause(self, lease: Lease) -> None:
        """As `close`: cells are found again wherever they are."""
        self.close(lease)

    # ------------------------------------------------------------------ room

    def reserve(self, cells: int) -> bool:
        """Evicts until so many cells are empty; False when running sequences hold too many."""
        if cells > self.available:
            return False
        while self.free < cells:
            self._evict(min(self._evictable(), key=lambda node: node.last_use), cells - self.free)
        return True

    def bridges(self, _sequences: Sequence[int]) -> list[tuple[int, int]]:
        """In one pool of cells it does not matter which sequences run."""
        return []

    def decoded(self, tokens: int) -> None:
        """So many tokens were decoded: the measure of rent."""
        self._decoded += tokens

    def tidy(self) -> None:
        """Lets go of what has paid too much rent."""
        while gone := [node for node in self._evictable() if self._decoded - node.used_at > self._lifetime(node)]:
            for node in gone:
                if not node.hits:
                    self._chance = max(LEAST_CHANCE, self._chance * (1 - LEARNING_RATE))
                    self._remember(node)
                self._remove_leaf(node)

    def clear(self) -> None:
        """Forgets everything that no running sequence needs."""
        self.reserve(self.available)

    def _remember(self, node: Node) -> None:
        self._ghosts[node.salt, node.start, tuple(node.tokens[:GHOST_TOKENS])] = None
        while len(self._ghosts) > MOST_GHOSTS:
            del self._ghosts[next(iter(self._ghosts))]

    def _wanted(self) -> None:
        self._chance += (1 - self._chance) * LEARNING_RATE

    def _lifetime(self, node: Node) -> float:
        return RENT_TOKENS * (1 if node.hits else self._chance)

    def _evictable(self) -> list[Node]:
        return [node for node in self.nodes() if not node.children and not node.pins]

    def _losing(self, node: Node) -> None:
        """A leaf that nobody runs on is about to go, or the end of it."""

    def _evict(self, node: Node, cells: int) -> None:
        """Frees cells at the end of a leaf that nobody runs on."""
        cells = max(cells, EVICTION_CELLS)
        if cells >= len(node.tokens):
            self._remove_leaf(node)
            return
        self._losing(node)
        del node.tokens[-cells:]
        self._used -= cells
        self._memory.remove(node.tails[0].sequence, node.end)

    def _remove_leaf(self, node: Node) -> None:
        self._losing(node)
        parent = node.parent
        assert parent is not None
        lease = node.tails[0]
        parent.children.remove(node)
        self._used -= len(node.tokens)
        if parent.parent is None or parent.children or parent.tails:
            self._give_back(lease)
            return
        # The last sequence through the parent: it stays, shorter.
        self._memory.remove(lease.sequence, node.start)
        lease.node = parent
        parent.tails.append(lease)

    def _drop(self, lease: Lease) -> None:
        """Takes a sequence that ends here away, with the cells that only it held."""
        node = lease.node
        node.tails.remove(lease)
        self._give_back(lease)
        while node.parent is not None and not node.children and not node.tails:
            node.parent.children.remove(node)
            self._used -= len(node.tokens)
            node = node.parent

    def _give_back(self, lease: Lease) -> None:
        self._memory.remove(lease.sequence, 0)
        self._free_sequences.append(lease.sequence)

    def _drop_idle(self) -> None:
        node = min(self._evictable(), key=lambda node: node.last_use)
        self._losing(node)
        self._drop(node.tails[0])

    # ------------------------------------------------------------------ the tree

    def nodes(self) -> Iterator[Node]:
        stack = [child for root in self._roots.values() for child in root.children]
        while stack:
            node = stack.pop()
            yield node
            stack += node.children

    def _find(self, salt: str, tokens: Sequence[int], limit: int) -> tuple[Node, int]:
        """The deepest node that shares tokens with the prompt, and the length of the shared prefix."""
        root = self._roots.get(salt)
        if root is None:
            root = self._roots[salt] = Node(None, 0, [], salt)
            self._forget_empty_roots(root)
        best, length = root, 0
        stack = [root]
        while stack:
            for child in stack.pop().children:
                if child.start >= limit or child.tokens[0] != tokens[child.start]:
                    continue
                shared = common_prefix(child.tokens, tokens[child.start : min(child.end, limit)])
                if child.start + shared > length:
                    best, length = child, child.start + shared
                if shared == len(child.tokens):
                    stack.append(child)
        return best, length

    def _forget_empty_roots(self, but: Node) -> None:
        """Salts are tenants: there may be any number of them over time."""
        empty = [salt for salt, root in self._roots.items() if not (root.children or root.tails or root is but)]
        for salt in empty:
            del self._roots[salt]

    def _split(self, node: Node, position: int) -> Node:
        """Cuts a node in two; returns the upper one, which ends at `position`."""
        parent = node.parent
        assert parent is not None
        upper = Node(parent, node.start, node.tokens[: position - node.start], node.salt)
        upper.pins, upper.hits, upper.used_at, upper.last_use = node.pins, node.hits, node.used_at, node.last_use
        upper.children = [node]
        parent.children[parent.children.index(node)] = upper
        node.parent, node.start, node.tokens = upper, position, node.tokens[position - node.start :]
        return upper

    def _use(self, node: Node, *, hit: bool = True) -> None:
        self._uses += 1
        for each in node.path():
            each.last_use, each.used_at = self._uses, self._decoded
            if hit and not each.pins and not each.hits:
                self._wanted()
            each.hits += hit

    def _pin(self, node: Node, change: int) -> None:
        for each in node.path():
            before, each.pins = each.pins, each.pins + change
            if not before or not each.pins:
                self._pinned += change * len(each.tokens)


class UnsharedCache(PrefixCache):
    """Of a model with layers that forget what their window has left: a sequence goes on where it ends or nowhere, so
    only those that were paused are gone on with, and evicted as a whole."""

    shares = False

    def match(self, _salt: str, _tokens: Sequence[int], _limit: int) -> tuple[int, int]:
        return 0, 0

    def open(self, salt: str, tokens: Sequence[int], limit: int) -> Lease:
        idle = (node for node in self._evictable() if node.salt == salt and node.end <= limit)
        paused = next((node for node in idle if node.tokens == tokens[: node.end]), None)
        if paused is None:
            return super().open(salt, tokens, 0)
        self._use(paused)
        self._pin(paused, 1)
        (lease,) = paused.tails
        lease.running = True
        return lease

    def close(self, lease: Lease, *, keep: bool = True, likely: bool = True) -> None:
        super().close(lease, keep=False)

    def pause(self, lease: Lease) -> None:
        super().close(lease)

    def _evict(self, node: Node, _cells: int) -> None:
        self._remove_leaf(node)


def any_tail(node: Node) -> Lease:
    """A sequence that holds all of the node's cells: every leaf has one."""
    while not node.tails:
        node = node.children[0]
    return node.tails[0]
