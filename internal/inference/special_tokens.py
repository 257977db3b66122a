"""Keeps text that users wrote from becoming special tokens.

Whoever may write a message could write `<|im_end|>` in it and go on in another role. Such text is broken with a
private character before the template sees it; the rendered prompt is cut there, and no tokeniser sees it whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

_PRIVATE_USE = range(0xE000, 0xF900)


class SpecialTokens:
    """The texts of a vocabulary's special tokens. Single characters cannot be broken and are left alone."""

    def __init__(self, texts: Iterable[str]) -> None:
        usable = sorted({text for text in texts if len(text) > 1 and not text.isspace()})
        self._start = re.compile(f"(?={pattern_of(usable, begun=True)})(.)", re.DOTALL) if usable else None

    def broken(self, text: str, mark: str) -> str:
        """`text` with `mark` after the first character of every special token in it.

        A beginning of one at the very end is broken too, as templates may put two texts next to each other.
        """
        return self._start.sub(rf"\1{mark}", text) if self._start else text


def private_characters(texts: Iterable[str], count: int) -> list[str]:
    """Characters of the private use area that are in none of `texts`. Raises ValueError when all are used."""
    used: set[str] = set()
    for text in texts:
        if not text.isascii():
            used.update(text)
    free = list(islice((character for character in map(chr, _PRIVATE_USE) if character not in used), count))
    if len(free) < count:
        raise ValueError("the messages use every private character of Unicode")
    return free


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """A copy of plain JSON data with every string changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {map_strings(key, change): map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    return value


def pattern_of(texts: Iterable[str], *, begun: bool = False) -> str:
    """Matches one of `texts`, of two that begin alike the shorter one. Linear in the longest of them, however many.

    `begun`: also where the subject ends within one.
    """
    tails: dict[str, list[str]] = {}
    for text in texts:
        tails.setdefault(text[0], []).append(text[1:])
    branches = [re.escape(first) + _rest_pattern(rests, begun) for first, rests in tails.items()]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _rest_pattern(rests: Sequence[str], begun: bool) -> str:
    if "" in rests:
        return ""
    rest = pattern_of(rests, begun=begun)
    return rf"(?:\Z|{rest})" if begun else rest
