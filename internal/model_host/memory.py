"""How much memory a model takes, and how much there is.

An estimate, before anything is loaded: the files that hold weights, keys and values of the tokens that are kept, and
the process itself. What layers on a GPU take is the GPU's, which refuses by itself: then the model is `failed`, with
the reason.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from internal.config import ModelConfig
from internal.memory import container_limit_bytes
from internal.model_host.gguf_header import read_header

PROCESS_BYTES = 128 << 20  # Python and the libraries of a worker that computes
WEIGHTS = (".gguf", ".safetensors", ".bin")  # of several forms in one folder the first is read
BYTES_PER_VALUE = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625}  # others: about half a byte
SMALL_VALUE = 0.6875
CONTEXT, SLOTS, CELLS_PER_SLOT = 4096, 16, 1024  # where a row leaves them out
MOST_COUNT, MOST_BYTES = 1 << 31, 1 << 60  # a file can say anything of itself, and states have to be told in 64 bits


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how much a token keeps."""

    layers: int = 0
    values_per_token: int = 0  # of the K cache; as many in the V cache
    context_length: int = 0  # it was trained for


def size_bytes(path: str) -> int:
    """Of a file, or of all files of a folder; 0 when it is not there."""
    return sum(map(_size, _files(path)))


def needed_bytes(config: ModelConfig) -> int:
    """By a worker of this model at least; more makes some of them faster. 0: what is computed elsewhere."""
    if config.memory_bytes or not config.path:
        return config.memory_bytes
    shape = shape_of(config.path)
    weights = _weights_bytes(config.path) + size_bytes(config.mmproj)
    keys_and_values = _cells(config, shape) * _token_bytes(config, shape) if config.kind == "chat" else 0
    on_gpu = _share_on_gpu(config, shape)
    return min(PROCESS_BYTES + int((weights + keys_and_values) * (1 - on_gpu)), MOST_BYTES)


def available_bytes(budget_bytes: int, pids: Iterable[int]) -> int:
    """For all models together: what nobody but our workers uses, or `budget_bytes` if that is less; 0: no budget."""
    free = psutil.virtual_memory().available + sum(map(_private_bytes, pids))
    limits = [limit for limit in (budget_bytes, container_limit_bytes()) if limit]
    return min([free, *limits])


def shape_of(path: str) -> Shape:
    """Read from the head of a GGUF file, or from a folder's config.json. Zeros where they do not say."""
    facts: dict[str, Any] = _config_json(Path(path)) or dict(read_header(Path(path)))
    name = facts.get("general.architecture")
    names = GGUF_NAMES if name else JSON_NAMES
    layers, width, heads, kv_heads, context = (_whole(facts.get(key.format(name))) for key in names)
    return Shape(layers, layers * width * (kv_heads or heads) // max(heads, 1), context)


GGUF_NAMES = (
    *("{}.block_count", "{}.embedding_length", "{}.attention.head_count", "{}.attention.head_count_kv"),
    "{}.context_length",
)
JSON_NAMES = (
    *("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads"),
    "max_position_embeddings",
)


def _weights_bytes(path: str) -> int:
    by_form = (sum(_size(file) for file in _files(path) if file.suffix == form) for form in WEIGHTS)
    return next(filter(None, by_form), 0)


def _whole(value: object) -> int:
    return min(value, MOST_COUNT) if isinstance(value, int) and value > 0 else 0


def _config_json(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _cells(config: ModelConfig, shape: Shape) -> int:
    """Tokens that are kept, of all requests together: of a pool, the least that a worker makes do with."""
    options = config.options
    context = _whole(options.get("context_length")) or min(shape.context_length or CONTEXT, CONTEXT)
    slots = _whole(options.get("slots")) or SLOTS
    if options.get("kv") == "streams":
        return context * slots
    return _whole(options.get("cells")) or max(slots * CELLS_PER_SLOT, 2 * context)


def _token_bytes(config: ModelConfig, shape: Shape) -> float:
    kinds = (str(config.options.get(name, "f16")) for name in ("cache_type_k", "cache_type_v"))
    return sum(shape.values_per_token * BYTES_PER_VALUE.get(kind, SMALL_VALUE) for kind in kinds)


def _share_on_gpu(config: ModelConfig, shape: Shape) -> float:
    layers = config.options.get("n_gpu_layers")
    if layers == -1 or str(config.options.get("device", "")).startswith("cuda"):
        return 1.0
    return min(1.0, _whole(layers) / shape.layers) if shape.layers else 0.0


def _files(path: str) -> list[Path]:
    """The file, or all in the folder; without what cannot be looked at."""
    if not path:
        return []
    return [Path(path), *(Path(folder, name) for folder, _, names in os.walk(path) for name in names)]


def _size(file: Path) -> int:
    """0 of what is no file, or is gone by now."""
    try:
        found = file.stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _private_bytes(pid: int) -> int:
    """What ends with a process: not the pages of files, which the system counts as available."""
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))
