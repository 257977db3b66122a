"""`batches.wait()` and `.results()`, whatever the spec says of batches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from novai import AsyncNovAI, NovAI, NovAIError
from novai._runtime.client import AsyncClient, SyncClient
from novai._runtime.objects import Object
from novai._runtime.resource import Resource
from novai.helpers.batches import AsyncBatchesHelpers, BatchesHelpers

from tests.sdk.fault_server import Answer, FaultServer


class Batches(BatchesHelpers, Resource[SyncClient]):
    def retrieve(self, batch_id: str) -> Any:
        return self._client.get(f"/v1/batches/{batch_id}", cast_to=Object)


class AsyncBatches(AsyncBatchesHelpers, Resource[AsyncClient]):
    async def retrieve(self, batch_id: str) -> Any:
        return await self._client.get(f"/v1/batches/{batch_id}", cast_to=Object)


def batch(status: str, output: str | None = None, errors: str | None = None) -> Answer:
    return Answer(200, {"id": "batch_1", "status": status, "output_file_id": output, "error_file_id": errors})


def line(custom_id: str, status: int | None) -> bytes:
    response = None if status is None else {"status_code": status, "request_id": "req_1", "body": {"id": custom_id}}
    error = {"code": "batch_expired", "message": "too late"} if status is None else None
    return json.dumps({"id": "b", "custom_id": custom_id, "response": response, "error": error}).encode() + b"\n"


FILES = [Answer(pieces=[line("a", 200), line("b", 200)[:9], line("b", 200)[9:]]), Answer(pieces=[line("c", None)])]


def test_wait(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [batch("validating"), batch("expired")]
    assert Batches(misled).wait("batch_1").status == "expired"
    assert len(faults.requests) == 2


async def test_wait_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [batch("in_progress")]
    with pytest.raises(TimeoutError, match="batch_1"):
        await AsyncBatches(amisled).wait("batch_1", timeout_s=0.01)


def test_results(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [batch("completed", "file-1", "file-2"), *FILES]
    first, second, third = Batches(misled).results("batch_1")
    assert first.response is not None
    assert (first.custom_id, first.response.status_code, first.response.body) == ("a", 200, {"id": "a"})
    assert (second.custom_id, third.response) == ("b", None)
    assert third.error is not None
    assert third.error.code == "batch_expired"
    assert [request.path for request in faults.requests[1:]] == [
        "/v1/files/file-1/content", "/v1/files/file-2/content",
    ]  # fmt: skip


def test_results_before_the_end(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [batch("in_progress")]
    with pytest.raises(NovAIError, match="in_progress"):
        next(Batches(misled).results("batch_1"))


async def test_results_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [batch("completed", "file-1", None), FILES[0]]
    assert [result.custom_id async for result in AsyncBatches(amisled).results("batch_1")] == ["a", "b"]
