"""The process: its one line, its health, its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from gen import embedding_pb2 as pb
from gen import embedding_pb2_grpc as rpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from internal.config import ModelConfig
from internal.embedding_server import SERVICE
from tests.unit.internal.embedding.conftest import MODEL


def model(**fields: object) -> ModelConfig:
    row = {"name": "all-MiniLM-L6-v2", "kind": "embedding", "backend": "transformers", "path": str(MODEL), "created": 7}
    return ModelConfig(**(row | fields))  # type: ignore[arg-type]


@asynccontextmanager
async def worker(config: ModelConfig, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "internal.embedding_server",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NOVAI_MODEL": config.encode(), **env},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_life_from_ready_to_drained(files: Path) -> None:
    async with worker(model(backend="auto", path=str(files)), NOVAI_GRPC_TOKEN="secret") as process:
        assert process.stdout
        facts: dict[str, Any] = {"progress": 0}
        while "progress" in facts:  # where it can tell
            facts = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        port = facts.pop("port")
        assert facts == {
            "model": "all-MiniLM-L6-v2",
            "backend": "llamacpp" if files.suffix == ".gguf" else "transformers",
            "device": facts["device"],
            "context_length": 512,
            "vocabulary_size": 30522,
            "slots": 0,
            "dimensions": 384,
            "matryoshka": False,
            "created": 7,
        }
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            state = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10)
            assert state.status == health_pb2.HealthCheckResponse.SERVING
            stub = rpc.EmbeddingServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Embed(pb.EmbedRequest(inputs=[pb.EmbedInput(text="a")]), timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            # Half a second of work, so that the signal finds it running.
            running = stub.Embed(
                pb.EmbedRequest(inputs=[pb.EmbedInput(text="a " * 200)] * 20),
                metadata=(("authorization", "Bearer secret"),),
                timeout=60,
            )
            await stub.Embed(
                pb.EmbedRequest(inputs=[pb.EmbedInput(text="a")]),
                metadata=(("authorization", "Bearer secret"),),
                timeout=60,
            )
            process.send_signal(signal.SIGTERM)
            assert (await running).prompt_tokens == 20 * 202
        rest, _ = await asyncio.wait_for(process.communicate(), 30)
        assert set(rest.splitlines()) <= {b'{"busy": true}', b'{"busy": false}'}
        assert process.returncode == 0


async def test_a_wrong_row_ends_with_a_sentence() -> None:
    async with worker(model(backend="none")) as process:
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert out == b""
        assert re.search(rb"Known: .*transformers", err)
        assert b"Traceback" not in err
        assert process.returncode == 1
