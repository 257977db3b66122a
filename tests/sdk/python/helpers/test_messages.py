"""`messages.stream()`: against a running NovAI, and against streams of every shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import novai
import pytest
from novai import AsyncNovAI, NovAI, types
from novai.helpers.messages import BlockStopEvent, MessageState, StopEvent

from tests.sdk.fault_server import Answer, FaultServer
from tests.workers import MODEL

GOLDEN = Path(__file__).parents[2] / "golden" / "message.sse"
TEXT = "Hello, wörld 👋"
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


def test_events_of_a_text(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=[GOLDEN.read_bytes()])]
    with misled.messages.stream(**ASK) as stream:
        happened = list(stream)
        final = stream.get_final_message()
    assert [event.type for event in happened] == [
        "message_start", "content_block_start", *["content_block_delta", "text"] * 3, "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    texts = [event for event in happened if event.type == "text"]
    assert ("".join(event.text for event in texts), texts[-1].snapshot) == (TEXT, TEXT)
    block, last = happened[-3], happened[-1]
    assert isinstance(block, BlockStopEvent)
    assert block.content_block == final.content[0]
    assert isinstance(last, StopEvent)
    assert last.message == final
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)
    assert faults.requests[0].json == ASK | {"stream": True}


def test_a_live_stream(client: NovAI) -> None:
    whole = client.messages.create(**ASK).content
    with client.messages.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        assert stream.get_final_message().content == whole
    assert [block.text for block in whole if block.type == "text"] == [text]


async def test_a_live_stream_async(aclient: AsyncNovAI) -> None:
    async with aclient.messages.stream(**ASK) as stream:
        async for event in stream:
            if event.type == "text":
                [block] = stream.current_message_snapshot.content
                assert isinstance(block, types.MessageTextBlock)
                assert block.text == event.snapshot
        text = await stream.get_final_text()
    async with aclient.messages.stream(**ASK) as stream:
        assert "".join([piece async for piece in stream.text_stream]) == text
        assert (await stream.get_final_message()).stop_reason == "end_turn"


def event(kind: str, **fields: Any) -> types.MessageStreamEvent:
    made: dict[str, type[Any]] = {
        "message_start": types.MessageStartEvent,
        "content_block_start": types.MessageBlockStartEvent,
        "content_block_delta": types.MessageBlockDeltaEvent,
        "content_block_stop": types.MessageBlockStopEvent,
        "message_stop": types.MessageStopEvent,
    }
    read: types.MessageStreamEvent = made[kind].from_dict({"type": kind, **fields})
    return read


def delta(index: int, kind: str, field: str, value: str) -> types.MessageStreamEvent:
    return event("content_block_delta", index=index, delta={"type": kind, field: value})


def test_thinking_and_calls_of_tools() -> None:
    state = MessageState()
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    stream = [
        event("message_start", message={"id": "msg_1", "content": [], "usage": {}}),
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, "thinking_delta", "thinking", "h"),
        delta(0, "thinking_delta", "thinking", "m"),
        delta(0, "signature_delta", "signature", "s"),
        event("content_block_stop", index=0),
        event("content_block_start", index=1, content_block=call),
        delta(1, "input_json_delta", "partial_json", '{"city": '),
        delta(1, "input_json_delta", "partial_json", '"Oslo"}'),
        event("content_block_stop", index=1),
        event("content_block_start", index=2, content_block=call),
        event("content_block_stop", index=2),
        event("message_stop"),
    ]
    happened = [each for item in stream for each in state.add(item)]
    assert [each.snapshot for each in happened if each.type == "thinking"] == ["h", "hm"]
    assert [each.snapshot for each in happened if each.type == "input_json"] == ['{"city": ', '{"city": "Oslo"}']
    thought, first, second = state.final().content
    assert isinstance(thought, types.MessageThinkingBlock)
    assert (thought.thinking, thought.signature) == ("hm", "s")
    assert isinstance(first, types.MessageToolUseBlock)
    assert isinstance(second, types.MessageToolUseBlock)
    assert (first.input, second.input) == ({"city": "Oslo"}, {})


def test_a_message_that_did_not_end(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=[GOLDEN.read_bytes().rpartition(b"event:")[0]])]
    with misled.messages.stream(**ASK) as stream:
        with pytest.raises(novai.APIConnectionError):
            stream.until_done()
        assert "".join(block.text for block in stream.current_message_snapshot.content if block.type == "text") == TEXT
        with pytest.raises(novai.APIConnectionError):
            stream.get_final_message()
