"""Encoders in PyTorch, from sentence-transformers folders.

BERT-like models are computed by our own short forward pass (`packed.py`): it needs neither the import of
transformers, which takes longer than loading the model, nor padding. All others go through transformers (`padded.py`).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from internal.config import ConfigError, ModelConfig
from internal.embedding.backends.base import ModelInfo, Vectors
from internal.embedding.backends.transformers.folder import TextTokenizer, read_folder
from internal.embedding.backends.transformers.packed import PackedBert, can_pack
from internal.embedding.backends.transformers.padded import PaddedEncoder


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of the model's row in models.yaml."""

    device: str = ""  # "cpu", "cuda", "cuda:1"; empty: a GPU if there is one
    threads: int = 0  # of the CPU; 0: all that this process may use
    max_tokens: int = 0  # of one text; 0: what the model was trained with
    batch_tokens: int = 0  # of one forward pass; 0: a good number for the device
    matryoshka: bool = False  # trained so that leading dimensions are a vector by themselves
    packed: bool = True  # False: always the model's own code
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of products; auto: bfloat16 where the CPU has it


# Hidden states (tokens x width) and the tokens of each text → one vector per text.
def mean(hidden: Tensor, lengths: Tensor) -> Tensor:
    return torch.segment_reduce(hidden, "mean", lengths=lengths, axis=0)


def maximum(hidden: Tensor, lengths: Tensor) -> Tensor:
    return torch.segment_reduce(hidden, "max", lengths=lengths, axis=0)


def first(hidden: Tensor, lengths: Tensor) -> Tensor:
    return hidden[lengths.cumsum(0) - lengths]


def last(hidden: Tensor, lengths: Tensor) -> Tensor:
    return hidden[lengths.cumsum(0) - 1]


POOL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": mean, "cls": first, "max": maximum, "lasttoken": last}


class TransformersBackend:
    """See `Backend`. `load` sets PyTorch's threads for the whole process: one model, one process."""

    info: ModelInfo

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        try:
            self._options = msgspec.convert(config.options, Options)
        except msgspec.ValidationError as error:
            raise ConfigError(f"model {config.name!r}: {error}") from None
        self._device = self._options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        on_cpu = self._device == "cpu"
        self.lanes, self._threads_per_lane = split_threads(self._options.threads) if on_cpu else (1, 1)
        self.batch_tokens = self._options.batch_tokens or (1024 if on_cpu else 16_384)

    def load(self) -> None:
        folder = read_folder(Path(self._config.path))
        torch.set_num_threads(self._threads_per_lane)
        keep_memory()
        self._tokenizer = TextTokenizer(folder)
        self._encoder: Callable[[Sequence[Sequence[int]]], Tensor]
        if self._options.packed and can_pack(folder.encoder, folder.config):
            products = products_of(self._options.precision, self._device)
            self._encoder = PackedBert(folder.encoder, folder.config, folder.first_position, self._device, products)
        else:
            self._encoder = PaddedEncoder(folder.encoder, folder.config, self._device, torch.float32)
        self._pool = POOL[folder.pooling]
        self._normalize = folder.normalize
        probe = self.embed([self._tokenizer.complete([])])
        self.info = ModelInfo(
            name=self._config.name,
            backend="transformers",
            device=self._device,
            context_length=self._options.max_tokens or folder.max_tokens,
            vocabulary_size=int(folder.config["vocab_size"]),
            dimensions=probe.shape[1],
            truncatable_dimensions=self._options.matryoshka,
            created=self._config.created,
        )

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.encode(texts)

    def complete(self, ids: Sequence[int]) -> list[int]:
        return self._tokenizer.complete(ids)

    @torch.inference_mode()
    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        ordered = [texts[index] for index in order]
        lengths = torch.tensor([len(text) for text in ordered], device=self._device)
        pooled = self._pool(self._encoder(ordered), lengths)
        if self._normalize:
            pooled = functional.normalize(pooled, dim=1)
        vectors = torch.empty_like(pooled)
        vectors[torch.tensor(order)] = pooled
        result: Vectors = vectors.float().cpu().numpy()
        return result


def products_of(precision: str, device: str) -> torch.dtype:
    """What to multiply in. Vectors computed with bfloat16 products have a cosine of 0.9999 to those of float32."""
    if precision == "auto":
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        precision = "bfloat16" if device == "cpu" and native else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def split_threads(threads: int) -> tuple[int, int]:
    """Lanes and threads of each. Threads that share a batch wait for one another; lanes, each with its own, do not."""
    cores = threads or len(os.sched_getaffinity(0))
    per_lane = max(1, cores // 4)
    return cores // per_lane, per_lane


def keep_memory() -> None:
    """Tells glibc to keep freed memory: else every large temporary tensor costs page faults, a tenth of the time."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
