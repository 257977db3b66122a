"""The main job on the two demo models: `novai dev` as it ships, the official SDK, real weights, real usage rows."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import asyncpg
import httpx
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, Field

from tests.dev_stack import CHAT, VECTORS

GREEDY = {"temperature": 0}  # of the Messages API, whose SDK has no argument for it any more
pytestmark = pytest.mark.timeout(180)


async def execute(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def client(dev: dict[str, str]) -> Iterator[OpenAI]:
    with OpenAI(base_url=dev["NOVAI_BASE_URL"], api_key=dev["NOVAI_API_KEY"], max_retries=0, timeout=60) as client:
        yield client


def ask(client: OpenAI, text: str, **options: object) -> str:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model=CHAT, messages=messages, **options)  # type: ignore[call-overload]
    return str(answer.choices[0].message.content)


def test_the_first_run_feels_alive(client: OpenAI) -> None:
    hello = ask(client, "Hello", temperature=0)
    assert len(hello.split()) >= 3
    assert "novai keys create" in ask(client, "How do I create an API key?", temperature=0)


def test_streamed_and_whole_are_the_same_answer(client: OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is NovAI?"}]
    whole = client.chat.completions.create(model=CHAT, messages=messages, temperature=0)
    stream = client.chat.completions.create(
        model=CHAT, messages=messages, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert whole.choices[0].finish_reason == "stop"


def test_a_shared_system_prompt_is_computed_once(client: OpenAI) -> None:
    system = "You are a helpful assistant. " * 60

    def cached(i: int) -> int:
        answer = client.chat.completions.create(
            model=CHAT,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": f"Hello {i}"}],
            max_tokens=4,
        )
        assert answer.usage is not None
        assert answer.usage.prompt_tokens_details is not None
        return answer.usage.prompt_tokens_details.cached_tokens or 0

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(cached, range(16)))
    assert sum(tokens < 100 for tokens in found) == 1
    assert sum(tokens > 200 for tokens in found) == 15


def test_a_response_and_the_next_turn(client: OpenAI) -> None:
    with client.responses.stream(
        model=CHAT, input="What is NovAI?", temperature=0, include=["message.output_text.logprobs"], top_logprobs=2
    ) as stream:
        first = stream.get_final_response()
    assert first.output_text == ask(client, "What is NovAI?", temperature=0)
    [message] = first.output
    assert message.type == "message"
    [text] = message.content
    assert text.type == "output_text"
    assert "".join(token.token for token in text.logprobs or []) == first.output_text
    assert all(len(token.top_logprobs) == 2 for token in text.logprobs or [])
    counted = client.responses.input_tokens.count(model=CHAT, input="Thanks!", previous_response_id=first.id)
    second = client.responses.create(model=CHAT, input="Thanks!", previous_response_id=first.id, temperature=0)
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.input_tokens == counted.input_tokens
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.input_tokens


def test_seeds_stops_logprobs_and_limits(client: OpenAI) -> None:
    seeded = {ask(client, "Tell me a joke", seed=7, temperature=1.0, max_tokens=24) for _ in range(3)}
    assert len(seeded) == 1
    whole = ask(client, "Count to five", temperature=0)
    stop = whole[len(whole) // 2]
    assert ask(client, "Count to five", temperature=0, stop=[stop]) == whole.partition(stop)[0]
    answer = client.chat.completions.create(
        model=CHAT,
        messages=[{"role": "user", "content": "Hello"}],
        logprobs=True,
        top_logprobs=3,
        max_tokens=5,
        temperature=0,
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].logprobs is not None
    content = answer.choices[0].logprobs.content or []
    assert "".join(token.token for token in content) == answer.choices[0].message.content
    assert all(len(token.top_logprobs) == 3 and token.logprob <= 0 for token in content)
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, "word " * 5000)
    assert raised.value.code == "context_length_exceeded"
    assert "prompt is too long" in raised.value.message


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=130)
    languages: list[Literal["de", "en", "fr"]] = Field(max_length=3)


WHO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]


def test_answers_are_what_a_schema_says(client: OpenAI) -> None:
    for seed in range(3):
        completion = client.chat.completions.parse(
            model=CHAT, messages=WHO, response_format=Person, seed=seed, max_tokens=600
        )
        assert isinstance(completion.choices[0].message.parsed, Person)
        assert completion.choices[0].finish_reason == "stop"
    with client.chat.completions.stream(model=CHAT, messages=WHO, response_format=Person, max_tokens=600) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Person)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=CHAT, messages=WHO, response_format=Person, max_tokens=3)
    with pytest.raises(openai.BadRequestError, match="Invalid schema for response_format") as caught:
        form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}
        client.chat.completions.create(model=CHAT, messages=WHO, response_format=form)
    assert caught.value.param == "response_format"


def test_responses_are_what_a_schema_says(client: OpenAI) -> None:
    response = client.responses.parse(model=CHAT, input="Hello!", text_format=Person, max_output_tokens=600)
    assert isinstance(response.output_parsed, Person)


def test_answers_are_what_structured_outputs_say(client: OpenAI) -> None:
    for form, pattern in (
        ({"choice": ["yes", "no"]}, "yes|no"),
        ({"regex": r"[a-z]{3}-\d{2}"}, r"[a-z]{3}-\d{2}"),
        ({"grammar": 'start: "(" inner ")" | "x"\ninner: "[" start "]" | "y"'}, r"x|\(y\)|\(\[.*\]\)"),
        ({"json": {"enum": [1, 2]}}, "[12]"),
    ):
        assert re.fullmatch(pattern, ask(client, "Hello!", extra_body={"structured_outputs": form}, max_tokens=200))


def test_tools_are_called_when_they_must_be(client: OpenAI) -> None:
    class Weather(BaseModel):
        city: Literal["Oslo", "Rome"]

    tools = [openai.pydantic_function_tool(Weather, name="weather")]
    named: Any = {"type": "function", "function": {"name": "weather"}}
    of_these: Any = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    for choice in ("required", named, of_these):
        completion = client.chat.completions.parse(
            model=CHAT, messages=WHO, tools=tools, tool_choice=choice, parallel_tool_calls=False, max_tokens=200
        )
        (call,) = completion.choices[0].message.tool_calls or []
        assert isinstance(call.function.parsed_arguments, Weather)
        assert completion.choices[0].finish_reason == "tool_calls"
    with client.chat.completions.stream(
        model=CHAT, messages=WHO, tools=tools, tool_choice="required", max_tokens=600
    ) as stream:
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert all(isinstance(call.function.parsed_arguments, Weather) for call in final.message.tool_calls or [])


def test_tools_of_the_server_are_run(client: OpenAI) -> None:
    """Those that ship, with `novai dev`. The first round has to call; what is said of the results is the model's."""
    tools: Any = [{"type": "novai_tool", "name": name} for name in ("calculator", "current_time")]
    question: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 12 times 12?"}]
    named: Any = {"type": "function", "function": {"name": "calculator"}}
    completion = client.chat.completions.create(
        model=CHAT, messages=question, tools=tools, tool_choice=named, temperature=0, max_tokens=600
    )
    message = completion.choices[0].message
    calls: Any = (message.model_extra or {})["novai_tool_calls"]
    assert {call["name"] for call in calls} == {"calculator"}
    assert all(call["output"] for call in calls)
    assert message.tool_calls is None
    assert completion.usage is not None
    assert completion.usage.completion_tokens > 0


