"""POST /v1/embeddings."""

from __future__ import annotations

import base64
import struct

import msgspec
from fastapi import Request, Response

from api.dependencies import answer_headers, encode, principal_of
from api.generated import schemas as s
from api.generated.routes import EmbeddingsApi
from api.rules import check_embedding
from api.state import AppState


class Embeddings(EmbeddingsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_embedding(self, request: Request, body: s.EmbeddingRequest) -> Response:
        inputs = check_embedding(body)
        state = request.scope["state"]
        state["log"]["model"] = body.model
        dimensions = body.dimensions if isinstance(body.dimensions, int) else 0
        model, vectors, headers = await self._state.embeddings.embed(
            body.model, inputs, dimensions, principal_of(request), state["request_id"]
        )
        rows = vectors.rows()
        embeddings: list[str] | list[msgspec.Raw]
        if body.encoding_format == "base64":
            embeddings = [base64.b64encode(row).decode() for row in rows]
        else:
            floats = struct.Struct(f"<{vectors.dimensions}f")
            embeddings = [msgspec.Raw(encode(floats.unpack(row))) for row in rows]
        answer = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": embedding}
                for index, embedding in enumerate(embeddings)
            ],
            "model": model,
            "usage": {"prompt_tokens": vectors.prompt_tokens, "total_tokens": vectors.prompt_tokens},
        }
        return Response(encode(answer), headers=answer_headers(request) | headers, media_type="application/json")
