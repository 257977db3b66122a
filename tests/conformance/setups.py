"""How each backend is set up for the suite: 2 slots and a queue of 2, or what comes next to it, and 512 tokens.

A backend may have several setups: upstreams are tried against a provider of the tests, and against NovAI itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internal.config import ModelConfig
from internal.inference.backends.capabilities import LACKS
from tests.conformance.provider import provider
from tests.conftest import database
from tests.edge import edge_in_thread

NOVAI_TINY = Path(__file__).parents[2] / "models/novai-tiny"
GGUF, FOLDER = str(NOVAI_TINY / "novai-tiny.Q8_0.gguf"), str(NOVAI_TINY / "hf")
BEHIND = {"slots": 32, "queue_limit": 64, "context_length": 512, "tokens": 200, "step_ms": 5.0}


@dataclass(frozen=True)
class Servers:
    """What a setup may need."""

    postgres_url: str
    redis_url: str
    folder: Path


Open = Callable[[Servers], AbstractAsyncContextManager[ModelConfig]]


@dataclass(frozen=True)
class Setup:
    backend: str
    open: Open
    lacks: frozenset[str]
    scripts: bool = True  # it says what the last message tells it to
    honours: frozenset[str] = frozenset({"stop", "logprobs"})  # what the scripted backend takes and lets be


def config(backend: str, options: dict[str, Any], path: str = "") -> ModelConfig:
    return ModelConfig(name="m", kind="chat", backend=backend, path=path, options=options)


def local(backend: str, path: str = "", **options: Any) -> Open:
    @asynccontextmanager
    async def opened(_servers: Servers) -> AsyncIterator[ModelConfig]:
        yield config(backend, {"slots": 2, "queue_limit": 2, "context_length": 512} | options, path)

    return opened


def upstream(backend: str, folder: Path, url: str, key: str, **options: Any) -> ModelConfig:
    file = folder / f"{backend}.key"
    file.write_text(key)
    fixed = {"base_url": url, "keys": [f"file:{file}"], "slots": 4, "context_length": 512}
    return config(backend, fixed | options)


def against_a_provider(backend: str, path: str, **options: Any) -> Open:
    @asynccontextmanager
    async def opened(servers: Servers) -> AsyncIterator[ModelConfig]:
        async with provider() as serving:
            serving.piece_bytes = 7  # characters are cut
            yield upstream(backend, servers.folder, serving.url + path, "sk-provider", model="remote", **options)

    return opened


def against_novai(backend: str, path: str, **options: Any) -> Open:
    @asynccontextmanager
    async def opened(servers: Servers) -> AsyncIterator[ModelConfig]:
        with (
            database(servers.postgres_url) as url,
            edge_in_thread(url, servers.redis_url, worker_options=BEHIND) as edge,
        ):
            yield upstream(backend, servers.folder, edge.url + path, edge.key, model="scripted", **options)

    return opened


OPENAI, ANTHROPIC = LACKS["openai_compatible with extensions"], LACKS["anthropic"]
DEAF = frozenset[str]()
SETUPS: dict[str, Setup] = {
    "scripted": Setup("scripted", local("scripted", tokens=200, step_ms=1.0), LACKS["scripted"], honours=DEAF),
    "llamacpp": Setup("llamacpp", local("llamacpp", GGUF), LACKS["llamacpp"], scripts=False),
    "transformers": Setup("transformers", local("transformers", FOLDER), LACKS["transformers"], scripts=False),
    "openai_compatible": Setup(
        "openai_compatible", against_a_provider("openai_compatible", "/v1", extensions=True), OPENAI
    ),
    "openai_compatible-novai": Setup(
        "openai_compatible",
        against_novai("openai_compatible", "/v1", extensions=True),
        OPENAI | LACKS["scripted"],
        honours=DEAF,
    ),
    "anthropic": Setup("anthropic", against_a_provider("anthropic", ""), ANTHROPIC),
    "anthropic-novai": Setup(
        "anthropic", against_novai("anthropic", "", max_tokens=256), ANTHROPIC | LACKS["scripted"], honours=DEAF
    ),
}
