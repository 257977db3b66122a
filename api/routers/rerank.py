"""POST /v1/rerank."""

from __future__ import annotations

from fastapi import Request, Response

from api.dependencies import answer_headers, asking, encode
from api.generated import schemas as s
from api.generated.routes import RerankApi
from api.state import AppState


class Rerank(RerankApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_rerank(self, request: Request, body: s.RerankRequest) -> Response:
        texts = [document if isinstance(document, str) else document.text for document in body.documents]
        model, found, headers = await self._state.embeddings.rerank(
            body.model, body.query, texts, *asking(request, body.model)
        )
        nearest = sorted(enumerate(found.scores), key=lambda row: -row[1])  # equals stay in their order
        most = body.top_n if isinstance(body.top_n, int) else len(texts)
        results = [s.RerankResult(index=index, relevance_score=score) for index, score in nearest[:most]]
        if body.return_documents:
            for result in results:
                result.document = s.RerankDocument(text=texts[result.index])
        usage = s.EmbeddingUsage(prompt_tokens=found.prompt_tokens, total_tokens=found.prompt_tokens)
        answer = s.RerankResponse(object="list", model=model, results=results, usage=usage)
        return Response(encode(answer), headers=answer_headers(request) | headers, media_type="application/json")
