"""A llama_batch over arrays of numpy, so that it is written with a few slice assignments."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from internal.llamacpp import llama

_INTEGERS, _FLOATS = ctypes.POINTER(ctypes.c_int32), ctypes.POINTER(ctypes.c_float)
_NULL: Any = None

Numbers = Sequence[int] | npt.NDArray[Any]


class Batch:
    """Room for `size` tokens. `struct` is what llama.cpp takes."""

    def __init__(self, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._sequences = np.zeros(size, np.int32)
        self._outputs = np.zeros(size, np.int8)
        self._ones = np.ones(size, np.int32)  # every token belongs to one sequence
        self._pointers = self._sequences.ctypes.data + self._sequences.itemsize * np.arange(size, dtype=np.uint64)
        self._pointers = self._pointers.astype(np.uint64)
        self.struct = llama.llama_batch()
        self._texts = pointer_to(self._tokens, _INTEGERS)
        self.struct.pos = pointer_to(self._positions, _INTEGERS)
        self.struct.n_seq_id = pointer_to(self._ones, _INTEGERS)
        self.struct.seq_id = pointer_to(self._pointers, ctypes.POINTER(_INTEGERS))
        self.struct.logits = pointer_to(self._outputs, ctypes.POINTER(ctypes.c_int8))

    def write(
        self,
        tokens: Numbers,
        positions: Numbers,
        sequences: Numbers,
        outputs: Numbers,
        embeddings: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """One value of each for every token. `embeddings`: what is read in place of the tokens."""
        end = self.struct.n_tokens = len(tokens)
        self._embeddings = embeddings  # kept while llama.cpp reads it
        texts, pictures = (self._texts, _NULL) if embeddings is None else (_NULL, pointer_to(embeddings, _FLOATS))
        self.struct.token, self.struct.embd = texts, pictures
        self._tokens[:end] = tokens
        self._positions[:end] = positions
        self._sequences[:end] = sequences
        self._outputs[:end] = outputs


def pointer_to(array: npt.NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, kind)
