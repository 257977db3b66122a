"""Limits and money over HTTP: what is refused, what is charged, and what a stream does when the money ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.ledger.holds import Ledger
from api.ledger.reconcile import verify
from api.ledger.sweeper import Sweeper
from api.services.receipts import receipts_of
from api.storage import budgets, limits, prices
from api.storage.holds import open_ledger_pool, renew
from api.storage.limits import Rule
from tests.edge import Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
CHAT = "/v1/chat/completions"
INPUT_NUSD, OUTPUT_NUSD = 1000, 4000  # of a token: tests.edge.PRICE
CENT = 10_000_000


@pytest.fixture
async def edge(fresh_database: str, redis_url: str) -> AsyncIterator[Edge]:
    async with open_edge(fresh_database, redis_url, worker_options={"slots": 64}) as running:
        yield running


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {edge.key}"}
    async with httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=30, limits=httpx.Limits()) as opened:
        yield opened


def chat(script: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    content = "hello" if script is None else "script:" + json.dumps(script)
    return {"model": MODEL, "messages": [{"role": "user", "content": content}]} | fields


async def row(edge: Edge, statement: str) -> Any:
    [found] = await edge.state.database.fetch(statement)
    return found[0]


async def spent(edge: Edge) -> int:
    return int(await row(edge, "SELECT coalesce(sum(amount_nusd), 0) FROM transfers WHERE kind = 'post'"))


async def sound(edge: Edge) -> None:
    """Nothing is held any more, and every invariant holds."""
    while await row(edge, "SELECT count(*) FROM holds WHERE closed_at IS NULL"):
        await asyncio.sleep(0.01)
    assert [(f.invariant.name, f.offences) for f in await verify(edge.state.database) if f.offences] == []


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
async def test_a_bill_is_of_the_day_that_postgresql_has(
    jump_s: float, fresh_database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock of the edge says."""
    ours = time.time
    monkeypatch.setattr(time, "time", lambda: ours() + jump_s)
    async with open_edge(fresh_database, redis_url) as edge:
        while abs(edge.state.database.now_s() - ours()) > 60:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=edge.url, headers={"authorization": f"Bearer {edge.key}"}) as client:
            assert (await client.post(CHAT, json=chat())).status_code == 200
        assert await row(edge, "SELECT abs(extract(epoch FROM now() - started_at)) < 60 FROM usage")


async def test_an_answer_costs_what_its_usage_says(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(max_tokens=10))
    usage = answer.json()["usage"]
    assert await spent(edge) == usage["prompt_tokens"] * INPUT_NUSD + usage["completion_tokens"] * OUTPUT_NUSD
    await sound(edge)


async def test_who_saw_done_was_charged_before(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat(max_tokens=5, stream=True))
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert await spent(edge) > 0


async def test_without_credits_nothing_runs(edge: Edge, client: httpx.AsyncClient) -> None:
    await budgets.add_credits(edge.state.database, "proj_test", 10 * INPUT_NUSD, "c1", ())
    for _ in range(3):
        answer = await client.post(CHAT, json=chat(max_tokens=10))
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["type"]) == (429, "insufficient_quota", "insufficient_quota")
        assert "novai credits add" in error["message"]
        assert answer.headers["x-should-retry"] == "false"
    assert await row(edge, "SELECT count(*) FROM usage") == 0
    await budgets.add_credits(edge.state.database, "proj_test", 100 * CENT, "c2", ())
    assert (await client.post(CHAT, json=chat(max_tokens=10))).status_code == 200
    await sound(edge)


async def test_without_credits_that_is_said_though_no_worker_can_count_the_prompt(
    edge: Edge, client: httpx.AsyncClient
) -> None:
    await budgets.add_credits(edge.state.database, "proj_test", INPUT_NUSD, "c1", ())
    edge.workers[0].service.draining = True
    for _ in range(2):
        answer = await client.post(CHAT, json=chat(max_tokens=10))
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "insufficient_quota")
    await sound(edge)


