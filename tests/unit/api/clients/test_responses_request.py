"""A response's request → the worker's: what was said in items, as the turns that a template knows."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from gen import inference_pb2 as pb

from api.clients.responses_request import from_prompt, from_response
from api.generated import schemas as s

FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}


def request(*items: dict[str, Any], **fields: Any) -> pb.GenerateRequest:
    body = msgspec.convert({"model": "m", "input": "x"} | fields, s.ResponseRequest)
    return from_response(body, msgspec.convert(items or [said("user", "x")], list[s.ResponseInputItem]))


def said(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def called(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}


def returned(call_id: str, output: Any = "ok") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def ran(call_id: str, output: str | None = None, error: Any = None) -> dict[str, Any]:
    """By a server."""
    fields = {"server_label": "novai", "name": "f", "arguments": "{}", "output": output, "error": error}
    return {"type": "mcp_call", "id": call_id, **fields}


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def told(message: pb.Message) -> str:
    """A message in a line: role, reasoning, text, calls, and what it answers."""
    text = "".join(part.text for part in message.parts)
    calls = "".join(f"+{call.id}" for call in message.tool_calls)
    return message.role + f"({message.reasoning})" * bool(message.reasoning) + f":{text}{calls}{message.tool_call_id}"


@pytest.mark.parametrize(
    ("items", "turns"),
    [
        ([said("user", "a"), said("assistant", "b"), said("user", "c")], ["user:a", "assistant:b", "user:c"]),
        ([said("developer", "a"), said("system", "b")], ["system:a", "system:b"]),
        # One turn of an assistant is one message.
        ([thought("t"), said("assistant", "b"), called("1"), called("2"), returned("1"), returned("2", "no")],
         ["assistant(t):b+1+2", "tool:ok1", "tool:no2"]),
        ([called("1"), returned("1"), called("2"), returned("2")],
         ["assistant:+1", "tool:ok1", "assistant:+2", "tool:ok2"]),
        ([thought("t"), called("1")], ["assistant(t):+1"]),
        # Two turns are two.
        ([said("assistant", "a"), said("assistant", "b")], ["assistant:a", "assistant:b"]),
        ([called("1"), said("assistant", "b")], ["assistant:+1", "assistant:b"]),
        ([said("assistant", "a"), thought("t"), said("assistant", "b")], ["assistant:a", "assistant(t):b"]),
        ([returned("1", [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])], ["tool:ab1"]),
        ([{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
         ["assistant:no"]),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "x"}],
         ["assistant(s):"]),
        ([{"type": "custom_tool_call_output", "call_id": "1", "output": "ok"}], ["tool:ok1"]),
        # What a server ran is a call and its result; why it failed is told in many forms.
        ([said("assistant", "a"), ran("1", "ok"), said("assistant", "b")],
         ["assistant:a+1", "tool:ok1", "assistant:b"]),
        ([ran("1", error={"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "no"}]}),
          ran("2", error="never"), ran("3", error={"type": "http_error", "code": 500, "message": "broke"}),
          ran("4", error={"content": ["?", {"text": 7}]}), ran("5", error={})],
         ["assistant:+1", "tool:no1", "assistant:+2", "tool:never2", "assistant:+3", "tool:broke3",
          "assistant:+4", "tool:74", "assistant:+5", "tool:5"]),
    ],
)  # fmt: skip
def test_items_are_turns(items: list[dict[str, Any]], turns: list[str]) -> None:
    messages = request(*items).chat.messages
    assert [told(message) for message in messages] == turns
    assert {(call.name, call.arguments) for message in messages for call in message.tool_calls} <= {("f", "{}")}


def test_instructions_come_first() -> None:
    messages = request(said("system", "b"), instructions="a").chat.messages
    assert [told(message) for message in messages] == ["system:a", "system:b"]


def test_a_custom_tool_is_a_function_of_its_input() -> None:
    item = {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": 'a "quoted" text'}
    [call] = request(item).chat.messages[0].tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("1", "patch", {"input": 'a "quoted" text'})


@pytest.mark.parametrize(("last", "continued"), [("assistant", True), ("user", False)])
def test_a_last_word_of_the_assistant_is_continued(last: str, continued: bool) -> None:
    assert request(said("user", "a"), said(last, "b")).chat.continue_final_message is continued


def test_sampling_and_limits() -> None:
    made = request(temperature=0.5, top_p=0.25, presence_penalty=1, frequency_penalty=-1, max_output_tokens=7)
    sampling = made.sampling
    assert (sampling.temperature, sampling.top_p) == (0.5, 0.25)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1, -1)
    assert (made.max_tokens, made.n, made.logprobs) == (7, 1, False)
    defaults = request().sampling
    assert (defaults.temperature, defaults.top_p) == (1, 1)
    assert request(top_p=0).sampling.temperature == 0


@pytest.mark.parametrize(
    ("fields", "logprobs", "top"),
    [
        ({"include": ["message.output_text.logprobs"]}, True, 0),
        ({"top_logprobs": 3}, True, 3),
        ({"top_logprobs": 0, "include": ["reasoning.encrypted_content"]}, False, 0),
    ],
)
def test_logprobs_are_asked_for_in_two_ways(fields: dict[str, Any], logprobs: bool, top: int) -> None:
    made = request(**fields)
    assert (made.logprobs, made.top_logprobs) == (logprobs, top)


def test_tools() -> None:
    [tool] = request(tools=[FUNCTION]).chat.tools
    assert (tool.name, tool.description, tool.parameters_json, tool.strict) == ("f", "d", '{"type":"object"}', True)
    assert request(parallel_tool_calls=False).chat.parallel_tool_calls is False


AUTO, NONE, REQUIRED = pb.ToolChoice.AUTO, pb.ToolChoice.NONE, pb.ToolChoice.REQUIRED
ALLOWED = {"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("choice", "mode", "allowed", "forced"),
    [
        (None, AUTO, [], False),
        ("auto", AUTO, [], False),
        ("none", NONE, [], False),
        ("required", REQUIRED, [], False),
        ({"type": "function", "name": "f"}, REQUIRED, ["f"], True),
        (ALLOWED | {"mode": "auto"}, AUTO, ["f"], False),
        (ALLOWED | {"mode": "required"}, REQUIRED, ["f"], False),
    ],
)
def test_tool_choice(choice: Any, mode: int, allowed: list[str], forced: bool) -> None:
    made = request(tools=[FUNCTION], tool_choice=choice).chat.tool_choice
    assert (made.mode, list(made.allowed), made.forced) == (mode, allowed, forced)


@pytest.mark.parametrize(
    ("form", "kind", "value"),
    [
        ({"type": "json_object"}, "json_object", True),
        ({"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "json_schema", '{"type":"object"}'),
    ],
)
def test_formats_are_constraints(form: dict[str, Any], kind: str, value: object) -> None:
    made = request(text={"format": form}).constraint
    assert made.WhichOneof("kind") == kind
    assert getattr(made, kind) == value


@pytest.mark.parametrize("text", [None, {}, {"format": None}, {"format": {"type": "text"}, "verbosity": "low"}])
def test_text_is_not_constrained(text: Any) -> None:
    assert not request(text=text).HasField("constraint")


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (None, ""),
        ({"summary": "auto"}, ""),
        ({"effort": None}, ""),
        ({"effort": "minimal"}, "minimal"),
        ({"effort": "high"}, "high"),
    ],
)
def test_an_effort_is_wished_for(reasoning: Any, effort: str) -> None:
    chat = request(reasoning=reasoning).chat
    assert (chat.reasoning_effort, chat.effort_is_wish) == (effort, True)


def test_a_prompt_alone_says_nothing_about_the_answer() -> None:
    body = msgspec.convert({"model": "m", "input": "x", "instructions": "i"}, s.ResponsePrompt)
    made = from_prompt(body, [s.ResponseInputMessage(role="user", content="x")])
    assert [told(message) for message in made.chat.messages] == ["system:i", "user:x"]
    assert not made.HasField("sampling")


def test_images_stay_where_they_are_and_say_where_that_is() -> None:
    seen = {"type": "input_image", "image_url": "data:x"}
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, seen, seen]}
    items = msgspec.convert([item, called("c"), returned("c", [seen])], list[s.ResponseInputItem])
    body = s.ResponsePrompt(model="m", input="")
    user, _, result = from_prompt(body, items).chat.messages
    assert [part.text or part.image.param for part in (*user.parts, *result.parts)] == [
        "a", "input[0].content[1]", "input[0].content[2]", "input[2].output[0]",
    ]  # fmt: skip
    assert {part.image.url for part in user.parts[1:]} == {"data:x"}
    continued = from_prompt(body, items[1:], items[:1]).chat
    places = [part.image.param for message in continued.messages for part in message.parts if part.HasField("image")]
    assert places == ["previous_response_id.content[1]", "previous_response_id.content[2]", "input[1].output[0]"]
