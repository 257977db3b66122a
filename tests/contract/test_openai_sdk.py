"""The official `openai` Python SDK against the edge: only base URL and key differ from what its users write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.contract.tenants import Tenant, ok, until
from tests.edge import Edge
from tests.workers import MODEL


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


HELLO = user('script:[{"say": "Hello, wörld 👋"}]')


def test_a_completion(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert completion.choices[0].message.content == "Hello, wörld 👋"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion._request_id is not None
    assert completion._request_id.startswith("req_")


def test_metadata_comes_back(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=HELLO, metadata={"run": "7"})
    assert completion.to_dict()["metadata"] == {"run": "7"}


async def test_a_completion_async(aclient: AsyncOpenAI) -> None:
    completion = await aclient.chat.completions.create(model=MODEL, messages=HELLO, n=2)
    assert [choice.message.content for choice in completion.choices] == ["Hello, wörld 👋"] * 2


def test_a_stream(client: OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True})
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello, wörld 👋"
    assert {c.id for c in chunks} == {chunks[0].id}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert all(c.usage is None for c in chunks[:-1])


async def test_a_stream_async(aclient: AsyncOpenAI) -> None:
    stream = await aclient.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(texts) == "Hello, wörld 👋"


@pytest.mark.parametrize("n", [1, 3])
def test_the_stream_helper_builds_the_snapshot(client: OpenAI, n: int) -> None:
    with client.chat.completions.stream(model=MODEL, messages=HELLO, n=n) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert [choice.message.content for choice in final.choices] == ["Hello, wörld 👋"] * n
    assert final.choices[0].message.role == "assistant"


def test_tool_calls_whole_and_streamed_and_back(client: OpenAI) -> None:
    script = 'script:[{"say": "Let me see. "}, {"call": {"name": "weather", "arguments": {"city": "Zürich"}}}]'
    tools: list[openai.types.chat.ChatCompletionToolParam] = [
        {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    ]
    completion = client.chat.completions.create(model=MODEL, messages=user(script), tools=tools)
    message = completion.choices[0].message
    assert completion.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    assert message.tool_calls[0].type == "function"
    assert message.tool_calls[0].function.arguments == '{"city":"Zürich"}'
    with client.chat.completions.stream(model=MODEL, messages=user(script), tools=tools) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls is not None
    assert final.choices[0].message.tool_calls[0].function.name == "weather"
    # Users append the message as it came: every key we sent must be accepted back.
    history = [*user("x"), message.model_dump(), {"role": "tool", "tool_call_id": "c", "content": "sunny"}, *HELLO]
    again = client.chat.completions.create(model=MODEL, messages=history, tools=tools)  # type: ignore[arg-type]
    assert again.choices[0].message.content == "Hello, wörld 👋"


def test_max_tokens_ends_with_length(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=user("x"), max_completion_tokens=5, max_tokens=9)
    assert completion.choices[0].finish_reason == "length" or completion.usage is not None
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 5


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "novai"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("org/other")
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("kind", "status", "code", "script"),
    [
        (openai.NotFoundError, 404, "model_not_found", None),
        (openai.BadRequestError, 400, "context_length_exceeded", "word " * 140_000),
        (openai.InternalServerError, 502, "upstream_error", 'script:[{"fail": "broken"}]'),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own_classes(
    client: OpenAI, kind: type[openai.APIStatusError], status: int, code: str, script: str | None, stream: bool
) -> None:
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model=MODEL if script else "nope", messages=user(script or "x"), stream=stream)
    assert raised.value.status_code == status
    assert raised.value.code == code
    assert raised.value.request_id


def test_an_error_after_the_first_token_ends_the_stream_with_an_error_event(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=user('script:[{"say": "one "}, {"wait_ms": 100}, {"fail": "broken"}]'), stream=True
    )
    texts = []
    with pytest.raises(openai.APIError) as raised:
        texts.extend(chunk.choices[0].delta.content for chunk in stream)
    assert "one " in texts
    assert raised.value.code == "upstream_error"


def test_a_wrong_key(edge: Edge) -> None:
    with OpenAI(base_url=f"{edge.url}/v1", api_key="sk-novai-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            client.models.list()
    assert raised.value.code == "invalid_api_key"


TOOL: openai.types.chat.ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}},
}
CALLS = (
    'script:[{"say": "Let me see. "}, {"call": {"name": "weather", "arguments": {"city": "Zürich"}}},'
    ' {"call": {"name": "weather", "arguments": {}}}]'
)


def told(events: list[Any]) -> list[tuple[str, Any]]:
    """What the helper says besides the chunks, in its order."""
    return [
        (event.type, getattr(event, "arguments", None) or getattr(event, "content", None))
        for event in events
        if event.type != "chunk" and not event.type.endswith(".delta")
    ]


FINISHED = [
    ("content.done", "Let me see. "),
    ("tool_calls.function.arguments.done", '{"city":"Zürich"}'),
    ("tool_calls.function.arguments.done", "{}"),
]


def test_the_stream_helper_says_when_each_part_is_done(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=user(CALLS), tools=[TOOL]) as stream:
        events = list(stream)
    pieces = [event.arguments_delta for event in events if event.type == "tool_calls.function.arguments.delta"]
    assert "".join(pieces) == '{"city":"Zürich"}{}'
    assert told(events) == FINISHED


async def test_the_stream_helper_says_it_async(aclient: AsyncOpenAI) -> None:
    async with aclient.chat.completions.stream(model=MODEL, messages=user(CALLS), tools=[TOOL]) as stream:
        assert told([event async for event in stream]) == FINISHED


def test_raw_answers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert raw.headers["content-type"] == "application/json"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-request-id"] == raw.request_id == raw.parse()._request_id
    assert raw.retries_taken == 0
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=HELLO, stream=True) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in lines[:-1])


class Counting:
    """A client of the SDK, and the retry counts that it sent."""

    def __init__(self, edge: Edge, key: str = "") -> None:
        self.retries: list[str] = []
        http = DefaultHttpxClient(event_hooks={"request": [self._sent]})
        self.client = OpenAI(base_url=f"{edge.url}/v1", api_key=key or edge.key, timeout=10, http_client=http)

    def _sent(self, request: httpx2.Request) -> None:
        self.retries.append(request.headers["x-stainless-retry-count"])


@pytest.fixture
def counting(edge: Edge) -> Iterator[Counting]:
    counting = Counting(edge)
    with counting.client:
        yield counting


@pytest.mark.parametrize(
    ("body", "kind", "retries"),
    [
        ({"messages": user('script:[{"fail": "broken"}]')}, openai.InternalServerError, ["0", "1", "2"]),
        ({"messages": HELLO, "n": 0}, openai.BadRequestError, ["0"]),
        ({"messages": user("word " * 140_000)}, openai.BadRequestError, ["0"]),
        ({"messages": HELLO, "model": "nope"}, openai.NotFoundError, ["0"]),
    ],
)
def test_only_what_we_broke_is_tried_again(
    counting: Counting, body: dict[str, Any], kind: type[openai.APIStatusError], retries: list[str]
) -> None:
    with pytest.raises(kind):
        counting.client.chat.completions.create(**{"model": MODEL} | body)
    assert counting.retries == retries


def limit(admin: httpx.Client, tenant: Tenant, **row: Any) -> None:
    ok(admin.put("/admin/v1/limits", json={"project": tenant.project, "limits": [row]}))
    query = {"model": MODEL}
    until(
        lambda: any(
            held["name"] == row["name"] and held["limit"] == row["limit"]
            for held in ok(tenant.http.get("/v1/limits", params=query))["limits"]
        )
    )


def test_a_rate_limit_is_waited_for(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    limit(admin, tenant, name="requests_per_minute", limit=60, burst=1)
    counting = Counting(edge, tenant.key)
    with counting.client as client:
        client.chat.completions.create(model=MODEL, messages=HELLO)
        began_s = time.monotonic()
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert counting.retries == ["0", "0", "1"]
    assert raw.retries_taken == 1
    assert 0.5 < time.monotonic() - began_s < 30  # one a second


def test_nobody_waits_for_a_limit_of_a_day(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    limit(admin, tenant, name="requests_per_day", limit=24, burst=1)
    counting = Counting(edge, tenant.key)
    with counting.client as client:
        client.chat.completions.create(model=MODEL, messages=HELLO)
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(model=MODEL, messages=HELLO)
    assert raised.value.code == "rate_limit_exceeded"
    assert counting.retries == ["0", "0"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_waits_no_longer(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(
            model=MODEL, messages=user('script:[{"hang": true}]'), stream=stream, timeout=0.2
        )


async def test_an_async_client_that_waits_no_longer(aclient: AsyncOpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        await aclient.chat.completions.create(model=MODEL, messages=user('script:[{"hang": true}]'), timeout=0.2)


async def test_errors_async(aclient: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        await aclient.chat.completions.create(model="nope", messages=HELLO, stream=True)
    assert raised.value.request_id
    stream = await aclient.chat.completions.create(
        model=MODEL, messages=user('script:[{"say": "one "}, {"wait_ms": 100}, {"fail": "broken"}]'), stream=True
    )
    with pytest.raises(openai.APIError) as broken:
        _ = [chunk async for chunk in stream]
    assert broken.value.code == "upstream_error"
