"""The transformers backend: one Hugging Face folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack

import torch
from transformers import PreTrainedModel

from internal.config import ConfigError, ModelConfig
from internal.cores import usable_cores
from internal.errors import WorkerError
from internal.inference.backends.batching.backend import BatchingBackend, Loaded, exit_worker
from internal.inference.backends.batching.options import read_options
from internal.inference.backends.batching.prefix_cache import PrefixCache, UnsharedCache
from internal.inference.backends.batching.sizes import affordable_cells, context_length_of, pool_cells
from internal.inference.backends.transformers.context import Context
from internal.inference.backends.transformers.options import Options
from internal.inference.backends.transformers.tokenizer import Tokenizer
from internal.inference.backends.transformers.weights import load_weights
from internal.memory import free_bytes

# The KV cache takes at most this part of the memory that is free: a GPU is the model's alone.
CPU_SHARE, GPU_SHARE = 0.25, 0.8


class TransformersBackend(BatchingBackend):
    """Sets PyTorch's threads for the whole process: one model, one process."""

    name = "transformers"
    _options: Options

    def __init__(self, config: ModelConfig, on_broken: Callable[[], None] = exit_worker) -> None:
        super().__init__(config, read_options(config, Options), on_broken)

    def _load(self, resources: ExitStack) -> Loaded:
        options = self._options
        # OpenMP gives each thread that computes workers of its own; here none may stay behind, or they stand in the way
        # of those of the engine's thread.
        torch.set_num_threads(1)
        model = load_weights(self._config.path, options)
        torch.set_num_threads(options.threads or usable_cores())
        try:
            trained = model.config.get_text_config().max_position_embeddings
            cells_at_most = affordable(model)
        except AttributeError as error:
            raise WorkerError(f"{self._config.path}: not a model with attention in all layers: {error}") from None
        most = most_positions(model)
        context_length = context_length_of(options.context_length, int(min(trained, most)))
        if context_length > most:
            raise ConfigError(f"model {self._config.name!r}: options: `context_length`: {most} at most with this model")
        cells = pool_cells(options.cells, options.slots, context_length, cells_at_most)
        sequences = options.slots + 1 + options.prefix_sequences
        context = Context(model, cells=cells, sequences=sequences, batch=options.n_batch)
        resources.callback(context.free)
        cache = (PrefixCache if context.shares else UnsharedCache)(context, cells, sequences)
        return Loaded(Tokenizer(self._config.path, model), context, cache, context_length, str(model.device))


def most_positions(model: PreTrainedModel) -> float:
    """How far texts of one batch can reach without one changing another: angles that are turned by the longest of them
    (RoPE that is dynamic, or with factors for short and for long texts) stay as they are up to here. A position that is
    looked up must be in its table; others have no end."""
    config = model.config.get_text_config()
    ropes = getattr(config, "rope_parameters", None)
    if not ropes:
        return int(config.max_position_embeddings)
    for rope in [ropes] if "rope_type" in ropes else ropes.values():
        if rope["rope_type"] in ("dynamic", "longrope"):
            return int(rope.get("original_max_position_embeddings") or config.max_position_embeddings)
    return math.inf


def affordable(model: PreTrainedModel) -> int:
    """Cells of a KV cache in the memory that is free on the model's device."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    cell_bytes = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
    if model.device.type == "cuda":
        return affordable_cells(torch.cuda.mem_get_info(model.device)[0] * GPU_SHARE, cell_bytes)
    return affordable_cells(free_bytes() * CPU_SHARE, cell_bytes)
