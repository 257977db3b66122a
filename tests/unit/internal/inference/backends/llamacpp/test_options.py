"""Which layout the KV cache gets, and how large it is."""

from __future__ import annotations

from typing import Any

import pytest

from internal.config import ConfigError, ModelConfig
from internal.inference.backends.llamacpp import options as llamacpp_options
from internal.inference.backends.llamacpp.options import (
    Layout,
    Options,
    keeps_prompts,
    layout_of,
    options_of,
    room_for_prompts,
)

SMALL, HUGE = 1, 1 << 40  # bytes of a cell


def layout(bytes_per_cell: int = SMALL, context_length: int = 1000, **options: Any) -> Layout:
    return layout_of(Options(**options), context_length, bytes_per_cell)


def test_streams_where_memory_allows() -> None:
    assert layout(slots=4) == Layout(unified=False, cells=1024 * 12, sequences=12)
    assert layout(slots=4, prefix_sequences=0) == Layout(unified=False, cells=1024 * 4, sequences=4)


def test_one_pool_where_it_does_not() -> None:
    assert layout(HUGE, slots=4) == Layout(unified=True, cells=1000, sequences=4 + 1 + 64)
    assert layout(n_gpu_layers=-1).unified  # nobody knows that memory


def test_as_asked_for() -> None:
    assert not layout(HUGE, kv="streams").unified
    assert layout(kv="unified", slots=4).unified
    assert layout(cells=5000) == Layout(unified=True, cells=5000, sequences=16 + 1 + 64)
    assert layout(cells=10).cells == 1000  # one request always fits


def test_no_more_sequences_than_llama_cpp_has() -> None:
    assert layout(slots=255).sequences == layout(slots=255, kv="unified").sequences == 256


def test_cells_are_of_one_pool() -> None:
    with pytest.raises(ConfigError, match="`cells`"):
        options_of(ModelConfig(name="m", kind="chat", backend="llamacpp", options={"kv": "streams", "cells": 5000}))


def test_quantised_values_need_flash_attention() -> None:
    """llama.cpp would say so in its log only, and give no context, as where there is no memory."""
    options = {"flash_attn": "off", "cache_type_v": "q8_0"}
    row = ModelConfig(name="m", kind="chat", backend="llamacpp", path="m.gguf", options=options)
    with pytest.raises(ConfigError, match="`cache_type_v: q8_0` needs `flash_attn`"):
        options_of(row)


def test_prompts_have_a_part_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp_options, "free_bytes", lambda: 800)
    assert room_for_prompts(Options())(0) == 100
    assert room_for_prompts(Options())(80) == 110
    assert room_for_prompts(Options())(1 << 40) == 8 << 30
    assert room_for_prompts(Options(prompt_cache_mb=3))(80) == 3_000_000


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"kv": "streams"}, True),
        ({"kv": "unified"}, True),
        ({"kv": "streams", "prompt_cache_mb": 0}, False),
        ({"kv": "unified", "flash_attn": "off"}, False),
        ({"kv": "streams", "flash_attn": "off"}, True),
        ({"n_gpu_layers": -1}, False),
        ({"n_gpu_layers": -1, "prompt_cache_mb": 100}, True),
    ],
)
def test_prompts_are_kept_where_they_are_read_in_few_pieces(options: dict[str, Any], kept: bool) -> None:
    assert keeps_prompts(Options(**options), layout(**options)) == kept
