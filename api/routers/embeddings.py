"""POST /v1/embeddings."""

from __future__ import annotations

from fastapi import Request, Response

from api.answers.embeddings import embedding_answer
from api.dependencies import answer_headers, asking
from api.generated import schemas as s
from api.generated.routes import EmbeddingsApi
from api.rules import check_embedding
from api.state import AppState


class Embeddings(EmbeddingsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_embedding(self, request: Request, body: s.EmbeddingRequest) -> Response:
        inputs = check_embedding(body)
        dimensions = body.dimensions if isinstance(body.dimensions, int) else 0
        model, vectors, headers = await self._state.embeddings.embed(
            body.model, inputs, dimensions, *asking(request, body.model)
        )
        headers |= answer_headers(request)
        return Response(embedding_answer(body, model, vectors), headers=headers, media_type="application/json")
