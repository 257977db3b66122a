"""Upstreams that fail, hang, cut and refuse: before the first token somebody else answers, afterwards nobody is asked
again, and each request is billed once or not at all."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.conformance.provider import Fault, Provider, provider
from tests.conftest import database
from tests.edge import Edge, edge_in_thread
from tests.hosts import model_host

pytestmark = pytest.mark.timeout(120)
MODELS = """
models:
  - name: scripted
    kind: chat
    backend: openai_compatible
    options:
      name: first
      base_url: FIRST/v1
      model: remote
      keys: [file:FOLDER/one.key, file:FOLDER/two.key]
      first_token_timeout_s: 1
      idle_timeout_s: 1
      drain_s: DRAIN
      fallbacks: FALLBACKS
"""
VECTORS = """
  - name: vectors
    kind: embedding
    backend: openai_compatible
    free: true
    options: {name: far, base_url: FIRST/v1, model: remote, dimensions: 4, keys: [file:FOLDER/one.key]}
"""
SECOND = "[{backend: anthropic, name: second, base_url: URL, model: remote, keys: [file:FOLDER/two.key]}]"
ONE, TWO = "sk-first-secret-9a7b", "sk-second-secret-3c1d"
COUNTED = ("provenance", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
HELLO = 'script:[{"say": "hello "}, {"say": "you"}]'


@dataclass
class System:
    edge: Edge
    host: subprocess.Popen[bytes]
    client: AsyncOpenAI
    first: Provider
    second: Provider
    log: Path
    seen: int = 0  # rows of usage that are of earlier tests

    async def ask(self, text: str = HELLO, **more: Any) -> Any:
        messages = [{"role": "user", "content": text}]
        return await self.client.chat.completions.with_raw_response.create(model="scripted", messages=messages, **more)  # type: ignore[call-overload]

    def rows(self) -> list[dict[str, Any]]:
        rows = self.edge.sql(
            "select split_part(replica, '@', 1) as upstream, outcome, provenance, prompt_tokens, cached_tokens, "
            "completion_tokens, reasoning_tokens, cost_nusd from usage order by started_at"
        )
        return rows[self.seen :]


Start = Callable[..., AbstractAsyncContextManager[System]]


@pytest.fixture(scope="module")
def start(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Start:
    @asynccontextmanager
    async def started(fallback: bool = True, drain_s: float = 0.0, more: str = "") -> AsyncIterator[System]:
        folder = tmp_path_factory.mktemp("upstreams")
        (folder / "one.key").write_text(ONE + "\n")
        (folder / "two.key").write_text(TWO)
        async with provider() as first, provider() as second:
            fallbacks = SECOND.replace("URL", second.url) if fallback else "[]"
            models = (MODELS + more).replace("FALLBACKS", fallbacks).replace("DRAIN", str(drain_s))
            with (
                model_host(folder, models.replace("FIRST", first.url).replace("FOLDER", str(folder))) as (
                    address,
                    host,
                ),
                database(postgres_url) as url,
                edge_in_thread(url, redis_url, host_address=address) as edge,
            ):
                async with AsyncOpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0) as client:
                    yield System(edge, host, client, first, second, folder / "host.log")

    return started


@pytest.fixture(scope="module")
async def shared(start: Start) -> AsyncIterator[System]:
    """For tests that leave both upstreams as they were."""
    async with start(more=VECTORS) as system:
        yield system


@pytest.fixture
async def system(shared: System) -> System:
    while (await shared.ask()).headers["x-novai-upstream"] != "first":
        await asyncio.sleep(0.05)
    shared.first.asked.clear()
    shared.second.asked.clear()
    shared.seen += len(shared.rows())
    return shared


SOON = (("retry-after-ms", "100"),)
BEFORE_THE_FIRST_TOKEN = {
    "500": Fault(500),
    "moved": Fault(302, (("location", "http://127.0.0.1:9/"),)),
    "hangs at once": Fault(hangs=True),
    "hangs before a token": Fault(hangs=True, after=1),
    "cut at once": Fault(),
    "cut before a token": Fault(after=1),
    "503": Fault(503, SOON),
    "429": Fault(429, SOON),
    "no answer in its form": Fault(200),
}


@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_TOKEN.values(), ids=BEFORE_THE_FIRST_TOKEN)
async def test_who_has_no_first_token_is_answered_by_another_and_billed_once(system: System, fault: Fault) -> None:
    system.first.always = fault
    streamed = [False, True, False, True]  # fewer than open the circuit
    try:
        answers = await asyncio.gather(*(system.ask(stream=stream) for stream in streamed))
        for answer, stream in zip(answers, streamed, strict=True):
            assert answer.headers["x-novai-upstream"] == "second"
            assert await text_of(answer, stream) == "hello you"
    finally:
        system.first.always = None
    assert len(system.second.asked) == len(answers)
    assert 0 < len(system.first.asked) <= 2 * len(answers)  # three attempts, and the last one answered
    one = {"upstream": "second", "outcome": "finished", "provenance": "provider", "cost_nusd": 13_000}
    counted = {"prompt_tokens": 5, "cached_tokens": 0, "completion_tokens": 2, "reasoning_tokens": 0}
    assert system.rows() == [one | counted] * len(answers)


MESSAGES = [{"role": "user", "content": HELLO}]
FORMS: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": MESSAGES},
    "messages": {"messages": MESSAGES, "max_tokens": 9},
    "responses": {"input": HELLO},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
async def test_an_answer_of_any_form_says_who_gave_it(system: System, form: str, stream: bool) -> None:
    body = {"model": "scripted", "stream": stream} | FORMS[form]
    answer = await system.client.post(f"/{form}", cast_to=httpx.Response, body=body)
    assert answer.headers["x-novai-upstream"] == "first"


async def text_of(answer: Any, stream: bool) -> str:
    if not stream:
        return str(answer.parse().choices[0].message.content)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in answer.parse()])


@pytest.mark.parametrize("hangs", [False, True])
async def test_after_the_first_token_nobody_is_asked_again_and_nobody_pays(system: System, hangs: bool) -> None:
    system.first.faults.append(Fault(after=3, hangs=hangs))
    answer = await system.ask('script:[{"count": 9}]', stream=True)
    assert answer.headers["x-novai-upstream"] == "first"
    seen = []
    with pytest.raises(openai.APIError) as broken:
        async for chunk in answer.parse():
            seen.append(chunk.choices[0].delta.content)  # noqa: PERF401 (what came before it broke)
    assert [text for text in seen if text] == [" 0", " 1"]
    assert broken.value.code == ("upstream_timeout" if hangs else "upstream_error")
    assert (len(system.first.asked), len(system.second.asked)) == (1, 0)
    [row] = system.rows()
    assert (row["outcome"], row["cost_nusd"]) == ("upstream_broke", 0)


async def test_three_attempts_then_an_honest_error_and_no_bill(start: Start) -> None:
    async with start() as system:
        system.first.always = system.second.always = Fault(500)
        with pytest.raises(openai.InternalServerError) as failed:
            await system.ask()
        assert (failed.value.status_code, failed.value.code) == (502, "upstream_error")
        assert len(system.first.asked) + len(system.second.asked) == 3
        assert [row for row in system.rows() if row["cost_nusd"]] == []


async def test_a_key_that_is_used_up_rests_and_the_other_one_answers(start: Start) -> None:
    async with start() as system:
        system.first.by_key[ONE] = Fault(429, (("retry-after", "60"),))
        for _ in range(6):
            answer = await system.ask()
            assert answer.headers["x-novai-upstream"] == "first"
        assert [asked.key for asked in system.first.asked].count(ONE) == 1
        assert [asked.key for asked in system.first.asked].count(TWO) == 6


async def test_where_nobody_can_take_more_the_caller_is_told_when_to_come_back(start: Start) -> None:
    async with start(fallback=False) as system:
        system.first.always = Fault(429, (("retry-after", "40"),))
        for _ in range(2):
            with pytest.raises(openai.InternalServerError) as refused:
                await system.ask()
            assert (refused.value.status_code, refused.value.code) == (503, "server_is_overloaded")
            assert 30 <= int(refused.value.response.headers["retry-after"]) <= 40
        assert len(system.first.asked) == 2  # each key once


async def test_what_the_caller_did_wrong_is_said_in_the_words_of_the_upstream(system: System) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await system.ask("word " * 600)
    assert refused.value.code == "context_length_exceeded"
    assert refused.value.param == "messages"
    assert "512 tokens" in refused.value.message
    hot = b'{"error": {"message": "temperature is too hot", "param": "temperature"}}'
    system.first.faults.append(Fault(400, body=hot))
    with pytest.raises(openai.BadRequestError, match="too hot") as refused:
        await system.ask()
    assert refused.value.param == "temperature"
    assert (len(system.first.asked), len(system.second.asked)) == (2, 0)


async def test_secrets_are_told_nobody(start: Start) -> None:
    async with start() as system:
        system.first.always = system.second.always = Fault(401, body=f'{{"error": {{"message": "{ONE}"}}}}'.encode())
        told = []
        for _ in range(3):
            with pytest.raises(openai.InternalServerError) as refused:
                await system.ask()
            assert (refused.value.status_code, refused.value.code) == (502, "upstream_error")
            told.append(refused.value.response.text)
        told += [str(replica.state) for replica in system.edge.state.hosts.replicas()]
        told += [(await system.client.models.with_raw_response.list()).text, system.log.read_text()]
        assert "first (file:" in told[-1]  # the log says which key it was
        for text in told:
            assert ONE not in text
            assert TWO not in text


async def test_an_upstream_that_repeats_our_keys_is_not_quoted_with_them(system: System) -> None:
    """Gateways do, for a header that they do not like."""
    said = f'{{"error": {{"message": "header: Bearer {ONE}, Bearer {TWO}", "param": "{ONE}"}}}}'
    system.first.faults.append(Fault(400, body=said.encode()))
    with pytest.raises(openai.BadRequestError) as refused:
        await system.ask()
    assert "header: Bearer ***, Bearer ***" in refused.value.message
    assert ONE not in refused.value.response.text


async def test_who_leaves_is_cancelled_upstream_and_pays_for_what_came(system: System) -> None:
    stream = (await system.ask('script:[{"count": 3}, {"hang": true}]', stream=True)).parse()
    async for chunk in stream:
        if chunk.choices[0].delta.content == " 2":
            break
    await stream.close()
    await asyncio.wait_for(system.first.asked[0].left.wait(), 10)
    [row] = await settled(system)
    assert (row["outcome"], row["provenance"], row["completion_tokens"]) == ("client_left", "estimated", 3)
    assert row["cost_nusd"] > 0


async def test_where_the_provider_bills_anyway_its_count_is_waited_for(start: Start) -> None:
    async with start(drain_s=0.9) as system:
        stream = (await system.ask('script:[{"count": 3}, {"wait_ms": 200}, {"count": 5}]', stream=True)).parse()
        async for chunk in stream:
            if chunk.choices[0].delta.content == " 2":
                break
        await stream.close()
        [row] = await settled(system)
        assert (row["outcome"], row["provenance"], row["completion_tokens"]) == ("client_left", "provider", 8)


async def settled(system: System) -> list[dict[str, Any]]:
    while not (rows := system.rows()):
        await asyncio.sleep(0.01)
    return rows


async def test_usage_that_is_not_told_is_estimated_and_called_so(system: System) -> None:
    system.first.counts = False
    try:
        answer = await system.ask()
    finally:
        system.first.counts = True
    assert answer.parse().usage.completion_tokens == 2
    [row] = system.rows()
    assert (row["provenance"], row["completion_tokens"]) == ("estimated", 2)
    assert row["prompt_tokens"] == len(HELLO) // 4


def thought(tokens: int) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


@pytest.mark.parametrize(
    ("told", "billed"),
    [
        ({"completion_tokens": 2, "total_tokens": 95} | thought(90), ("provider", 3, 1, 92, 90)),  # xAI, Gemini
        ({"completion_tokens": 2} | thought(90), ("provider", 3, 1, 2, 2)),
        ({"prompt_tokens_details": {"cached_tokens": 90}}, ("provider", 3, 3, 2, 0)),
        ({"prompt_tokens": -1}, ("estimated", len(HELLO) // 4, 0, 2, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, ("estimated", len(HELLO) // 4, 0, 2, 0)),
        ({"completion_tokens": 0}, ("estimated", 3, 1, 2, 0)),
        ({"completion_tokens": 1 << 40}, ("estimated", len(HELLO) // 4, 0, 2, 0)),
    ],
)
async def test_whatever_an_upstream_counts_a_bill_is_written(
    system: System, told: dict[str, Any], billed: tuple[Any, ...]
) -> None:
    """Bills say that cached tokens are of the prompt, and those of thoughts of the completion."""
    system.first.usage = {"prompt_tokens": 3, "completion_tokens": 2} | told
    try:
        await system.ask()
    finally:
        system.first.usage = {}
    [row] = await settled(system)
    assert tuple(row[name] for name in COUNTED) == billed


async def test_vectors_say_who_made_them_and_who_counted(system: System) -> None:
    answer = await system.client.embeddings.with_raw_response.create(model="vectors", input=["one", "two three"])
    assert answer.headers["x-novai-upstream"] == "far"
    assert [vector.embedding[0] for vector in answer.parse().data] == [3, 9]
    [row] = system.rows()
    assert (row["upstream"], row["provenance"], row["prompt_tokens"]) == ("far", "provider", 3)


async def test_an_upstream_that_is_down_is_tried_again_after_a_while(start: Start) -> None:
    """Its circuit opens after five failures: then the second is asked at once."""
    async with start() as system:
        system.first.always = Fault(500)
        for _ in range(8):
            await system.ask()
        assert (len(system.first.asked), len(system.second.asked)) == (5, 8)
