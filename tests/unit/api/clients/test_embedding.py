"""What the failures of a worker that computes vectors are called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from gen import embedding_pb2 as pb
from gen import embedding_pb2_grpc as rpc

from api.clients.embedding import REFUSED, EmbeddingClient
from api.errors import OverloadedError
from internal.serving import GrpcServer

pytestmark = pytest.mark.timeout(60)


class Refusing(rpc.EmbeddingServiceServicer):
    """As a worker that drains."""

    async def Embed(self, request: pb.EmbedRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.EmbedResponse:  # type: ignore[override]
        await context.abort(grpc.StatusCode.UNAVAILABLE, "draining", ((REFUSED, "1"),))
        raise AssertionError


@asynccontextmanager
async def serving(service: rpc.EmbeddingServiceServicer) -> AsyncIterator[str]:
    server = GrpcServer("127.0.0.1:0", ["novai.embedding.v1.EmbeddingService"])
    rpc.add_EmbeddingServiceServicer_to_server(service, server.server)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.drain(0)


@asynccontextmanager
async def client(target: str) -> AsyncIterator[EmbeddingClient]:
    opened = EmbeddingClient(target, "m")
    try:
        yield opened
    finally:
        await opened.aclose()


async def refusal(asked: EmbeddingClient) -> OverloadedError:
    with pytest.raises(OverloadedError) as refused:
        await asked.embed("r", ["text"], 0, 5.0)
    return refused.value


class Silent(rpc.EmbeddingServiceServicer):
    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def Embed(self, request: pb.EmbedRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.EmbedResponse:  # type: ignore[override]
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_whoever_waits_for_a_worker_that_is_let_go_is_told() -> None:
    """Its host said that it is gone before the connection broke."""
    async with serving(silent := Silent()) as target:
        asked = EmbeddingClient(target, "m")
        waiting = asyncio.create_task(asked.embed("r", ["text"], 0, 20.0))
        await silent.asked.wait()
        await asked.aclose()
        with pytest.raises(OverloadedError):
            await waiting


async def test_whoever_stops_waiting_is_not() -> None:
    async with serving(silent := Silent()) as target, client(target) as asked:
        waiting = asyncio.create_task(asked.embed("r", ["text"], 0, 20.0))
        await silent.asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_worker_that_refuses_or_is_away_has_not_died() -> None:
    async with serving(Refusing()) as target, client(target) as asked:
        refusals = [await refusal(asked) for _ in range(2)]  # the second on a connection that stands
    async with client(target) as asked:
        refusals.append(await refusal(asked))
    assert {type(error) for error in refusals} == {OverloadedError}
