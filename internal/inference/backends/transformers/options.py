"""The settings of the transformers backend in `models.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from internal.inference.backends.batching.options import BatchingOptions


class Options(BatchingOptions, frozen=True, kw_only=True):
    prefix_sequences: Annotated[int, msgspec.Meta(ge=0)] = 64  # finished outputs kept for requests that begin alike
    device: str = ""  # "cpu", "cuda", "cuda:1"; empty: a GPU if there is one
    # Of weights and KV cache. auto: bfloat16 where the device has it, else float32; quantised weights have their own.
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    # auto: FlashAttention on a GPU if it is installed, else PyTorch's own.
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2", "flash_attention_3"] = "auto"
