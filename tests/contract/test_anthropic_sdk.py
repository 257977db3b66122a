"""The official `anthropic` Python SDK against the edge: only base URL and key differ from what its users write."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import MessageParam, ToolParam
from openai import OpenAI

from tests.edge import Edge
from tests.workers import MODEL


@pytest.fixture
def client(edge: Edge) -> Iterator[Anthropic]:
    with Anthropic(base_url=edge.url, api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
async def aclient(edge: Edge) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=edge.url, api_key=edge.key, max_retries=0, timeout=10) as client:
        yield client


def user(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def script(*steps: dict[str, Any]) -> list[MessageParam]:
    return user("script:" + json.dumps(steps))


HELLO = script({"say": "Hello, wörld 👋"})
WEATHER: ToolParam = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = {"call": {"name": "weather", "arguments": {"c": "Zürich"}}}
ASKS = script({"think": "Where is it?"}, {"say": "Let me see. "}, CALL)


def test_a_message(client: Anthropic) -> None:
    message = client.messages.create(model=MODEL, max_tokens=100, messages=HELLO, system="Be nice.")
    assert [(block.type, getattr(block, "text", None)) for block in message.content] == [("text", "Hello, wörld 👋")]
    assert (message.role, message.stop_reason, message.stop_sequence) == ("assistant", "end_turn", None)
    assert message.usage.input_tokens == 2 + len(str(HELLO[0]["content"]).split())
    assert (message.usage.output_tokens, message.usage.cache_read_input_tokens) == (3, 0)
    assert message._request_id == "req_" + message.id.removeprefix("msg_")


async def test_a_message_async(aclient: AsyncAnthropic) -> None:
    message = await aclient.messages.create(model=MODEL, max_tokens=2, messages=HELLO)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 2)


def test_a_stream(client: Anthropic) -> None:
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "Hello, wörld 👋"
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)
    assert final.usage.input_tokens == len(str(HELLO[0]["content"]).split())


async def test_a_stream_async(aclient: AsyncAnthropic) -> None:
    async with aclient.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert final.content[0].type == "text" and final.content[0].text == "Hello, wörld 👋"


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_tools_and_the_way_back(client: Anthropic, stream: bool) -> None:
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": ASKS, "tools": [WEATHER]}
    asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if stream:
        with client.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**asked)
    thinking, text, call = message.content
    assert thinking.type == "thinking" and thinking.thinking == "Where is it?" and thinking.signature
    assert text.type == "text" and text.text == "Let me see. "
    assert call.type == "tool_use" and (call.name, call.input) == ("weather", {"c": "Zürich"})
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens_details.thinking_tokens == 3
    # Users append the message as it came: every key we sent must be accepted back.
    result: MessageParam = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"},
            {"type": "text", "text": str(script({"say": "Sun."})[0]["content"])},
        ],
    }
    history: list[MessageParam] = [*ASKS, {"role": "assistant", "content": message.content}, result]
    again = client.messages.create(model=MODEL, max_tokens=100, messages=history, tools=[WEATHER])
    assert again.content[0].type == "text" and again.content[0].text == "Sun."


def test_thinking_without_its_text(client: Anthropic) -> None:
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": ASKS}
    asked["thinking"] = {"type": "adaptive", "display": "omitted"}
    with client.messages.stream(**asked) as events:
        streamed = events.get_final_message().content[0]
    for thinking in (client.messages.create(**asked).content[0], streamed):
        assert thinking.type == "thinking" and thinking.thinking == "" and thinking.signature


def test_a_stop_sequence_is_named(client: Anthropic) -> None:
    said = script({"say": "one "}, {"stop": "two"})
    message = client.messages.create(model=MODEL, max_tokens=100, messages=said, stop_sequences=["two"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "two")
    with client.messages.stream(model=MODEL, max_tokens=100, messages=said, stop_sequences=["two"]) as stream:
        final = stream.get_final_message()
    assert (final.stop_reason, final.stop_sequence) == ("stop_sequence", "two")


def test_counting_is_what_a_message_then_uses(client: Anthropic) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "system": "Be very nice.", "tools": [WEATHER]}
    counted = client.messages.count_tokens(**asked)
    assert counted.input_tokens == client.messages.create(max_tokens=1, **asked).usage.input_tokens


@pytest.mark.parametrize(
    ("kind", "status", "name", "messages"),
    [
        (anthropic.NotFoundError, 404, "not_found_error", None),
        (anthropic.BadRequestError, 400, "invalid_request_error", user("word " * 140_000)),
        (anthropic.InternalServerError, 502, "api_error", script({"fail": "broken"})),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_sdks_own_classes(
    client: Anthropic, kind: type[anthropic.APIStatusError], status: int, name: str, messages: Any, stream: bool
) -> None:
    with pytest.raises(kind) as raised:
        model = MODEL if messages else "nope"
        client.messages.create(model=model, max_tokens=9, messages=messages or HELLO, stream=stream)
    assert (raised.value.status_code, raised.value.type) == (status, name)
    assert raised.value.request_id is not None and raised.value.request_id.startswith("req_")
    assert raised.value.api_message


def test_an_error_after_the_first_token_is_an_event(client: Anthropic) -> None:
    said = script({"say": "one "}, {"wait_ms": 100}, {"fail": "broken"})
    texts = []
    with pytest.raises(anthropic.APIStatusError) as raised:
        with client.messages.stream(model=MODEL, max_tokens=9, messages=said) as stream:
            texts.extend(stream.text_stream)
    assert texts == ["one "]
    assert (raised.value.type, raised.value.error_code) == ("api_error", "upstream_error")


def test_keys_in_both_headers(edge: Edge) -> None:
    headers = {"x-api-key": edge.key, "anthropic-version": "2023-06-01", "anthropic-beta": "a-2025-01-01,b"}
    with Anthropic(base_url=edge.url, api_key=edge.key, default_headers=headers, max_retries=0) as client:
        assert client.messages.create(model=MODEL, max_tokens=9, messages=HELLO).content
    with Anthropic(base_url=edge.url, api_key="sk-novai-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError) as raised:
            client.messages.create(model=MODEL, max_tokens=9, messages=HELLO)
    assert (raised.value.type, raised.value.error_code) == ("authentication_error", "invalid_api_key")


def test_the_client_of_betas(client: Anthropic) -> None:
    """`?beta=true` and the names of betas change nothing."""
    beta: Any = client.beta.messages
    message = beta.create(model=MODEL, max_tokens=9, messages=HELLO, betas=["interleaved-thinking-2025-05-14"])
    assert message.content[0].type == "text"


def test_models_are_listed_and_found(client: Anthropic, edge: Edge) -> None:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0) as other:
        known = {model.id: model for model in other.models.list()}
    listed = list(client.models.list())
    assert [model.id for model in listed] == list(known)
    found = client.models.retrieve(MODEL)
    assert (found.id, found.type, found.display_name) == (MODEL, "model", MODEL)
    assert found.created_at.timestamp() == known[MODEL].created
    assert found in listed
    assert "display_name" not in known[MODEL].to_dict()  # the other API's clients see nothing of it
