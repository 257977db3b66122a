"""What texts are to a model: counted, taken apart, put together. Free, but a request to the rate limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from api.clients.hosts import Hosts
from api.clients.images import Images, check_images, images_of
from api.clients.session import GenerateRequest, Session, TokenizeRequest, TokenizeResponse
from api.domain import Principal
from api.services.admission import Admission, Quote
from api.services.catalog import Catalog, Model

TIMEOUT_S = 20.0


class TokenService:
    """All raise what the catalog, admission and the worker raise. `operation`: the operationId."""

    def __init__(self, catalog: Catalog, admission: Admission, hosts: Hosts, images: Images) -> None:
        self._catalog = catalog
        self._admission = admission
        self._hosts = hosts
        self._images = images

    async def count(self, request: GenerateRequest, principal: Principal, request_id: str, operation: str) -> int:
        """Tokens of its prompt."""
        async with self._worker(request.model, principal, request_id, operation) as (session, model):
            if images := images_of(request):
                check_images(images, model.id, model.image_tokens)
                await self._images.load(images, principal.project_id)
            return await session.count_tokens(request, TIMEOUT_S)

    async def tokenize(
        self, request: TokenizeRequest, principal: Principal, request_id: str
    ) -> tuple[TokenizeResponse, Model]:
        """Its tokens, and the model they are of."""
        async with self._worker(request.model, principal, request_id, "tokenize") as (session, model):
            return await session.tokenize(request, TIMEOUT_S), model

    async def detokenize(self, model: str, tokens: Sequence[int], principal: Principal, request_id: str) -> str:
        """The text of tokens."""
        async with self._worker(model, principal, request_id, "detokenize") as (session, _):
            return await session.detokenize(tokens, TIMEOUT_S)

    @asynccontextmanager
    async def _worker(
        self, name: str, principal: Principal, request_id: str, operation: str
    ) -> AsyncIterator[tuple[Session, Model]]:
        """The least loaded replica of a model, for an admitted request that holds no money."""
        model = await self._catalog.awake(name, "chat", principal)
        quote = Quote(
            request_id, operation, self._admission.now_s(), prompt_tokens=0, completion_tokens=0, estimated_tokens=0
        )
        ticket = await self._admission.admit(principal, model, quote)
        try:
            replica = self._hosts.pick(model.id)
            assert replica.session is not None
            yield replica.session, model
        finally:
            ticket.release()
