"""Vectors of texts: admitted, computed by the least loaded worker, recorded."""

from __future__ import annotations

import asyncio
import time

from api.clients.embedding import Inputs, Vectors
from api.clients.hosts import Hosts
from api.domain import Principal, TokenUsage, UsageRecord
from api.errors import OverloadedError, UpstreamTimeoutError
from api.ledger.usage import UsageRecorder
from api.services.admission import Admission
from api.services.catalog import Catalog

TRIES = 2


class EmbeddingService:
    def __init__(
        self, catalog: Catalog, admission: Admission, hosts: Hosts, usage: UsageRecorder, timeout_s: float
    ) -> None:
        self._catalog = catalog
        self._admission = admission
        self._hosts = hosts
        self._usage = usage
        self._timeout_s = timeout_s

    async def embed(
        self, model: str, inputs: Inputs, dimensions: int, principal: Principal, request_id: str
    ) -> Vectors:
        """Vectors of all inputs, in order. Raises what the catalog, admission and the worker raise."""
        found = self._catalog.resolve(model, "embedding", principal)
        ticket = self._admission.admit(principal)
        started_at_s, started_s = time.time(), time.monotonic()
        try:
            vectors, replica = await self._embed(found.id, inputs, dimensions, request_id)
        finally:
            ticket.close()
        duration_ms = (time.monotonic() - started_s) * 1e3
        record = UsageRecord(
            request_id=request_id,
            principal=principal,
            operation="createEmbedding",
            model=found.id,
            replica=replica,
            outcome="finished",
            finish_reason="stop",
            provenance="engine",
            tokens=TokenUsage(prompt_tokens=vectors.prompt_tokens),
            status=200,
            streamed=False,
            started_at_s=started_at_s,
            ttft_ms=None,
            duration_ms=duration_ms,
        )
        await asyncio.shield(self._usage.record(record))
        return vectors

    async def _embed(self, model: str, inputs: Inputs, dimensions: int, request_id: str) -> tuple[Vectors, str]:
        """On the least loaded replica; on another one when that cannot take it. Nothing is charged twice: an
        embedding that failed was not delivered."""
        tried: list[object] = []
        while True:
            replica = self._hosts.pick(model, exclude=tried)  # type: ignore[arg-type]
            tried.append(replica)
            assert replica.embedding is not None
            replica.outstanding += 1
            try:
                vectors = await replica.embedding.embed(request_id, inputs, dimensions, self._timeout_s)
            except UpstreamTimeoutError:
                replica.stalled()
                raise
            except OverloadedError:
                if len(tried) >= TRIES or len(self._hosts.models().get(model, [])) < 2:
                    raise
            else:
                replica.worked()
                return vectors, replica.target
            finally:
                replica.outstanding -= 1
