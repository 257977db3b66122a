"""Vectors of texts, and what is compared by them: admitted, computed by the least loaded worker, recorded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from api.clients.embedding import EmbeddingClient, Inputs, Scores, Vectors
from api.clients.hosts import Hosts, Replica
from api.domain import LineAnswer, Principal, TokenUsage, UsageRecord
from api.errors import OverloadedError, UpstreamTimeoutError, WorkerDiedError
from api.limits.dimensions import estimate_tokens
from api.services.admission import Admission, Quote
from api.services.attempts import TRIES
from api.services.catalog import Catalog, answered_by, mapped, ran_at
from api.services.quarantine import Asked, Quarantine, Turn

INPUT_TOKENS = 8  # that a model adds to every input, at most

Found = TypeVar("Found", Vectors, Scores)


def keep_nothing(_model: str, _found: object) -> LineAnswer | None:
    """Answers that go to a caller are not kept."""
    return None


class EmbeddingService:
    """One per process. `batch`: what it computes yields to what others ask for."""

    def __init__(
        self, catalog: Catalog, admission: Admission, hosts: Hosts, timeout_s: float, batch: bool = False
    ) -> None:
        self._batch = batch
        self._catalog = catalog
        self._admission = admission
        self._hosts = hosts
        self._timeout_s = timeout_s
        self._quarantine = Quarantine(hosts)

    async def embed(
        self,
        model: str,
        inputs: Inputs,
        dimensions: int,
        principal: Principal,
        request_id: str,
        keep: Callable[[str, Vectors], LineAnswer | None] = keep_nothing,
    ) -> tuple[str, Vectors, dict[str, str]]:
        """What answered, vectors of all inputs in order, and headers that say so and how the caller's limits stand.
        `keep`: what of it is kept in the commit that settles it. Raises what the catalog, admission and the worker
        raise."""

        def ask(worker: EmbeddingClient) -> Awaitable[Vectors]:
            return worker.embed(request_id, inputs, dimensions, self._timeout_s, self._batch)

        return await self._admitted(model, inputs, principal, request_id, "createEmbedding", ask, keep)

    async def rerank(
        self, model: str, query: str, documents: list[str], principal: Principal, request_id: str
    ) -> tuple[str, Scores, dict[str, str]]:
        """What answered, how near each document is to the query, and headers as of `embed`. Raises as `embed`."""

        def ask(worker: EmbeddingClient) -> Awaitable[Scores]:
            return worker.rerank(request_id, query, documents, self._timeout_s)

        return await self._admitted(model, [query, *documents], principal, request_id, "createRerank", ask)

    async def _admitted(
        self,
        model: str,
        inputs: Inputs,
        principal: Principal,
        request_id: str,
        operation: str,
        ask: Callable[[EmbeddingClient], Awaitable[Found]],
        keep: Callable[[str, Found], LineAnswer | None] = keep_nothing,
    ) -> tuple[str, Found, dict[str, str]]:
        """What a worker answers, settled. `operation`: the operationId."""
        resolved = await self._catalog.awake(model, "embedding", principal)
        size = size_of(inputs)
        quote = Quote(
            request_id=request_id,
            operation=operation,
            started_at_s=self._admission.now_s(),
            prompt_tokens=size + INPUT_TOKENS * len(inputs),
            completion_tokens=0,
            estimated_tokens=estimate_tokens(size, 0) if isinstance(inputs[0], str) else size,
        )
        ticket = await self._admission.admit(principal, resolved, quote)
        started_s = time.monotonic()
        try:
            await ticket.take_hold()
            told = [principal.organisation_id, operation, resolved.id, inputs]
            found, replica = await self._asked(resolved.id, ask, lambda: json.dumps(told).encode())
            ticket.answer = keep(resolved.id, found)
        except BaseException:
            ticket.release()  # what was not delivered is not charged
            raise
        record = UsageRecord(
            request_id=request_id,
            principal=principal,
            operation=operation,
            model=resolved.id,
            replica=ran_at(found.upstream, replica),
            outcome="finished",
            finish_reason="stop",
            provenance=found.provenance,
            tokens=TokenUsage(prompt_tokens=found.prompt_tokens),
            status=200,
            streamed=False,
            started_at_s=quote.started_at_s,
            ttft_ms=None,
            duration_ms=(time.monotonic() - started_s) * 1e3,
        )
        await asyncio.shield(ticket.settle(record))
        return resolved.id, found, dict(ticket.headers) | mapped(model, resolved.id) | answered_by(found.upstream)

    async def _asked(
        self, model: str, ask: Callable[[EmbeddingClient], Awaitable[Found]], asked: Asked
    ) -> tuple[Found, str]:
        """On the least loaded replica; on another one when that cannot take it, or dies. Nothing is charged twice: what
        failed was not delivered."""
        tried: list[Replica] = []
        turn: Turn | None = None
        try:
            while True:
                turn = turn or await self._quarantine.turn(model, asked)
                tried.append(self._hosts.pick(model, exclude=tried))
                try:
                    return await self._ask(tried[-1], ask, asked), tried[-1].target
                except OverloadedError:
                    if len(tried) >= TRIES or len(self._hosts.models().get(model, [])) < 2:
                        raise
        finally:
            if turn is not None:
                turn.over()

    async def _ask(self, replica: Replica, ask: Callable[[EmbeddingClient], Awaitable[Found]], asked: Asked) -> Found:
        """Raises what the worker does; PoisonRequestError when it is not the first that died of this."""
        assert replica.embedding is not None
        replica.outstanding += 1
        try:
            found = await ask(replica.embedding)
        except UpstreamTimeoutError:
            replica.stalled()
            raise
        except WorkerDiedError as died:
            raise await self._quarantine.crashed(asked, replica.target) or died from None
        finally:
            replica.outstanding -= 1
        replica.worked()
        self._quarantine.answered(asked)
        return found


def size_of(inputs: Inputs) -> int:
    """Bytes of texts, or token ids: a text has no more tokens than bytes."""
    return sum(len(item.encode(errors="surrogatepass")) if isinstance(item, str) else len(item) for item in inputs)