async def test_64_clients_never_spend_more_than_the_budget(edge: Edge, client: httpx.AsyncClient) -> None:
    budget = 40 * CENT
    await budgets.set_budget(edge.state.database, "proj_test", "proj_test", "total", budget, ())
    codes: list[int] = []

    async def keep_asking() -> None:
        for _ in range(6):
            body = chat([{"say": "word " * 500}], max_tokens=600)
            while (answer := await client.post(CHAT, json=body)).status_code == 503:
                await asyncio.sleep(0.1)  # a slow machine cannot hold the money of all of them within a second
            codes.append(answer.status_code)

    await asyncio.gather(*(keep_asking() for _ in range(64)))
    assert set(codes) == {200, 429}
    assert 0.9 * budget < await spent(edge) <= budget
    await sound(edge)


@pytest.mark.parametrize(("step", "field"), [("say", "content"), ("think", "reasoning_content")])
async def test_a_stream_ends_cleanly_when_the_money_does(
    edge: Edge, client: httpx.AsyncClient, step: str, field: str
) -> None:
    # Enough for the prompt and the first step of 1 024 tokens, not for a whole second one.
    budget = 1400 * OUTPUT_NUSD + 4100 * INPUT_NUSD
    await budgets.set_budget(edge.state.database, "proj_test", "proj_test", "total", budget, ())
    body = chat([{step: "word " * 4000}], max_tokens=4000, stream=True, stream_options={"include_usage": True})
    events = (await client.post(CHAT, json=body)).text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]] == ["length"]
    usage = chunks[-1]["usage"]
    words = sum("word" in choice["delta"].get(field, "") for chunk in chunks for choice in chunk["choices"])
    assert usage["code"] == "budget_exhausted"
    assert 1300 <= words == usage["completion_tokens"] <= 1425
    assert usage["completion_tokens_details"]["reasoning_tokens"] == (words if step == "think" else 0)
    assert await spent(edge) == usage["prompt_tokens"] * INPUT_NUSD + words * OUTPUT_NUSD <= budget
    await sound(edge)


async def test_a_long_stream_extends_its_hold(edge: Edge, client: httpx.AsyncClient) -> None:
    await budgets.add_credits(edge.state.database, "proj_test", 1000 * CENT, "c", ())
    answer = await client.post(CHAT, json=chat([{"count": 6000}], max_tokens=8000))
    usage = answer.json()["usage"]
    assert (usage["completion_tokens"], answer.json()["choices"][0]["finish_reason"]) == (6000, "stop")
    assert "code" not in usage
    await sound(edge)
    hold = (await client.get(f"/v1/usage/requests/{answer.headers['x-request-id']}")).json()["hold"]
    assert len(hold["extensions"]) >= 2
    assert all(extension["amount_nusd"] > 0 for extension in hold["extensions"])
    assert sum(extension["amount_nusd"] for extension in hold["extensions"]) < hold["amount_nusd"]
    times = [hold["held_at"], *(extension["extended_at"] for extension in hold["extensions"]), hold["closed_at"]]
    assert times == sorted(times)


async def test_what_still_runs_is_left_to_its_process_though_its_lease_has_lapsed(
    edge: Edge, client: httpx.AsyncClient
) -> None:
    """As that of a process that does not reach PostgreSQL while the others do."""
    state = edge.state
    async with contextlib.aclosing(await open_ledger_pool(edge.settings.database_url)) as pool:
        async with contextlib.aclosing(Ledger(pool)) as other:
            await renew(pool, other.owner, other.lease_s)
            sweeper = Sweeper(other, state.prices, receipts_of(state.hosts), grace_s=0.0)
            script = [{"say": "one two"}, {"hang": True}]
            async with client.stream("POST", CHAT, json=chat(script, stream=True)) as answer:
                lines = answer.aiter_lines()
                await anext(lines)
                await state.database.execute("UPDATE holds SET created_at = created_at - interval '1 hour'")
                await state.database.execute("UPDATE ledger_processes SET since = since - interval '1 hour'")
                await state.database.execute("DELETE FROM ledger_processes WHERE id <> $1", other.owner)
                assert await sweeper.sweep() == 0
                assert await row(edge, "SELECT owner FROM holds") == other.owner
            await sound(edge)  # the client left
            assert await row(edge, "SELECT outcome FROM usage") == "client_left" and await spent(edge) > 0
            assert await row(edge, "SELECT count(*) FROM ledger_events") == 0


async def test_what_we_broke_is_free_and_our_expense(edge: Edge, client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=chat([{"say": "a b c"}, {"fail": "bang"}], stream=True))
    assert '"error"' in answer.text
    await sound(edge)
    assert await spent(edge) == 0
    assert await row(edge, "SELECT count(*) FROM transfers WHERE kind = 'outage'") == 1


