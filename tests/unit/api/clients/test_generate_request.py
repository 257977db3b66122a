"""Every field of a chat completion is honoured, refused, or accepted in so many words; none is silently ignored."""

from __future__ import annotations

import json
import re
from typing import Any

import llguidance
import msgspec
import pytest
import yaml
from gen import inference_pb2 as pb

from api.bodies import REFUSED
from api.clients.generate_request import from_chat
from api.errors import InvalidRequestError
from api.generated import schemas as s
from api.routers.docs import SPEC
from api.rules import check_chat

BASE: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}

# What changes the request to the worker, or with `tools` given changes it.
HONOURED: dict[str, Any] = {
    "model": "other",
    "messages": [{"role": "user", "content": "bye"}],
    "max_completion_tokens": 5,
    "max_tokens": 6,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "min_p": 0.1,
    "repetition_penalty": 1.2,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logit_bias": {"5": 1},
    "seed": 0,
    "stop": ["x"],
    "stop_token_ids": [5],
    "ignore_eos": True,
    "min_tokens": 3,
    "n": 2,
    "logprobs": True,
    "top_logprobs": 2,
    "tools": TOOLS[:1],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "response_format": FORM,
    "structured_outputs": {"regex": "a"},
    "reasoning_effort": "low",
    "chat_template_kwargs": {"enable_thinking": False},
}
REQUIRED = ("model", "messages")
# What the edge itself does with the answer; tests/contract looks at it.
OF_THE_ANSWER = {"stream", "stream_options", "metadata"}
# One value is all there is to say.
FIXED = {"modalities": ["text"]}
ACCEPTED: dict[str, Any] = {
    "service_tier": "flex",
    "store": True,
    "user": "u",
    "safety_identifier": "u",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {},
    "verbosity": "low",
    "prediction": {"type": "content", "content": "x"},
}
# Of other servers, and internal: not in the contract, so the answer names them in x-novai-ignored-params.
NAMED = {"priority", "cache_salt", "include_reasoning", "thinking_token_budget"}


@pytest.fixture(scope="module")
def fields() -> dict[str, Any]:
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    properties: dict[str, Any] = spec["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    return properties


def parsed(**fields: Any) -> s.ChatCompletionRequest:
    body = msgspec.json.decode(json.dumps(BASE | fields), type=s.ChatCompletionRequest)
    check_chat(body)
    return body


def request(**fields: Any) -> pb.GenerateRequest:
    return from_chat(parsed(**fields))


def test_what_the_server_ran_comes_before_what_was_said_of_it() -> None:
    ran = {"id": "call_1", "name": "f", "arguments": "{}", "status": "completed", "output": "ok"}
    answer = {"role": "assistant", "content": "so", "novai_tool_calls": [ran, ran | {"id": "call_2", "output": "no"}]}
    later = {"role": "user", "content": "?"}
    first, one, two, said, _ = request(messages=[answer, later]).chat.messages
    assert (first.role, [call.id for call in first.tool_calls], len(first.parts)) == (
        "assistant",
        ["call_1", "call_2"],
        0,
    )
    assert [(m.role, m.tool_call_id, m.parts[0].text) for m in (one, two)] == [
        ("tool", "call_1", "ok"),
        ("tool", "call_2", "no"),
    ]
    assert (said.role, said.parts[0].text) == ("assistant", "so")
    silent = request(messages=[answer | {"content": None}, later]).chat.messages
    assert [message.role for message in silent] == ["assistant", "tool", "tool", "user"]
    call = {"id": "call_3", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    for said_otherwise in ({"refusal": "no"}, {"tool_calls": [call]}):
        spoken = request(messages=[answer | {"content": None} | said_otherwise, later]).chat.messages
        assert [message.role for message in spoken] == ["assistant", "tool", "tool", "assistant", "user"]


@pytest.mark.parametrize(("content", "continued"), [("so", True), ("", False), (None, False)])
def test_results_of_the_servers_tools_are_answered_and_words_are_continued(
    content: str | None, continued: bool
) -> None:
    """An answer that was cut right behind the results is sent back with nothing to be continued."""
    ran = {"id": "call_1", "name": "f", "arguments": "{}", "status": "completed", "output": "ok"}
    made = request(messages=[{"role": "assistant", "content": content, "novai_tool_calls": [ran]}])
    assert made.chat.continue_final_message is continued


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}])
def test_a_refusal_of_another_server_is_what_the_assistant_said(content: dict[str, Any]) -> None:
    """Conversations that began there hold it in the place of content."""
    said = {"role": "assistant", "refusal": "I cannot help with that.", **content}
    made = request(messages=[*BASE["messages"], said, *BASE["messages"]]).chat.messages
    assert ["".join(part.text for part in message.parts) for message in made] == ["hi", said["refusal"], "hi"]


def test_calls_and_their_results_are_said_again() -> None:
    """A refusal beside content is not said."""
    calls = [{"id": f"call_{n}", "type": "function", "function": {"name": n, "arguments": n * 2}} for n in "fg"]
    said = {"role": "assistant", "content": "so", "refusal": "no", "reasoning_content": "hm", "tool_calls": calls}
    result = {"role": "tool", "tool_call_id": "call_f", "content": "ok"}
    assert list(request(messages=[said, result]).chat.messages) == [
        pb.Message(
            role="assistant",
            parts=[pb.Part(text="so")],
            reasoning="hm",
            tool_calls=[pb.ToolCall(id=f"call_{n}", name=n, arguments=n * 2) for n in "fg"],
        ),
        pb.Message(role="tool", parts=[pb.Part(text="ok")], tool_call_id="call_f"),
    ]


