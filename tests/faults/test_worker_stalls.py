"""A worker lives and says nothing more: deadlines end its requests, and one that keeps stalling is set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from api.clients.hosts import STALLS_TO_EJECT
from api.ledger.reconcile import verify
from tests.edge import Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
CHAT = "/v1/chat/completions"


@pytest.fixture
async def edge(fresh_database: str, redis_url: str) -> AsyncIterator[Edge]:
    deadlines = {"first_token_timeout_s": 0.5, "inter_token_timeout_s": 0.5}
    async with open_edge(fresh_database, redis_url, **deadlines) as running:
        yield running


async def test_deadlines_end_its_requests_for_free_and_after_five_it_is_set_aside(edge: Edge) -> None:
    headers = {"authorization": f"Bearer {edge.key}"}
    async with httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20) as client:

        async def ask(script: str, stream: bool) -> httpx.Response:
            messages = [{"role": "user", "content": f"script:{script}"}]
            return await client.post(CHAT, json={"model": MODEL, "messages": messages, "stream": stream})

        silent, talking = '[{"hang": true}]', '[{"say": "one "}, {"hang": true}]'
        *whole, streamed, _ = await asyncio.gather(
            *(ask(script, stream) for script, stream in ((silent, False), (silent, True), (talking, False))),
            ask(talking, True),
            ask(talking, True),
        )
        for answer in whole:
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
        events = streamed.text.split("\n\n")
        assert "one" in streamed.text and '"code":"upstream_timeout"' in events[-2]
        assert "[DONE]" not in streamed.text
        await asyncio.wait_for(edge.workers[0].service.idle(), 5)
        (replica,) = edge.state.hosts.replicas()
        assert not replica.usable and not replica.outstanding
        answer = await ask('[{"say": "hello"}]', False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_is_overloaded")
        replica.ejected_until_s = 0.0  # the time is over
        assert (await ask('[{"say": "hello"}]', False)).status_code == 200
        database = edge.state.database
        rows = await database.fetch("SELECT outcome, cost_nusd FROM usage WHERE outcome <> 'finished'")
        assert [tuple(row) for row in rows] == [("upstream_broke", 0)] * 5
        assert [finding for finding in await verify(database) if finding.offences] == []


async def test_clients_that_leave_do_not_set_a_worker_aside(fresh_database: str, redis_url: str) -> None:
    """However slow it is to hear of it: with something else at hand, such as a crowd of grammars."""
    async with open_edge(fresh_database, redis_url) as edge:
        headers = {"authorization": f"Bearer {edge.key}"}
        async with httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20) as client:
            messages = [{"role": "user", "content": 'script:[{"say": "one "}, {"deaf": true}]'}]
            body = {"model": MODEL, "messages": messages, "stream": True}

            async def leave() -> None:
                async with client.stream("POST", CHAT, json=body) as response:
                    await anext(response.aiter_lines())

            await asyncio.gather(*(leave() for _ in range(STALLS_TO_EJECT)))
            (replica,) = edge.state.hosts.replicas()
            while replica.outstanding:
                await asyncio.sleep(0.01)
            hello = body | {"messages": [{"role": "user", "content": "hello"}]}
            assert (await client.post(CHAT, json=hello)).status_code == 200


async def test_a_worker_that_is_busy_with_others_is_not_set_aside(fresh_database: str, redis_url: str) -> None:
    """Whoever waits in its queue for too long is told so, and it goes on."""
    options = {"slots": 1, "step_ms": 5.0, "tokens": 100_000}
    async with open_edge(fresh_database, redis_url, worker_options=options, first_token_timeout_s=0.5) as edge:
        headers = {"authorization": f"Bearer {edge.key}"}
        async with httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20) as client:
            body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
            async with client.stream("POST", CHAT, json=body | {"stream": True}) as response:
                lines = response.aiter_lines()
                await anext(lines)
                waiting = await asyncio.gather(*(client.post(CHAT, json=body) for _ in range(2 * STALLS_TO_EJECT)))
                assert {answer.status_code for answer in waiting} == {504}
                (replica,) = edge.state.hosts.replicas()
                assert replica.usable
                await anext(lines)
