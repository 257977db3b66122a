"""A KV cache made of lists: it does what llama.cpp's does, and checks what llama.cpp would not forgive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(eq=False)
class Cell:
    token: int
    salt: str
    owners: int = 1


class Cells:
    """SequenceMemory, with the writing that decoding does."""

    def __init__(self, cells: int, sequences: int) -> None:
        self.size = cells
        self.used = 0
        self.computed = 0  # tokens written, ever
        self._sequences: list[list[Cell]] = [[] for _ in range(sequences)]

    def copy(self, source: int, target: int, end: int) -> None:
        assert source != target
        assert not self._sequences[target]
        assert 0 < end <= len(self._sequences[source])
        self._sequences[target] = self._sequences[source][:end]
        for cell in self._sequences[target]:
            cell.owners += 1

    def remove(self, sequence: int, start: int) -> None:
        for cell in self._sequences[sequence][start:]:
            cell.owners -= 1
            self.used -= cell.owners == 0
        del self._sequences[sequence][start:]

    def write(self, sequence: int, start: int, tokens: Sequence[int], salt: str) -> None:
        assert start == len(self._sequences[sequence])
        self._sequences[sequence] += [Cell(token, salt) for token in tokens]
        self.used += len(tokens)
        self.computed += len(tokens)
        assert self.used <= self.size

    def tokens(self, sequence: int) -> list[int]:
        return [cell.token for cell in self._sequences[sequence]]

    def salts(self, sequence: int) -> set[str]:
        return {cell.salt for cell in self._sequences[sequence]}

    @property
    def sequences_in_use(self) -> int:
        return sum(bool(cells) for cells in self._sequences)


class Streams:
    """As above, for sequences with cells of their own. As llama.cpp does, it copies contents when something is written,
    all of a stream and in the order asked for, while lengths change at once."""

    def __init__(self, length: int, sequences: int) -> None:
        self.computed = 0  # tokens written, ever
        self.copies = 0
        self._length = length
        self._cells: list[list[Cell]] = [[] for _ in range(sequences)]
        self._lengths = [0] * sequences
        self._queued: list[tuple[int, int]] = []

    def copy(self, source: int, target: int, end: int) -> None:
        assert source != target
        assert 0 < end <= self._lengths[source]
        self._queued.append((source, target))
        self._lengths[target] = end
        self.copies += 1

    def remove(self, sequence: int, start: int) -> None:
        self._lengths[sequence] = min(self._lengths[sequence], start)

    def write(self, sequence: int, start: int, tokens: Sequence[int], salt: str) -> None:
        self._execute()
        assert start == self._lengths[sequence]
        self._cells[sequence][start:] = [Cell(token, salt) for token in tokens]
        self._lengths[sequence] += len(tokens)
        self.computed += len(tokens)
        assert self._lengths[sequence] <= self._length

    def pass_through(self, sequence: int, start: int) -> None:
        """Computes a token that does not stay."""
        self.write(sequence, start, [-1], "nobody's")
        self.remove(sequence, start)
        self.computed -= 1

    def tokens(self, sequence: int) -> list[int]:
        return [cell.token for cell in self._held(sequence)]

    def salts(self, sequence: int) -> set[str]:
        return {cell.salt for cell in self._held(sequence)}

    def _held(self, sequence: int) -> list[Cell]:
        self._execute()
        return self._cells[sequence][: self._lengths[sequence]]

    def _execute(self) -> None:
        for source, target in self._queued:
            self._cells[target] = self._cells[source][:]
        self._queued.clear()
