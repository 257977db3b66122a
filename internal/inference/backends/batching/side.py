"""A second context of the model, beside the one of the streams: in it all sequences are one pool of cells.

What is computed there moves to the streams, and what streams hold moves there. It is used by one thread at a time: the
prefiller's (`prefiller.py`), or, while that rests, the engine's (`suffixes.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from internal.inference.backends.batching.library import DecodeError, MovableContext, Parcel

log = logging.getLogger("novai.engine")

BASE = 0  # the sequence that holds what others continue, or a prompt
FIRST_OTHER = 1
TILE = 64  # tokens that read the same cells: of so many together, llama.cpp's attention is fast


@dataclass(slots=True)
class SideContext:
    """Cells for a whole stream and `batch` tokens more. Threads: of both contexts together."""

    streams: MovableContext
    context: MovableContext
    threads: int
    batch: int  # tokens of a step at most
    others: int  # sequences besides BASE
    held: list[int] = field(default_factory=list)  # tokens of BASE

    def works(self, sequence: int) -> bool:
        """Whether that sequence of the streams, which holds something, can be moved there and back."""
        try:
            self.context.put(BASE, self.streams.take(sequence))
            self.context.copy(BASE, FIRST_OTHER, self.streams.length(sequence))
            self.bring_back(FIRST_OTHER, sequence)
            self.hold([], None)
        except DecodeError as error:
            log.warning("prompts are computed in the streams only: %s", error)
            return False
        return True

    def missing(self, tokens: list[int], sequence: int) -> Parcel | None:
        """What BASE needs to begin with these, as that sequence of the streams does; None: nothing. Valid until that
        context's next call. Raises DecodeError."""
        return None if self.held[: len(tokens)] == tokens else self.streams.take(sequence)

    def hold(self, tokens: list[int], missing: Parcel | None) -> None:
        """Makes these all that BASE holds. Raises DecodeError."""
        self.held = []  # until it is known: moving may fail half way
        if missing is not None:
            self.context.put(BASE, missing)
        self.context.remove(BASE, len(tokens))
        self.held = tokens

    def bring_back(self, other: int, sequence: int) -> None:
        """Makes what the other one holds all that the sequence of the streams does. Raises DecodeError, after which
        that may hold nothing."""
        self.streams.put(sequence, self.context.take(other))
        self.context.remove(other, 0)
