"""Server-sent events, as they arrive: pieces of bytes in, the data of whole events out."""

from __future__ import annotations

from internal.upstream.http import BrokenError

MOST_EVENT_BYTES = 16 << 20


class TooLongError(BrokenError):
    """An event has no end."""


class EventReader:
    """Cut anywhere, the pieces give the same events. Lines end with LF or CRLF. Names, ids and comments are left
    out: what an event of a model is, is said in its data."""

    def __init__(self) -> None:
        self._rest = bytearray()  # the beginning of a line
        self._data: list[bytes] = []  # of the event that has begun
        self._size = 0  # of it

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that are whole now. Raises TooLongError."""
        lines = piece.split(b"\n")
        rest = lines.pop()
        if lines:
            if self._rest:
                lines[0] = bytes(self._rest) + lines[0]
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        events = []
        for text in lines:
            line = text[:-1] if text.endswith(b"\r") else text
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._size += len(line)
            elif not line and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data.clear()
                self._size = 0
        if self._size + len(self._rest) > MOST_EVENT_BYTES:
            raise TooLongError("an event without an end")
        return events
