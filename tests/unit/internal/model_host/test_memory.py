"""What a model needs, by its files: against what they really say, and files that say nothing."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internal.config import ModelConfig
from internal.model_host.folder import models_in
from internal.model_host.gguf_header import read_header
from internal.model_host.memory import PROCESS_BYTES, Shape, available_bytes, needed_bytes, shape_of

TINY = Path("models/novai-tiny/novai-tiny.Q8_0.gguf").resolve()
PER_TOKEN = 5 * 128 * 2 * 2  # layers, values of two heads, keys and values, two bytes each


def row(path: Path | str, **fields: Any) -> ModelConfig:
    return ModelConfig(**{"name": "m", "kind": "chat", "backend": "llamacpp", "path": str(path)} | fields)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def whole(name: str, value: int) -> bytes:
    return text(name) + struct.pack("<II", 4, value)


def write_gguf(path: Path, *pairs: bytes) -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Five layers, two heads of 64 for keys and values."""
    sizes = {"block_count": 5, "embedding_length": 256, "context_length": 4096}
    heads = {"attention.head_count": 4, "attention.head_count_kv": 2}
    pairs = [whole(f"llama.{name}", value) for name, value in (sizes | heads).items()]
    return write_gguf(tmp_path / "m.gguf", text("general.architecture") + struct.pack("<I", 8) + text("llama"), *pairs)


def test_a_gguf_file(model: Path) -> None:
    assert shape_of(str(model)) == Shape(layers=5, values_per_token=640, context_length=4096)
    weights = model.stat().st_size
    assert needed_bytes(row(model)) == PROCESS_BYTES + weights + 16 * 1024 * PER_TOKEN
    few = {"context_length": 512, "slots": 2}
    assert needed_bytes(row(model, options=few)) == PROCESS_BYTES + weights + 2048 * PER_TOKEN
    streams = few | {"kv": "streams", "cache_type_k": "f32"}
    assert needed_bytes(row(model, options=streams)) == PROCESS_BYTES + weights + 1024 * PER_TOKEN * 3 // 2
    assert needed_bytes(row(model, options={"n_gpu_layers": -1})) == PROCESS_BYTES
    assert needed_bytes(row(model, memory_bytes=7)) == 7
    nonsense = {"context_length": "x", "slots": [], "n_gpu_layers": {}, "cache_type_k": []}  # the worker says so
    assert needed_bytes(row(model, options=nonsense)) > PROCESS_BYTES
    assert needed_bytes(row("")) == 0


@pytest.mark.parametrize(
    ("options", "bytes_of_cells"),
    [
        ({"cells": 100}, 100 * PER_TOKEN),
        ({"slots": 1}, 2 * 4096 * PER_TOKEN),
        ({"slots": 1, "context_length": 8192}, 2 * 8192 * PER_TOKEN),
        ({"slots": 1, "context_length": 1}, 1024 * PER_TOKEN),
        ({"cells": 100, "cache_type_k": "q8_0", "cache_type_v": "f32"}, 100 * 640 * (1.0625 + 4)),
        ({"cells": 100, "cache_type_k": "q4_0", "cache_type_v": "q5_1"}, 100 * 640 * 2 * 0.6875),
    ],
)
def test_what_tokens_keep_follows_the_options(model: Path, options: dict[str, Any], bytes_of_cells: float) -> None:
    assert needed_bytes(row(model, options=options)) == PROCESS_BYTES + model.stat().st_size + int(bytes_of_cells)


def test_what_is_on_a_gpu_is_not_ours(model: Path) -> None:
    ours = needed_bytes(row(model)) - PROCESS_BYTES
    for options, share in (
        ({"device": "cuda:1"}, 0.0),
        ({"device": "cpu"}, 1.0),
        ({"n_gpu_layers": 2}, 0.6),
        ({"n_gpu_layers": 99}, 0.0),
        ({"n_gpu_layers": 0}, 1.0),
    ):
        assert needed_bytes(row(model, options=options)) - PROCESS_BYTES == pytest.approx(share * ours, abs=1)


