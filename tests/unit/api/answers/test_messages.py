"""How a message ends and what it says it used. The events themselves: tests/contract/test_messages.py."""

from __future__ import annotations

import msgspec
import pytest
from gen import inference_pb2 as pb

from api.answers.messages import end_of, event, usage_of
from api.domain import TokenUsage
from api.generated import schemas as s


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
