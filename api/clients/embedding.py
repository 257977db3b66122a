"""The client of one embedding worker."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio
from gen import embedding_pb2 as pb
from gen import embedding_pb2_grpc

from api.clients.channel import CHANNEL_OPTIONS, bearer
from api.clients.grpc_errors import calling, from_status, worker_died
from api.domain import Provenance

Inputs = list[str] | list[list[int]]
REFUSED = "novai-refused"  # in what a worker itself says; see embedding.proto
Answer = TypeVar("Answer", pb.EmbedResponse, pb.RerankResponse)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Rows of little-endian float32, one after another."""

    data: bytes
    dimensions: int
    prompt_tokens: int
    upstream: str = ""  # that answered, if one did
    provenance: Provenance = "engine"

    def rows(self) -> list[memoryview]:
        width = 4 * self.dimensions
        view = memoryview(self.data)
        return [view[start : start + width] for start in range(0, len(view), width)]


@dataclass(frozen=True, slots=True)
class Scores:
    """One of each document, in their order."""

    scores: list[float]
    prompt_tokens: int
    upstream: str = ""
    provenance: Provenance = "engine"


class EmbeddingClient:
    """One channel to one worker; calls are unary and run side by side on it."""

    def __init__(self, target: str, model: str, token: str = "") -> None:
        self.target = target
        self._model = model
        self._metadata = bearer(token)
        self._channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._stub = embedding_pb2_grpc.EmbeddingServiceStub(self._channel)
        self._connected(hasten=True)

    async def embed(
        self, request_id: str, inputs: Inputs, dimensions: int, timeout_s: float, batch: bool = False
    ) -> Vectors:
        """Vectors of all inputs. `batch`: yields to others. Raises the ApiError that the worker's status stands for;
        WorkerDiedError when it had the request and did not say one."""
        request = pb.EmbedRequest(request_id=request_id, model=self._model, dimensions=dimensions, batch_priority=batch)
        for item in inputs:
            if isinstance(item, str):
                request.inputs.add(text=item)
            else:
                request.inputs.add(tokens=pb.InputTokens(ids=item))
        answer = await self._answer(self._stub.Embed(request, timeout=timeout_s, metadata=self._metadata))
        return Vectors(answer.vectors, answer.dimensions, answer.prompt_tokens, answer.upstream, provenance_of(answer))

    async def rerank(self, request_id: str, query: str, documents: list[str], timeout_s: float) -> Scores:
        """How near each document is to the query. Raises as `embed`."""
        request = pb.RerankRequest(request_id=request_id, model=self._model, query=query, documents=documents)
        answer = await self._answer(self._stub.Rerank(request, timeout=timeout_s, metadata=self._metadata))
        return Scores(list(answer.scores), answer.prompt_tokens, answer.upstream, provenance_of(answer))

    async def aclose(self) -> None:
        await self._channel.close()

    async def _answer(self, call: Awaitable[Answer]) -> Answer:
        connected = self._connected()
        try:
            with calling():
                return await call
        except grpc.aio.AioRpcError as error:
            # gRPC says the same of a worker that dies and of one that cannot be reached; ours marks what it says.
            if connected and error.code() is grpc.StatusCode.UNAVAILABLE and REFUSED not in error.trailing_metadata():
                raise worker_died(self._model) from None
            raise from_status(error, f"the worker of {self._model}") from None

    def _connected(self, hasten: bool = False) -> bool:
        return self._channel.get_state(try_to_connect=hasten) is grpc.ChannelConnectivity.READY


def provenance_of(answer: pb.EmbedResponse | pb.RerankResponse) -> Provenance:
    """Who counted the tokens."""
    if not answer.upstream:
        return "engine"
    return "estimated" if answer.estimated else "provider"