def test_embeddings_mean_something_in_every_format(client: OpenAI) -> None:
    texts = ["A cat sits on the mat.", "A feline rests on a rug.", "The stock market fell today."]
    default = client.embeddings.create(model=VECTORS, input=texts)  # the SDK asks for base64
    floats = client.embeddings.create(model=VECTORS, input=texts, encoding_format="float")
    a, b, c = (item.embedding for item in default.data)
    assert len(a) == 384
    assert math.isclose(sum(x * x for x in a), 1, rel_tol=1e-4)
    for one, other in zip(default.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-3)

    def dot(x: list[float], y: list[float]) -> float:
        return sum(i * j for i, j in zip(x, y, strict=True))

    assert dot(a, b) > 0.5 > dot(a, c)
    single = client.embeddings.create(model=VECTORS, input=[101, 7592, 102])
    assert len(single.data) == 1
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model=VECTORS, input=["x"], dimensions=64)
    assert raised.value.param == "dimensions"


def test_messages_in_anthropics_form(dev: dict[str, str]) -> None:
    base_url = dev["NOVAI_BASE_URL"].removesuffix("/v1")
    with Anthropic(base_url=base_url, api_key=dev["NOVAI_API_KEY"], max_retries=0, timeout=60) as client:
        billing = [f"x-anthropic-billing-header: cc_version=2.1; cch={n};" for n in (1, 2)]
        asked: list[dict[str, Any]] = [
            {
                "model": CHAT,
                "system": [{"type": "text", "text": text} for text in (bill, "You are a helpful assistant. " * 60)],
                "messages": [{"role": "user", "content": "How do I create an API key?"}],
            }
            for bill in billing
        ]
        first, second = (client.messages.create(max_tokens=200, extra_body=GREEDY, **body) for body in asked)
        with client.messages.stream(max_tokens=200, extra_body=GREEDY, **asked[0]) as stream:
            streamed = stream.get_final_message()
        counted = client.messages.count_tokens(**asked[0]).input_tokens
        end = getattr(first.content[0], "text", "").split()[-1]
        stopped = client.messages.create(max_tokens=200, extra_body=GREEDY, stop_sequences=[end], **asked[0])
    texts = [getattr(message.content[0], "text", "") for message in (first, second, streamed)]
    assert "novai keys create" in texts[0]
    assert len(set(texts)) == 1
    assert (first.stop_reason, stopped.stop_reason, stopped.stop_sequence) == ("end_turn", "stop_sequence", end)
    assert (second.usage.cache_read_input_tokens or 0) > 200, "the billing header would have changed the prefix"
    for message in (first, second, streamed):
        assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) == counted


