"""JSON as bytes: the mark that some editors and shells put before it, and why it cannot be read."""

from __future__ import annotations

import re

BOM = b"\xef\xbb\xbf"  # a parser may pass over it (RFC 8259, 8.1)

# `\\ud83d`, with the other half if that follows, and all backslashes before it: it is an escape behind an odd number of
# them, and what follows it is one always. One step of Python's for each, however many backslashes there are.
_HALVES = re.compile(
    rb"(?<!\\)(?P<slashes>\\+)u[dD]"
    rb"(?:[89abAB][0-9a-fA-F]{2}(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[c-fC-F][0-9a-fA-F]{2})"
)
_HALF_BYTES = len(rb"\ud83d")


def unreadable(error: Exception, text: bytes | bytearray) -> str:
    """Why `text` is no JSON, in words for whoever wrote it; `error` is what its parser raised."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):  # which counts from the string that it is in
        try:
            text.decode()
        except UnicodeDecodeError as found:
            return f"byte {found.start} is not part of any UTF-8"
    alone = (found for found in _HALVES.finditer(text) if len(found["slashes"]) % 2 != (found["low"] is not None))
    if (half := next(alone, None)) is not None:
        at = half.end() - _HALF_BYTES
        return (
            f"half of a character at byte {at} ({text[at : half.end()].decode()} without its other half: a text was "
            "cut inside an emoji or the like; cut between characters)"
        )
    return str(error)
