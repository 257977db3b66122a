"""A stream says what the whole answer says, however its tokens came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, zip_longest
from types import SimpleNamespace
from typing import Any

import msgspec
from gen import inference_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from api.answers.chat import ChatAnswer, ChunkEncoder
from api.answers.completions import CompletionAnswer, CompletionEncoder
from api.answers.messages import MessageAnswer, MessageEncoder
from api.answers.responses import ResponseAnswer
from api.answers.responses import begun as response_of
from api.clients.session import Delta
from api.domain import TokenUsage
from api.generated import schemas as s
from api.services.responses import Turn
from tests.contract.response_events import ResponseReader

CHOICES = 2
PROMPTS = ["> ", "? "]
STREAM: Any = SimpleNamespace(
    request_id="req_1", created_s=1, model="m", choices=CHOICES, exhausted=False, left=False, echo=PROMPTS,
    usage=lambda: TokenUsage(prompt_tokens=5, cached_tokens=2, completion_tokens=3, reasoning_tokens=1),
)  # fmt: skip
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


def choices_of(encoder: Any, answer: Any, deltas: list[Delta]) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Each choice of the whole answer, and what the stream says of it. Both have one end of it."""
    streamed = events(encoder.start() + b"".join(map(encoder.delta, deltas)))
    for delta in deltas:
        answer.add(delta)
    for choice in msgspec.to_builtins(answer.whole())["choices"]:
        chunks = [chunk for chunk in streamed if chunk["index"] == choice["index"]]
        assert [chunk["finish_reason"] for chunk in chunks if chunk["finish_reason"]] == [choice["finish_reason"]]
        yield choice, chunks


@settings(max_examples=50)
@given(told(st.builds(pb.Delta, **spoken), st.builds(pb.Delta, finish=ends, **spoken)))
def test_completions(deltas: list[Delta]) -> None:
    encoder, answer = CompletionEncoder(STREAM, include_usage=False), CompletionAnswer(STREAM, COMPLETION)
    for choice, chunks in choices_of(encoder, answer, deltas):
        assert "".join(chunk["text"] for chunk in chunks) == choice["text"]
        for name, whole in choice["logprobs"].items():
            assert [item for chunk in chunks for item in (chunk["logprobs"] or {}).get(name, [])] == whole


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
    for choice, chunks in choices_of(encoder, answer, deltas):
        message = choice["message"]
        for name in ("content", "reasoning_content"):
            assert "".join(chunk["delta"].get(name, "") for chunk in chunks) == (message.get(name) or "")
        assert [call["function"] for call in glued(chunks)] == [
            call["function"] for call in message.get("tool_calls", [])
        ]
        logprobs = [token for chunk in chunks if chunk["logprobs"] for token in chunk["logprobs"]["content"]]
        assert logprobs == choice["logprobs"]["content"]


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


def one(*deltas: Delta) -> list[Delta]:
    return beside([list(deltas)])


# Words and thoughts, a delta that carries everything, calls, the end.
turns = st.builds(
    lambda words, everything, more, end: one(*words, everything, *more, end),
    st.lists(st.builds(pb.Delta, text=texts, reasoning=texts), max_size=4),
    st.builds(pb.Delta, text=texts, reasoning=texts, tool_calls=calls),
    st.lists(st.builds(pb.Delta, tool_calls=calls), max_size=3),
    st.builds(pb.Delta, tool_calls=calls, finish=ends, stop_sequence=st.sampled_from(["", "."])),
)


@settings(max_examples=50)
@given(turns, st.sampled_from(["summarized", "omitted"]))
def test_messages(deltas: list[Delta], display: Any) -> None:
    body = s.MessageRequest(
        model="m", max_tokens=8, messages=[], thinking=s.MessageThinkingEnabled(budget_tokens=1024, display=display)
    )
    encoder, answer = MessageEncoder(STREAM, body), MessageAnswer(STREAM, body)
    encoded = encoder.start() + b"".join(map(encoder.delta, deltas)) + encoder.end()
    for delta in deltas:
        answer.add(delta)
    whole = json.loads(msgspec.json.encode(answer.whole()))
    assert put_together([json.loads(event.partition(b"\ndata: ")[2]) for event in encoded.split(b"\n\n")[:-1]]) == whole


def put_together(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message, as Anthropic's clients do it."""
    begun, *told, last, stop = events
    assert (begun["type"], last["type"], stop) == ("message_start", "message_delta", {"type": "message_stop"})
    blocks: list[dict[str, Any]] = []
    is_open = False
    for event in told:
        if event["type"] == "content_block_start":
            assert not is_open
            blocks.append(event["content_block"])
            arguments, is_open = "", True
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            field = delta["type"].removesuffix("_delta")
            if field == "input_json":
                arguments += delta["partial_json"]
            else:
                blocks[-1][field] += delta[field]
        else:
            if blocks[-1]["type"] == "tool_use":
                blocks[-1]["input"] = as_object(arguments)
            is_open = False
        assert event["index"] == len(blocks) - 1 and is_open != (event["type"] == "content_block_stop")
    assert not is_open
    return begun["message"] | last["delta"] | {"content": blocks, "usage": last["usage"]}


def as_object(arguments: str) -> Any:
    try:
        found = json.loads(arguments)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@settings(max_examples=50)
@given(turns, st.sampled_from([None, "auto"]))
def test_responses(deltas: list[Delta], summary: Any) -> None:
    """Its events by their own rules, and what they say altogether."""
    asked = s.ResponseRequest(model="m", input="hi", reasoning=s.ResponseReasoningConfig(summary=summary))
    answer = ResponseAnswer(STREAM, response_of(asked, Turn("p", None, []), STREAM))
    encoded = answer.start() + b"".join(map(answer.delta, deltas))
    answer.finish(None)
    response = ResponseReader((encoded + answer.end()).decode()).response
    kinds: dict[str, list[dict[str, Any]]] = {"message": [], "reasoning": [], "function_call": []}
    for item in response["output"]:
        kinds[item["type"]].append(item)
    texts = ["".join(part["text"] for item in kinds["message"] for part in item["content"])]
    field = "summary" if summary else "content"
    texts.append("".join(part["text"] for item in kinds["reasoning"] for part in item[field]))
    assert texts == ["".join(delta.text for delta in deltas), "".join(delta.reasoning for delta in deltas)]
    parts = [part for delta in deltas for part in delta.tool_calls]
    assert len(kinds["function_call"]) == sum(bool(part.id) for part in parts)
    assert "".join(call["arguments"] for call in kinds["function_call"]) == "".join(part.arguments for part in parts)
    length = deltas[-1].finish == pb.LENGTH
    assert [item["status"] for item in response["output"]] == [
        *("completed" for _ in response["output"][1:]), "incomplete" if length else "completed"
    ]  # fmt: skip
    assert response["incomplete_details"] == ({"reason": "max_output_tokens"} if length else None)
    assert [response["usage"][name] for name in ("input_tokens", "output_tokens", "total_tokens")] == [5, 3, 8]
