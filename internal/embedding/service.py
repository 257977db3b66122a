"""EmbeddingService: checks a request, tokenises it, and waits for its vectors."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import numpy as np
from gen import embedding_pb2 as pb
from gen import embedding_pb2_grpc

from internal.announce import Activity
from internal.embedding.backends.base import Backend, RemoteBackend, Vectors, unit
from internal.embedding.batching import SHUTTING_DOWN
from internal.embedding.elsewhere import Elsewhere
from internal.embedding.local import Encoder
from internal.errors import InvalidRequestError, ModelNotFoundError, OverloadedError, UnavailableError, WorkerError

Context = grpc.aio.ServicerContext[Any, Any]

REFUSED = (("novai-refused", "1"),)
MAX_INPUTS = 2048
MAX_WAITING_TOKENS = 500_000  # about a minute on a small machine; nobody waits longer
MAX_OPEN_REQUESTS = 1024


class EmbeddingService(embedding_pb2_grpc.EmbeddingServiceServicer):
    """Serves one loaded backend. `draining` refuses new requests and lets running ones end."""

    def __init__(
        self,
        backend: Backend | RemoteBackend,
        max_waiting_tokens: int = MAX_WAITING_TOKENS,
        max_open_requests: int = MAX_OPEN_REQUESTS,
        activity: Activity | None = None,
    ) -> None:
        self._backend = backend
        self._source = (
            Elsewhere(backend) if isinstance(backend, RemoteBackend) else Encoder(backend, max_waiting_tokens)
        )
        self._max_open_requests = max_open_requests
        self._activity = activity or Activity()
        self.draining = False

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:  # noqa: N802 (proto)
        async with self._answering(context):
            return await self._embed(request)

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:  # noqa: N802 (proto)
        async with self._answering(context, renamed):
            return await self._rerank(request)

    async def aclose(self) -> None:
        """Refuses what waits and stops what runs. Idempotent."""
        await self._source.aclose()

    async def _embed(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        self._check_state(request.model)
        dimensions = self._dimensions(request.dimensions)
        check_inputs(request.inputs)
        found = await self._source.embed(request.inputs, request.batch_priority)
        return pb.EmbedResponse(
            vectors=encode(shorten(found.vectors, dimensions)),
            dimensions=dimensions,
            prompt_tokens=found.prompt_tokens,
            upstream=found.upstream,
            estimated=found.estimated,
        )

    async def _rerank(self, request: pb.RerankRequest) -> pb.RerankResponse:
        self._check_state(request.model)
        inputs = [pb.EmbedInput(text=text) for text in (request.query, *request.documents)]
        check_inputs(inputs)
        found = await self._source.embed(inputs, batch_priority=False)
        return pb.RerankResponse(
            scores=cosines(found.vectors).tolist(),
            prompt_tokens=found.prompt_tokens,
            upstream=found.upstream,
            estimated=found.estimated,
        )

    @asynccontextmanager
    async def _answering(self, context: Context, name: Callable[[str], str] = str) -> AsyncIterator[None]:
        """Around a call: it counts as open, and what it refuses is a status. `name`: what callers call a parameter."""
        self._activity.begin()
        try:
            yield
        except WorkerError as error:
            # The edge splits the parameter at fault off the message.
            details = f"{name(error.param)}: {error.message}" if error.param else error.message
            await context.abort(error.status, details, REFUSED)
        finally:
            self._activity.end()

    def _check_state(self, model: str) -> None:
        if self.draining:
            raise UnavailableError(SHUTTING_DOWN)
        if model not in ("", self._backend.info.name):
            raise ModelNotFoundError(f"this worker serves {self._backend.info.name!r}, not {model!r}", "model")
        if self._activity.running > self._max_open_requests:
            raise OverloadedError(f"{self._activity.running} requests are open; try again later")
        self._source.check_room()

    def _dimensions(self, asked: int) -> int:
        info = self._backend.info
        if asked in (0, info.dimensions):
            return info.dimensions
        if not info.matryoshka:
            raise InvalidRequestError(
                f"the model {info.name!r} has {info.dimensions} dimensions and cannot be asked for {asked}",
                "dimensions",
            )
        if asked > info.dimensions:
            raise InvalidRequestError(f"the model {info.name!r} has {info.dimensions} dimensions at most", "dimensions")
        if not isinstance(info.matryoshka, bool) and asked not in info.matryoshka:
            choices = ", ".join(map(str, sorted({*info.matryoshka, info.dimensions})))
            raise InvalidRequestError(f"the model {info.name!r} can be asked for one of {choices}", "dimensions")
        return asked


def check_inputs(inputs: Sequence[pb.EmbedInput]) -> None:
    """Raises InvalidRequestError for what no model can embed."""
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise InvalidRequestError(f"send 1 to {MAX_INPUTS} inputs, not {len(inputs)}", "input")
    for position, item in enumerate(inputs):
        if not (item.text or item.tokens.ids):
            raise InvalidRequestError("an input cannot be empty", f"input[{position}]")


def shorten(vectors: Vectors, dimensions: int) -> Vectors:
    """The leading dimensions, as unit vectors again."""
    if dimensions == vectors.shape[1]:
        return vectors
    return unit(vectors[:, :dimensions])


def cosines(vectors: Vectors) -> Vectors:
    """Of the first vector with each of the others."""
    query, *_ = units = unit(vectors)
    found: Vectors = np.clip(units[1:] @ query, -1, 1)
    return found


def renamed(param: str) -> str:
    """What callers of Rerank call an input: the first is the query, the others are the documents."""
    number = re.fullmatch(r"input\[(\d+)\]", param)
    if number is None:
        return "documents" if param == "input" else param
    position = int(number[1])
    return f"documents[{position - 1}]" if position else "query"


def encode(vectors: Vectors) -> bytes:
    """Rows of little-endian float32."""
    if sys.byteorder == "big":
        vectors = vectors.byteswap()
    return vectors.tobytes()
