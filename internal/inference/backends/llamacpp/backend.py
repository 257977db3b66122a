"""The llama.cpp backend: one GGUF file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from internal.config import ModelConfig
from internal.cores import usable_cores
from internal.inference.backends.batching.backend import BatchingBackend, Loaded, exit_worker
from internal.inference.backends.batching.kv_cache import Cache
from internal.inference.backends.batching.library import MovableContext
from internal.inference.backends.batching.side import FIRST_OTHER, SideContext
from internal.inference.backends.batching.sizes import context_length_of
from internal.inference.backends.llamacpp.context import Context, ContextSettings
from internal.inference.backends.llamacpp.lazy_copies import LazyCopies, SavedContext
from internal.inference.backends.llamacpp.model import Model
from internal.inference.backends.llamacpp.options import (
    Layout,
    Options,
    cell_bytes,
    keeps_prompts,
    layout_of,
    options_of,
    room_for_prompts,
)
from internal.inference.backends.llamacpp.pool_cache import PoolCache
from internal.inference.backends.llamacpp.projector import Projector
from internal.inference.backends.llamacpp.prompt_cache import PromptCache
from internal.inference.backends.llamacpp.stream_cache import StreamCache


class LlamaCppBackend(BatchingBackend):
    name = "llamacpp"
    _options: Options

    def __init__(self, config: ModelConfig, on_broken: Callable[[], None] = exit_worker) -> None:
        super().__init__(config, options_of(config), on_broken)

    def _load(self, resources: ExitStack) -> Loaded:
        options = self._options
        model = Model(self._config.path, n_gpu_layers=options.n_gpu_layers, mmap=options.mmap)
        resources.callback(model.free)
        context_length = context_length_of(options.context_length, model.trained_context)
        layout = layout_of(options, context_length, cell_bytes(options, model.kv_values_per_cell))
        settings = _context_settings(options, layout)
        whole = Context(model, settings)
        resources.callback(whole.free)
        # In one pool nothing is moved, so copies cost nothing.
        context: SavedContext = whole if layout.unified else LazyCopies(whole)
        side = _side(model, context, whole.stream_length, settings, options, resources)
        projector = _projector(self._config, options, model)
        if projector is not None:
            resources.callback(projector.free)
        layers = options.n_gpu_layers
        device = "cpu" if layers == 0 else "gpu:0"
        prompts = PromptCache(context, room_for_prompts(options), takes=keeps_prompts(options, layout))
        if layout.unified:
            cache: Cache[Any] = PoolCache(whole, whole.cells, layout.sequences, prompts)
        else:
            cache = StreamCache(context, whole.stream_length, layout.sequences, prompts)
        return Loaded(model, context, cache, context_length, device, layers, projector, side)


def _context_settings(options: Options, layout: Layout) -> ContextSettings:
    threads = options.threads or usable_cores()
    return ContextSettings(
        unified=layout.unified,
        cells=layout.cells,
        sequences=layout.sequences,
        batch=options.n_batch,
        ubatch=options.ubatch,
        threads=threads,
        threads_batch=options.threads_batch or threads,
        flash_attention=options.flash_attn,
        cache_type_k=options.cache_type_k,
        cache_type_v=options.cache_type_v,
    )


def _side(
    model: Model,
    streams: MovableContext,
    length: int,
    settings: ContextSettings,
    options: Options,
    resources: ExitStack,
) -> SideContext | None:
    """Where prompts are computed beside the steps, and suffixes of one prefix together."""
    on_gpu = options.n_gpu_layers != 0
    if not options.prefill_aside or settings.unified or on_gpu or model.sliding_window:
        return None
    batch = min(settings.ubatch, length)
    pool = replace(settings, unified=True, cells=length + batch, sequences=FIRST_OTHER + options.slots, batch=batch)
    context = Context(model, pool)
    resources.callback(context.free)
    return SideContext(streams, context, threads=settings.threads, batch=batch, others=options.slots)


def _projector(config: ModelConfig, options: Options, model: Model) -> Projector | None:
    """Half of the threads: streams that run beside it wait for theirs at every layer."""
    if not config.mmproj:
        return None
    threads = max(1, (options.threads or usable_cores()) // 2)
    batch = min(options.n_batch, options.ubatch)
    return Projector(config.mmproj, model, batch=batch, threads=threads, gpu=options.n_gpu_layers != 0)
