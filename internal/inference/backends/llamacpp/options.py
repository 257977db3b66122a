"""The settings of the llamacpp backend in `models.yaml`, and what is chosen when they are left out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from internal.config import ConfigError, ModelConfig

MOST_SEQUENCES = 256  # LLAMA_MAX_SEQ
DEFAULT_CONTEXT = 4096
CELLS_PER_SLOT = 1024
# The KV cache takes at most this part of the memory that is free, where neither `cells` nor `kv` is set.
MEMORY_SHARE = 0.25
UNIFIED_PREFIXES, STREAM_PREFIXES = 64, 8
STREAM_STEP = 256  # the length of a stream is a multiple of it

Positive = Annotated[int, msgspec.Meta(ge=1)]
Slots = Annotated[int, msgspec.Meta(ge=1, le=MOST_SEQUENCES - 1)]
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    context_length: Positive | None = None  # tokens of one request, prompt and output; else the model's, 4096 at most
    slots: Slots = 16  # outputs that are generated at the same time
    # The KV cache: `context_length` tokens for every slot and kept prefix ("streams", the fastest), or one pool for all
    # ("unified", less memory). "auto": streams on a CPU, if they take at most a quarter of the memory that is free.
    kv: Literal["auto", "unified", "streams"] = "auto"
    cells: Positive | None = None  # tokens in a unified KV cache, of all requests and cached prefixes together
    # Finished outputs kept for requests that begin alike, beside those whose slots nobody needs; else 8 streams, or 64.
    prefix_sequences: Annotated[int, msgspec.Meta(ge=0)] | None = None
    queue_limit: Positive | None = None  # requests that wait for a slot; else 4 for each slot, 64 at least
    n_batch: Positive = 512  # tokens of one step
    ubatch: Positive = 512  # tokens that are computed at once
    threads: Positive | None = None  # else all cores this process may use
    threads_batch: Positive | None = None  # for steps of more than one token; else `threads`
    n_gpu_layers: int = 0  # -1: all
    flash_attn: Literal["auto", "on", "off"] = "on"  # "off" makes every step pay for all unified cells
    cache_type_k: CacheType = "f16"
    cache_type_v: CacheType = "f16"
    mmap: bool = True
    chat_template: str = ""  # file with a Jinja template, instead of the model's own


def options_of(config: ModelConfig) -> Options:
    """The options of a row of models.yaml. Raises ConfigError."""
    options = config.options_as(Options)
    if options.n_batch < options.slots:
        raise ConfigError(f"model {config.name!r}: options: `n_batch` must be at least `slots` ({options.slots})")
    if options.kv == "streams" and options.cells is not None:
        raise ConfigError(f"model {config.name!r}: options: `cells` are of a unified KV cache; leave them out")
    return options


def context_length_of(options: Options, trained_context: int) -> int:
    return options.context_length or min(trained_context or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the KV cache is laid out: `cells` of all sequences together."""

    unified: bool
    cells: int
    sequences: int


def layout_of(options: Options, context_length: int, bytes_per_cell: int) -> Layout:
    """As set, else what is fastest in the memory that is free. One request always fits."""
    affordable = int(_free_memory_bytes() * MEMORY_SHARE) // max(bytes_per_cell, 1)
    streams = _streams(options, context_length)
    # A GPU's memory is not what is measured here.
    fits = options.cells is None and options.n_gpu_layers == 0 and streams.cells <= affordable
    if options.kv == "streams" or (options.kv == "auto" and fits):
        return streams
    cells = options.cells or min(max(options.slots * CELLS_PER_SLOT, 2 * context_length), affordable)
    # One more than run at once, so that a new one can be opened before another is given up.
    sequences = _sequences(options.slots + 1, options.prefix_sequences, UNIFIED_PREFIXES)
    return Layout(True, max(cells, context_length), sequences)


def _streams(options: Options, context_length: int) -> Layout:
    sequences = _sequences(options.slots, options.prefix_sequences, STREAM_PREFIXES)
    length = -(-context_length // STREAM_STEP) * STREAM_STEP
    return Layout(False, length * sequences, sequences)


def _sequences(running: int, prefixes: int | None, default: int) -> int:
    return min(running + (default if prefixes is None else prefixes), MOST_SEQUENCES)


def _free_memory_bytes() -> int:
    pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024  # counts what the page cache would give back
    except (OSError, StopIteration, ValueError):
        return pages * size
