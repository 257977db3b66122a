"""How a message ends, what it says it used, and deltas that carry several things at once. A whole stream:
tests/contract/test_messages.py."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from gen import inference_pb2 as pb

from api.answers.messages import MessageAnswer, MessageEncoder, end_of, event, usage_of
from api.domain import Principal, TokenUsage
from api.generated import schemas as s
from api.ledger.pricing import free_price
from api.services.admission import Quote, Ticket
from api.services.answering import Endings
from api.services.generation_stream import Deadlines, GenerationStream

BODY = s.MessageRequest(model="m", max_tokens=8, messages=[s.MessageUser(content="hi")])
EVERYTHING = pb.Delta(
    reasoning="hm",
    text="so",
    tool_calls=[
        pb.ToolCallDelta(index=0, id="a", name="f"),
        pb.ToolCallDelta(index=0, arguments='{"x":'),
        pb.ToolCallDelta(index=0, arguments="1}"),
        pb.ToolCallDelta(index=1, id="b", name="g", arguments="{}"),
    ],
    finish=pb.TOOL_CALLS,
)


def stream() -> GenerationStream:
    """One that was admitted for nothing and runs nowhere: only its name is asked for."""
    nobody = Principal("o", "p", "k", frozenset())
    quote = Quote("req_1", "createMessage", 0.0, prompt_tokens=0, completion_tokens=0, estimated_tokens=0)
    ticket = Ticket(cast(Any, None), nobody, free_price("m"), quote, cast(Any, None))
    nowhere = cast(Any, None)
    return GenerationStream(pb.GenerateRequest(), ticket, nowhere, Deadlines(1, 1), Endings(), "m", streamed=True)


def data(events: bytes) -> list[dict[str, Any]]:
    return [json.loads(frame.partition(b"\ndata: ")[2]) for frame in events.split(b"\n\n") if frame]


def test_a_delta_may_carry_everything() -> None:
    encoder = MessageEncoder(stream(), BODY)
    told = [(d["type"], d.get("index")) for d in data(encoder.delta(EVERYTHING) + encoder.end())]
    begun, more, ended = ("content_block_start", "content_block_delta", "content_block_stop")
    assert told == [
        *((begun, 0), (more, 0), (more, 0), (ended, 0)),  # thinking, its signature
        *((begun, 1), (more, 1), (ended, 1)),
        *((begun, 2), (more, 2), (more, 2), (ended, 2)),
        *((begun, 3), (more, 3), (ended, 3)),
        *(("message_delta", None), ("message_stop", None)),
    ]


def test_the_end_may_come_with_the_last_text() -> None:
    encoder = MessageEncoder(stream(), BODY)
    encoder.delta(pb.Delta(text="one "))
    last = data(encoder.delta(pb.Delta(text="two", finish=pb.STOP, stop_sequence="END")) + encoder.end())
    assert last[0]["delta"] == {"type": "text_delta", "text": "two"}
    assert last[2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


def test_a_whole_message_of_such_a_delta() -> None:
    answer = MessageAnswer(stream(), BODY)
    answer.add(EVERYTHING)
    message = json.loads(msgspec.json.encode(answer.whole()))
    assert (message["id"], message["stop_reason"]) == ("msg_1", "tool_use")
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "msg_1"},
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]


@pytest.mark.parametrize("arguments", ['{"city": "Par', '{"city": }', "Paris", "[1]", '{"a":' * 5000, ""])
def test_arguments_that_are_no_object_are_none(arguments: str) -> None:
    """Upstreams pass on what the end cut, or a model made up."""
    answer = MessageAnswer(stream(), BODY)
    answer.add(pb.Delta(tool_calls=[pb.ToolCallDelta(id="a", name="f", arguments=arguments)], finish=pb.LENGTH))
    [call] = json.loads(msgspec.json.encode(answer.whole()))["content"]
    assert call["input"] == {}


@pytest.mark.parametrize(
    ("last", "tokens", "reason", "sequence"),
    [
        (pb.Delta(), 3, "end_turn", None),
        (pb.Delta(finish=pb.STOP), 3, "end_turn", None),
        (pb.Delta(finish=pb.STOP, stop_sequence="END"), 3, "stop_sequence", "END"),
        (pb.Delta(finish=pb.LENGTH), 8, "max_tokens", None),
        (pb.Delta(finish=pb.LENGTH), 7, "model_context_window_exceeded", None),
        (pb.Delta(finish=pb.TOOL_CALLS), 3, "tool_use", None),
        (pb.Delta(finish=pb.CONTENT_FILTER), 3, "refusal", None),
        (pb.Delta(finish=pb.CANCELLED), 3, "end_turn", None),
    ],
)
def test_why_a_message_of_at_most_8_tokens_ended(
    last: pb.Delta, tokens: int, reason: str, sequence: str | None
) -> None:
    end = end_of(last, tokens, 8)
    assert (end.stop_reason, end.stop_sequence) == (reason, sequence)


@pytest.mark.parametrize(
    ("exhausted", "tokens", "reason"),
    [(True, 5, "max_tokens"), (False, 8, "max_tokens"), (False, 5, "model_context_window_exceeded")],
)
def test_what_its_money_ended_was_as_long_as_it_might_be(exhausted: bool, tokens: int, reason: str) -> None:
    used = TokenUsage(completion_tokens=tokens)
    told: Any = SimpleNamespace(request_id="req_1", model="m", exhausted=exhausted, usage=lambda: used)
    answer = MessageAnswer(told, BODY)
    answer.add(pb.Delta(text="so", finish=pb.LENGTH))
    assert answer.whole().stop_reason == reason


def test_cached_tokens_are_no_input_tokens() -> None:
    usage = usage_of(TokenUsage(prompt_tokens=100, cached_tokens=64, completion_tokens=9, reasoning_tokens=4), False)
    assert msgspec.to_builtins(usage) == {
        "input_tokens": 36,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 64,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "service_tier": "standard",
    }
    assert usage_of(TokenUsage(), True).code == "budget_exhausted"


def test_an_event_is_named_as_its_data() -> None:
    data = s.MessageBlockDeltaEvent(index=2, delta=s.MessageTextDelta(text='a"\n'))
    assert event(data) == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,'
        b'"delta":{"type":"text_delta","text":"a\\"\\n"}}\n\n'
    )
