"""What the failures of a worker that computes vectors are called."""

from __future__ import annotations

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

pytestmark = pytest.mark.timeout(30)


class Refusing(rpc.EmbeddingServiceServicer):
    """As a worker that drains."""

    async def Embed(self, request: pb.EmbedRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.EmbedResponse:  # type: ignore[override]
        await context.abort(grpc.StatusCode.UNAVAILABLE, "draining", ((REFUSED, "1"),))
        raise AssertionError


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


async def test_a_worker_that_refuses_or_is_away_has_not_died() -> None:
    server = GrpcServer("127.0.0.1:0", ["novai.embedding.v1.EmbeddingService"])
    rpc.add_EmbeddingServiceServicer_to_server(Refusing(), server.server)
    await server.start()
    async with client(f"127.0.0.1:{server.port}") as asked:
        refusals = [await refusal(asked) for _ in range(2)]  # the second on a connection that stands
    await server.drain(0)
    async with client(f"127.0.0.1:{server.port}") as asked:
        refusals.append(await refusal(asked))
    assert {type(error) for error in refusals} == {OverloadedError}
