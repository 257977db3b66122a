"""/v1/responses: the official SDK, the exact sequence of its events, and whose a response is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import FunctionToolParam, ResponseFunctionToolCall, ResponseInputItemParam
from pydantic import BaseModel

from api.generated.schemas import ResponsePrompt
from api.services.responses import HISTORY_BYTES
from tests.contract.response_events import ResponseReader
from tests.contract.tenants import Tenant, ok, refused, stranger, tenant
from tests.edge import Edge
from tests.workers import MODEL

PATH = "/v1/responses"
GOLDEN = Path(__file__).parent / "golden"
HELLO = 'script:[{"say": "Hello, wörld 👋"}]'
CALL = 'script:[{"say": "Let me see. "}, {"call": {"name": "weather", "arguments": {"city": "Zürich"}}}]'
THINK = 'script:[{"think": "So then. "}, {"say": "Hi"}]'
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


# ---------------------------------------------------------------- the SDK


def test_a_response(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL, input=HELLO, instructions="Greet.", metadata={"a": "b"}, temperature=0, user="u"
    )
    assert response.output_text == "Hello, wörld 👋"
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert (response.instructions, response.metadata, response.temperature) == ("Greet.", {"a": "b"}, 0)
    assert response.user == "u"
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert client.responses.retrieve(response.id) == response


async def test_a_response_async(aclient: AsyncOpenAI) -> None:
    response = await aclient.responses.create(model=MODEL, input=HELLO)
    assert response.output_text == "Hello, wörld 👋"
    assert await aclient.responses.retrieve(response.id) == response


@pytest.mark.parametrize("said", [HELLO, CALL, THINK])
def test_the_stream_helper_builds_what_is_stored(client: OpenAI, said: str) -> None:
    with client.responses.stream(model=MODEL, input=said, tools=[WEATHER]) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text
    assert final.status == "completed"
    assert client.responses.retrieve(final.id).output_text == final.output_text


async def test_the_stream_helper_async(aclient: AsyncOpenAI) -> None:
    async with aclient.responses.stream(model=MODEL, input=HELLO) as stream:
        final = await stream.get_final_response()
    assert final.output_text == "Hello, wörld 👋"


def test_a_form_that_the_model_cannot_be_held_to_is_refused(client: OpenAI) -> None:
    """tests/e2e parses what a model that can is held to."""

    class City(BaseModel):
        name: str

    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.parse(model=MODEL, input="x", text_format=City)
    assert (caught.value.param, caught.value.code) == ("text.format", "unsupported_value")


def test_a_conversation_by_previous_response_id(client: OpenAI) -> None:
    """Words are tokens here: what the model saw can be counted."""
    first = client.responses.create(model=MODEL, input=HELLO, instructions="one two three")
    second = client.responses.create(model=MODEL, input="four five", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    third = client.responses.create(model=MODEL, input="six", previous_response_id=second.id, max_output_tokens=2)
    assert first.usage is not None
    assert second.usage is not None
    assert third.usage is not None
    asked, answered = len(HELLO.split()), len(["Hello,", "wörld", "👋"])
    assert first.usage.input_tokens == 3 + asked
    assert second.usage.input_tokens == asked + answered + 2, "instructions are not carried over"
    assert third.usage.input_tokens == second.usage.input_tokens + 64 + 1
    assert (third.status, third.incomplete_details.reason if third.incomplete_details else "") == (
        "incomplete",
        "max_output_tokens",
    )


def test_items_by_reference_as_the_ai_sdk_names_them(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=CALL, tools=[WEATHER])
    message, call = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert message.id is not None
    assert call.id is not None
    items: list[ResponseInputItemParam] = [
        {"role": "user", "content": "How is the weather?"},
        {"type": "item_reference", "id": message.id},
        {"id": call.id},  # the type may be left out
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
        {"role": "user", "content": HELLO},
    ]
    second = client.responses.create(model=MODEL, input=items, tools=[WEATHER])
    assert second.output_text == "Hello, wörld 👋"
    listed = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.type for item in listed] == [
        "message", "message", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    assert (listed[1].id, listed[2].id) == (message.id, call.id)


def test_functions_there_and_back(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=CALL, tools=[WEATHER], tool_choice="auto")
    [call] = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Zürich"})
    # Users append the output as it came: every key we sent must be accepted back.
    history: Any = [user(CALL), *(item.model_dump() for item in first.output)]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    assert client.responses.create(model=MODEL, input=[*history, user(HELLO)]).output_text == "Hello, wörld 👋"
    output: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": [{"type": "input_text", "text": "sunny"}]}
    ]
    second = client.responses.create(model=MODEL, input=output, previous_response_id=first.id, tools=[WEATHER])
    assert second.status == "completed"


def test_input_items_by_pages(client: OpenAI) -> None:
    items: Any = [user(f"message {number}") for number in range(5)]
    response = client.responses.create(model=MODEL, input=items)
    page = client.responses.input_items.list(response.id, limit=2)
    assert (page.has_more, len(page.data)) == (True, 2)
    newest_first = [item.content[0].text for item in page]  # type: ignore[union-attr]
    assert newest_first == [f"message {number}" for number in (4, 3, 2, 1, 0)]
    oldest_first = list(client.responses.input_items.list(response.id, limit=3, order="asc"))
    assert [item.id for item in oldest_first] == [item.id for item in reversed(list(page))]
    with pytest.raises(openai.BadRequestError) as unknown:
        client.responses.input_items.list(response.id, after="msg_unknown")
    assert (unknown.value.param, unknown.value.code) == ("after", "invalid_value")


def test_texts_are_listed_as_parts_of_whoever_said_them(client: OpenAI) -> None:
    items: Any = [{"role": role, "content": role} for role in ("developer", "assistant", "user")]
    listed = client.responses.input_items.list(client.responses.create(model=MODEL, input=items).id, order="asc").data
    told = [(item.role, item.status, item.content[0].type) for item in listed]  # type: ignore[union-attr]
    assert told == [
        ("developer", "completed", "input_text"),
        ("assistant", "completed", "output_text"),
        ("user", "completed", "input_text"),
    ]


def test_no_more_is_brought_back_than_a_request_has_room_for(edge: Edge, client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=HELLO)
    large = b" " * (HISTORY_BYTES + 1)
    edge.sql("UPDATE responses SET item_bytes = $2 WHERE id = $1", first.id, len(large))
    edge.sql("UPDATE response_items SET item = $2 WHERE item_id = $1", first.output[0].id, large)
    reference: Any = [{"type": "item_reference", "id": first.output[0].id}]
    for fields, param in (
        ({"previous_response_id": first.id}, "previous_response_id"),
        ({"input": reference}, "input"),
    ):
        with pytest.raises(openai.BadRequestError) as refusal:
            client.responses.create(**{"model": MODEL, "input": HELLO} | fields)
        assert (refusal.value.code, refusal.value.param) == ("context_length_exceeded", param)


def test_counting_costs_nothing_and_is_exact(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="one two", max_output_tokens=1)
    counted = client.responses.input_tokens.count(
        model=MODEL, input="three four", instructions="five", previous_response_id=first.id
    )
    assert counted.input_tokens == 2 + 1 + 2 + 1
    with pytest.raises(openai.NotFoundError):
        client.responses.input_tokens.count(model="nope", input="x")


def test_what_is_deleted_or_was_not_stored_is_not_there(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=HELLO)
    second = client.responses.create(model=MODEL, input=HELLO, previous_response_id=first.id)
    client.responses.delete(first.id)
    unstored = client.responses.create(model=MODEL, input=HELLO, store=False)
    assert unstored.store is False  # type: ignore[attr-defined]
    for response_id in (first.id, unstored.id, "resp_unknown"):
        for action in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError):
                action(response_id)
        with pytest.raises(openai.NotFoundError):
            client.responses.input_items.list(response_id)
    for response_id in (unstored.id, second.id):
        with pytest.raises(openai.BadRequestError) as broken:
            client.responses.create(model=MODEL, input=HELLO, previous_response_id=response_id)
        assert (broken.value.code, broken.value.param) == ("previous_response_not_found", "previous_response_id")
    gone: Any = [{"type": "item_reference", "id": first.output[0].id}]
    with pytest.raises(openai.NotFoundError) as missing:
        client.responses.create(model=MODEL, input=gone)
    assert missing.value.param == "input[0].id"


def test_only_what_runs_in_the_background_can_be_cancelled(client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=HELLO)
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(response.id)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        (openai.BadRequestError, "context_length_exceeded", "word " * 140_000),
        (openai.InternalServerError, "upstream_error", 'script:[{"fail": "broken"}]'),
    ],
)
def test_errors_before_the_first_token_have_a_status(
    client: OpenAI, kind: type[openai.APIStatusError], code: str, said: str, stream: bool
) -> None:
    with pytest.raises(kind) as raised:
        client.responses.create(model=MODEL, input=said, stream=stream)
    assert raised.value.code == code


def test_an_error_after_the_first_token_is_raised_while_streaming(client: OpenAI) -> None:
    said = 'script:[{"say": "one "}, {"wait_ms": 100}, {"fail": "broken"}]'
    with pytest.raises(openai.APIError) as raised:
        list(client.responses.create(model=MODEL, input=said, stream=True))
    assert raised.value.code == "upstream_error"


# ---------------------------------------------------------------- events


TEXT = ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
CALLED = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done"]
THOUGHT = [
    "output_item.added",
    "content_part.added",
    "reasoning_text.delta",
    "reasoning_text.done",
    "content_part.done",
]
SUMMARISED = ["output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
              "reasoning_summary_text.done", "reasoning_summary_part.done"]  # fmt: skip
DONE = ["output_item.done"]


@pytest.mark.parametrize(
    ("script", "fields", "events", "last"),
    [
        ([{"say": "Hello"}], {}, TEXT + DONE, "completed"),
        ([{"call": {"name": "weather"}}], {}, CALLED + DONE, "completed"),
        ([{"think": "Well"}, {"say": "Hello"}], {}, THOUGHT + DONE + TEXT + DONE, "completed"),
        (
            [{"think": "Well"}, {"say": "Now"}, {"call": {"name": "weather"}}, {"call": {"name": "weather"}}],
            {},
            THOUGHT + DONE + TEXT + DONE + CALLED + DONE + CALLED + DONE,
            "completed",
        ),
        ([{"say": "Hello "}, {"call": {"name": "weather"}}, {"say": "again"}], {},
         TEXT + DONE + CALLED + DONE + TEXT + DONE, "completed"),
        ([{"say": "one two three"}], {"max_output_tokens": 1}, TEXT + DONE, "incomplete"),
        ([{"think": "Well"}, {"say": "Hello"}], {"reasoning": {"summary": "auto"}}, SUMMARISED + DONE + TEXT + DONE,
         "completed"),
        ([{"think": "one two three"}], {"max_output_tokens": 1}, THOUGHT + DONE, "incomplete"),
        ([], {}, TEXT[:2] + TEXT[3:] + DONE, "completed"),
        ([{"say": "one"}, {"wait_ms": 50}, {"fail": "broken"}], {}, [*TEXT[:3], "error"], "failed"),
        ([{"say": "one"}, {"call": {"name": "weather"}}, {"wait_ms": 50}, {"fail": "broken"}], {},
         TEXT + DONE + [*CALLED[:2], "error"], "failed"),
    ],
)  # fmt: skip
def test_the_sequence_of_events(
    http: httpx.Client, script: list[dict[str, Any]], fields: dict[str, Any], events: list[str], last: str
) -> None:
    body = {"model": MODEL, "input": "script:" + json.dumps(script), "tools": [WEATHER], "stream": True} | fields
    answer = http.post(PATH, json=body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    read = ResponseReader(answer.text)
    wanted = ["created", "in_progress", *events, last]
    assert [kind.removeprefix("response.") for kind in read.types] == wanted
    assert ok(http.get(f"{PATH}/{read.response['id']}")) == read.response, "who saw the end can retrieve it"
    if last == "incomplete":
        assert read.response["output"][-1]["status"] == "incomplete"
    if last == "failed":
        assert read.response["error"]["code"] == "upstream_error"


@pytest.mark.parametrize(("name", "said"), [("text", HELLO), ("function_call", CALL), ("reasoning", THINK)])
def test_golden_streams(http: httpx.Client, name: str, said: str) -> None:
    """Byte for byte, but for ids and times."""
    answer = http.post(PATH, json={"model": MODEL, "input": said, "tools": [WEATHER], "stream": True})
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"{match[1]}_{sum(made.startswith(match[1]) for made in names.values())}")

    stable = re.sub(r"\b(resp|msg|fc|rs|call)_[A-Za-z0-9_-]{12,}", renamed, answer.text)
    stable = re.sub(r'(created_at|completed_at)":\d+', r'\1":0', stable)
    assert stable == (GOLDEN / f"response_{name}.sse").read_text(encoding="utf-8")


# ---------------------------------------------------------------- requests


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": "hi"} | fields


TOOL = {"type": "function", "name": "f"}
REFERENCE = {"type": "item_reference", "id": "x"}
TEXT_PART = {"type": "input_text", "text": "x"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
# body → param and code
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"input": "hi"}, "model", "missing_required_parameter"),
    ({"model": MODEL}, "input", "missing_required_parameter"),
    (asked(input=[]), "input", "array_below_min_length"),
    (asked(input=5), "input", "invalid_type"),
    (asked(input=[{"role": "boss", "content": "x"}]), "input[0].role", "invalid_value"),
    (asked(input=[{"role": "user"}]), "input[0].content", "missing_required_parameter"),
    (asked(input=[{"content": "x"}]), "input[0].role", "missing_required_parameter"),
    (asked(input=[{}]), "input[0].id", "missing_required_parameter"),
    (asked(input=[{"type": "web_search_call", "id": "x"}]), "input[0].type", "invalid_value"),
    (asked(input=[user("x"), {"type": "function_call", "name": "f", "arguments": "{}"}]), "input[1].call_id",
     "missing_required_parameter"),
    (asked(input=[user("x"), {"role": "user", "content": [TEXT_PART, IMAGE]}]), "input[1].content[1].type",
     "unsupported_value"),
    (asked(input=[{"type": "function_call_output", "call_id": "c", "output": [IMAGE]}]), "input[0].output[0].type",
     "unsupported_value"),
    (asked(input=[{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file"}]}]),
     "input[0].output[0].type", "unsupported_value"),
    *((asked(input=[{"role": "user", "content": [TEXT_PART, {"type": "input_file"} | file]}]),
       "input[0].content[1].type", "unsupported_value") for file in ({"file_id": "file-1"}, {"file_data": "eA=="})),
    (asked(input=[{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]),
     "input[0].content[0].image_url", "unsupported_value"),
    (asked(input=[{"role": "user", "content": [{"type": "input_image"}]}]), "input[0].content[0].image_url",
     "missing_required_parameter"),
    (asked(input=[REFERENCE, REFERENCE]), "input[1].id", "invalid_value"),
    (asked(previous_response_id="resp_\0"), "previous_response_id", "invalid_value"),
    (asked(background=True), "background", "unsupported_parameter"),
    (asked(conversation="conv_1"), "conversation", "unsupported_parameter"),
    (asked(prompt={"id": "pmpt_1"}), "prompt", "unsupported_parameter"),
    (asked(truncation="auto"), "truncation", "unsupported_value"),
    (asked(stream_options={"include_obfuscation": False}), "stream_options", "invalid_value"),
    (asked(include=["everything"]), "include[0]", "invalid_value"),
    (asked(max_output_tokens=0), "max_output_tokens", "integer_below_min_value"),
    (asked(top_logprobs=21), "top_logprobs", "integer_above_max_value"),
    (asked(metadata={"k" * 65: "v"}), "metadata", "invalid_value"),
    (asked(reasoning={"effort": "heroic"}), "reasoning.effort", "invalid_value"),
    (asked(text={"format": {"type": "yaml"}}), "text.format.type", "invalid_value"),
    (asked(text={"format": {"type": "json_schema", "name": "x"}}), "text.format.schema", "missing_required_parameter"),
    (asked(tools=[TOOL, TOOL]), "tools[1].name", "invalid_value"),
    (asked(tools=[TOOL | {"name": "bad name"}]), "tools[0].name", "invalid_value"),
    (asked(tools=[TOOL], tool_choice={"type": "function", "name": "g"}), "tool_choice.name", "invalid_value"),
    (asked(tools=[TOOL], tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [TOOL, TOOL | {"name": "g"}]}),
     "tool_choice.tools[1].name", "invalid_value"),
    (asked(tools=[TOOL], tool_choice={"type": "file_search"}), "tool_choice.type", "invalid_value"),
    (asked(tool_choice="required"), "tool_choice", "invalid_value"),
    (asked(tools=[TOOL, {"type": "mcp"}]), "tools[1].server_label", "missing_required_parameter"),
    *((asked(tools=[TOOL, {"type": kind}]), "tools[1].type", "unsupported_value")
      for kind in ("web_search", "file_search", "computer_use_preview", "local_shell", "custom", None)),
]  # fmt: skip


PROMPT = {field.encode_name for field in msgspec.structs.fields(ResponsePrompt)}


@pytest.mark.parametrize(("body", "param", "code"), REFUSED, ids=lambda value: json.dumps(value)[:60])
def test_what_cannot_be_honoured_is_refused_by_name(
    http: httpx.Client, body: dict[str, Any], param: str, code: str
) -> None:
    error = refused(http.post(PATH, json=body), 400, code)
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    if body.keys() <= PROMPT:
        assert refused(http.post(f"{PATH}/input_tokens", json=body), 400, code)["param"] == param


def test_what_codex_sends(http: httpx.Client) -> None:
    body = {
        "model": MODEL,
        "instructions": "You are a coding agent.",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": CALL}]},
        ],
        "tools": [
            {"type": "function", "name": "shell", "description": "", "strict": False, "parameters": {"type": "object"}},
            {
                "type": "custom",
                "name": "apply_patch",
                "format": {"type": "grammar", "syntax": "lark", "definition": ""},
            },
            {"type": "web_search", "external_web_access": False},
            {"type": "namespace", "name": "multi_agent_v1"},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199a213-81c0-7800-8aa1-bbab2a035a53",
        "text": {"verbosity": "low"},
        "client_metadata": {"x": "y"},
    }
    answer = http.post(PATH, json=body, headers={"originator": "codex_exec"})
    ignored = answer.headers["x-novai-ignored-params"]
    assert ignored == "client_metadata,tools.custom,tools.namespace,tools.web_search"
    read = ResponseReader(answer.text)
    assert read.types[-1] == "response.completed"
    assert [tool["name"] for tool in read.response["tools"]] == ["shell"]
    assert read.response["store"] is False
    assert refused(http.get(f"{PATH}/{read.response['id']}"), 404)
    assert refused(http.post(PATH, json=body), 400)["param"] == "tools[1].type"


def test_null_is_absent(http: httpx.Client) -> None:
    optional = (
        "instructions previous_response_id tools tool_choice parallel_tool_calls text reasoning truncation prompt "
        "conversation stream stream_options store max_output_tokens temperature top_p top_logprobs include metadata "
        "background"
    )
    answer = http.post(PATH, json=asked(**dict.fromkeys(optional.split())))
    assert ok(answer)["store"] is True
    assert "x-novai-ignored-params" not in answer.headers


def test_usage_and_limits_are_those_of_any_generation(edge: Edge, http: httpx.Client) -> None:
    answer = http.post(PATH, json=asked(max_output_tokens=3))
    bill = ok(http.get(f"/v1/usage/requests/{answer.headers['x-request-id']}"))
    assert bill["operation"] == "createResponse"
    assert bill["used"]["output_tokens"] == 3
    assert bill["used"]["finish_reason"] == "length"


# ---------------------------------------------------------------- whose it is


def test_a_response_belongs_to_its_project(edge: Edge, admin: httpx.Client) -> None:
    with tenant(edge, admin) as owner, tenant(edge, admin) as neighbour, stranger(edge) as other:
        response = ok(owner.http.post(PATH, json=asked()))
        there = f"{PATH}/{response['id']}"
        with tenant(edge, admin, project=owner.project) as colleague:
            assert ok(colleague.http.get(there)) == response
        for foreign in (neighbour, other):
            refuse_all(foreign, response)
        with tenant(edge, admin, project=owner.project, scopes=["usage"]) as bookkeeper:
            assert refused(bookkeeper.http.get(there), 403, "missing_scope")
        assert ok(owner.http.get(there)) == response
        assert ok(owner.http.delete(there)) == {"id": response["id"], "object": "response", "deleted": True}


def refuse_all(foreign: Tenant, response: dict[str, Any]) -> None:
    """Exactly as if there were no such response."""
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        errors = [
            refused(foreign.http.request(method, f"{PATH}/{name}{path}"), 404)
            for name in (response["id"], "resp_" + "0" * 32)
        ]
        assert errors[0] == errors[1] | {"message": errors[1]["message"].replace("resp_" + "0" * 32, response["id"])}
    continued = foreign.http.post(PATH, json=asked(previous_response_id=response["id"]))
    refused(continued, 400, "previous_response_not_found")
    referred = foreign.http.post(
        PATH, json=asked(input=[{"type": "item_reference", "id": response["output"][0]["id"]}])
    )
    refused(referred, 404)
