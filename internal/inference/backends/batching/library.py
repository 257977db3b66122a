"""What a library that computes models has to do for the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from internal.inference.backends.batching.kv_cache import SequenceMemory

Logits = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float32]
"""tokens x dimension of the model, row by row in memory."""
Parcel = npt.NDArray[np.uint8]
"""Keys and values of one sequence, as they pass from one context of a model to another."""


class DecodeError(Exception):
    """A step could not be computed. `no_cells`: for want of free cells, and nothing was changed."""

    def __init__(self, message: str, *, no_cells: bool = False) -> None:
        super().__init__(message)
        self.no_cells = no_cells


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens of one sequence to decode: they get the positions from `start` on. Those of pictures are read from
    `embeddings`, one row each; `whole`: they look at those behind them, too."""

    sequence: int
    start: int
    tokens: Sequence[int]
    wants_logits: bool  # of the last of them
    embeddings: Embeddings | None = None
    whole: bool = False


class Context(SequenceMemory, Protocol):
    """The working memory of a model: keys and values of all sequences. Belongs to one thread."""

    @property
    def unified(self) -> bool:
        """Whether all sequences are computed in one pass over the weights."""

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        """Computes the chunks in one step; each follows what its sequence holds.

        Returns the logits of the chunks that want them, in their order: float32 [rows, vocabulary], valid until the
        next call. They may be written to. Raises DecodeError.
        """


class MovableContext(Context, Protocol):
    """One whose sequences can be moved to another context of the same model."""

    def length(self, sequence: int) -> int:
        """Tokens that the sequence holds."""

    def take(self, sequence: int) -> Parcel:
        """All that the sequence holds, valid until the next call. Raises DecodeError."""

    def put(self, sequence: int, parcel: Parcel) -> None:
        """Makes this all that the sequence holds. Raises DecodeError."""

    def use_threads(self, threads: int | None) -> None:
        """So many for the next steps; None: as it was made."""


class Model(Protocol):
    """A vocabulary. All of it may be called from any thread."""

    @property
    def vocabulary_size(self) -> int: ...

    @property
    def bos(self) -> int:
        """Below 0: there is none."""

    @property
    def bos_text(self) -> str: ...

    @property
    def eos_text(self) -> str: ...

    @property
    def chat_template(self) -> str:
        """The source of the model's own template; empty when there is none."""

    @property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end an output."""

    @property
    def special_ids(self) -> Mapping[str, int]:
        """Texts that a prompt may only contain where the template puts them."""

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids of `text`, in which the texts of special tokens count as those tokens.

        `add_special`: with what the model wants around a prompt (BOS), unless the text begins with it.
        """

    def piece(self, token: int) -> bytes:
        """The bytes that a token adds to the output. Control tokens add none."""

    def special_piece(self, token: int) -> bytes:
        """As `piece`, but control tokens are spelled out."""