def test_the_table_is_complete(fields: dict[str, Any]) -> None:
    assert fields.keys() == {*HONOURED, *OF_THE_ANSWER, *FIXED, *ACCEPTED}
    assert not (fields.keys() | REFUSED.keys()) & NAMED
    assert all(reason.endswith(".") for reason in REFUSED.values())


@pytest.mark.parametrize("field", HONOURED)
def test_honoured(field: str) -> None:
    context: dict[str, Any] = {"tools": TOOLS} if field in ("tool_choice", "parallel_tool_calls") else {}
    context |= {"logprobs": True} if field == "top_logprobs" else {}
    assert request(**context, **{field: HONOURED[field]}) != request(**context)
    if field not in REQUIRED:
        assert request(**context, **{field: None}) == request(**context)


@pytest.mark.parametrize("field", ACCEPTED)
def test_accepted_without_effect_and_said_so(field: str, fields: dict[str, Any]) -> None:
    assert request(**{field: ACCEPTED[field]}) == request()
    assert fields[field]["description"].startswith("Accepted")


def test_the_only_modality() -> None:
    assert request(**FIXED) == request()
    with pytest.raises(msgspec.ValidationError):
        parsed(modalities=["text", "audio"])


def test_an_empty_stop_is_none() -> None:
    assert request(stop="") == request(stop=[]) == request()


def test_max_completion_tokens_wins() -> None:
    assert request(max_tokens=6, max_completion_tokens=5).max_tokens == 5


CONSTRAINTS: list[tuple[dict[str, Any], pb.Constraint | None]] = [
    ({"response_format": {"type": "text"}}, None),
    ({"response_format": {"type": "json_object"}}, pb.Constraint(json_object=True)),
    ({"response_format": FORM}, pb.Constraint(json_schema=json.dumps(SCHEMA, separators=(",", ":")))),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": False, "schema": SCHEMA}}},
        pb.Constraint(json_schema=json.dumps(SCHEMA, separators=(",", ":"))),
    ),
    (
        {"structured_outputs": {"json": SCHEMA}},
        pb.Constraint(json_schema=json.dumps(SCHEMA, separators=(",", ":")), param="structured_outputs"),
    ),
    ({"structured_outputs": {"json": {}}}, pb.Constraint(json_schema="{}", param="structured_outputs")),
    ({"structured_outputs": {"regex": "a+"}}, pb.Constraint(regex="a+", param="structured_outputs")),
    ({"structured_outputs": {"grammar": "start: A"}}, pb.Constraint(lark="start: A", param="structured_outputs")),
    ({"structured_outputs": {"choice": ["a", "b"]}}, pb.Constraint(regex="a|b", param="structured_outputs")),
    (
        {"structured_outputs": {"regex": "a"}, "response_format": {"type": "text"}},
        pb.Constraint(regex="a", param="structured_outputs"),
    ),
]


@pytest.mark.parametrize(("body", "constraint"), CONSTRAINTS, ids=lambda value: str(value)[:60])
def test_forms(body: dict[str, Any], constraint: pb.Constraint | None) -> None:
    made = request(**body)
    assert made.HasField("constraint") == (constraint is not None)
    if constraint is not None:
        assert made.constraint == constraint


NASTY = ["a.b*c", "(x|y)", "[1]{2}^$", "\\d\\", "a b\n\t", "#&~-/", 'é"🙂"', "%", "<>=!:,;@'`_"]


def test_choices_match_themselves_only() -> None:
    """In the dialect of the grammars as in Python's."""
    regex = request(structured_outputs={"choice": NASTY}).constraint.regex
    for text in NASTY:
        assert re.fullmatch(regex, text)
    assert not re.fullmatch(regex, "axbc")
    assert llguidance.LLMatcher.validate_grammar(llguidance.LLMatcher.grammar_from_regex(regex)) == ""


MODES = pb.ToolChoice
CHOICES: list[tuple[Any, pb.ToolChoice]] = [
    (None, pb.ToolChoice(mode=MODES.AUTO)),
    ("none", pb.ToolChoice(mode=MODES.NONE)),
    ("auto", pb.ToolChoice(mode=MODES.AUTO)),
    ("required", pb.ToolChoice(mode=MODES.REQUIRED)),
    ({"type": "function", "function": {"name": "f"}}, pb.ToolChoice(mode=MODES.REQUIRED, allowed=["f"], forced=True)),
    (
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS}},
        pb.ToolChoice(mode=MODES.AUTO, allowed=["f", "g"]),
    ),
    (
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": TOOLS[1:]}},
        pb.ToolChoice(mode=MODES.REQUIRED, allowed=["g"]),
    ),
]


@pytest.mark.parametrize(("choice", "expected"), CHOICES, ids=lambda value: str(value)[:60])
def test_tool_choices(choice: Any, expected: pb.ToolChoice) -> None:
    assert request(tools=TOOLS, tool_choice=choice).chat.tool_choice == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"structured_outputs": {}}, "structured_outputs"),
    ({"structured_outputs": {"json_object": True}}, "structured_outputs"),
    ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs"),
    ({"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}}, "structured_outputs"),
    ({"structured_outputs": {"regex": "a"}, "ignore_eos": True}, "ignore_eos"),
    ({"response_format": FORM, "ignore_eos": True}, "ignore_eos"),
    (
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "h"}}},
        "tool_choice.function.name",
    ),
    (
        {
            "tools": TOOLS[:1],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS}},
        },
        "tool_choice.allowed_tools.tools[1].function.name",
    ),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
]


@pytest.mark.parametrize(("body", "param"), WRONG, ids=lambda value: str(value)[:60])
def test_combinations_that_make_no_sense(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parsed(**body)
    assert caught.value.param == param
