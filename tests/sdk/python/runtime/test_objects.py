from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from novai import types
from novai._runtime.objects import Object, check

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": None,
    "service_tier": "default",
    "system_fingerprint": None,
}
MODEL = {"id": "m", "object": "model", "created": 1, "owned_by": "me"}


def completion(**changes: Any) -> types.ChatCompletion:
    return types.ChatCompletion.from_dict(copy.deepcopy(COMPLETION) | changes)


def test_what_was_sent_comes_back() -> None:
    made = completion(news={"a": [1]})
    assert made.to_dict() == COMPLETION | {"news": {"a": [1]}}
    assert json.loads(made.to_json()) == made.to_dict()
    assert made.news == {"a": [1]}  # type: ignore[attr-defined]
    assert isinstance(made.choices[0].message, types.ChatCompletionMessage)


def test_what_does_not_fit_is_handed_on() -> None:
    made = completion(choices="none", usage=[1], created="yesterday", model=None)
    assert (made.choices, made.usage, made.created, made.model) == ("none", [1], "yesterday", None)


def test_what_was_not_sent_is_none_and_what_nobody_knows_is_an_error() -> None:
    made = types.ChatCompletion.from_dict({})
    assert made.choices is None
    with pytest.raises(AttributeError, match="ChatCompletion has no 'choises'"):
        made.choises  # type: ignore[attr-defined]  # noqa: B018


def test_unions_are_told_apart_by_their_tag() -> None:
    items = [
        {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "name": "f"},
        {"type": "of tomorrow", "x": 1},
        {"type": ["odd"]},
    ]
    output = types.Response.from_dict({"output": items}).output
    kinds = [type(item) for item in output]
    assert kinds == [types.ResponseOutputMessage, types.ResponseFunctionCall, Object, Object]
    assert output[2].x == 1  # type: ignore[union-attr]


def test_output_text() -> None:
    parts = [
        {"type": "output_text", "text": "a"},
        {"type": "refusal", "refusal": "no"},
        {"type": "output_text", "text": "b"},
    ]
    output = [{"type": "reasoning"}, {"type": "message", "content": parts}]
    assert types.Response.from_dict({"output": output}).output_text == "ab"
    assert types.Response.from_dict({}).output_text == ""


def test_copies_are_equal_and_apart() -> None:
    made = completion()
    for twin in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert twin == made
        twin.choices[0].message.content = "bye"
        assert made.choices[0].message.content == "hi"
    assert made != completion(id="other")
    assert "content='hi'" in repr(made)


def test_check_names_the_place() -> None:
    check(types.MessageTokens.from_dict({"input_tokens": 1}), types.MessageTokens)
    broken = types.Choice.from_dict(copy.deepcopy(COMPLETION["choices"][0]))
    check(broken, types.Choice)
    broken.message.content = 5  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"message.content is 5"):
        check(broken, types.Choice)
    with pytest.raises(ValueError, match=r"data\[1\].id is None"):
        check(types.ModelList.from_dict({"object": "list", "data": [MODEL, {**MODEL, "id": None}]}), types.ModelList)
    with pytest.raises(ValueError, match=r"created is None"):
        check(types.Model.from_dict({name: MODEL[name] for name in MODEL if name != "created"}), types.Model)
