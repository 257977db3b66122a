"""Which tokens the KV cache holds, where every sequence has cells of its own: llama.cpp's streams.

Attention of a sequence reads no cells but its own, so a step costs what runs and not what is kept. In return a prefix
that two sequences need is there twice: it is copied, which takes as long as computing two to ten tokens.

llama.cpp computes sequences together when their numbers follow one another; where one is missing it reads all weights
again. So those that run are kept side by side: a new one takes the place that leaves the fewest gaps, and what this
overwrites is kept in memory (`prompt_cache.py`). A gap that opens when one ends is bridged by computing a token of the
idle sequence and forgetting it; a gap that stays is closed by moving a running sequence into it.

Pure: it changes the real cache only through `SequenceMemory`, and what `prompts` does.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

from internal.inference.backends.batching.kv_cache import SequenceMemory, common_prefix
from internal.inference.backends.llamacpp.prompt_cache import (
    WIDTH,
    WORTH_COPYING,
    WORTH_KEEPING,
    PromptCache,
    SavedPrompt,
    pack,
)

# Idle sequences in one gap for which a token each costs less than reading the weights again. Measured on 30 M and 0.5 B
# models on two cores: that takes as long as 2 to 3 tokens.
MOST_BRIDGED = 2


class Stream:
    """A sequence and its tokens: who runs holds it until `close`; afterwards the cache keeps it."""

    __slots__ = ("hit", "last_use", "likely", "packed", "paused", "running", "salt", "sequence")

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.running = False
        self.paused = False  # idle, and its task comes back
        self.likely = True  # somebody may go on with it
        self.salt = ""
        self.packed = bytearray()  # the tokens, so that comparing thousands of them takes no time
        self.hit = 0  # so many of the first tokens were found by later requests
        self.last_use = 0  # order of uses

    @property
    def length(self) -> int:
        """Tokens computed."""
        return len(self.packed) // WIDTH

    @property
    def tokens(self) -> list[int]:
        return array("i", bytes(self.packed)).tolist()

    def shares(self, salt: str, packed: Sequence[int]) -> int:
        """Tokens that it begins with as the packed ones do."""
        return common_prefix(self.packed, packed) // WIDTH if salt == self.salt else 0


class StreamCache:
    """See the module. `sequences` is how many streams there are, `length` how many tokens each holds; `prompts` keeps
    what they lose.

    At most `sequences` can be running at once, and none of them longer than its stream; the caller sees to that.
    """

    shares = True
    available = 1 << 40  # nobody's cells are anybody else's: whoever finds a stream finds room

    def __init__(self, memory: SequenceMemory, length: int, sequences: int, prompts: PromptCache) -> None:
        self._memory = memory
        self._prompts = prompts
        self._length = length
        self._streams = [Stream(sequence) for sequence in range(sequences)]
        self._uses = 0

    # ------------------------------------------------------------------ running sequences

    def match(self, salt: str, tokens: Sequence[int], limit: int) -> tuple[int, int]:
        """How many of the first `limit` tokens are there already; no cell is short, so none count."""
        wanted = pack(tokens[:limit])
        return max(self._find(salt, wanted)[1], self._prompts.find(salt, wanted)[1]), 0

    def open(self, salt: str, tokens: Sequence[int], limit: int) -> Stream:
        """A sequence that begins with as many of the first `limit` tokens as are there already."""
        wanted = pack(tokens[:limit])
        source, shared = self._find(salt, wanted)
        prompt, saved = self._prompts.find(salt, wanted)
        if source.paused and shared == limit == source.length:
            stream = source
        else:
            if prompt is not None and saved >= shared + WORTH_COPYING:
                stream = self._bring_back(prompt, saved)
            else:
                stream = self._begin(salt, wanted, source, shared)
            stream.salt, stream.hit = salt, stream.length
        stream.running, stream.paused = True, False
        self._use(stream)
        return stream

    def append(self, lease: Stream, tokens: Sequence[int]) -> None:
        """Tokens of a running sequence were computed."""
        lease.packed += pack(tokens)

    def close(self, lease: Stream, *, keep: bool = True, likely: bool = True) -> None:
        """The sequence runs no more. `keep`: others may still use it. `likely`: somebody may go on with it."""
        lease.running, lease.likely = False, likely
        self._use(lease)
        if not keep:
            self._forget(lease)

    def pause(self, lease: Stream) -> None:
        """As `close`; who opens it again, unless others need the place meanwhile, goes on where it was."""
        self.close(lease)
        lease.paused = True

    # ------------------------------------------------------------------ between steps

    def reserve(self, _cells: int) -> bool:
        """There is always room."""
        return True

    def bridges(self, sequences: Sequence[int]) -> list[tuple[int, int]]:
        """Sequences whose numbers are missing in short gaps between these (ascending), with their lengths.

        Only where each of them is shorter than one that is asked for: attention of all looks as far as the longest.
        """
        if len(sequences) == sequences[-1] - sequences[0] + 1:
            return []
        lengths = {stream.sequence: stream.length for stream in self._streams}
        most = min(max(lengths[sequence] for sequence in sequences), self._length - 1)
        found = []
        for left, right in pairwise(sequences):
            gap = range(left + 1, right)
            if len(gap) <= MOST_BRIDGED and all(lengths[sequence] <= most for sequence in gap):
                found += [(sequence, lengths[sequence]) for sequence in gap]
        return found

    def decoded(self, _tokens: int) -> None:
        """What is kept costs nothing."""

    def tidy(self) -> None:
        """Closes a gap between running sequences, if there is one, by moving the first or the last of them."""
        running = sorted((stream for stream in self._streams if stream.running), key=_number)
        numbers = [stream.sequence for stream in running]
        spread = _spread(numbers)
        if not spread:
            return
        moves = [
            (_spread([*rest, idle.sequence]), moved.sequence, idle)
            for moved, rest in ((running[-1], numbers[:-1]), (running[0], numbers[1:]))
            for idle in self._idle()
        ]
        best, number, idle = min(moves, key=lambda move: (move[0], move[2].last_use))
        if best >= spread:
            return
        moved = next(stream for stream in running if stream.sequence == number)
        self._save(idle, 0)
        self._copy(moved, idle, moved.length)
        moved.sequence, idle.sequence = idle.sequence, moved.sequence
        idle.last_use = 0

    def clear(self) -> None:
        """Forgets everything that no running sequence needs."""
        for stream in self._idle():
            self._forget(stream)

    # ------------------------------------------------------------------ which stream

    def _find(self, salt: str, packed: bytes) -> tuple[Stream, int]:
        """The stream that shares the most tokens with the packed ones, an idle one if possible, and how many."""
        shares = [(stream.shares(salt, packed), not stream.running, stream) for stream in self._streams]
        shared, _, stream = max(shares, key=lambda share: share[:2])
        return stream, shared

    def _begin(self, salt: str, wanted: bytes, source: Stream, shared: int) -> Stream:
        """An idle stream with those of the wanted tokens that are there: `source` shares so many."""
        stream = self._place(source, shared)
        self._save(stream, shared if stream is source else 0)
        kept = stream.shares(salt, wanted)
        if shared >= kept + WORTH_COPYING:
            self._copy(source, stream, shared)
            self._use(source)
            source.hit = max(source.hit, shared)
        else:
            self._cut(stream, kept)
        return stream

    def _place(self, source: Stream | None, shared: int) -> Stream:
        """The idle stream to run on: with the fewest gaps, then where the least is lost."""
        idle = self._idle()
        running = [stream.sequence for stream in self._streams if stream.running]
        spreads = {stream: _spread([*running, stream.sequence]) for stream in idle}
        least = min(spreads.values())
        places = [stream for stream in idle if spreads[stream] == least]
        if shared and source in places and not self._loses(source, shared):
            return source
        return self._cheapest(places)

    def _cheapest(self, streams: Iterable[Stream]) -> Stream:
        """The least recently used of those that are worth nothing; else of all."""
        by_age = sorted(streams, key=lambda stream: (stream.last_use, stream.sequence))
        return next((stream for stream in by_age if not self._loses(stream, 0)), by_age[0])

    def _loses(self, stream: Stream, kept: int) -> bool:
        """Whether too much would be gone with what follows the first `kept` tokens of a stream."""
        wanted = stream.length if stream.paused else stream.hit
        new = stream.length if stream.likely else 0
        needed = max(new - WORTH_KEEPING, wanted - WORTH_COPYING) + 1  # tokens that must be there elsewhere
        if needed <= kept:
            return False
        head = stream.packed[: needed * WIDTH]
        others = (other for other in self._streams if other is not stream and other.salt == stream.salt)
        return not any(other.packed.startswith(head) for other in others) and not self._prompts.holds(
            stream.salt, bytes(head)
        )

    def _idle(self) -> list[Stream]:
        return [stream for stream in self._streams if not stream.running]

    # ------------------------------------------------------------------ what streams lose

    def _save(self, stream: Stream, kept: int) -> None:
        """Before a stream loses what follows its first `kept` tokens."""
        if self._prompts.takes and self._loses(stream, kept):
            self._prompts.save(stream.salt, bytes(stream.packed), stream.sequence)

    def _bring_back(self, prompt: SavedPrompt, length: int) -> Stream:
        """An idle stream with the first tokens of a prompt, so many; with none if that fails."""
        self._prompts.use(prompt)  # so that what is saved now is not kept in its place
        stream = self._place(None, 0)
        self._save(stream, 0)
        kept = length if self._prompts.restore(prompt, stream.sequence) else 0
        self._memory.remove(stream.sequence, kept)
        stream.packed = bytearray(prompt.packed[: kept * WIDTH])
        return stream

    # ------------------------------------------------------------------ changes

    def _use(self, stream: Stream) -> None:
        self._uses += 1
        stream.last_use = self._uses

    def _copy(self, source: Stream, target: Stream, length: int) -> None:
        if length:
            self._memory.copy(source.sequence, target.sequence, length)
            target.salt, target.packed, target.hit = source.salt, source.packed[: length * WIDTH], 0
        else:
            self._cut(target, 0)

    def _cut(self, stream: Stream, length: int) -> None:
        if length < stream.length:
            self._memory.remove(stream.sequence, length)
            del stream.packed[length * WIDTH :]
            stream.hit = min(stream.hit, length)

    def _forget(self, stream: Stream) -> None:
        self._cut(stream, 0)
        stream.last_use = 0


def _number(stream: Stream) -> int:
    return stream.sequence


def _spread(numbers: Iterable[int]) -> int:
    """How far apart they are: idle numbers between them, where a gap counts no more than reading the weights again."""
    return sum(min(right - left - 1, MOST_BRIDGED + 1) for left, right in pairwise(sorted(numbers)))
