"""`files.wait_for_processing()`."""

from __future__ import annotations

import pytest
from novai import AsyncNovAI, NovAI

from tests.sdk.fault_server import Answer, FaultServer


def file(status: str) -> Answer:
    return Answer(200, {"id": "file-1", "object": "file", "status": status})


@pytest.mark.parametrize("status", ["processed", "error"])
def test_a_file_that_is_ready_or_failed(faults: FaultServer, misled: NovAI, status: str) -> None:
    faults.answers = [file("uploaded"), file("uploaded"), file(status)]
    assert misled.files.wait_for_processing("file-1", poll_interval=0.001).status == status
    assert [request.path for request in faults.requests] == ["/v1/files/file-1"] * 3


async def test_a_file_that_takes_too_long(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [file("uploaded")]
    with pytest.raises(TimeoutError, match="file-1"):
        await amisled.files.wait_for_processing("file-1", poll_interval=0.001, max_wait_seconds=0.01)
    faults.answers = [file("processed")]
    assert (await amisled.files.wait_for_processing("file-1")).id == "file-1"
