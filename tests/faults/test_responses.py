"""Responses when something is away: the client, PostgreSQL, or the answer of a request that is sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.metrics import RESPONSES_NOT_STORED
from tests.contract.response_events import ResponseReader
from tests.edge import Edge, open_edge
from tests.unit.api.tcp_proxy import proxied
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
PATH = "/v1/responses"


@pytest.fixture
async def edge(fresh_database: str, redis_url: str) -> AsyncIterator[Edge]:
    async with open_edge(fresh_database, redis_url, worker_options={"step_ms": 5.0}) as running:
        yield running


def client_of(edge: Edge) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=edge.url, headers={"authorization": f"Bearer {edge.key}"}, timeout=20)


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(edge) as opened:
        yield opened


def asked(*script: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": "script:" + json.dumps(script), "stream": True} | fields


async def test_a_client_that_leaves_finds_what_was_generated(edge: Edge, client: httpx.AsyncClient) -> None:
    seen = ""
    async with client.stream("POST", PATH, json=asked({"say": "one two "}, {"hang": True})) as answer:
        async for text in answer.aiter_text():
            seen += text
            if '"delta":"two "' in seen:
                break
    response_id = json.loads(seen.split("\n")[1].removeprefix("data: "))["response"]["id"]
    while (found := await client.get(f"{PATH}/{response_id}")).status_code == 404:
        await asyncio.sleep(0.01)
    response = found.json()
    assert response["status"] == "cancelled"
    assert response["output"][0]["content"][0]["text"] == "one two "
    assert (response["output"][0]["status"], response["usage"]["output_tokens"]) == ("incomplete", 2)
    [row] = await edge.state.database.fetch("SELECT outcome, completion_tokens FROM usage")
    assert (row["outcome"], row["completion_tokens"]) == ("client_left", 2)


async def test_an_answer_is_given_when_it_cannot_be_stored(fresh_database: str, redis_url: str) -> None:
    """PostgreSQL goes away while the model speaks."""
    async with proxied(fresh_database) as (proxy, url), open_edge(url, redis_url) as edge, client_of(edge) as client:
        before = RESPONSES_NOT_STORED._value.get()
        text = ""
        script = asked({"say": "one "}, {"wait_ms": 1000}, {"say": "two"})
        async with client.stream("POST", PATH, json=script) as answer:
            async for part in answer.aiter_text():
                if not text:
                    await proxy.cut()
                text += part
        await proxy.restore()
        response = ResponseReader(text).response
        assert (response["status"], response["store"]) == ("completed", False)
        assert response["output"][0]["content"][0]["text"] == "one two"
        assert RESPONSES_NOT_STORED._value.get() == before + 1
        while (found := await client.get(f"{PATH}/{response['id']}")).status_code == 503:
            await asyncio.sleep(0.05)
        assert found.status_code == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_a_retry_gets_the_same_response(edge: Edge, client: httpx.AsyncClient, stream: bool) -> None:
    body, headers = asked({"say": "hello"}, stream=stream), {"Idempotency-Key": "k"}
    first = await client.post(PATH, json=body, headers=headers)
    second = await client.post(PATH, json=body, headers=headers)
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    [row] = await edge.state.database.fetch("SELECT (SELECT count(*) FROM usage) AS u, count(*) AS r FROM responses")
    assert (row["u"], row["r"]) == (1, 1)
