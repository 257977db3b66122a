"""What the outputs of one model may be: the grammar of a request, and the masks of its choices.

A mask is made when the token before it is taken, on the engine's thread: microseconds, mostly. What it costs counts
against the request, because all others wait for it.
"""

from __future__ import annotations

import time
from functools import cached_property

import numpy as np
from gen import inference_pb2 as pb

from internal.errors import InvalidRequestError
from internal.inference import constrain
from internal.inference.backends.batching.library import Model
from internal.inference.backends.batching.sampling import Floats
from internal.inference.chat_template import ChatTemplate
from internal.inference.constrain import Grammar, Vocabulary
from internal.inference.tool_families import knows_thinking, markers_of
from internal.inference.tool_grammar import tool_grammar

# Processor time that the masks of a choice may take: at once, and for every token on top of it.
SPARE_S, PER_TOKEN_S = 0.1, 0.002
# What a byte of a mask, eight tokens, adds to their logits.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
PENALTIES = np.where(_BITS == 1, np.float32(0), np.float32(-np.inf))


def is_constrained(request: pb.GenerateRequest) -> bool:
    """Whether the request may need a grammar: a look that costs nothing."""
    return request.HasField("constraint") or bool(request.chat.tools)


class Constraints:
    """Compiles the grammars of requests, on one thread. The vocabulary is made by the first of them, or by `warm`."""

    def __init__(self, model: Model, template: ChatTemplate | None) -> None:
        self._model = model
        self._template = template
        self._thinking = template is not None and knows_thinking(template.source)

    def warm(self) -> None:
        """Raises UnsupportedError when the outputs of this model cannot be constrained."""
        _ = self._vocabulary

    def grammar(self, request: pb.GenerateRequest, reasoning_open: bool) -> Grammar | None:
        """None when the output is free. Raises InvalidRequestError, UnsupportedError."""
        content = request.constraint if request.HasField("constraint") else None
        if request.chat.tools and self._template is not None:
            grammar = tool_grammar(
                request.chat.tools,
                request.chat.tool_choice,
                self._template.family,
                self._vocabulary,
                parallel=request.chat.parallel_tool_calls,
                thinking=self._thinking,
                reasoning_open=reasoning_open,
                content=content,
            )
            if grammar is not None:
                return grammar
        if content is None:
            return None
        thinking = self._thinking and request.HasField("chat")
        return constrain.compile(content, self._vocabulary, thinking=thinking, reasoning_open=reasoning_open)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        model = self._model
        marks = markers_of(self._template.family if self._template else None, thinking=True)
        # Control tokens have no text of their own; what marks calls or reasoning is no text either.
        special = {i for text, i in model.special_ids.items() if text in marks or not model.piece(i)} | model.end_ids
        ids = range(model.vocabulary_size)  # the texts of special tokens may be more
        tokens = [model.special_piece(i) if i in special else model.piece(i) for i in ids]
        return Vocabulary(tokens, special.intersection(ids), sorted(model.end_ids), self._tokenize)

    def _tokenize(self, text: bytes) -> list[int]:
        return self._model.tokenize(text.decode(), add_special=False)


class GrammarMask:
    """Implements `sampling.TokenMask` for one choice. Raises InvalidRequestError when the first mask cannot be had.

    The mask stays packed, a bit for each token, and is laid on the logits byte by byte: unpacked it would cost the
    others in the batch as much as sampling does.
    """

    def __init__(self, grammar: Grammar, end_ids: frozenset[int]) -> None:
        self._matcher = grammar.matcher()
        ends = np.zeros(8 * len(self._matcher.mask), np.uint8)
        ends[list(end_ids)] = 1
        self._ends = np.packbits(ends, bitorder="little")
        self._others = ~self._ends
        self._left_s = SPARE_S
        self.over = False
        self._make()

    def apply(self, logits: Floats) -> None:
        by_eights, rest = divmod(len(logits), 8)
        penalties = PENALTIES.take(self._allowed, axis=0)
        eights = logits[: 8 * by_eights].reshape(by_eights, 8)
        np.add(eights, penalties[:by_eights], out=eights)
        if rest:
            logits[-rest:] += penalties[by_eights, :rest]

    def accept(self, token: int) -> None:
        self._matcher.accept(token)
        self._left_s += PER_TOKEN_S
        self._make()

    def _make(self) -> None:
        """The mask of the next token, unless none can follow."""
        started = time.thread_time()
        if self._matcher.ended:
            self._allowed, self.over = self._ends, True
        else:
            self._matcher.look()
            self._allowed = self._matcher.mask
            self.over = self._matcher.may_end and not (self._allowed & self._others).any()
        self._left_s -= time.thread_time() - started
        if self._left_s < 0:
            raise InvalidRequestError("holding the output to its constraint takes too long; use a simpler one")
