"""The seams between the embedding service and whatever makes the vectors.

A `Backend` holds one encoder. It is plain and blocking: the batcher calls it from threads, at most `lanes` at a time.
A `RemoteBackend` asks somebody else, who has a tokenizer and batches of his own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from internal.config import ConfigError

Vectors = NDArray[np.float32]
"""texts x dimensions."""

Matryoshka = bool | tuple[Annotated[int, msgspec.Meta(ge=1)], ...]
"""Whether leading dimensions are a good vector by themselves: no, any number of them, or these numbers."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the host publishes about a loaded model."""

    name: str
    backend: str
    device: str  # "cpu", "cuda:0", "upstream"
    context_length: int  # tokens of one text, special tokens included
    vocabulary_size: int
    dimensions: int
    matryoshka: Matryoshka = False
    slots: int = 0  # generations; an encoder has none
    created: int = 0  # unix seconds

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not isinstance(self.matryoshka, bool) and max(self.matryoshka, default=0) > self.dimensions:
            raise ConfigError(
                f"model {self.name!r}: options: `matryoshka` names {max(self.matryoshka)} dimensions, and the "
                f"model has {self.dimensions}"
            )


class Backend(Protocol):
    """A row of `BACKENDS` that computes here. Nothing but `load` may be called before `load` returned."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def lanes(self) -> int:
        """How many calls of `embed` at the same time make it faster."""

    @property
    def batch_tokens(self) -> int:
        """Tokens of one call of `embed` after which more bring no more speed, only waiting."""

    def load(self) -> None:
        """Reads the model; blocks for seconds. Raises ConfigError or WorkerError saying what is wrong with
        the files."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, special tokens included, never cut. May run at the same time as `embed`."""

    def complete(self, ids: Sequence[int]) -> list[int]:
        """Ids that a caller made, with the special tokens they lack. Every id is below `vocabulary_size`."""

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """One vector for each text of 1 to `context_length` ids, in their order."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of one request."""

    vectors: Vectors
    prompt_tokens: int
    upstream: str = ""  # that computed them
    estimated: bool = False  # it did not say how many tokens there were


class RemoteBackend(ABC):
    """A row of `BACKENDS` that computes nothing itself."""

    info: ModelInfo

    @abstractmethod
    def load(self) -> None:
        """Before all else. Raises ConfigError."""

    @abstractmethod
    async def embed(self, texts: Sequence[str]) -> Embedded:
        """One vector for each text, in their order. Raises WorkerError."""

    @abstractmethod
    async def aclose(self) -> None:
        """Idempotent."""


def unit(vectors: Vectors) -> Vectors:
    """The same, of length 1."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    found: Vectors = vectors / np.maximum(norms, np.float32(1e-12))
    return found
