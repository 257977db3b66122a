"""Our streams as bytes: the official SDK reads the same events from them wherever the network cuts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import httpx
import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai._streaming import ServerSentEvent, SSEDecoder

from tests.conftest import database
from tests.edge import Edge, edge_in_thread
from tests.workers import MODEL

CALL = {"call": {"name": "weather", "arguments": {"city": "Zürich", "note": "a\nb: c"}}}
TOOLS = [{"type": "function", "function": {"name": "weather"}}]
BODIES: dict[str, dict[str, Any]] = {
    "text": {"messages": [{"say": "Hello, wörld 👋 "}, {"say": "data: x\n\ndata: [DONE]\r\n\u2028 : end"}]},
    "usage": {"messages": [{"say": "one two"}], "stream_options": {"include_usage": True}},
    "choices": {"messages": [{"say": "ein Kätzchen 🐈"}], "n": 3},
    "calls": {"messages": [{"say": "Let me see. "}, CALL, CALL], "tools": TOOLS},
    "cut": {"messages": [{"count": 50}], "max_tokens": 3},
    "silence": {"messages": [{"say": "one "}, {"wait_ms": 2500}, {"say": "two"}]},
    "failure": {"messages": [{"say": "one "}, {"wait_ms": 100}, {"fail": "bröken"}]},
}


@pytest.fixture(scope="module")
def transcripts(postgres_url: str, redis_url: str) -> Iterator[dict[str, bytes]]:
    """The bytes of a stream of every kind, from an edge that says often that it is alive."""
    with database(postgres_url) as url, edge_in_thread(url, redis_url, keepalive_s=0.1) as edge:
        yield {name: transcript(edge, **body) for name, body in BODIES.items()}


def transcript(edge: Edge, messages: list[dict[str, Any]], **fields: Any) -> bytes:
    said = [{"role": "user", "content": f"script:{json.dumps(messages)}"}]
    body = {"model": MODEL, "messages": said, "stream": True} | fields
    answer = httpx.post(f"{edge.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {edge.key}"})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    return answer.content


def events(pieces: list[bytes]) -> list[ServerSentEvent]:
    return list(SSEDecoder().iter_bytes(iter(pieces)))


def payloads(stream: bytes) -> list[dict[str, Any]]:
    return [event.json() for event in events([stream]) if event.data != "[DONE]"]


def facts(found: list[ServerSentEvent]) -> list[tuple[Any, ...]]:
    return [(event.event, event.data, event.id, event.retry) for event in found]


every_kind = pytest.mark.parametrize("kind", BODIES)


@every_kind
def test_wherever_it_is_cut_the_events_are_the_same(transcripts: dict[str, bytes], kind: str) -> None:
    stream = transcripts[kind]
    whole = facts(events([stream]))
    for at in range(len(stream) + 1):
        assert facts(events([stream[:at], stream[at:]])) == whole, at
    assert facts(events([stream[at : at + 1] for at in range(len(stream))])) == whole


@every_kind
def test_every_frame_is_data_or_a_comment(transcripts: dict[str, bytes], kind: str) -> None:
    stream = transcripts[kind]
    assert stream.endswith(b"\n\n")
    frames = stream.decode().split("\n\n")[:-1]
    assert all(frame.startswith(("data: ", ": ")) and "\n" not in frame and "\r" not in frame for frame in frames)
    assert (frames[-1] == "data: [DONE]") is (kind != "failure")
    assert (": keepalive" in frames) is (kind == "silence")


@every_kind
def test_nothing_is_said_twice(transcripts: dict[str, bytes], kind: str) -> None:
    """The helpers of the SDKs put strings of deltas together, and index lists by what they are told."""
    chunks = [payload for payload in payloads(transcripts[kind]) if "error" not in payload]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    indexes = list(dict.fromkeys(choice["index"] for choice in choices))
    assert indexes == list(range(len(indexes)))
    for index in indexes:
        mine = [choice for choice in choices if choice["index"] == index]
        assert ["role" in choice["delta"] for choice in mine] == [True] + [False] * (len(mine) - 1)
        ends = [choice["finish_reason"] for choice in mine]
        assert all(end is None for end in ends[:-1])
        assert (ends[-1] is None) is (kind == "failure")
        calls = [call for choice in mine for call in choice["delta"].get("tool_calls", ())]
        assert all(after["index"] - before["index"] in {0, 1} for before, after in pairwise(calls))
        for number in {call["index"] for call in calls}:
            first, *rest = (call for call in calls if call["index"] == number)
            assert first["id"].startswith("call_") and first["type"] == "function" and first["function"]["name"]
            assert all(call.keys() == {"index", "function"} for call in rest)
            assert all(call["function"].keys() == {"arguments"} for call in rest)


class OneByteAtATime(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._pieces = [content[at : at + 1] for at in range(len(content))]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def replay(stream: bytes) -> httpx2.MockTransport:
    """A connection over which this comes, byte by byte."""
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    return httpx2.MockTransport(lambda _request: httpx2.Response(200, headers=headers, stream=OneByteAtATime(stream)))


ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
NOWHERE = {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk"}


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "failure"])
async def test_both_clients_read_byte_by_byte(transcripts: dict[str, bytes], kind: str) -> None:
    expected = payloads(transcripts[kind])
    with OpenAI(**NOWHERE, http_client=httpx2.Client(transport=replay(transcripts[kind]))) as client:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))
        with client.chat.completions.stream(**ASKED) as helped:
            final = helped.until_done().current_completion_snapshot
    assert [chunk.to_dict() for chunk in chunks] == expected
    async with AsyncOpenAI(**NOWHERE, http_client=httpx2.AsyncClient(transport=replay(transcripts[kind]))) as aclient:
        achunks = [chunk async for chunk in await aclient.chat.completions.create(**ASKED, stream=True)]
    assert achunks == chunks
    for choice in final.choices:
        deltas = [c.delta for chunk in chunks for c in chunk.choices if c.index == choice.index]
        assert (choice.message.content or "") == "".join(delta.content or "" for delta in deltas)


def test_a_failure_is_raised_byte_by_byte(transcripts: dict[str, bytes]) -> None:
    with OpenAI(**NOWHERE, http_client=httpx2.Client(transport=replay(transcripts["failure"]))) as client:
        with pytest.raises(openai.APIError) as raised:
            list(client.chat.completions.create(**ASKED, stream=True))
    assert raised.value.code == "upstream_error"
