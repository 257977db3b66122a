"""The settings of the llamacpp backend in `models.yaml`, and what is chosen when they are left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from internal.config import ConfigError, ModelConfig

MOST_SEQUENCES = 256  # LLAMA_MAX_SEQ
DEFAULT_CONTEXT = 4096
CELLS_PER_SLOT = 1024
# The KV cache takes at most this part of the memory that is free, where `cells` is not set.
MEMORY_SHARE = 0.25

Positive = Annotated[int, msgspec.Meta(ge=1)]
Slots = Annotated[int, msgspec.Meta(ge=1, le=MOST_SEQUENCES - 1)]
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    context_length: Positive | None = None  # tokens of one request, prompt and output; else the model's, 4096 at most
    slots: Slots = 16  # outputs that are generated at the same time
    cells: Positive | None = None  # tokens in the KV cache, of all requests and cached prefixes together
    prefix_sequences: Annotated[int, msgspec.Meta(ge=0)] = 64  # finished outputs kept for requests that begin alike
    queue_limit: Positive | None = None  # requests that wait for a slot; else 4 for each slot, 64 at least
    n_batch: Positive = 512  # tokens of one step
    ubatch: Positive = 512  # tokens that are computed at once
    threads: Positive | None = None  # else all cores this process may use
    threads_batch: Positive | None = None  # for steps of more than one token; else `threads`
    n_gpu_layers: int = 0  # -1: all
    flash_attn: Literal["auto", "on", "off"] = "on"  # "off" makes every step pay for cached prefixes
    cache_type_k: CacheType = "f16"
    cache_type_v: CacheType = "f16"
    mmap: bool = True
    chat_template: str = ""  # file with a Jinja template, instead of the model's own


def options_of(config: ModelConfig) -> Options:
    """The options of a row of models.yaml. Raises ConfigError."""
    try:
        options = msgspec.convert(config.options, Options)
    except msgspec.ValidationError as error:
        raise ConfigError(f"model {config.name!r}: options: {error}") from None
    if options.n_batch < options.slots:
        raise ConfigError(f"model {config.name!r}: options: `n_batch` must be at least `slots` ({options.slots})")
    return options


def context_length_of(options: Options, trained_context: int) -> int:
    return options.context_length or min(trained_context or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def cells_of(options: Options, context_length: int, bytes_per_cell: int) -> int:
    """Cells of the KV cache: as set, else for every slot a kilotoken where memory allows. One request always fits."""
    if options.cells is not None:
        return max(options.cells, context_length)
    wanted = max(options.slots * CELLS_PER_SLOT, 2 * context_length)
    affordable = int(_free_memory_bytes() * MEMORY_SHARE) // max(bytes_per_cell, 1)
    return max(min(wanted, affordable), context_length)


def usable_cores() -> int:
    """Cores that this process may use: its affinity and its cgroup's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no quota ("max"), or no cgroup v2
    return cores


def _free_memory_bytes() -> int:
    pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024  # counts what the page cache would give back
    except (OSError, StopIteration, ValueError):
        return pages * size
