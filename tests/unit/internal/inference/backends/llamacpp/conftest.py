"""A tiny model with random weights, and backends on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.make_gguf import Shape, byte_vocabulary, write_gguf
from internal.config import ModelConfig
from internal.inference.backends.llamacpp import LlamaCppBackend
from tests.unit.internal.inference.backends.running import Engine

TINY = Shape(dim=64, layers=2, heads=2, kv_heads=2, ff=128, context=2048, type="F32")


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_gguf(path, TINY, byte_vocabulary())
    return path


# The cache as it ships: one of f32 is turned into f16 anew in every step.
F16 = {"cache_type_k": "f16", "cache_type_v": "f16"}

Start = Callable[..., Awaitable[Engine]]


@pytest.fixture(params=["streams", "unified"])
def layout(request: pytest.FixtureRequest) -> str:
    """Of the KV cache."""
    return str(request.param)


@pytest.fixture
async def start(tiny_gguf: Path, layout: str) -> AsyncIterator[Start]:
    """Starts backends on the tiny model, with options; they are closed after the test."""
    async with AsyncExitStack() as stack:

        async def started(path: Path = tiny_gguf, mmproj: Path | str = "", **options: Any) -> Engine:
            # An f32 cache: with f16, what is computed again in other chunks may round to a neighbouring value, and a
            # draw that falls between the two differs.
            options = {"threads": 1, "cache_type_k": "f32", "cache_type_v": "f32", "kv": layout} | options
            files = {"path": str(path), "mmproj": str(mmproj)}
            engine = Engine(
                LlamaCppBackend(ModelConfig(name="tiny", kind="chat", backend="llamacpp", options=options, **files))
            )
            stack.push_async_callback(engine.backend.aclose)
            await engine.backend.start(engine.publish)
            return engine

        yield started
