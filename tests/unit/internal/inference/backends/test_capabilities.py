"""What a refusal calls the field that asked for what a backend cannot do."""

from __future__ import annotations

import pytest
from gen import inference_pb2 as pb

from internal.errors import UnsupportedError
from internal.inference.backends.capabilities import check


@pytest.mark.parametrize(
    ("chat", "top_logprobs", "param"),
    [
        (pb.Chat(), 2, "logprobs"),
        (pb.Chat(param="input"), 2, "top_logprobs"),
        (pb.Chat(param="input"), 0, "include"),
    ],
)
def test_logprobs_are_refused_by_the_name_that_the_caller_has_for_them(
    chat: pb.Chat, top_logprobs: int, param: str
) -> None:
    with pytest.raises(UnsupportedError, match=f"^'{param}' is not supported") as refused:
        check(pb.GenerateRequest(chat=chat, logprobs=True, top_logprobs=top_logprobs), {"logprobs"})
    assert refused.value.param == param
