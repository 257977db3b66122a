"""A stream says what the whole answer says, however its tokens came."""

from __future__ import annotations

import json
from itertools import chain, zip_longest
from types import SimpleNamespace
from typing import Any

import msgspec
from gen import inference_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from api.answers.chat import ChatAnswer, ChunkEncoder
from api.answers.completions import CompletionAnswer, CompletionEncoder
from api.clients.session import Delta
from api.domain import TokenUsage
from api.generated import schemas as s

CHOICES = 2
PROMPTS = ["> ", "? "]
STREAM: Any = SimpleNamespace(
    request_id="req_1", created_s=1, model="m", choices=CHOICES, exhausted=False, echo=PROMPTS, usage=TokenUsage
)
CHAT = s.ChatCompletionRequest(model="m", messages=[s.UserMessage(content="hi")], logprobs=True)
COMPLETION = s.CompletionRequest(model="m", prompt=PROMPTS, logprobs=0)

texts = st.text(max_size=3)
tokens = st.builds(pb.TokenLogprob, token=st.binary(min_size=1, max_size=3), logprob=st.sampled_from([-0.5, -2.0]))
spoken = {"text": texts, "logprobs": st.lists(tokens, max_size=2)}
ends = st.sampled_from([pb.STOP, pb.LENGTH])


def told(kind: st.SearchStrategy[Delta], end: st.SearchStrategy[Delta]) -> st.SearchStrategy[list[Delta]]:
    """What is said of all choices, one beside the other."""
    choice = st.tuples(st.lists(kind, max_size=4), end).map(lambda said: [*said[0], said[1]])
    return st.lists(choice, min_size=CHOICES, max_size=CHOICES).map(beside)


def beside(choices: list[list[Delta]]) -> list[Delta]:
    for index, said in enumerate(choices):
        begun = 0  # calls of tools
        for delta in said:
            delta.choice = index
            parts = list(delta.tool_calls)
            del delta.tool_calls[:]
            for part in parts:
                begun += bool(part.id)
                if begun:
                    part.index = begun - 1
                    delta.tool_calls.append(part)
    return [delta for delta in chain(*zip_longest(*choices)) if delta is not None]


def events(encoded: bytes) -> list[dict[str, Any]]:
    """What is said of choices; its form is the business of tests/contract/test_sse_framing.py."""
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in encoded.split(b"\n\n") if event]
    return [choice for chunk in chunks for choice in chunk["choices"]]


@settings(max_examples=50)
@given(told(st.builds(pb.Delta, **spoken), st.builds(pb.Delta, finish=ends, **spoken)))
def test_completions(deltas: list[Delta]) -> None:
    encoder, answer = CompletionEncoder(STREAM, include_usage=False), CompletionAnswer(STREAM, COMPLETION)
    streamed = events(encoder.start() + b"".join(map(encoder.delta, deltas)))
    for delta in deltas:
        answer.add(delta)
    for choice in msgspec.to_builtins(answer.whole())["choices"]:
        chunks = [chunk for chunk in streamed if chunk["index"] == choice["index"]]
        assert "".join(chunk["text"] for chunk in chunks) == choice["text"]
        for name, whole in choice["logprobs"].items():
            assert [item for chunk in chunks for item in (chunk["logprobs"] or {}).get(name, [])] == whole
        assert [chunk["finish_reason"] for chunk in chunks if chunk["finish_reason"]] == [choice["finish_reason"]]


calls = st.lists(
    st.builds(pb.ToolCallDelta, id=st.sampled_from(["", "a"]), name=st.just("f"), arguments=texts), max_size=2
)


@settings(max_examples=50)
@given(
    told(
        st.builds(pb.Delta, reasoning=texts, tool_calls=calls, **spoken),
        st.builds(pb.Delta, reasoning=texts, tool_calls=calls, finish=ends, **spoken),
    )
)
def test_chats(deltas: list[Delta]) -> None:
    encoder, answer = ChunkEncoder(STREAM, include_usage=False), ChatAnswer(STREAM, CHAT)
    streamed = events(encoder.start() + b"".join(map(encoder.delta, deltas)))
    for delta in deltas:
        answer.add(delta)
    for choice in msgspec.to_builtins(answer.whole())["choices"]:
        chunks = [chunk for chunk in streamed if chunk["index"] == choice["index"]]
        message = choice["message"]
        for name in ("content", "reasoning_content"):
            assert "".join(chunk["delta"].get(name, "") for chunk in chunks) == (message.get(name) or "")
        assert [call["function"] for call in glued(chunks)] == [
            call["function"] for call in message.get("tool_calls", [])
        ]
        logprobs = [token for chunk in chunks if chunk["logprobs"] for token in chunk["logprobs"]["content"]]
        assert logprobs == choice["logprobs"]["content"]
        assert [chunk["finish_reason"] for chunk in chunks if chunk["finish_reason"]] == [choice["finish_reason"]]


def glued(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of a choice as its clients put them together."""
    calls: list[dict[str, Any]] = []
    for part in (part for chunk in chunks for part in chunk["delta"].get("tool_calls", [])):
        if "id" in part:
            assert part["index"] == len(calls)
            calls.append(part)
        else:
            calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    return calls
