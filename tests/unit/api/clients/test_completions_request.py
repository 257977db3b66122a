"""A completion request, as workers see it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from gen import inference_pb2 as pb

from api.clients.completions_request import from_completion
from api.clients.generate_request import choices_of
from api.errors import InvalidRequestError
from api.generated import schemas as s
from api.rules import check_completion


def translated(**fields: Any) -> pb.GenerateRequest:
    body = msgspec.convert({"model": "m", "prompt": "x"} | fields, s.CompletionRequest)
    return from_completion(body, check_completion(body))


@pytest.mark.parametrize(
    ("prompt", "items"),
    [
        ("a", [{"text": "a"}]),
        ("", [{"text": ""}]),
        (None, [{"text": ""}]),
        (["a", "b"], [{"text": "a"}, {"text": "b"}]),
        ([5, 6], [{"tokens": {"ids": [5, 6]}}]),
        ([[5], [6, 7]], [{"tokens": {"ids": [5]}}, {"tokens": {"ids": [6, 7]}}]),
    ],
)
def test_prompts(prompt: Any, items: list[dict[str, Any]]) -> None:
    request = translated(prompt=prompt)
    assert request.prompts == pb.Prompts(items=[pb.Prompt(**item) for item in items])
    assert choices_of(request) == len(items)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, {"max_tokens": 16}),
        ({"max_tokens": 3}, {"max_tokens": 3}),
        ({"max_tokens": 0, "echo": True}, {"prompt_only": True, "echo": True}),
        ({"logprobs": 0}, {"max_tokens": 16, "logprobs": True}),
        ({"logprobs": 3}, {"max_tokens": 16, "logprobs": True, "top_logprobs": 3}),
        ({"n": 2, "best_of": 2}, {"max_tokens": 16, "n": 2}),
        ({"stop": "."}, {"max_tokens": 16, "stop": ["."]}),
        ({"stop": ["a", "b"], "stop_token_ids": [7]}, {"max_tokens": 16, "stop": ["a", "b"], "stop_token_ids": [7]}),
        ({"ignore_eos": True, "min_tokens": 4}, {"max_tokens": 16, "ignore_eos": True, "min_tokens": 4}),
    ],
)
def test_fields(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    plain = pb.Prompts(items=[pb.Prompt(text="x")])
    sampling = pb.Sampling(temperature=1, top_p=1)
    defaults: dict[str, Any] = {"model": "m", "prompts": plain, "sampling": sampling, "n": 1}
    assert translated(**fields) == pb.GenerateRequest(**(defaults | wanted))


def test_null_is_absent() -> None:
    optional = s.CompletionRequest.__struct_fields__[2:]
    assert translated(**dict.fromkeys(optional)) == translated()


def test_sampling() -> None:
    fields = {"temperature": 0.5, "top_k": 9, "min_p": 0.25, "seed": 0, "presence_penalty": -1, "logit_bias": {"7": 2}}
    sampling = pb.Sampling(temperature=0.5, top_p=1, top_k=9, min_p=0.25, seed=0, presence_penalty=-1)
    sampling.logit_bias[7] = 2
    assert translated(**fields).sampling == sampling


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"best_of": 0}, "best_of"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"echo": True, "logprobs": 0}, "logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"prompt": ["a", 5]}, "prompt"),
        ({"prompt": [5, [5]]}, "prompt"),
        ({"prompt": [[5], "a"]}, "prompt"),
        ({"logit_bias": {"1" * 10: 1}}, "logit_bias"),  # more than a token id has room for
        ({"logit_bias": {"٣": 1}}, "logit_bias"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"prompt": [[5]] * 33, "n": 2}, "prompt"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        translated(**fields)
    assert raised.value.param == param


def test_what_is_just_allowed() -> None:
    assert choices_of(translated(prompt=["a"] * 32, n=2)) == 64
    assert translated(suffix="", echo=False, logprobs=1).logprobs
    assert len(translated(prompt=[5] * 100).prompts.items) == 1
    assert translated(logit_bias={"9" * 9: 1}).sampling.logit_bias[999_999_999] == 1
