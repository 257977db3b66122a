"""A KV cache made of lists: it does what llama.cpp's does, and checks what llama.cpp would not forgive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from internal.inference.backends.batching.library import DecodeError, Parcel


@dataclass(eq=False)
class Cell:
    token: int
    salt: str
    owners: int = 1


class Saving:
    """What was saved. A parcel has four bytes for each token, which say which cells those are."""

    def __init__(self) -> None:
        self.breaks: set[str] = set()  # names of what fails
        self._saved: list[list[Cell]] = []

    def _kept(self, cells: list[Cell]) -> Parcel:
        assert cells
        if "save" in self.breaks:
            raise DecodeError("no")
        self._saved.append(cells)
        return np.full(len(cells), len(self._saved) - 1, np.int32).view(np.uint8)

    def _brought_back(self, parcel: Parcel) -> list[Cell]:
        if "restore" in self.breaks:
            raise DecodeError("no")
        return [Cell(cell.token, cell.salt) for cell in self._saved[parcel.view(np.int32)[0]]]


class Cells(Saving):
    """SequenceMemory, with the writing that decoding does."""

    def __init__(self, cells: int, sequences: int) -> None:
        super().__init__()
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

    def share(self, source: int, target: int, end: int) -> None:
        assert source != target
        mine, theirs = self._sequences[target], self._sequences[source]
        assert [cell.token for cell in mine[:end]] == [cell.token for cell in theirs[:end]]
        rest = mine[end:]
        del mine[end:]
        self.remove(target, 0)
        self.copy(source, target, end)
        self._sequences[target] += rest

    def save(self, sequence: int) -> Parcel:
        return self._kept(list(self._sequences[sequence]))

    def restore(self, sequence: int, parcel: Parcel) -> None:
        self.remove(sequence, 0)
        self._sequences[sequence] = self._brought_back(parcel)
        self.used += len(self._sequences[sequence])
        assert self.used <= self.size

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


class Streams(Saving):
    """As above, for sequences with cells of their own. As llama.cpp does, it copies contents when something is written,
    all of a stream and in the order asked for, while lengths change at once."""

    def __init__(self, length: int, sequences: int) -> None:
        super().__init__()
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

    def save(self, sequence: int) -> Parcel:
        return self._kept(self._held(sequence))

    def restore(self, sequence: int, parcel: Parcel) -> None:
        self._execute()
        self._lengths[sequence] = 0
        self._cells[sequence] = self._brought_back(parcel)
        self._lengths[sequence] = len(self._cells[sequence])

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