async def test_what_was_answered_and_what_is_booked_agree(edge: Edge, client: httpx.AsyncClient) -> None:
    """Reliability I08: whoever got an answer was charged for it, whoever got an error was not."""
    broken = [{"fail": "bang"}]
    asked = [
        *((chat(max_tokens=3, stream=stream), "post") for stream in (False, True)),
        *((chat(temperature=9, stream=stream), None) for stream in (False, True)),
        (chat(stop=["x"] * 99), None),
        (chat() | {"model": "nobody"}, None),
        (chat() | {"messages": [{"role": "user", "content": "long " * 140_000}]}, None),
        *((chat(broken, stream=stream), "outage") for stream in (False, True)),
        (chat([{"say": "a b"}, *broken], stream=True), "outage"),
        (chat([{"say": "a b"}, *broken]), "outage"),
    ]
    answers = [await client.post(CHAT, json=body) for body, _ in asked]
    answers.append(await client.post(CHAT, json=chat(), headers={"authorization": "Bearer sk-novai-nobody"}))
    await sound(edge)
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 502}
    for answer, booked in zip(answers, [*(booked for _, booked in asked), None], strict=True):
        name = answer.headers["x-request-id"]
        found = await edge.state.database.fetch("SELECT kind FROM transfers WHERE request_id = $1", name)
        assert [row["kind"] for row in found] == ([booked] if booked else []), (answer.status_code, answer.text)


async def test_a_model_without_a_price_is_refused(edge: Edge, client: httpx.AsyncClient) -> None:
    await edge.state.database.execute("SET session_replication_role = replica; DELETE FROM prices")
    await edge.state.prices.refresh()
    answer = await client.post(CHAT, json=chat())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_priced")


async def test_the_bill_of_a_model_that_costs_nothing(edge: Edge, client: httpx.AsyncClient) -> None:
    await prices.add(edge.state.database, MODEL, 0, 0, 0)
    await edge.state.prices.refresh()
    answer = await client.post(CHAT, json=chat(max_tokens=10))
    bill = (await client.get(f"/v1/usage/requests/{answer.headers['x-request-id']}")).json()
    assert (bill["state"], bill["used"]["outcome"]) == ("settled", "finished")
    assert (bill["paid"]["by"], bill["paid"]["cost_nusd"], bill["paid"]["outage_nusd"]) == ("nobody", 0, 0)
    assert bill["explanation"].endswith(" cost $0.00.")
    await sound(edge)


async def test_limits_over_http(edge: Edge, client: httpx.AsyncClient) -> None:
    def set_limit(document: limits.Document) -> None:
        document.project["requests_per_minute"] = Rule(6, 2)

    await limits.change(edge.state.database, "project", "proj_test", set_limit)
    while "x-ratelimit-limit-requests" not in (first := await client.post(CHAT, json=chat(max_tokens=1))).headers or (
        first.headers["x-ratelimit-limit-requests"] != "6"
    ):
        await asyncio.sleep(0.05)  # in force within a second
    answers = [await client.post(CHAT, json=chat(max_tokens=1)) for _ in range(4)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and {answer.json()["error"]["code"] for answer in refused} == {"rate_limit_exceeded"}
    told = refused[0].headers
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("6", "0")
    assert int(told["retry-after"]) >= 1
    assert 0 < int(told["retry-after-ms"]) <= 10_000
    assert "try again in" in refused[0].json()["error"]["message"]
    await sound(edge)


async def test_limits_are_given_back_what_was_not_used(edge: Edge, client: httpx.AsyncClient) -> None:
    def set_limit(document: limits.Document) -> None:
        document.project["tokens_per_minute"] = Rule(6000, 6000)

    await limits.change(edge.state.database, "project", "proj_test", set_limit)
    while (await client.post(CHAT, json=chat(max_tokens=1))).headers.get("x-ratelimit-limit-tokens") != "6000":
        await asyncio.sleep(0.05)
    for _ in range(10):  # ten estimates of 1 000 tokens do not fit, ten answers of one do
        assert (await client.post(CHAT, json=chat([{"say": "a"}], max_tokens=1000))).status_code == 200
