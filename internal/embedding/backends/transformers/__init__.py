"""Encoders in PyTorch, from sentence-transformers folders.

BERT-like models with one pooling are computed by our own short forward pass (`packed.py`): it needs neither the import
of transformers, which takes longer than loading the model, nor padding. All others go through sentence-transformers
(`library.py`).
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from internal.config import ConfigError, ModelConfig
from internal.embedding.backends.base import Matryoshka, ModelInfo, Vectors
from internal.embedding.backends.lanes import split_threads
from internal.embedding.backends.transformers.folder import SentenceFolder, TextTokenizer, read_folder
from internal.embedding.backends.transformers.library import LibraryEncoder
from internal.embedding.backends.transformers.linear import int16_is_worth_it, int16_works
from internal.embedding.backends.transformers.packed import PackedEncoder, can_pack

log = logging.getLogger("novai.embedding")

Encoder = Callable[[Sequence[Sequence[int]]], Tensor]
"""Texts that come ordered by length → one vector each."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of the model's row in models.yaml."""

    device: str = ""  # "cpu", "cuda", "cuda:1"; empty: a GPU if there is one
    threads: int = 0  # of the CPU; 0: all that this process may use
    max_tokens: int = 0  # of one text; 0: what the model was trained with
    batch_tokens: int = 0  # of one forward pass; 0: a good number for the device
    matryoshka: Matryoshka = False
    prompt_name: str = ""  # one of the folder's prompts, put before every text; empty: its default, if it has one
    packed: bool = True  # False: always by the library
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int16"] = "auto"  # see `dtype_of`


class TransformersBackend:
    """See `Backend`. `load` sets PyTorch's threads for the whole process: one model, one process."""

    info: ModelInfo

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._options = config.options_as(Options)
        self._device = self._options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        on_cpu = self._device == "cpu"
        if on_cpu and self._options.dtype == "float16":
            raise ConfigError(f"model {config.name!r}: options: `dtype`: float16 is for GPUs; bfloat16 is for both")
        self.lanes, self._threads_per_lane = split_threads(self._options.threads) if on_cpu else (1, 1)
        self.batch_tokens = self._options.batch_tokens or (1024 if on_cpu else 16_384)

    def load(self) -> None:
        folder = read_folder(Path(self._config.path), self._options.prompt_name)
        if 0 < folder.positions < self._options.max_tokens:
            raise ConfigError(
                f"model {self._config.name!r}: options: `max_tokens`: the model has {folder.positions} positions"
            )
        torch.set_num_threads(self._threads_per_lane)
        keep_memory()
        self._tokenizer = TextTokenizer(folder)
        self._encoder = self._load_encoder(folder)
        self._truncate_dim = folder.truncate_dim
        self._normalizes = folder.normalizes
        self.info = ModelInfo(
            name=self._config.name,
            backend="transformers",
            device=self._device,
            context_length=self._options.max_tokens or folder.max_tokens,
            vocabulary_size=int(folder.config.get("vocab_size") or self._tokenizer.vocabulary_size),
            dimensions=self.embed(self.tokenize(["a"])).shape[1],
            matryoshka=self._options.matryoshka,
            created=self._config.created,
        )

    def _load_encoder(self, folder: SentenceFolder) -> Encoder:
        packs = self._options.packed and can_pack(folder)
        if self._options.dtype == "int16" and not (self._device == "cpu" and int16_works()):
            raise ConfigError(
                f"model {self._config.name!r}: options: `dtype`: int16 is for CPUs with AVX2, once `make kernels` has "
                "run; auto takes it where it is faster"
            )
        dtype = dtype_of(self._options.dtype, self._device, packed=packs)
        log.info("model %s multiplies in %s", self._config.name, dtype)
        if packs:
            return PackedEncoder(folder, self._device, dtype)
        prompt_length = 0 if folder.pools_prompt else self._tokenizer.frame.prompt_length
        return LibraryEncoder(folder, prompt_length, self._device, dtype)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.encode(texts)

    def complete(self, ids: Sequence[int]) -> list[int]:
        return self._tokenizer.frame.around(ids)

    @torch.inference_mode()
    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        encoded = self._encoder([texts[index] for index in order])[:, : self._truncate_dim]
        if self._normalizes:
            encoded = functional.normalize(encoded.float(), dim=1)
        vectors = torch.empty_like(encoded)
        vectors[torch.tensor(order)] = encoded
        result: Vectors = vectors.float().cpu().numpy()
        return result


def dtype_of(name: str, device: str, *, packed: bool) -> torch.dtype:
    """What is computed in. On a CPU it is the products of linear layers only if it is int16 or the encoder is packed:
    then sums are float32.

    Auto: bfloat16 where the device multiplies it natively (of the library's encoders: on a GPU); else, on a CPU,
    integers of 12 bits (int16) where that is faster than float32. Vectors have a cosine of 0.9999 to those of float32
    in bfloat16, and of 0.99998 in int16.
    """
    if name == "auto":
        name = automatic(device, packed)
    found: torch.dtype = getattr(torch, name)
    return found


def automatic(device: str, packed: bool) -> str:
    if device != "cpu":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if packed and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bfloat16"
    return "int16" if int16_is_worth_it() else "float32"


def keep_memory() -> None:
    """Tells glibc to keep freed memory: else every large temporary tensor costs page faults, a tenth of the time."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
