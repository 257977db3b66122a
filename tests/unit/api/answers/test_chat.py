"""Chunks of chats: what of a delta stands in which."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from gen import inference_pb2 as pb

from api.answers.chat import ChunkEncoder

STREAM: Any = SimpleNamespace(request_id="req_1", created_s=1, model="m", choices=1, usage=None)


def deltas(encoded: bytes) -> list[dict[str, Any]]:
    events = [json.loads(event.removeprefix(b"data: ")) for event in encoded.split(b"\n\n") if event]
    return [event["choices"][0] for event in events]


def test_log_probabilities_without_text_bring_no_content() -> None:
    """None comes after a tool call has begun (wire contract, 1.7)."""
    encoder = ChunkEncoder(STREAM, include_usage=False)
    logprobs = [pb.TokenLogprob(token=b"{", logprob=-0.5)]
    call = pb.ToolCallDelta(index=0, arguments="{")
    told, called = deltas(encoder.delta(pb.Delta(logprobs=logprobs, tool_calls=[call])))
    assert (told["delta"], told["logprobs"]["content"][0]["token"]) == ({}, "{")
    assert called["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
    [said] = deltas(encoder.delta(pb.Delta(text="a", logprobs=logprobs)))
    assert said["delta"] == {"content": "a"}
