"""From the bytes of tokens to text that may be sent: whole characters only, and never a stop string.

Text is matched, not tokens: a stop string is found wherever the boundaries of tokens lie.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Collects the bytes of one choice. The result does not depend on how the bytes were cut into pieces.

    Of several stop strings the one that is complete first ends the text; of those complete at the same character, the
    longest. Malformed UTF-8 becomes U+FFFD, as `bytes.decode(errors="replace")` would do with the whole.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._matchers = [_Matcher(text) for text in stop if text]
        self._first_characters = frozenset(matcher.text[0] for matcher in self._matchers)
        self._held = ""
        self.stopped: str | None = None

    def feed(self, piece: bytes) -> str:
        """Text that may be sent now. Nothing after a stop string."""
        text = self._decode(piece)
        return self._until_stop(text) if self._matchers else text

    def flush(self) -> str:
        """What was held back; call once, at the end. An unfinished character becomes U+FFFD."""
        text = self._decode(b"", True)
        if self._matchers:
            text = self._until_stop(text) + self._held
            self._held = ""
        return text

    def _until_stop(self, text: str) -> str:
        if self.stopped is not None:
            return ""
        if not self._held and self._first_characters.isdisjoint(text):
            return text
        text = self._held + text
        for position in range(len(self._held), len(text)):
            complete = [m for m in self._matchers if m.advance(text[position])]
            if complete:
                self.stopped = max((m.text for m in complete), key=len)
                self._held = ""
                return text[: position + 1 - len(self.stopped)]
        safe = len(text) - max(matcher.matched for matcher in self._matchers)
        self._held = text[safe:]
        return text[:safe]


class _Matcher:
    """Knuth–Morris–Pratt over a stream: how much of one stop string the text ends with. Linear, however it repeats."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.matched = 0  # characters
        self._fallback = [0] * len(text)
        for position in range(1, len(text)):
            self._fallback[position] = self._extend(self._fallback[position - 1], text[position])

    def advance(self, character: str) -> bool:
        """Takes the next character; true when the stop string is complete with it."""
        self.matched = self._extend(self.matched, character)
        return self.matched == len(self.text)

    def _extend(self, matched: int, character: str) -> int:
        while matched and self.text[matched] != character:
            matched = self._fallback[matched - 1]
        return matched + 1 if self.text[matched] == character else 0
