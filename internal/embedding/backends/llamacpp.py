"""Encoders in GGUF files, and decoders that were made into encoders, by llama.cpp's low-level API.

Texts are packed: a batch is a row of tokens in which every text is a sequence of its own, and llama.cpp pools each. It
computes a batch in one piece, so a context has room for the longest text. Its attention looks at every pair of tokens
in a batch and masks those of different texts: on a CPU small batches are the fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from queue import SimpleQueue
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from internal.config import ConfigError, ModelConfig
from internal.embedding.backends.base import Matryoshka, ModelInfo, Vectors, unit
from internal.embedding.backends.frame import Frame
from internal.embedding.backends.lanes import split_threads
from internal.errors import InternalError, WorkerError
from internal.llamacpp import llama
from internal.llamacpp.batch import Batch
from internal.llamacpp.weights import Weights

MOST_SEQUENCES = 256  # LLAMA_MAX_SEQ
DEFAULT_CONTEXT = 8192  # at most: memory for the longest text is taken when the model is loaded
# llama.cpp has room for the logits of every token of a batch, although nobody asks for them: 4 bytes for each entry of
# the vocabulary. Where nothing is set, batches and texts are short enough for that to be less.
LOGITS_BYTES = 1 << 30

# `pooling` in models.yaml → llama.cpp's number; empty: what the file says
POOLINGS = {
    "": llama.LLAMA_POOLING_TYPE_UNSPECIFIED,
    "mean": llama.LLAMA_POOLING_TYPE_MEAN,
    "cls": llama.LLAMA_POOLING_TYPE_CLS,
    "last": llama.LLAMA_POOLING_TYPE_LAST,
}
REFUSED_POOLINGS = {
    llama.LLAMA_POOLING_TYPE_NONE: "the file does not say how vectors are made of tokens: set `pooling` in `options`",
    llama.LLAMA_POOLING_TYPE_RANK: "a reranker, which gives scores and no vectors",
}

Count = Annotated[int, msgspec.Meta(ge=0)]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`options` of the model's row in models.yaml."""

    n_gpu_layers: int = 0  # -1: all
    threads: Count = 0  # of the CPU; 0: all that this process may use
    max_tokens: Count = 0  # of one text; 0: what the model was trained with, 8192 at most, or what memory allows
    batch_tokens: Count = 0  # of one step; 0: a good number for the device
    matryoshka: Matryoshka = False
    pooling: Literal["", "mean", "cls", "last"] = ""  # empty: what the file says
    normalize: bool = True  # to length 1; files do not say it
    prompt: str = ""  # put before every text; files do not say it


