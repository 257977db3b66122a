"""JSON as bytes: the mark that some editors and shells put before it, and why it cannot be read."""

from __future__ import annotations

import re

BOM = b"\xef\xbb\xbf"  # a parser may pass over it (RFC 8259, 8.1)

# Escapes one after another, so that a backslash that is escaped itself begins none; whole pairs before halves.
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def unreadable(error: Exception, text: bytes | bytearray) -> str:
    """Why `text` is no JSON, in words for whoever wrote it; `error` is what its parser raised."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):  # which counts from the string that it is in
        try:
            text.decode()
        except UnicodeDecodeError as found:
            return f"byte {found.start} is not part of any UTF-8"
    half = next((found for found in _ESCAPES.finditer(text) if found["half"]), None)
    if half is not None:
        return (
            f"half of a character at byte {half.start()} ({half['half'].decode()} without its other half: a text was "
            "cut inside an emoji or the like; cut between characters)"
        )
    return str(error)
