"""Lines of a batch's input, looked at while they arrive: each is a JSON object in UTF-8, and there are not too many.

A file whose lines are wrong is kept and says so: a batch of it fails, with every line that is at fault. One whose lines
are too long for anybody to look at is refused.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from api.errors import InvalidRequestError
from api.json_text import BOM, unreadable

EMPTY = "The file has no lines: a batch needs at least one."

Text = TypeVar("Text", bytes, bytearray)
Fields = dict[str, msgspec.Raw]

_decode = msgspec.json.Decoder(Fields).decode


class NotAnObjectError(ValueError):
    """The words of its message stand behind "This line is"."""


def said(number: int, line: Text) -> Text | None:
    """What line `number` of a file says: without a byte order mark before the first; None when it is empty."""
    text = line.removeprefix(BOM) if number == 1 else line
    return None if not text or text.isspace() else text


def fields_of(text: bytes | bytearray) -> Fields:
    """Of a JSON object, none of them looked at yet. Raises NotAnObjectError."""
    try:
        text.decode()
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnObjectError(f"not a JSON object in UTF-8: {unreadable(error, text)}.") from None


class Lines:
    """Takes the bytes of a file as they come, in pieces of whatever size. `count` is the number of lines so far; empty
    ones, and a byte order mark before the first, are left out. `fault` is what is wrong with the first that is."""

    def __init__(self, max_lines: int, max_line_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_line_bytes = max_line_bytes
        self._rest = bytearray()
        self._number = 1  # of the line that comes, in the file
        self.count = 0
        self.fault: str | None = None

    def feed(self, piece: bytes) -> None:
        """Raises InvalidRequestError for a line that is too long."""
        self._rest += piece
        if b"\n" in piece:
            *whole, self._rest = self._rest.split(b"\n")
            for line in whole:
                self._take(line)
                self._number += 1
        self._bound(self._rest)

    def end(self) -> None:
        """There are no more bytes. Raises InvalidRequestError."""
        self._take(self._rest)
        if self.count == 0:
            self.fault = EMPTY

    def _take(self, line: bytearray) -> None:
        self._bound(line)
        text = said(self._number, line)
        if text is None:
            return
        self.count += 1
        if self.fault is None:
            self.fault = self._look(text)

    def _look(self, text: bytearray) -> str | None:
        if self.count > self._max_lines:
            return f"Line {self._number}: a batch has at most {self._max_lines} lines. Use several files."
        try:
            fields_of(text)
        except NotAnObjectError as error:
            return f"Line {self._number} is {error}"
        return None

    def _bound(self, line: bytearray) -> None:
        if len(line) > self._max_line_bytes:
            raise InvalidRequestError(
                f"Line {self._number} is longer than {self._max_line_bytes} bytes.", param="file", code="line_too_long"
            )
