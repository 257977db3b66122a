"""The official `openai` Python SDK against the edge: only base URL and key differ from what its users write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.edge import Edge
from tests.workers import MODEL


@pytest.fixture
def client(edge: Edge) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def aclient(edge: Edge) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


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
