"""POST /v1/completions: the older form, whole and streamed, with one prompt and with several."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.contract.tenants import Tenant, ok, refused
from tests.edge import Edge
from tests.workers import MODEL

COMPLETIONS = "/v1/completions"


def says(text: str) -> str:
    return "script:" + json.dumps([{"say": text}], ensure_ascii=False)


HELLO, BYE = says("Hello, wörld 👋"), says("Bye")


# ------------------------------------------------------------------ the official SDK


def test_a_completion(client: OpenAI) -> None:
    completion = client.completions.create(model=MODEL, prompt=HELLO)
    assert completion.object == "text_completion"
    assert completion.id.startswith("cmpl-")
    [choice] = completion.choices
    assert (choice.text, choice.index, choice.finish_reason, choice.logprobs) == ("Hello, wörld 👋", 0, "stop", None)
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (len(HELLO.split()), 3)


async def test_a_completion_async(aclient: AsyncOpenAI) -> None:
    completion = await aclient.completions.create(model=MODEL, prompt=[HELLO, BYE], n=2, echo=True)
    assert [choice.text for choice in completion.choices] == [f"{HELLO}Hello, wörld 👋"] * 2 + [f"{BYE}Bye"] * 2
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]


def test_a_stream(client: OpenAI) -> None:
    events = list(
        client.completions.create(
            model=MODEL, prompt=[BYE, HELLO], echo=True, stream=True, stream_options={"include_usage": True}
        )
    )
    texts = ["", ""]
    for event in events[:-1]:
        texts[event.choices[0].index] += event.choices[0].text
    assert texts == [f"{BYE}Bye", f"{HELLO}Hello, wörld 👋"]
    assert {event.id for event in events} == {events[0].id}
    assert events[-1].choices == []
    assert events[-1].usage is not None
    assert events[-1].usage.completion_tokens == 4
    assert all(event.usage is None for event in events[:-1])


async def test_a_stream_async(aclient: AsyncOpenAI) -> None:
    stream = await aclient.completions.create(model=MODEL, prompt=HELLO, stream=True)
    events = [event async for event in stream]
    assert "".join(event.choices[0].text for event in events) == "Hello, wörld 👋"
    assert [event.choices[0].finish_reason for event in events if event.choices[0].finish_reason] == ["stop"]


@pytest.mark.parametrize("stream", [False, True])
def test_one_prompt_that_is_too_long_refuses_all(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(model=MODEL, prompt=[HELLO, "word " * 140_000], stream=stream)
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "prompt")
    assert "prompt is too long" in raised.value.message


def test_a_prompt_that_fails_ends_the_stream_of_all(client: OpenAI) -> None:
    fails = 'script:[{"say": "one "}, {"wait_ms": 100}, {"fail": "broken"}]'
    stream = client.completions.create(model=MODEL, prompt=[HELLO, fails], stream=True)
    texts = []
    with pytest.raises(openai.APIError) as raised:
        texts.extend(event.choices[0].text for event in stream)
    assert raised.value.code == "upstream_error"
    assert {"Hello, ", "one "} <= set(texts)


# ------------------------------------------------------------------ the wire


def frames(answer: httpx.Response) -> list[str]:
    """The events of a stream, which must be nothing but `data:` lines."""
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    found = answer.text.split("\n\n")
    assert found.pop() == ""
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in found)
    return [frame.removeprefix("data: ") for frame in found]


def test_the_frames_of_a_stream(tenant: Tenant) -> None:
    body = {"model": MODEL, "prompt": says("a b"), "echo": True, "stream": True}
    *events, done = frames(tenant.http.post(COMPLETIONS, json=body))
    assert done == "[DONE]"
    head = json.loads(events[0])
    common = {key: head[key] for key in ("id", "object", "created", "model", "system_fingerprint")}
    assert (common["object"], common["model"], common["system_fingerprint"]) == ("text_completion", MODEL, None)
    wanted = [(says("a b"), None), ("a ", None), ("b", None), ("", "stop")]
    assert [json.loads(event) for event in events] == [
        common | {"choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": reason}]}
        for text, reason in wanted
    ]


def test_usage_is_the_last_event_and_null_before(tenant: Tenant) -> None:
    body = {"model": MODEL, "prompt": "x y", "max_tokens": 1, "stream": True, "stream_options": {"include_usage": True}}
    *events, usage, done = frames(tenant.http.post(COMPLETIONS, json=body))
    assert done == "[DONE]"
    assert [json.loads(event)["usage"] for event in events] == [None] * len(events)
    last = json.loads(usage)
    assert last["choices"] == []
    assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == (2, 1)


def test_sixteen_tokens_unless_said_otherwise(tenant: Tenant) -> None:
    for fields in ({}, {"max_tokens": None}):
        answer = ok(tenant.http.post(COMPLETIONS, json={"model": MODEL, "prompt": "x"} | fields))
        assert answer["usage"]["completion_tokens"] == 16
        assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("prompt", "texts", "tokens"),
    [
        ("one two", ["one two"], 2),
        (["one two", "three"], ["one two", "three"], 3),
        ([72, 105], ["Hi"], 2),
        ([[72, 105], [33]], ["Hi", "!"], 3),
        ("", [""], 0),
        (None, [""], 0),
    ],
)
def test_the_forms_of_a_prompt(tenant: Tenant, prompt: Any, texts: list[str], tokens: int) -> None:
    body = {"model": MODEL, "prompt": prompt, "echo": True, "max_tokens": 0}
    answer = ok(tenant.http.post(COMPLETIONS, json=body))
    assert [choice["text"] for choice in answer["choices"]] == texts
    assert {choice["finish_reason"] for choice in answer["choices"]} == {"length"}
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (tokens, 0)


def test_many_prompts_are_one_request(edge: Edge, tenant: Tenant) -> None:
    answer = tenant.http.post(COMPLETIONS, json={"model": MODEL, "prompt": [HELLO, BYE, "x y"], "n": 2})
    usage = ok(answer)["usage"]
    assert usage["prompt_tokens"] == len(HELLO.split()) + len(BYE.split()) + 2
    assert usage["completion_tokens"] == 2 * (3 + 1 + 16)
    [row] = edge.sql("SELECT * FROM usage WHERE project_id = $1", tenant.project)
    assert row["request_id"] == answer.headers["x-request-id"]
    assert (row["operation"], row["outcome"]) == ("createCompletion", "finished")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])


def test_a_refused_request_costs_nothing(edge: Edge, tenant: Tenant) -> None:
    refused(tenant.http.post(COMPLETIONS, json={"model": MODEL, "prompt": ["x", "word " * 140_000]}), 400)
    assert edge.sql("SELECT 1 FROM usage WHERE project_id = $1", tenant.project) == []


def test_the_same_idempotency_key_is_one_request(edge: Edge, tenant: Tenant) -> None:
    body, headers = {"model": MODEL, "prompt": [HELLO, BYE]}, {"idempotency-key": "again"}
    first, second = (tenant.http.post(COMPLETIONS, json=body, headers=headers) for _ in range(2))
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert len(edge.sql("SELECT 1 FROM usage WHERE project_id = $1", tenant.project)) == 1
