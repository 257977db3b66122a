"""What stands around every text that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """Special tokens before and behind a text, and the prompt of the model, which comes after the first of them."""

    before: list[int]
    prompt: list[int]
    behind: list[int]

    @staticmethod
    def found(bare: Sequence[int], framed: Sequence[int], prompt: Sequence[int]) -> Frame:
        """The frame of a tokenizer that made these ids of one short text, without and with special tokens."""
        starts = (at for at in range(len(framed)) if list(framed[at : at + len(bare)]) == list(bare))
        start = next(starts, 0)
        return Frame(list(framed[:start]), list(prompt), list(framed[start + len(bare) :]))

    @property
    def prompt_length(self) -> int:
        """Tokens that are there before the text, special tokens included; 0 without a prompt."""
        return len(self.before) + len(self.prompt) if self.prompt else 0

    def around(self, ids: Sequence[int]) -> list[int]:
        """The ids with what they lack of it."""
        inner = list(ids)
        head, tail = len(self.before), len(inner) - len(self.behind)
        if tail >= head and inner[:head] == self.before and inner[tail:] == self.behind:
            inner = inner[head:tail]
        if inner[: len(self.prompt)] != self.prompt:
            inner = self.prompt + inner
        return self.before + inner + self.behind
