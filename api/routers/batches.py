"""/v1/batches: asked for, in OpenAI's form and as inputs, looked at, cancelled."""

from __future__ import annotations

from fastapi import Request, Response

from api.dependencies import answer_headers, encode, principal_of
from api.domain import TokenUsage
from api.generated import schemas as s
from api.generated.routes import BatchesApi
from api.routers.times import seconds
from api.rules import check_batch
from api.state import AppState
from api.storage.batches import Batch


class Batches(BatchesApi):
    def __init__(self, state: AppState) -> None:
        self._batches = state.batches

    async def create_batch(self, request: Request, body: s.BatchRequest) -> Response:
        endpoint, given = check_batch(body)
        expiry = body.output_expires_after
        batch = await self._batches.create(
            principal_of(request),
            endpoint,
            given,
            body.metadata if isinstance(body.metadata, dict) else None,
            expiry.seconds if isinstance(expiry, s.BatchOutputExpiry) else None,
            request.scope["state"]["request_id"],
        )
        status = 200 if isinstance(given, str) else 202
        return Response(encode(shown(batch)), status, answer_headers(request), media_type="application/json")

    async def list_batches(self, request: Request, after: str | None = None, limit: int = 20) -> s.BatchList:
        page = await self._batches.page(principal_of(request).project_id, after, limit)
        data = [shown(batch) for batch in page.batches]
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return s.BatchList(object="list", data=data, first_id=first, last_id=last, has_more=page.more)

    async def retrieve_batch(self, request: Request, batch_id: str) -> s.Batch:
        return shown(await self._batches.retrieve(principal_of(request).project_id, batch_id))

    async def cancel_batch(self, request: Request, batch_id: str) -> s.Batch:
        return shown(await self._batches.cancel(principal_of(request).project_id, batch_id))


def shown(batch: Batch) -> s.Batch:
    """As both forms have it."""
    errors = None
    if batch.errors is not None:
        errors = s.BatchErrors(object="list", data=[s.BatchError(**error) for error in batch.errors])
    counts = {"total": batch.total, "completed": batch.completed, "failed": batch.failed}
    return s.Batch(
        id=batch.id,
        object="batch",
        endpoint=batch.endpoint,
        model=batch.model,
        errors=errors,
        input_file_id=batch.input_file_id,
        completion_window="24h",
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=int(batch.created_at.timestamp()),
        in_progress_at=seconds(batch.in_progress_at),
        expires_at=seconds(batch.expires_at),
        finalizing_at=seconds(batch.finalizing_at),
        completed_at=seconds(batch.completed_at),
        failed_at=seconds(batch.failed_at),
        expired_at=seconds(batch.expired_at),
        cancelling_at=seconds(batch.cancelling_at),
        cancelled_at=seconds(batch.cancelled_at),
        request_counts=s.BatchCounts(**counts),
        usage=None if batch.usage is None else usage_of(batch.usage),
        metadata=batch.metadata,
        **counts,
    )


def usage_of(used: TokenUsage) -> s.BatchUsage:
    return s.BatchUsage(
        input_tokens=used.prompt_tokens,
        input_tokens_details=s.BatchInputTokensDetails(cached_tokens=used.cached_tokens),
        output_tokens=used.completion_tokens,
        output_tokens_details=s.ResponseOutputTokensDetails(reasoning_tokens=used.reasoning_tokens),
        total_tokens=used.prompt_tokens + used.completion_tokens,
    )
