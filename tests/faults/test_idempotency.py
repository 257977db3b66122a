"""Idempotency-Key: the same request twice is one request, whatever happened to the first."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from api.auth.keys import mint
from api.services import idempotency as service
from api.storage import idempotency as rows
from api.storage import keys
from api.storage.idempotency import Place
from tests.edge import PEPPER, Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
CHAT = "/v1/chat/completions"


@pytest.fixture
async def edge(fresh_database: str, redis_url: str) -> AsyncIterator[Edge]:
    async with open_edge(fresh_database, redis_url, worker_options={"step_ms": 5.0}) as running:
        yield running


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url, headers={"authorization": f"Bearer {edge.key}"}) as opened:
        yield opened


def chat(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], "seed": 1} | fields


def says(text: str) -> str:
    return "script:" + json.dumps([{"say": text}])


async def charges(edge: Edge) -> int:
    [row] = await edge.state.database.fetch("SELECT count(*) AS n FROM usage")
    return int(row["n"])


async def post(client: httpx.AsyncClient, key: str, **fields: Any) -> httpx.Response:
    return await client.post(CHAT, json=chat(**fields), headers={"Idempotency-Key": key})


async def test_the_same_answer_and_one_charge(edge: Edge, client: httpx.AsyncClient) -> None:
    first, second = await post(client, "k"), await post(client, "k")
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert (
        second.headers["original-request"] == first.headers["x-request-id"] and "original-request" not in first.headers
    )
    assert await charges(edge) == 1


async def test_a_finished_stream_is_replayed_whole(edge: Edge, client: httpx.AsyncClient) -> None:
    first, second = await post(client, "k", stream=True), await post(client, "k", stream=True)
    assert first.content == second.content
    assert second.content.endswith(b"data: [DONE]\n\n")
    assert second.headers["content-type"].startswith("text/event-stream")
    assert await charges(edge) == 1


async def test_another_body_is_refused(edge: Edge, client: httpx.AsyncClient) -> None:
    await post(client, "k")
    answer = await post(client, "k", text="something else")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_reused")
    assert await charges(edge) == 1


@pytest.mark.parametrize(
    ("fields", "code"), [({"scopes": ["usage"]}, "missing_scope"), ({"models": ["another"]}, "model_not_allowed")]
)
async def test_another_key_is_told_what_it_may_ask_for(
    edge: Edge, client: httpx.AsyncClient, fields: dict[str, Any], code: str
) -> None:
    first = await post(client, "k")
    answers = []
    for allowed in ({"models": [MODEL]}, fields):
        key, record = mint(PEPPER, "proj_test", "other", **allowed)
        await keys.add(edge.state.database, record)
        sent = {"Idempotency-Key": "k", "Authorization": f"Bearer {key}"}
        answers.append(await client.post(CHAT, json=chat(), headers=sent))
    assert answers[0].content == first.content and "idempotent-replayed" in answers[0].headers
    assert (answers[1].status_code, answers[1].json()["error"]["code"]) == (403, code)
    assert await charges(edge) == 1


async def test_keys_belong_to_a_project_and_a_route(edge: Edge, client: httpx.AsyncClient) -> None:
    await post(client, "k")
    other = await edge.state.idempotency.claim("another project", CHAT, [b"k"], b"{}", "req_other")
    assert isinstance(other, service.Claim)
    await other.drop()
    answer = await client.post("/v1/embeddings", json={"model": "none", "input": "x"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 404


async def test_while_the_first_runs_the_second_is_told_to_wait(edge: Edge, client: httpx.AsyncClient) -> None:
    running = asyncio.create_task(post(client, "k", text=says("word " * 200)))
    while not edge.state.idempotency.running:
        await asyncio.sleep(0.005)
    answer = await post(client, "k", text=says("word " * 200))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_in_progress")
    assert answer.headers["retry-after"] == "1"
    assert (await running).status_code == 200
    assert (await post(client, "k", text=says("word " * 200))).headers["idempotent-replayed"] == "true"


async def test_what_was_refused_may_be_tried_again(edge: Edge, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await post(client, "k", temperature=9)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "temperature")
    assert (await post(client, "k")).status_code == 200
    assert await charges(edge) == 1


async def test_a_client_that_leaves_finds_the_whole_answer(edge: Edge, client: httpx.AsyncClient) -> None:
    body = chat(says("word " * 60), stream=True)
    async with client.stream("POST", CHAT, json=body, headers={"Idempotency-Key": "k"}) as stream:
        async for _ in stream.aiter_bytes():
            break  # after the first piece
    while edge.state.idempotency.running:
        await asyncio.sleep(0.005)
    answer = await client.post(CHAT, json=body, headers={"Idempotency-Key": "k"})
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.text.count('"content":"word') == 60
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert await charges(edge) == 1


async def test_what_we_broke_may_be_tried_again(edge: Edge, client: httpx.AsyncClient) -> None:
    broken = "script:" + json.dumps([{"say": "a b"}, {"fail": "bang"}])
    for _ in range(2):
        answer = await post(client, "k", text=broken, stream=True)
        assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize("keys", [[""], ["x" * 256], ["caf\u00e9"], ["a", "b"]])
async def test_malformed_keys(client: httpx.AsyncClient, keys: list[str]) -> None:
    headers = [("Idempotency-Key", key.encode("latin-1").decode("latin-1")) for key in keys]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    answer = await client.post(CHAT, json=chat(), headers=raw)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_idempotency_key")


async def test_of_many_at_once_under_one_key_one_runs(edge: Edge, client: httpx.AsyncClient) -> None:
    async def insist(number: int) -> bytes:
        while (answer := await post(client, str(number), text=f"hello {number}")).status_code == 409:
            await asyncio.sleep(float(answer.headers["retry-after"]))
        assert answer.status_code == 200
        return answer.content

    client.timeout = httpx.Timeout(30)
    answers = await asyncio.gather(*(insist(number) for number in range(8) for _ in range(10)))
    assert all(len(set(answers[i : i + 10])) == 1 for i in range(0, 80, 10))
    assert await charges(edge) == 8
    assert [row["n"] for row in await edge.state.database.fetch("SELECT count(*) AS n FROM holds")] == [8]


async def test_an_answer_that_is_too_large_to_keep(
    edge: Edge, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.middleware.idempotency.MAX_BODY_BYTES", 100)
    assert (await post(client, "k")).status_code == 200
    answer = await post(client, "k")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_answer_not_kept")
    assert await charges(edge) == 1


async def test_a_process_that_died_leaves_its_key_to_the_next(edge: Edge, client: httpx.AsyncClient) -> None:
    place = Place("proj_test", CHAT, "k")
    assert await rows.claim(edge.state.database, place, b"x" * 32, "req_dead", 60.0, service.KEPT_S) is None
    assert (await post(client, "k")).status_code == 400  # another body, still held
    await rows.renew(edge.state.database, {"req_dead": place}, -1.0)
    assert (await post(client, "k")).status_code == 200
    assert (await post(client, "k")).headers["idempotent-replayed"] == "true"


async def test_a_process_that_could_not_renew_its_lease_keeps_its_key(edge: Edge, client: httpx.AsyncClient) -> None:
    """As when PostgreSQL was away for longer than a lease: the request runs on, and is charged."""
    body = chat("script:" + json.dumps([{"say": "one "}, {"wait_ms": 1500}, {"say": "two"}]), stream=True)
    headers = {"Idempotency-Key": "k"}
    async with client.stream("POST", CHAT, json=body, headers=headers) as first:
        lines = first.aiter_lines()
        while "one" not in await anext(lines):
            pass
        await rows.renew(edge.state.database, edge.state.idempotency.running, -1.0)
        again = await client.post(CHAT, json=body, headers=headers)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_in_progress")
        assert [line async for line in lines if line][-1] == "data: [DONE]"
    again = await client.post(CHAT, json=body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert await charges(edge) == 1


async def test_a_batch_is_made_once_though_its_process_dies_before_it_says_so(
    edge: Edge, client: httpx.AsyncClient
) -> None:
    async def ask() -> httpx.Response:
        return await client.post("/v1/batches", json={"inputs": [chat()]}, headers={"Idempotency-Key": "k"})

    made = await ask()
    assert made.status_code == 202
    await edge.state.database.execute(
        "UPDATE idempotency SET status = NULL, headers = NULL, body = NULL, lease_until = now() - interval '1 s'"
    )
    again = await ask()
    assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_answer_not_kept")
    assert again.headers["x-should-retry"] == "false"  # it stays so
    listed = (await client.get("/v1/batches")).json()["data"]
    assert [batch["id"] for batch in listed] == [made.json()["id"]]


async def test_a_batch_is_made_once_though_a_connection_breaks_behind_it(edge: Edge, client: httpx.AsyncClient) -> None:
    """Its request is answered 503, which says that it may be sent again."""

    async def ask() -> httpx.Response:
        return await client.post("/v1/batches", json={"inputs": [chat()]}, headers={"Idempotency-Key": "k"})

    async def waiting(table: str) -> int:
        """The connection that waits for a table."""
        query = "SELECT pid FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted"
        while (pid := await jobs.fetchval(query, table)) is None:
            await asyncio.sleep(0.005)
        return int(pid)

    async with contextlib.AsyncExitStack() as stack:
        jobs, batches = [await asyncpg.connect(edge.settings.database_url) for _ in range(2)]
        for connection in (jobs, batches):
            stack.push_async_callback(connection.close)
        async with batches.transaction():
            async with jobs.transaction():
                await jobs.execute("LOCK jobs.procrastinate_jobs IN EXCLUSIVE MODE")
                asked = asyncio.create_task(ask())
                await waiting("jobs.procrastinate_jobs")  # to commit the batch
                locking = asyncio.create_task(batches.execute("LOCK batches IN ACCESS EXCLUSIVE MODE"))
                await waiting("batches")
            await locking
            await jobs.execute("SELECT pg_terminate_backend($1)", await waiting("batches"))  # to read it
        assert (await asked).status_code == 503
        await jobs.execute("UPDATE idempotency SET lease_until = now() - interval '1 s'")
    again = await ask()
    assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_answer_not_kept")
    assert len((await client.get("/v1/batches")).json()["data"]) == 1


async def test_answers_are_forgotten_after_a_day(edge: Edge, client: httpx.AsyncClient) -> None:
    await post(client, "k")
    await edge.state.database.execute("UPDATE idempotency SET created_at = now() - interval '25 hours'")
    assert "idempotent-replayed" not in (await post(client, "k")).headers
    await edge.state.database.execute("UPDATE idempotency SET created_at = now() - interval '25 hours'")
    assert await rows.expire(edge.state.database, service.KEPT_S)
    assert not await rows.expire(edge.state.database, service.KEPT_S)
