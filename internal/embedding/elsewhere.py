"""Vectors that a remote backend has computed: nothing is tokenised here, nothing waits here."""

from __future__ import annotations

from collections.abc import Sequence

from gen import embedding_pb2 as pb

from internal.embedding.backends.base import Embedded, RemoteBackend
from internal.errors import InvalidRequestError


class Elsewhere:
    """The same as `local.Encoder`, without an encoder."""

    def __init__(self, backend: RemoteBackend) -> None:
        self._backend = backend

    def check_room(self) -> None:
        """Requests are bounded by the service."""

    async def embed(self, inputs: Sequence[pb.EmbedInput], batch_priority: bool) -> Embedded:
        """Raises InvalidRequestError, and what the backend raises."""
        for position, item in enumerate(inputs):
            if item.WhichOneof("kind") != "text":
                raise InvalidRequestError(
                    "token ids mean nothing to the upstream of this model: send text (LangChain: "
                    "check_embedding_ctx_length=False)",
                    f"input[{position}]",
                )
        return await self._backend.embed([item.text for item in inputs])

    async def aclose(self) -> None:
        await self._backend.aclose()
