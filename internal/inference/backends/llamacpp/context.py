"""The working memory of a model: a KV cache for all sequences, and one batch to decode with.

Belongs to one thread. Cells and sequences are llama.cpp's: a cell keeps one token of one or more sequences and is free
when it belongs to none. The cells are one pool for all sequences (`unified`), or each sequence has its own, as many as
any other: a stream.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from internal.errors import WorkerError
from internal.inference.backends.batching.library import Chunk, DecodeError, Logits, Parcel
from internal.inference.backends.llamacpp.model import Model
from internal.llamacpp import llama
from internal.llamacpp.batch import Batch, pointer_to

CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "bf16": 30}  # ggml_type
FLASH_ATTENTION = {
    "auto": llama.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": llama.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_BYTES = ctypes.POINTER(ctypes.c_uint8)
HEAD_BYTES, COUNT_BYTES = 8, 4  # of llama.cpp's state of a sequence, and of a number in it
ROOM_BYTES = 1024  # for as many numbers as there may be streams
CELL_BYTES = 64  # of a cell beside its keys and values, in what llama.cpp copies


@dataclass(frozen=True, slots=True)
class ContextSettings:
    unified: bool
    cells: int  # of all sequences together
    sequences: int
    batch: int  # tokens of one batch at most, those that bridge gaps not counted
    ubatch: int
    threads: int
    threads_batch: int
    flash_attention: str
    cache_type_k: str
    cache_type_v: str


class Context:
    """See the module. Raises WorkerError when the memory cannot be had."""

    def __init__(self, model: Model, settings: ContextSettings) -> None:
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = settings.cells
        parameters.n_seq_max = settings.sequences
        parameters.n_batch = settings.batch + settings.sequences  # llama.cpp aborts when it is less than sequences
        parameters.n_ubatch = min(settings.ubatch, parameters.n_batch)
        parameters.n_threads = settings.threads
        parameters.n_threads_batch = settings.threads_batch
        parameters.flash_attn_type = FLASH_ATTENTION[settings.flash_attention]
        parameters.type_k = CACHE_TYPES[settings.cache_type_k]
        parameters.type_v = CACHE_TYPES[settings.cache_type_v]
        parameters.kv_unified = settings.unified
        parameters.swa_full = True  # a sliding window would forget prefixes that others want to share
        parameters.no_perf = True
        self.pointer: Any = llama.llama_init_from_model(model.pointer, parameters)
        if not self.pointer:
            raise WorkerError(
                f"no memory for {settings.cells} cells of KV cache: lower `cells`, `slots`, `context_length`"
            )
        self._memory: Any = llama.llama_get_memory(self.pointer)
        if not self._memory:
            self.free()
            raise WorkerError("this model keeps no KV cache; the llamacpp backend serves decoder-only transformers")
        self.cells: int = llama.llama_n_ctx(self.pointer)  # llama.cpp rounds up
        self.stream_length: int = llama.llama_n_ctx_seq(self.pointer)  # all cells when they are one pool
        self.unified = settings.unified
        self._vocabulary_size = model.vocabulary_size
        # What passes from one stream to another. Written to, because memory is given out at the first write.
        stream_bytes = 0 if settings.unified else self.stream_length * (4 * model.kv_values_per_cell + CELL_BYTES)
        self._parcel = np.ones(stream_bytes, np.uint8)
        self._batch = _Batch(parameters.n_batch)
        self._threads = settings.threads, settings.threads_batch
        self._streams = 1 if settings.unified else settings.sequences

    def free(self) -> None:
        if self.pointer:
            llama.llama_free(self.pointer)
            self.pointer = None

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        """Computes the chunks in one step, `batch` tokens together at most.

        A chunk with embeddings is computed alone. Of streams, those whose sequences follow one another are computed
        together, so chunks come in that order. Returns the logits of the chunks that want them, in their order: float32
        [rows, vocabulary]. They are llama.cpp's own memory, valid until the next call, and may be written to. Raises
        DecodeError.
        """
        rows = self._batch.fill(chunks)
        if chunks[0].whole:
            llama.llama_set_causal_attn(self.pointer, False)
        code = llama.llama_decode(self.pointer, self._batch.struct)
        if chunks[0].whole:
            llama.llama_set_causal_attn(self.pointer, True)
        if code != 0:
            raise DecodeError(f"llama_decode returned {code}", no_cells=code == 1)
        if rows == 0:
            return np.empty((0, self._vocabulary_size), np.float32)
        address = llama.llama_get_logits(self.pointer)
        return np.ctypeslib.as_array(address, (rows, self._vocabulary_size))

    # SequenceMemory

    def copy(self, source: int, target: int, end: int) -> None:
        """Makes the first `end` tokens of `source` all that `target` holds.

        In one pool of cells nothing is moved: they belong to both. Between streams the cells in use are moved through
        a buffer; llama.cpp's own copy would move the whole stream, however little of it is used.
        """
        if self.unified:
            llama.llama_memory_seq_cp(self._memory, source, target, 0, end)
            return
        size = self._get_state(source)  # first, because it may need a larger parcel
        self._set_state(target, self._parcel[:size])
        self.remove(target, end)

    def remove(self, sequence: int, start: int) -> None:
        """Takes the tokens from position `start` on out of the sequence."""
        llama.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def length(self, sequence: int) -> int:
        """Tokens that the sequence holds."""
        last: int = llama.llama_memory_seq_pos_max(self._memory, sequence)
        return last + 1

    def share(self, source: int, target: int, end: int) -> None:
        """In one pool: gives `target`, which holds the same first `end` tokens as `source`, the cells of that."""
        llama.llama_memory_seq_rm(self._memory, target, 0, end)
        llama.llama_memory_seq_cp(self._memory, source, target, 0, end)

    # SavedMemory

    def save(self, sequence: int) -> Parcel:
        """All that the sequence holds. Raises DecodeError, MemoryError."""
        state = _fresh(self._state_size(sequence))
        self._write_state(sequence, state)
        return state

    def restore(self, sequence: int, parcel: Parcel) -> None:
        """Makes what was saved all that the sequence holds. Raises DecodeError."""
        self._set_state(sequence, parcel)

    # MovableContext, of models without a sliding window. llama.cpp's state of a sequence says, behind its head, of how
    # many streams its context is, then for each of them how many cells follow, which are 0 of all but one. Contexts
    # differ in the first only, so a parcel is that of one stream, with as many zeros behind it as others may want.

    def take(self, sequence: int) -> Parcel:
        """All that the sequence holds, and it holds something; valid until the next call. Raises DecodeError."""
        stream = 0 if self.unified else sequence
        before, behind = COUNT_BYTES * stream, COUNT_BYTES * (self._streams - stream - 1)
        end = self._get_state(sequence) - behind
        self._parcel[before : before + HEAD_BYTES] = self._parcel[:HEAD_BYTES].copy()
        self._parcel[end : end + ROOM_BYTES] = 0
        return self._parcel[before : end + ROOM_BYTES]

    def put(self, sequence: int, parcel: Parcel) -> None:
        """Makes this all that the sequence holds. Raises DecodeError."""
        parcel[HEAD_BYTES : HEAD_BYTES + COUNT_BYTES].view(np.uint32)[0] = self._streams
        self._set_state(sequence, parcel)

    def use_threads(self, threads: int | None) -> None:
        """So many for the next steps; None: as it was made."""
        made = self._threads
        llama.llama_set_n_threads(self.pointer, *(made if threads is None else (threads, threads)))

    def _get_state(self, sequence: int) -> int:
        """Writes what the sequence holds into the parcel; returns how many bytes that are."""
        size = self._state_size(sequence)
        if size + ROOM_BYTES > len(self._parcel):
            self._parcel = np.ones(size * 2 + ROOM_BYTES, np.uint8)
        self._write_state(sequence, self._parcel[:size])
        return size

    def _state_size(self, sequence: int) -> int:
        size: int = llama.llama_state_seq_get_size_ext(self.pointer, sequence, 0)
        return size

    def _write_state(self, sequence: int, to: Parcel) -> None:
        if not llama.llama_state_seq_get_data_ext(self.pointer, pointer_to(to, _BYTES), len(to), sequence, 0):
            raise DecodeError("llama.cpp cannot copy the state of a sequence")

    def _set_state(self, sequence: int, state: Parcel) -> None:
        if not llama.llama_state_seq_set_data_ext(self.pointer, pointer_to(state, _BYTES), len(state), sequence, 0):
            raise DecodeError("llama.cpp cannot set the state of a sequence")


def _fresh(size: int) -> Parcel:
    """Memory that is there at once: page by page, as it is written to, takes three times as long. Raises
    MemoryError."""
    try:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
    except OSError as error:
        raise MemoryError(f"no memory for {size} bytes: {error}") from None
    return np.frombuffer(pages, np.uint8)


class _Batch(Batch):
    def fill(self, chunks: Sequence[Chunk]) -> int:
        """Writes the chunks one after another; returns how many of them want logits."""
        tokens: list[int] = []
        positions: list[int] = []
        sequences: list[int] = []
        outputs: list[int] = []
        for chunk in chunks:
            tokens += chunk.tokens
            if len(chunk.tokens) == 1:
                positions.append(chunk.start)
                sequences.append(chunk.sequence)
                outputs.append(chunk.wants_logits)
                continue
            count = len(chunk.tokens)
            positions += range(chunk.start, chunk.start + count)
            sequences += [chunk.sequence] * count
            outputs += [0] * (count - 1)
            outputs.append(chunk.wants_logits)
        self.write(tokens, positions, sequences, outputs, chunks[0].embeddings)
        return sum(outputs)
