"""Server-sent events. Pure: bytes in, events out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BOM = "\ufeff".encode()


class Event(NamedTuple):
    name: str | None
    data: str


class Decoder:
    """Bytes in pieces of any size → events. A piece may end anywhere: within a character, between CR and LF."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a line whose end has not come
        self._after_cr = False
        self._first = True
        self._name: str | None = None
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        for line in self._lines(piece):
            if line.startswith(b"data:"):
                self._data.append(value(line[5:]))
            elif line.startswith(b"event:"):
                self._name = value(line[6:])
            elif not line:
                if self._data:
                    yield Event(self._name, "\n".join(self._data))
                self._name, self._data = None, []
            elif line == b"data":
                self._data.append("")

    def _lines(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes."""
        if piece:
            rest = piece.removeprefix(b"\n") if self._after_cr else piece
            self._after_cr, piece = piece.endswith(b"\r"), rest
        if b"\n" not in piece and b"\r" not in piece:
            self._pieces.append(piece)
            return []
        lines = b"".join([*self._pieces, piece]).splitlines()
        self._pieces = [] if piece.endswith((b"\n", b"\r")) else [lines.pop()]
        if self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(BOM)
        return lines


def value(field: bytes) -> str:
    """What stands after the colon, without the one space that may follow it."""
    return (field[1:] if field.startswith(b" ") else field).decode(errors="replace")
