"""What a delta of a response begins, and what it does not. Whole streams: tests/contract/test_responses.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from gen import inference_pb2 as pb

from api.answers.responses import ResponseAnswer, begun
from api.domain import TokenUsage
from api.errors import ApiError, InvalidRequestError, UpstreamError
from api.generated import schemas as s
from api.services.responses import Turn
from tests.contract.response_events import ResponseReader

STREAM: Any = SimpleNamespace(created_s=1, model="m", left=False, exhausted=False, usage=TokenUsage)
BODY = s.ResponseRequest(model="m", input="hi")
LIKELY = [pb.TokenLogprob(token=b"x", logprob=-0.5)]


def test_log_probabilities_of_what_is_no_text_begin_no_message() -> None:
    """Reasoning goes on after them, and so do the arguments of a call."""
    answer = ResponseAnswer(STREAM, begun(BODY, Turn("p", None, []), STREAM))
    events = answer.start()
    for delta in (
        *(pb.Delta(reasoning=word, logprobs=LIKELY) for word in ("let ", "me see")),
        pb.Delta(logprobs=LIKELY),  # as upstreams have them: between two chunks
        pb.Delta(reasoning="!", logprobs=LIKELY),
        pb.Delta(tool_calls=[pb.ToolCallDelta(index=0, id="call_1", name="f")], logprobs=LIKELY),
        pb.Delta(tool_calls=[pb.ToolCallDelta(index=0, arguments="{}")], logprobs=LIKELY),
        pb.Delta(finish=pb.TOOL_CALLS, logprobs=LIKELY),
    ):
        events += answer.delta(delta)
    answer.finish(None)
    reasoning, call = ResponseReader((events + answer.end()).decode()).response["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "let me see!"}]
    assert (call["type"], call["arguments"]) == ("function_call", "{}")


@pytest.mark.parametrize(
    ("error", "code"),
    [(UpstreamError("away"), "upstream_error"), (InvalidRequestError("too long"), "invalid_request_error")],
)
def test_an_error_always_has_a_code(error: ApiError, code: str) -> None:
    """And what was said before it is not whole."""
    answer = ResponseAnswer(STREAM, begun(BODY, Turn("p", None, []), STREAM))
    answer.delta(pb.Delta(text="so"))
    answer.finish(error)
    assert answer.response.error is not None and answer.response.error.code == code
    assert [item.status for item in answer.response.output] == ["incomplete"]
