"""Lines of a batch's input, looked at while they arrive: each is a JSON object in UTF-8, and there are not too many."""

from __future__ import annotations

import msgspec

from api.errors import InvalidRequestError

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
BOM = b"\xef\xbb\xbf"


class Lines:
    """Takes the bytes of a file as they come, in pieces of whatever size. `count` is the number of lines so far; empty
    ones, and a byte order mark before the first, are left out."""

    def __init__(self, max_lines: int, max_line_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_line_bytes = max_line_bytes
        self._rest = bytearray()
        self._number = 1  # of the line that comes, in the file
        self.count = 0

    def feed(self, piece: bytes) -> None:
        """Raises InvalidRequestError, with the number of the line."""
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
            raise refused("The file has no lines: a batch needs at least one.", "empty_file")

    def _take(self, line: bytearray) -> None:
        self._bound(line)
        if self._number == 1:
            line = line.removeprefix(BOM)
        if not line or line.isspace():
            return
        self.count += 1
        at = f"Line {self._number}"
        if self.count > self._max_lines:
            raise refused(f"{at}: a file has at most {self._max_lines} lines. Use several files.", "too_many_lines")
        try:
            line.decode()
            _object.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise refused(f"{at} is not a JSON object in UTF-8: {error}.", "invalid_json_line") from None

    def _bound(self, line: bytearray) -> None:
        if len(line) > self._max_line_bytes:
            raise refused(f"Line {self._number} is longer than {self._max_line_bytes} bytes.", "line_too_long")


def refused(message: str, code: str) -> InvalidRequestError:
    return InvalidRequestError(message, param="file", code=code)
