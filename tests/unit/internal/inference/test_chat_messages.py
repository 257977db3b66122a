"""The same conversation, to templates that lack one thing or another: to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from internal.inference.chat_messages import Capabilities, Conversation, Message, adapted
from internal.inference.tool_families import FAMILIES, HERMES, Family


def said(role: str, content: str = "", **more: Any) -> Message:
    return {"role": role, "content": content, **more}


def call(call_id: str, arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def told(
    messages: list[Message], lacks: str, tools: list[dict[str, Any]] | None = None, family: Family = HERMES
) -> Any:
    given = [{**message} for message in messages]
    can = Capabilities(**dict.fromkeys(lacks.split(), False))
    conversation = adapted(Conversation(messages, tools or []), can, family)
    assert messages == given, "the conversation of the caller was changed"
    assert conversation.tools == ([] if "tools" in lacks.split() else tools or [])
    return conversation.messages


SYSTEM, USER, ASSISTANT = said("system", "s"), said("user", "u", name="n"), said("assistant", "a")
A, B = call("a", {"k": "ü"}), call("b", {})
RESULT_A, RESULT_B = said("tool", "ra", tool_call_id="a"), said("tool", "rb", tool_call_id="b")


@pytest.mark.parametrize(
    ("lacks", "before", "after"),
    [
        ("", [SYSTEM, SYSTEM, USER, USER], [said("system", "s\n\ns"), USER, USER]),
        ("", [SYSTEM, said("system"), USER], [SYSTEM, USER]),
        ("late_system", [SYSTEM, SYSTEM, USER, SYSTEM], [said("system", "s\n\ns"), USER, said("user", "s")]),
        ("late_system", [SYSTEM], [SYSTEM]),
        ("system_alone", [SYSTEM], [said("user", "s")]),
        ("system_alone", [SYSTEM, USER], [SYSTEM, USER]),
        ("system", [SYSTEM, USER, ASSISTANT], [said("user", "s\n\nu", name="n"), ASSISTANT]),
        ("system", [SYSTEM, ASSISTANT, SYSTEM], [said("user", "s"), ASSISTANT, said("user", "s")]),
        ("same_role", [USER, USER, ASSISTANT], [said("user", "u\n\nu", name="n"), ASSISTANT]),
        (
            "same_role",
            [said("assistant", "a", tool_calls=[A]), said("assistant", "b", tool_calls=[B]), RESULT_A, RESULT_B],
            [said("assistant", "a\n\nb", tool_calls=[A, B]), RESULT_A, RESULT_B],
        ),
        ("assistant_first", [ASSISTANT, USER], [said("user"), ASSISTANT, USER]),
        ("assistant_first", [SYSTEM, ASSISTANT], [SYSTEM, said("user"), ASSISTANT]),
        ("assistant_first", [SYSTEM], [SYSTEM, said("user")]),
        ("assistant_first", [], [said("user")]),
        ("assistant_first", [SYSTEM, USER], [SYSTEM, USER]),
        (
            "parallel_calls",
            [said("assistant", "x", tool_calls=[A, B]), RESULT_B, said("tool", "r"), RESULT_A, USER],
            [
                said("assistant", "x", tool_calls=[A]), RESULT_A, said("assistant", "", tool_calls=[B]), RESULT_B,
                said("tool", "r"), USER,
            ],
        ),
        (
            "parallel_calls",
            [said("assistant", tool_calls=[A]), USER, RESULT_A, said("assistant", tool_calls=[B, B])],
            [
                said("assistant", tool_calls=[A]), USER, RESULT_A, said("assistant", tool_calls=[B]),
                said("assistant", tool_calls=[B]),
            ],
        ),
        (
            "object_arguments",
            [said("assistant", tool_calls=[A, call("c", "no JSON")]), USER],
            [said("assistant", tool_calls=[call("a", '{"k": "ü"}'), call("c", "no JSON")]), USER],
        ),
        ("string_content", [SYSTEM], [{"role": "system", "content": [{"type": "text", "text": "s"}]}]),
        (
            "tool_history",
            [USER, said("assistant", "x", tool_calls=[A, B], name="n"), RESULT_A],
            [
                USER,
                said(
                    "assistant",
                    'x\n<tool_call>\n{"name": "f", "arguments": {"k": "ü"}}\n</tool_call>'
                    '\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
                    name="n",
                ),
                said("user", "<tool_response>\nra\n</tool_response>"),
            ],
        ),
    ],
)  # fmt: skip
def test_what_a_template_lacks_is_said_otherwise(lacks: str, before: list[Message], after: list[Message]) -> None:
    assert told(before, lacks) == after


@pytest.mark.parametrize("call_id", ["abcdefghi", "abcdefgh", "abcdefgh-", "abcdefghü", "call_1"])
def test_ids_are_nine_letters_and_digits(call_id: str) -> None:
    """Those that are so already stay as they are."""
    messages = [said("assistant", tool_calls=[call(call_id, {})]), said("tool", "r", tool_call_id=call_id)]
    of_call, of_result = told(messages, "long_ids")
    short = of_call["tool_calls"][0]["id"]
    assert len(short) == 9 and short.isalnum() and short.isascii()
    assert of_result["tool_call_id"] == short
    assert (short == call_id) == (call_id == "abcdefghi")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_calls_are_told_in_the_words_of_the_family(family: Family) -> None:
    (message,) = told([said("assistant", tool_calls=[A])], "tool_history", family=family)
    written = 'f[ARGS]{"k": "ü"}' if family.named else f'{{"name": "f", "{family.arguments_key}": {{"k": "ü"}}}}'
    assert written in message["content"]


TOOLS = [{"type": "function", "function": {"name": name, "description": "ü"}} for name in "fg"]
TOLD_CALLS = {
    "hermes": '<tool_call>\n{"name": "<function-name>", "arguments": <args-json-object>}\n</tool_call>',
    "llama3": '{"name": "<function-name>", "parameters": <args-json-object>}',
    "mistral": '[TOOL_CALLS] [{"name": "<function-name>", "arguments": <args-json-object>}]',
    "mistral-named": "[TOOL_CALLS]<function-name>[ARGS]<args-json-object>",
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_tools_are_told_in_the_words_of_the_family(family: Family) -> None:
    """At the end of the first system message, or in one of their own."""
    (own, user), (first, _) = (told(messages, "tools", TOOLS, family) for messages in ([USER], [SYSTEM, USER]))
    lines = '{"type": "function", "function": {"name": "%s", "description": "ü"}}'
    assert f"<tools>\n{lines % 'f'}\n{lines % 'g'}\n</tools>\n" in own["content"]
    assert own["content"].endswith(f"\n{TOLD_CALLS[family.name]}")
    assert (own["role"], user) == ("system", USER)
    assert first == said("system", f"s\n\n{own['content']}")


def test_tools_are_not_told_to_who_knows_them() -> None:
    assert told([SYSTEM, USER], "system_alone", TOOLS) == [SYSTEM, USER]
    assert told([SYSTEM, USER], "tools") == [SYSTEM, USER]
