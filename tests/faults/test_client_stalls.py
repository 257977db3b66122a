"""Clients that do not read: bounded memory, and they are left within the write timeout."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from api.ledger.reconcile import verify
from api.protocol import CLOSE_WAIT_S, UNSENT_BYTES
from tests.edge import Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
CLIENTS = 20
WRITE_TIMEOUT_S = 1.0


@pytest.fixture
async def edge(fresh_database: str, redis_url: str) -> AsyncIterator[Edge]:
    options = {"tokens": 20_000}  # about 4 MB of events
    async with open_edge(fresh_database, redis_url, worker_options=options, write_timeout_s=WRITE_TIMEOUT_S) as running:
        yield running


BODY = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stream": True})
STREAM = "POST /v1/chat/completions"
TABLE = "GET /v1/usage?group_by=key,model"


async def ask(edge: Edge, *headers: str, what: str = STREAM, body: str = BODY) -> socket.socket:
    """An answer that nobody reads, in a buffer of the smallest size."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port_of(edge)))
    lines = [f"{what} HTTP/1.1", "Host: x", f"Authorization: Bearer {edge.key}", *headers]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", body]
    await loop.sock_sendall(connection, "\r\n".join(lines).encode())
    return connection


def port_of(edge: Edge) -> int:
    return int(edge.url.rpartition(":")[2])


def open_connections(edge: Edge) -> int:
    """Those of the server, that it has not given up."""
    return sum(
        1
        for connection in psutil.Process().net_connections("tcp4")
        if connection.laddr.port == port_of(edge) and connection.status in ("ESTABLISHED", "CLOSE_WAIT")
    )


def most_unsent(edge: Edge) -> int:
    """Bytes that the kernel keeps for the client that is furthest behind."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return max(int(line[4].partition(":")[0], 16) for line in lines if line[1].endswith(f":{port_of(edge):04X}"))


async def test_they_take_little_memory_and_are_left_in_time(edge: Edge) -> None:
    clients = [await ask(edge) for _ in range(CLIENTS)]
    unsent, asked_s = 0, time.monotonic()
    database = edge.state.database
    async with asyncio.timeout(30):
        while (await database.fetch("SELECT count(*) AS n FROM usage"))[0]["n"] < CLIENTS:
            unsent = max(unsent, most_unsent(edge))
            await asyncio.sleep(0.05)
        while open_connections(edge):
            await asyncio.sleep(0.05)
    assert time.monotonic() - asked_s < WRITE_TIMEOUT_S + CLOSE_WAIT_S + 10  # to generate it all takes a while, too
    assert 0 < unsent <= 4 * UNSENT_BYTES
    for client in clients:
        client.close()
    rows = await database.fetch("SELECT outcome, status FROM usage")
    assert {tuple(row) for row in rows} == {("client_left", 499)}
    assert all(not replica.outstanding for replica in edge.state.hosts.replicas())
    await asyncio.wait_for(edge.workers[0].service.idle(), 5)
    assert [finding for finding in await verify(database) if finding.offences] == []


async def test_their_idempotency_key_stays_used(edge: Edge) -> None:
    """They were charged: under the same key they are not charged again."""
    with await ask(edge, "Idempotency-Key: k"):
        async with asyncio.timeout(30):
            while open_connections(edge):
                await asyncio.sleep(0.05)
    headers = {"authorization": f"Bearer {edge.key}", "idempotency-key": "k", "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=edge.url, headers=headers) as client:
        answer = await client.post("/v1/chat/completions", content=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_answer_not_kept")
    assert [row["n"] for row in await edge.state.database.fetch("SELECT count(*) AS n FROM usage")] == [1]


async def test_their_response_is_kept_as_that_of_others_who_leave(edge: Edge) -> None:
    body = json.dumps({"model": MODEL, "input": "x", "stream": True})
    with await ask(edge, what="POST /v1/responses", body=body):
        async with asyncio.timeout(30):
            while open_connections(edge):
                await asyncio.sleep(0.05)
    [row] = await edge.state.database.fetch("SELECT body FROM responses")
    assert json.loads(row["body"])["status"] == "cancelled"


async def test_who_asks_for_a_table_and_does_not_read_it_is_left_in_time(edge: Edge) -> None:
    await edge.state.database.fetch(
        "INSERT INTO usage_rollups (project_id, width_s, bucket, key_id, model, organisation_id, requests, broken,"
        " prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost_nusd) SELECT id, 86400,"
        " date_trunc('day', now(), 'UTC'), 'key', 'model ' || n, organisation_id, 1, 0, 1, 0, 1, 0, 1"
        " FROM projects, generate_series(1, 20000) AS n"
    )
    with await ask(edge, "Accept: text/csv", what=TABLE):
        async with asyncio.timeout(WRITE_TIMEOUT_S + CLOSE_WAIT_S + 10):
            while not most_unsent(edge):
                await asyncio.sleep(0.05)
            while open_connections(edge):
                await asyncio.sleep(0.05)
