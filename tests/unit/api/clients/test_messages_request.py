"""From Anthropic's form to the inner one: order, text, and what becomes of every field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from gen import inference_pb2 as pb

from api.clients.messages_request import from_count, from_message
from api.generated import schemas as s
from api.rules import check_message_request

HI = {"role": "user", "content": "hi"}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


def translated(**fields: Any) -> pb.GenerateRequest:
    body = {"model": "m", "max_tokens": 9, "messages": [HI]} | fields
    return from_message(msgspec.convert(body, s.MessageRequest))


def text(message: pb.Message) -> str:
    return "".join(part.text for part in message.parts)


def conversation(*messages: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """Role and text of every inner message."""
    return [(m.role, text(m)) for m in translated(messages=messages, **fields).chat.messages]


def block(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def said(*texts: str) -> list[dict[str, Any]]:
    return [block("text", text=text, cache_control={"type": "ephemeral"}) for text in texts]


@pytest.mark.parametrize(
    ("system", "told"),
    [
        (None, None),
        ("", None),
        ([], None),
        ("be brief", "be brief"),
        (said("one", "two"), "one\n\ntwo"),
        (said("x-anthropic-billing-header: cc_version=2.1; cch=ab12;", "You are"), "You are"),
        ("x-anthropic-billing-header: cc_version=2.1; cch=ab12;\nYou are", "You are"),
        ("not x-anthropic-billing-header: at the start", "not x-anthropic-billing-header: at the start"),
    ],
)
def test_the_system_prompt(system: Any, told: str | None) -> None:
    expected = [("user", "hi")] if told is None else [("system", told), ("user", "hi")]
    assert conversation(HI, system=system) == expected


def test_results_of_tools_come_right_behind_the_calls_whatever_stands_beside_them() -> None:
    calls = [block("tool_use", id=f"t{n}", name="f", input={"n": n}) for n in (1, 2)]
    results = {
        "role": "user",
        "content": [
            *said("first"),
            block("tool_result", tool_use_id="t1", content="one"),
            *said("between"),
            block("tool_result", tool_use_id="t2", content=said("two", "lines"), is_error=True),
            *said("last"),
        ],
    }
    messages = translated(messages=[HI, {"role": "assistant", "content": [*said("ok"), *calls]}, results]).chat.messages
    assert [(m.role, text(m), m.tool_call_id) for m in messages] == [
        ("user", "hi", ""),
        ("assistant", "ok", ""),
        ("tool", "one", "t1"),
        ("tool", "Error: two\n\nlines", "t2"),
        ("user", "first\n\nbetween\n\nlast", ""),
    ]
    assert [(c.id, c.name, json.loads(c.arguments)) for c in messages[1].tool_calls] == [
        ("t1", "f", {"n": 1}),
        ("t2", "f", {"n": 2}),
    ]


def test_a_message_of_results_alone_and_empty_ones() -> None:
    only = {"role": "user", "content": [block("tool_result", tool_use_id="t")]}
    assert conversation(HI, only) == [("user", "hi"), ("tool", "")]
    assert conversation({"role": "user", "content": []}) == [("user", "")]
    assert conversation(HI, {"role": "system", "content": said("a", "b")}) == [("user", "hi"), ("system", "a\n\nb")]


def test_thinking_goes_back_as_reasoning_and_redacted_thinking_is_left_out() -> None:
    blocks = [
        block("redacted_thinking", data="secret"),
        block("thinking", thinking="hm", signature="s"),
        *said("so"),
    ]
    message = translated(messages=[HI, {"role": "assistant", "content": blocks}, HI]).chat.messages[1]
    assert (message.reasoning, text(message)) == ("hm", "so")
    assert b"secret" not in message.SerializeToString()


def test_a_last_message_of_the_assistant_is_continued() -> None:
    assert translated(messages=[HI, {"role": "assistant", "content": "The answer is ("}]).chat.continue_final_message
    assert not translated().chat.continue_final_message


@pytest.mark.parametrize(
    ("choice", "mode", "allowed", "parallel"),
    [
        (None, pb.ToolChoice.AUTO, [], True),
        ({"type": "auto"}, pb.ToolChoice.AUTO, [], True),
        ({"type": "any", "disable_parallel_tool_use": True}, pb.ToolChoice.REQUIRED, [], False),
        ({"type": "tool", "name": "f"}, pb.ToolChoice.REQUIRED, ["f"], True),
        ({"type": "none"}, pb.ToolChoice.NONE, [], True),
    ],
)
def test_tools_and_their_choice(choice: Any, mode: int, allowed: list[str], parallel: bool) -> None:
    chat = translated(tools=[TOOL | {"strict": True}], tool_choice=choice).chat
    assert (chat.tool_choice.mode, list(chat.tool_choice.allowed)) == (mode, allowed)
    assert chat.tool_choice.forced is bool(allowed)
    assert chat.parallel_tool_calls is parallel
    [tool] = chat.tools
    assert (tool.name, tool.description, tool.strict) == ("f", "d", True)
    assert json.loads(tool.parameters_json) == TOOL["input_schema"]


@pytest.mark.parametrize(
    ("thinking", "wanted", "effort"),
    [
        (None, None, "none"),
        ({"type": "disabled"}, "max", "none"),
        ({"type": "enabled", "budget_tokens": 2048}, None, "high"),
        ({"type": "adaptive"}, "low", "low"),
        ({"type": "between_tools"}, "heroic", "high"),
    ],
)
def test_thinking_is_wished_for(thinking: Any, wanted: str | None, effort: str) -> None:
    chat = translated(thinking=thinking, output_config={"effort": wanted}).chat
    assert (chat.reasoning_effort, chat.effort_is_wish) == (effort, True)


def test_sampling_and_limits() -> None:
    request = translated(temperature=0.5, top_p=0.25, top_k=7, stop_sequences=["END", "STOP"], max_tokens=77)
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.top_k) == (0.5, 0.25, 7)
    assert (list(request.stop), request.max_tokens) == (["END", "STOP"], 77)
    unset = translated().sampling
    assert (unset.temperature, unset.top_p, unset.top_k) == (1, 1, 0)
    greedy = translated(top_p=0).sampling
    assert (greedy.temperature, greedy.top_p) == (0, 1)


def test_a_schema_for_the_answer_is_a_constraint() -> None:
    schema = {"type": "object", "properties": {"ä": {"type": "integer"}}}
    request = translated(output_config={"effort": "high", "format": {"type": "json_schema", "schema": schema}})
    assert json.loads(request.constraint.json_schema) == schema
    assert not translated(output_config={"effort": "high"}).HasField("constraint")


def test_counting_sees_the_same_prompt() -> None:
    fields = {"model": "m", "messages": [HI], "system": "s", "tools": [TOOL], "thinking": {"type": "adaptive"}}
    counted = from_count(msgspec.convert(fields, s.MessageCountRequest))
    assert counted.chat == from_message(msgspec.convert(fields | {"max_tokens": 1}, s.MessageRequest)).chat


def test_images_stay_between_the_texts_and_say_where_they_are() -> None:
    one = block("image", source={"type": "base64", "media_type": "image/png", "data": "aGk="})
    two = block("image", source={"type": "url", "url": "https://x/y"})
    result = block("tool_result", tool_use_id="t", content=[*said("r"), two], is_error=True)
    tool, user = translated(
        messages=[{"role": "user", "content": [*said("a", "b"), one, *said("c"), result, two]}]
    ).chat.messages
    assert [part.text for part in user.parts] == ["a", "\n\nb", "", "c", ""]
    assert [(part.image.url, part.image.param) for part in user.parts if part.HasField("image")] == [
        ("data:image/png;base64,aGk=", "messages[0].content[2]"),
        ("https://x/y", "messages[0].content[5]"),
    ]
    assert [part.text or part.image.param for part in tool.parts] == [
        "Error: ",
        "r",
        "messages[0].content[4].content[1]",
    ]


def test_what_a_message_leaves_out() -> None:
    for nothing in ({}, {"temperature": None, "top_p": None, "top_k": None}):
        assert translated(**nothing).sampling == pb.Sampling(temperature=1, top_p=1)
    assert translated(temperature=0.5, top_p=0.25, top_k=3).sampling == pb.Sampling(
        temperature=0.5, top_p=0.25, top_k=3
    )
    result = {"role": "user", "content": [block("tool_result", tool_use_id="t")]}
    check_message_request(msgspec.convert({"model": "m", "max_tokens": 9, "messages": [result]}, s.MessageRequest))
    assert conversation(result) == [("tool", "")]
