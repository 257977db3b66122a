"""Texts that come again are tokenised once.

A conversation is sent whole with every turn, and many begin with the same system prompt; a tokeniser takes 1 to 2 ms
for a kilobyte. So a prompt is cut where a special token stands, as every tokeniser cuts it there itself, and what the
long parts became is kept.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterator
from functools import cache, partial
from sys import getsizeof
from typing import NamedTuple

from internal.inference.backends.batching.library import Model
from internal.inference.kept import Kept
from internal.inference.special_tokens import pattern_of

LEAST_CHARACTERS = 256  # of a part; the last one of a text may have fewer, and is not kept then
MOST_BYTES = 16 << 20  # of all that is kept
MOST_OF_ALL = 0.25  # of them for one part
MOST_SPECIALS = 4096  # of a vocabulary; finding out how they overlap takes the square of their number
# What may be lost where a text is cut: white space that belongs to the special token, a space that begins every text,
# a token that ends every one.
_BEFORE, _BEHIND = ("a", "a ", "a\n", "é"), ("", "a", " a", "\na")


class _Part(NamedTuple):
    salt: str  # of whom: how long it takes says whether it is known
    text: str
    add_special: bool


class KnownTexts:
    """Tokenises for one model. Safe on any thread."""

    def __init__(self, model: Model) -> None:
        self._model = model
        alone = never_overlapped(model.special_ids)
        self._marks = re.compile(pattern_of(alone) if alone else r"(?!)")
        self._separates = cache(partial(separates, model))
        self._kept: Kept[array[int]] = Kept(MOST_BYTES)

    def tokenize(self, text: str, *, add_special: bool, salt: str | None) -> list[int]:
        """As `Model.tokenize`. What is kept is only for those with the same `salt`; with none, nothing is.

        The text is cut even then: behind each special token llama.cpp looks through the rest of what it is given, so
        that 2 MB with one in every ten characters would take it minutes, and nobody could stop it."""
        tokens: list[int] = []
        for number, part in enumerate(self.parts(text)):
            first = add_special and not number
            if salt is None:
                tokens += self._model.tokenize(part, add_special=first)
            else:
                tokens += self._tokens(_Part(salt, part, first))
        return tokens

    def parts(self, text: str) -> Iterator[str]:
        """`text`, cut where its tokens can be put together again. One that is longer than another begins alike."""
        begin = 0
        for mark in self._marks.finditer(text, LEAST_CHARACTERS):
            if mark.start() - begin >= LEAST_CHARACTERS and self._separates(mark[0]):
                yield text[begin : mark.start()]
                begin = mark.start()
        yield text[begin:]

    def _tokens(self, part: _Part) -> Collection[int]:
        if len(part.text) < LEAST_CHARACTERS:
            return self._model.tokenize(part.text, add_special=part.add_special)
        tokens = self._kept.get(part)
        if tokens is None:
            tokens = array("i", self._model.tokenize(part.text, add_special=part.add_special))
            size = getsizeof(part.text) + getsizeof(tokens)
            if size <= MOST_BYTES * MOST_OF_ALL:
                self._kept.put(part, tokens, size)
        return tokens


def never_overlapped(specials: Collection[str]) -> list[str]:
    """Those that are themselves wherever they stand: no other one can hold them, or reach into them.

    None of a vocabulary where almost everything is special."""
    if len(specials) > MOST_SPECIALS:
        return []
    ends = {text[i:] for text in specials for i in range(1, len(text))}
    beginnings = {text[:i] for text in specials for i in range(1, len(text))}
    everything = "\0".join(specials)
    return [
        text
        for text in specials
        if len(text) > 1
        and everything.count(text) == 1
        and not any(text[:i] in ends or text[i:] in beginnings for i in range(1, len(text)))
    ]


def separates(model: Model, mark: str) -> bool:
    """Whether texts before and behind `mark` have the same tokens when each is tokenised by itself. Tried out: some
    special tokens take white space with them, some models end every text."""
    return all(
        model.tokenize(before + mark + behind, add_special=True)
        == model.tokenize(before, add_special=True) + model.tokenize(mark + behind, add_special=False)
        for before in _BEFORE
        for behind in _BEHIND
    )
