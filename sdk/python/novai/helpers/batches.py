"""`batches.wait()` and `.results()`: until a batch has ended, and what came of its lines."""

# pyright: reportUnknownParameterType=false
# `Batch` is there where the spec has batches.

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from .._runtime.call import Call
from .._runtime.client import AsyncClient, Presentation, SyncClient
from .._runtime.encoding import path
from .._runtime.errors import NovAIError
from .._runtime.objects import Object
from .._runtime.polling import Looks

if TYPE_CHECKING:
    from ..types import Batch  # pyright: ignore

ENDS = {"completed", "failed", "expired", "cancelled"}


class BatchResponse(Object):
    """`body` is what the operation of the line would have answered."""

    status_code: int
    request_id: str
    body: dict[str, Any]


class BatchError(Object):
    code: str
    message: str


class BatchResult(Object):
    """What came of a line: a response, of whatever status, or the error that kept it from having one."""

    id: str
    custom_id: str
    response: BatchResponse | None
    error: BatchError | None


def files_of(batch: Any) -> list[Call]:
    """Of the lines that were answered, and of the others. Raises NovAIError before the batch has ended."""
    if batch.status not in ENDS:
        raise NovAIError(f"Batch {batch.id} is {batch.status}: `batches.wait()` for its end first.")
    ids = [file for file in (batch.output_file_id, batch.error_file_id) if file]
    return [Call("GET", path("/v1/files/{file_id}/content", file_id=file)) for file in ids]


class BatchesHelpers:
    _client: SyncClient
    retrieve: Any

    def wait(self, batch_id: str, *, timeout_s: float | None = None) -> Batch:
        """The batch, when it has ended in whatever way. Raises TimeoutError when that takes longer than `timeout_s`."""
        looks = Looks(f"batch {batch_id}", timeout_s)
        while (batch := self.retrieve(batch_id)).status not in ENDS:
            time.sleep(looks.next_s())
        ended: Batch = batch
        return ended

    def results(self, batch_id: str) -> Iterator[BatchResult]:
        """Every line of an ended batch, in no order; files are read as they arrive."""
        streaming: Any = self._client.presenting(Presentation.STREAMED)
        for call in files_of(self.retrieve(batch_id)):
            answer = streaming.binary(call)
            try:
                for line in answer.iter_lines():
                    yield BatchResult.from_dict(json.loads(line))
            finally:
                answer.http_response.close()


class AsyncBatchesHelpers:
    """As `BatchesHelpers`."""

    _client: AsyncClient
    retrieve: Any

    async def wait(self, batch_id: str, *, timeout_s: float | None = None) -> Batch:
        import asyncio

        looks = Looks(f"batch {batch_id}", timeout_s)
        while (batch := await self.retrieve(batch_id)).status not in ENDS:  # noqa: ASYNC110  it cannot be awaited
            await asyncio.sleep(looks.next_s())
        ended: Batch = batch
        return ended

    async def results(self, batch_id: str) -> AsyncIterator[BatchResult]:
        streaming: Any = self._client.presenting(Presentation.STREAMED)
        for call in files_of(await self.retrieve(batch_id)):
            answer = await streaming.binary(call)
            try:
                async for line in answer.iter_lines():
                    yield BatchResult.from_dict(json.loads(line))
            finally:
                await answer.http_response.aclose()
