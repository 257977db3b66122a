"""Backends on small Hugging Face folders. Without `transformers` and PyTorch there is nothing to test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from internal.config import ModelConfig
from internal.inference.backends import load_backend
from tests.unit.internal.inference.backends.running import Engine

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

NOVAI_TINY = Path(__file__).parents[6] / "models/novai-tiny"
EXACT = {"device": "cpu", "dtype": "float32"}
SMALL: dict[str, Any] = {  # a model with random weights that reads the tokens of the demo model
    "vocab_size": 6144,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "sliding_window": 24,
    "initializer_range": 0.2,
}

Start = Callable[..., Awaitable[Engine]]


@pytest.fixture(scope="session")
async def starting() -> AsyncIterator[Start]:
    """Starts backends with options; they are closed at the end."""
    async with AsyncExitStack() as stack:

        async def started(path: Path = NOVAI_TINY / "hf", backend: str = "transformers", **options: Any) -> Engine:
            options = {"threads": 1, "context_length": 512, "slots": 4} | options
            config = ModelConfig(name="m", kind="chat", backend=backend, path=str(path), options=options)
            engine = Engine(load_backend(config))
            stack.push_async_callback(engine.backend.aclose)
            await engine.backend.start(engine.publish)
            return engine

        yield started


@pytest.fixture(scope="session")
async def tiny(starting: Start) -> Engine:
    """The demo model."""
    return await starting(**EXACT)


@pytest.fixture(scope="session")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights whose layers look at all, and at the last 24 tokens, in turn."""
    layers = ["full_attention", "sliding_attention"] * 2
    config = transformers.Qwen2Config(**SMALL, num_hidden_layers=4, use_sliding_window=True, layer_types=layers)
    return saved(config, tmp_path_factory.mktemp("models") / "windowed")


@pytest.fixture(scope="session")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `windowed`, but with attention that PyTorch's own cannot do: it keeps scores small."""
    config = transformers.Gemma2Config(**SMALL, num_hidden_layers=2, head_dim=16, attn_logit_softcapping=5.0)
    return saved(config, tmp_path_factory.mktemp("models") / "capped")


def saved(config: Any, folder: Path) -> Path:
    """A model with random weights and the tokenizer of the demo model."""
    torch.manual_seed(7)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(NOVAI_TINY / "hf" / name, folder)
    return folder
