"""The client goes away: generation stops, the slot is free, and what was generated is recorded exactly."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from api.ledger.reconcile import verify
from tests.edge import Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)

LONG = 2000  # tokens of an answer: ten seconds, so that whoever leaves leaves before its end, however slow the machine


@pytest.fixture
async def edge(fresh_database: str, redis_url: str) -> AsyncIterator[Edge]:
    async with open_edge(fresh_database, redis_url, worker_options={"step_ms": 5.0, "tokens": LONG}) as running:
        yield running


async def send(edge: Edge, text: str, stream: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A chat over a raw socket, so that it can be cut in any way."""
    return await post(edge, "chat/completions", messages=[{"role": "user", "content": text}], stream=stream)


async def post(edge: Edge, path: str, **fields: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(edge.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": MODEL} | fields).encode()
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {edge.key}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return reader, writer


def cut(writer: asyncio.StreamWriter, reset: bool) -> None:
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort() if reset else writer.close()


async def usage(edge: Edge, count: int) -> list[dict[str, object]]:
    """The recorded usage, once there are that many rows."""
    while True:
        rows = await edge.state.database.fetch("select * from usage order by started_at")
        if len(rows) >= count:
            return [dict(row) for row in rows]
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("after", [1, 5, 17])
async def test_in_the_middle_of_a_stream(edge: Edge, after: int, reset: bool) -> None:
    reader, writer = await send(edge, "x", stream=True)
    seen = 0
    while seen < after:
        seen += (await reader.readuntil(b"\n\n")).count(b'"content":" tok"')
    cut(writer, reset)
    (row,) = await usage(edge, 1)
    worker = edge.workers[0].service
    await asyncio.wait_for(worker.idle(), 30)
    receipt = worker._receipts.find([str(row["request_id"])])[0]
    assert row["outcome"] == "client_left"
    assert row["provenance"] == "engine"
    assert row["completion_tokens"] == receipt.usage.completion_tokens
    assert seen <= receipt.usage.completion_tokens < LONG


@pytest.mark.parametrize("stream", [False, True])
async def test_all_prompts_of_a_completion_end_together(edge: Edge, stream: bool) -> None:
    prompts = ["a", "b c", 'script:[{"say": "short"}]']
    reader, writer = await post(edge, "completions", prompt=prompts, n=2, max_tokens=LONG, stream=stream)
    if stream:
        await reader.readuntil(b'"text":"short"')
    else:
        await edge.workers[0].published.wait()
    cut(writer, reset=True)
    (row,) = await usage(edge, 1)
    worker = edge.workers[0].service
    await asyncio.wait_for(worker.idle(), 30)
    receipt = worker._receipts.find([str(row["request_id"])])[0]
    assert (row["outcome"], row["prompt_tokens"]) == ("client_left", 1 + 2 + 2)
    assert row["completion_tokens"] == receipt.usage.completion_tokens < 2 * (LONG + LONG + 1)
    assert not [finding for finding in await verify(edge.state.database) if finding.offences]


@pytest.mark.parametrize("stream", [False, True])
async def test_before_the_first_token(edge: Edge, stream: bool) -> None:
    _, writer = await send(edge, 'script:[{"hang": true}]', stream=stream)
    await edge.workers[0].published.wait()
    cut(writer, reset=True)
    await asyncio.wait_for(edge.workers[0].service.idle(), 30)
    (row,) = await usage(edge, 1)
    assert (row["outcome"], row["completion_tokens"], row["status"]) == ("client_left", 0, 499)
    assert row["ttft_ms"] is None


async def test_a_client_that_closes_its_half_has_left(edge: Edge) -> None:
    """Nothing tells it from one that closed both, until something is written to it: too late to stop."""
    reader, writer = await send(edge, 'script:[{"say": "one "}, {"hang": true}]', stream=True)
    while b"one" not in await reader.readuntil(b"\n\n"):
        pass
    writer.write_eof()
    await asyncio.wait_for(edge.workers[0].service.idle(), 30)
    (row,) = await usage(edge, 1)
    assert (row["outcome"], row["completion_tokens"]) == ("client_left", 1)
    assert b"data:" not in await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def test_500_clients_that_leave_at_random_are_billed_what_was_generated(edge: Edge) -> None:
    async def leave(i: int) -> None:
        reader, writer = await send(edge, "x", stream=True)
        # PostgreSQL may stand still for longer than a hold waits: then it is to come again.
        while b" 200 " not in await reader.readuntil(b"\r\n"):
            writer.close()
            reader, writer = await send(edge, "x", stream=True)
        for _ in range(1 + i * 7 % 23):
            await reader.readuntil(b"\n\n")
        cut(writer, reset=i % 2 == 0)

    for wave in range(5):
        await asyncio.gather(*(leave(i) for i in range(100 * wave, 100 * wave + 100)))
    rows = await usage(edge, 500)
    receipts = {
        receipt.request_id: receipt.usage.completion_tokens
        for receipt in edge.workers[0].service._receipts.find(str(row["request_id"]) for row in rows)
    }
    assert {str(row["request_id"]): row["completion_tokens"] for row in rows} == receipts
    assert all(not replica.outstanding for replica in edge.state.hosts.replicas())
    generated, prompted = sum(receipts.values()), sum(int(str(row["prompt_tokens"])) for row in rows)
    assert sum(int(str(row["cost_nusd"])) for row in rows) == 4000 * generated + 1000 * prompted  # tests.edge.PRICE
    assert not [finding for finding in await verify(edge.state.database) if finding.offences]