@pytest.mark.parametrize("said", [None, 100, 131_072])
def test_of_a_context_that_nobody_chose_only_so_much_is_kept(tmp_path: Path, said: int | None) -> None:
    facts = {"num_hidden_layers": 1, "hidden_size": 1, "num_attention_heads": 1, "max_position_embeddings": said}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    streams = row(tmp_path, options={"kv": "streams", "slots": 1})
    assert needed_bytes(streams) == PROCESS_BYTES + min(said or 4096, 4096) * 2 * 2


@pytest.mark.parametrize("config", ["", "[]", '{"num_hidden_layers": true}', '{"a": ' * 5000, "[" * 100_000])
def test_a_config_that_says_nothing_is_no_reason_to_fail(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    assert PROCESS_BYTES + 1000 <= needed_bytes(row(tmp_path)) < PROCESS_BYTES + 2000


def test_a_folder(tmp_path: Path) -> None:
    sizes = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 4, "max_position_embeddings": 64}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(3000))
    (tmp_path / "README.md").write_bytes(bytes(5000))
    assert shape_of(str(tmp_path)) == Shape(2, 16, 64)
    chat = row(tmp_path, backend="transformers", options={"slots": 1})
    assert needed_bytes(chat) == PROCESS_BYTES + 1000 + 1024 * 16 * 2 * 2
    vectors = row(tmp_path, backend="transformers", kind="embedding")
    assert needed_bytes(vectors) == PROCESS_BYTES + 1000


@given(cut=st.integers(0, 4000), noise=st.binary(max_size=64))
def test_a_broken_file_is_no_reason_to_fail(tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "broken.gguf"
    file.write_bytes(TINY.read_bytes()[:cut] + noise)
    assert needed_bytes(row(file)) >= PROCESS_BYTES


def test_a_list_that_is_too_long_ends_the_reading(tmp_path: Path) -> None:
    endless = text("llama.heads") + struct.pack("<IIQ", 9, 12, (1 << 64) - 1)
    assert read_header(write_gguf(tmp_path / "m.gguf", whole("llama.block_count", 7), endless)) == {
        "llama.block_count": 7
    }


def test_lists_before_what_is_wanted_are_passed_over(tmp_path: Path) -> None:
    strings = text("general.tags") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    numbers = text("llama.heads") + struct.pack("<IIQ", 9, 4, 3) + struct.pack("<III", 1, 2, 3)
    vocabulary = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 1 << 60)
    file = write_gguf(tmp_path / "m.gguf", strings, numbers, whole("llama.block_count", 7), vocabulary)
    assert read_header(file) == {"llama.block_count": 7}


def test_a_budget_is_less_than_what_the_machine_has() -> None:
    assert available_bytes(1000, []) == 1000
    assert available_bytes(0, []) > 1000


def test_values_of_every_type_are_read(tmp_path: Path) -> None:
    """Beside each other, so that the size of each counts; as the format numbers them."""
    forms = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    values = {kind: 1.5 if form in "fd" else form == "?" or 7 for kind, form in forms.items()}
    pairs = [text(f"a.{k}") + struct.pack(f"<I{form}", k, values[k]) for k, form in forms.items()]
    lists = [text(f"l.{k}") + struct.pack(f"<IIQ2{form}", 9, k, 2, *[values[k]] * 2) for k, form in forms.items()]
    found = read_header(write_gguf(tmp_path / "m.gguf", *lists, *pairs, text("b") + struct.pack("<I", 8) + text("ü")))
    assert found == {f"a.{kind}": value for kind, value in values.items()} | {"b": "ü"}


def test_a_file_that_says_how_it_pools_makes_vectors(tmp_path: Path, model: Path) -> None:
    encoder = write_gguf(tmp_path / "encoder.gguf", whole("bert.block_count", 1), whole("bert.pooling_type", 1))
    assert {row.name: (row.kind, row.backend) for row in models_in(tmp_path)} == {
        encoder.stem: ("embedding", "llamacpp"),
        model.stem: ("chat", "llamacpp"),
    }
