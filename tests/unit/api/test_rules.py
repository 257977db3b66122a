"""Rules that bodies of any size pass in time, and what they make of a body."""

from __future__ import annotations

import contextlib

import pytest

from api.errors import InvalidRequestError
from api.generated import schemas as s
from api.rules import check_batch, check_response, check_tokenize


class Name(str):
    """Counts how often it is compared with another one."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_many_tools_are_not_compared_with_each_other() -> None:
    tools = [
        s.ResponseServerTools(server_label="novai", allowed_tools=[Name(f"{server} {tool}") for tool in range(128)])
        for server in range(128)
    ]
    check_response(s.ResponseRequest(model="novai-tiny", input="hello", tools=[*tools]))
    assert Name.compared < 128 * 128


@pytest.mark.parametrize("endpoint", [None, "/v1/chat/completions", "/v1/embeddings"])
def test_inputs_are_of_the_endpoint_they_name_or_of_chats(endpoint: s.BatchEndpoint | None) -> None:
    inputs = [{"model": "m", "input": "hi"}]
    body = s.BatchRequest(inputs=inputs, endpoint=endpoint)
    assert check_batch(body) == (endpoint or "/v1/chat/completions", inputs)


@pytest.mark.parametrize(
    ("prompt", "messages", "param"),
    [
        (None, None, "prompt"),
        ("hi", [s.UserMessage(content="hi")], "prompt"),
        (None, [s.UserMessage(content="hi"), s.AssistantMessage()], "messages[1].content"),
        (
            None,
            [s.UserMessage(content=[s.TextPart(text="hi"), s.ImagePart(image_url=s.ImageUrl(url="x"))])],
            "messages[0].content[1].type",
        ),
    ],
)
def test_what_has_no_tokens_to_tell(prompt: str | None, messages: list[s.ChatMessage] | None, param: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        check_tokenize(s.TokenizeRequest(model="m", prompt=prompt, messages=messages))
    assert refusal.value.param == param


def test_calls_without_words_have_tokens() -> None:
    call = s.ToolCall(id="c", type="function", function=s.FunctionCall(name="f", arguments="{}"))
    check_tokenize(s.TokenizeRequest(model="m", messages=[s.AssistantMessage(tool_calls=[call])]))


def test_the_bounds_of_names() -> None:
    """The longest that fit, and the shortest and the longest that do not."""
    for custom_id, fits in (("", False), ("x", True), ("x" * 512, True), ("x" * 513, False), (5, False)):
        with contextlib.nullcontext() if fits else pytest.raises(InvalidRequestError, match="custom_id"):
            check_batch(s.BatchRequest(inputs=[{"custom_id": custom_id, "body": {}}]))
    check_batch(s.BatchRequest(inputs=[{}], metadata={"k" * 64: "v"}))
    with pytest.raises(InvalidRequestError, match="metadata"):
        check_batch(s.BatchRequest(inputs=[{}], metadata={"k" * 65: "v"}))