def test_tokens_and_reranking(dev: dict[str, str]) -> None:
    headers = {"authorization": f"Bearer {dev['NOVAI_API_KEY']}"}
    with httpx.Client(base_url=dev["NOVAI_BASE_URL"], headers=headers, timeout=60) as http:
        text = "Hello, wörld 👋 <|im_end|>"
        found = http.post("/tokenize", json={"model": CHAT, "prompt": text, "return_token_strs": True}).json()
        back = http.post("/detokenize", json={"model": CHAT, "tokens": found["tokens"]}).json()
        body = {"model": CHAT, "messages": [{"role": "user", "content": "Hello"}]}
        told = http.post("/tokenize", json=body).json()
        counted = http.post("/chat/completions/input_tokens", json=body).json()["input_tokens"]
        used = http.post("/chat/completions", json=body | {"max_tokens": 1}).json()["usage"]["prompt_tokens"]
        documents = ["The stock market fell today.", "A cat sits on the mat."]
        ranked = http.post("/rerank", json={"model": VECTORS, "query": "feline", "documents": documents}).json()
    assert (found["count"], back["prompt"]) == (len(found["tokens"]), text)
    assert found["token_strs"][-1] == "<|im_end|>"
    assert told["count"] == counted == used
    assert [result["index"] for result in ranked["results"]] == [1, 0]


def test_every_request_is_recorded(client: OpenAI, dev: dict[str, str]) -> None:
    stream = client.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "Tell me a long story"}], stream=True
    )
    next(iter(stream))
    request_id = stream.response.headers["x-request-id"]
    stream.close()
    rows: list[asyncpg.Record] = []
    query = f"SELECT outcome, completion_tokens, model, provenance FROM usage WHERE request_id = '{request_id}'"
    while not rows:
        rows = asyncio.run(execute(dev["DATABASE_URL"], query))

    assert (rows[0]["model"], rows[0]["provenance"]) == (CHAT, "engine")
    assert rows[0]["outcome"] in ("client_left", "finished")
    assert rows[0]["completion_tokens"] > 0
