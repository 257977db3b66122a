"""A Hugging Face folder behind the whole API: the row names no backend, the official SDK reads the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.conftest import database
from tests.edge import Edge, edge_in_thread
from tests.hosts import model_host

pytest.importorskip("transformers")
pytest.importorskip("torch")

MODEL = "other"
FOLDER = Path(__file__).parents[2] / "models/novai-tiny/hf"
MODELS = f"""
models:
  - name: {MODEL}
    kind: chat
    path: {FOLDER}
    options: {{slots: 4, threads: 1, device: cpu, context_length: 512}}
"""
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": True,
    },
}


@pytest.fixture(scope="module")
def edge(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder: Path = tmp_path_factory.mktemp("models")
    with (
        model_host(folder, MODELS) as (address, _),
        database(postgres_url) as url,
        edge_in_thread(url, redis_url, host_address=address) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def client(edge: Edge) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=60) as client:
        yield client


def said(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_streamed_and_whole_are_the_same_answer(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": said("What is the capital of France?"), "temperature": 0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == whole.choices[0].message.content
    assert "Paris" in streamed
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == whole.usage.completion_tokens > 0
    assert usage.prompt_tokens_details.cached_tokens > 0


def test_log_probabilities_choices_and_stops(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=said("Count from 1 to 9."), temperature=0, n=2, stop="5", logprobs=True, top_logprobs=2
    )
    first, second = answer.choices
    assert first.message.content == second.message.content == "1, 2, 3, 4, "
    assert first.finish_reason == "stop"
    assert first.logprobs is not None
    tokens = first.logprobs.content
    assert tokens is not None
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)


def test_calls_are_held_to_their_schema(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=said("What is the weather in Rome?"), tools=[WEATHER], tool_choice="required", seed=1
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert list(json.loads(call.function.arguments)) == ["city"]


def test_what_is_too_long_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=said("word " * 600))
    assert refused.value.code == "context_length_exceeded"
