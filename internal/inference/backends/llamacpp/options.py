"""The settings of the llamacpp backend in `models.yaml`, and what is chosen when they are left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from internal.config import ConfigError, ModelConfig
from internal.inference.backends.batching.options import BatchingOptions, Positive, read_options
from internal.inference.backends.batching.sizes import affordable_cells, pool_cells
from internal.memory import free_bytes

MOST_SEQUENCES = 256  # LLAMA_MAX_SEQ
# The KV cache takes at most this part of the memory that is free, where neither `cells` nor `kv` is set.
MEMORY_SHARE = 0.25
UNIFIED_PREFIXES, STREAM_PREFIXES = 64, 8
STREAM_STEP = 256  # the length of a stream is a multiple of it

PROMPTS_SHARE, MOST_PROMPTS_BYTES = 1 / 8, 8 << 30
MB = 1_000_000

Natural = Annotated[int, msgspec.Meta(ge=0)]
Slots = Annotated[int, msgspec.Meta(ge=1, le=MOST_SEQUENCES - 1)]
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
WHOLE_TYPES = ("f32", "f16", "bf16")  # others are quantised
# What a number takes: 32 that are quantised have a scale of 16 bits together, of the types `_1` a least value, too.
CACHE_BITS: dict[CacheType, float] = {
    "f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5,
}  # fmt: skip


class Options(BatchingOptions, frozen=True, kw_only=True):
    slots: Slots = 16
    # The KV cache: `context_length` tokens for every slot and kept prefix ("streams", the fastest), or one pool for all
    # ("unified", less memory). "auto": streams on a CPU, if they take at most a quarter of the memory that is free.
    kv: Literal["auto", "unified", "streams"] = "auto"
    # Finished outputs kept for requests that begin alike, beside those whose slots nobody needs; else 8 streams, or 64.
    prefix_sequences: Natural | None = None
    # Memory, taken as it is needed, for what requests have left in the KV cache and others take the place of. 0: none;
    # else an eighth of what is free, 8 GiB at most, and none on a GPU or with `flash_attn: off` and one pool.
    prompt_cache_mb: Natural | None = None
    ubatch: Positive = 512  # tokens that are computed at once
    threads_batch: Positive | None = None  # for steps of more than one token; else `threads`
    # With `kv: streams`, on a CPU: beside streams that are read, prompts are computed on half of the threads (of two or
    # more), not in the steps of the streams; and suffixes of one long prefix are computed together.
    prefill_aside: bool = True
    n_gpu_layers: int = 0  # -1: all
    # "off" makes every step pay for all unified cells, and every stream for the longest. Where all are long it may be
    # faster on a CPU: a tenth of a step of 15 streams of 3 000 tokens, while their prompts take a third longer.
    flash_attn: Literal["auto", "on", "off"] = "on"
    cache_type_k: CacheType = "f16"
    cache_type_v: CacheType = "f16"
    mmap: bool = True


def options_of(config: ModelConfig) -> Options:
    """The options of a row of models.yaml. Raises ConfigError."""
    options = read_options(config, Options)
    if options.kv == "streams" and options.cells is not None:
        raise ConfigError(f"model {config.name!r}: options: `cells` are of a unified KV cache; leave them out")
    if options.flash_attn == "off" and options.cache_type_v not in WHOLE_TYPES:
        raise ConfigError(f"model {config.name!r}: options: `cache_type_v: {options.cache_type_v}` needs `flash_attn`")
    return options


def cell_bytes(options: Options, values: int) -> int:
    """What one token takes that keeps so many numbers in the K cache, and in the V cache."""
    return int(values * (CACHE_BITS[options.cache_type_k] + CACHE_BITS[options.cache_type_v]) / 8)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the KV cache is laid out: `cells` of all sequences together."""

    unified: bool
    cells: int
    sequences: int


def layout_of(options: Options, context_length: int, bytes_per_cell: int) -> Layout:
    """As set, else what is fastest in the memory that is free. One request always fits."""
    affordable = affordable_cells(free_bytes() * MEMORY_SHARE, bytes_per_cell)
    streams = _streams(options, context_length)
    # One stream more, for what is computed aside. A GPU's memory is not what is measured here.
    wanted = streams.cells + streams.cells // streams.sequences
    fits = options.cells is None and options.n_gpu_layers == 0 and wanted <= affordable
    if options.kv == "streams" or (options.kv == "auto" and fits):
        return streams
    cells = pool_cells(options.cells, options.slots, context_length, affordable)
    # One more than run at once, so that a new one can be opened before another is given up.
    sequences = _sequences(options.slots + 1, options.prefix_sequences, UNIFIED_PREFIXES)
    return Layout(True, cells, sequences)


def _streams(options: Options, context_length: int) -> Layout:
    sequences = _sequences(options.slots, options.prefix_sequences, STREAM_PREFIXES)
    length = -(-context_length // STREAM_STEP) * STREAM_STEP
    return Layout(False, length * sequences, sequences)


def _sequences(running: int, prefixes: int | None, default: int) -> int:
    return min(running + (default if prefixes is None else prefixes), MOST_SEQUENCES)


def keeps_prompts(options: Options, layout: Layout) -> bool:
    """Whether what the KV cache loses is kept in memory: where cells are not in one piece, as in a pool, they are read
    one by one, and with values turned over number by number (without flash attention)."""
    if options.prompt_cache_mb is not None:
        return options.prompt_cache_mb > 0
    return not layout.unified or (options.n_gpu_layers == 0 and options.flash_attn != "off")


def room_for_prompts(options: Options) -> Callable[[int], int]:
    """How many bytes a prompt cache may hold that holds so many: as set, else by the memory that is free. So it gives
    way when others, such as models that are loaded later, want the memory."""
    if options.prompt_cache_mb is not None:
        most = options.prompt_cache_mb * MB
        return lambda _held: most
    return lambda held: min(int((free_bytes() + held) * PROMPTS_SHARE), MOST_PROMPTS_BYTES)