class LlamaCppBackend:
    """See `Backend`."""

    info: ModelInfo

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._options = config.options_as(Options)
        on_cpu = self._options.n_gpu_layers == 0
        self._device = "cpu" if on_cpu else "gpu:0"
        self.lanes, self._threads_per_lane = split_threads(self._options.threads) if on_cpu else (1, 1)
        self.batch_tokens = self._options.batch_tokens or (256 if on_cpu else 4096)

    def load(self) -> None:
        self._weights = Weights(self._config.path, n_gpu_layers=self._options.n_gpu_layers)
        self._check_kind()
        affordable = LOGITS_BYTES // (4 * self._weights.vocabulary_size)
        self.batch_tokens = self._options.batch_tokens or min(self.batch_tokens, affordable)
        context_length = self._context_length(affordable)
        self._room = max(self.batch_tokens, context_length)
        self._free: SimpleQueue[_Context] = SimpleQueue()
        for _ in range(self.lanes):
            self._free.put(_Context(self._weights, self._room, self._threads_per_lane, POOLINGS[self._options.pooling]))
        self._frame = self._read_frame()
        self.info = ModelInfo(
            name=self._config.name,
            backend="llamacpp",
            device=self._device,
            context_length=context_length,
            vocabulary_size=self._weights.vocabulary_size,
            dimensions=self.embed(self.tokenize(["a"])).shape[1],
            matryoshka=self._options.matryoshka,
            created=self._config.created,
        )

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        prompt = self._options.prompt
        return [self._weights.tokenize(prompt + text, add_special=True) for text in texts]

    def complete(self, ids: Sequence[int]) -> list[int]:
        return self._frame.around(ids)

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        context = self._free.get()
        try:
            parts = [context.embed(part) for part in parts_of(texts, self._room)]
        finally:
            self._free.put(context)
        vectors = np.concatenate(parts)
        return unit(vectors) if self._options.normalize else vectors

    def _check_kind(self) -> None:
        pointer = self._weights.pointer
        kinds = {
            "a T5": llama.llama_model_has_encoder(pointer),
            "a recurrent": llama.llama_model_is_recurrent(pointer),
            "a hybrid recurrent": llama.llama_model_is_hybrid(pointer),
            "a diffusion": llama.llama_model_is_diffusion(pointer),
        }
        for kind, is_this in kinds.items():
            if is_this:
                raise WorkerError(
                    f"{self._weights.path}: {kind} model; the llamacpp backend embeds with encoders of BERT's kind and "
                    "decoders. Set `path` to its sentence-transformers folder"
                )

    def _context_length(self, affordable: int) -> int:
        trained = self._weights.trained_context
        if self._options.max_tokens > trained:
            raise ConfigError(f"model {self._config.name!r}: options: `max_tokens`: the model has {trained} positions")
        return self._options.max_tokens or min(trained, DEFAULT_CONTEXT, affordable)

    def _read_frame(self) -> Frame:
        bare, framed = (self._weights.tokenize("a", add_special=special) for special in (False, True))
        return Frame.found(bare, framed, self._weights.tokenize(self._options.prompt, add_special=False))


def parts_of(texts: Sequence[Sequence[int]], room: int) -> Iterator[Sequence[Sequence[int]]]:
    """The same texts, so many at a time as a context takes."""
    start = tokens = 0
    for end, text in enumerate(texts):
        if tokens + len(text) > room or end - start == MOST_SEQUENCES:
            yield texts[start:end]
            start, tokens = end, 0
        tokens += len(text)
    yield texts[start:]


class _Context:
    """Working memory for `room` tokens at a time. Used by one thread at a time."""

    def __init__(self, weights: Weights, room: int, threads: int, pooling: int) -> None:
        """Raises WorkerError when there is none, or no vectors come out of it."""
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = room
        parameters.n_seq_max = min(MOST_SEQUENCES, room)
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.embeddings = True
        parameters.pooling_type = pooling
        parameters.kv_unified = True
        parameters.no_perf = True
        self._pointer: Any = llama.llama_init_from_model(weights.pointer, parameters)
        if not self._pointer:
            raise WorkerError(f"{weights.path}: no memory for {room} tokens: lower `max_tokens`, `batch_tokens`")
        if reason := REFUSED_POOLINGS.get(llama.llama_pooling_type(self._pointer)):
            raise WorkerError(f"{weights.path}: {reason}")
        self._memory: Any = llama.llama_get_memory(self._pointer)  # a decoder has one
        self._dimensions: int = llama.llama_model_n_embd_out(weights.pointer)
        self._batch = Batch(room)

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Raises InternalError."""
        if self._memory:
            llama.llama_memory_clear(self._memory, False)
        lengths = [len(text) for text in texts]
        self._batch.write(
            tokens=list(chain.from_iterable(texts)),
            positions=list(chain.from_iterable(map(range, lengths))),
            sequences=np.repeat(np.arange(len(texts)), lengths),
            outputs=np.ones(sum(lengths), np.int8),
        )
        if code := llama.llama_decode(self._pointer, self._batch.struct):
            raise InternalError(f"llama_decode returned {code}")
        vectors = np.empty((len(texts), self._dimensions), np.float32)
        for sequence, vector in enumerate(vectors):
            address = llama.llama_get_embeddings_seq(self._pointer, sequence)
            vector[:] = np.ctypeslib.as_array(address, (self._dimensions,))
        return vectors
