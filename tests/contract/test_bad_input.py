"""Malformed requests: always the OpenAI error shape, never a 5xx, never FastAPI's own shape."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.workers import MODEL

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
HI = [{"role": "user", "content": "hi"}]


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which must have the contract's shape."""
    body = answer.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"].startswith("req_")
    return error


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": HI} | fields


TOOL = {"type": "function", "function": {"name": "f"}}
# body → param and code
FIELDS: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"messages": HI}, "model", "missing_required_parameter"),
    ({"model": MODEL}, "messages", "missing_required_parameter"),
    (chat(messages=[]), "messages", "array_below_min_length"),
    (chat(messages="hi"), "messages", "invalid_type"),
    (chat(messages=[{"content": "x"}]), "messages[0].role", "missing_required_parameter"),
    (chat(messages=[{"role": "boss", "content": "x"}]), "messages[0].role", "invalid_value"),
    (chat(messages=[{"role": "user"}]), "messages[0].content", "missing_required_parameter"),
    (chat(messages=[{"role": "user", "content": 5}]), "messages[0].content", "invalid_type"),
    (chat(messages=[{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text",
     "missing_required_parameter"),
    (chat(messages=[{"role": "user", "content": [{"type": "input_audio"}]}]), "messages[0].content[0].type",
     "invalid_value"),
    (chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]),
     "messages[0].content[0].type", "unsupported_value"),
    (chat(messages=[{"role": "assistant"}]), "messages[0].content", "invalid_value"),
    (chat(messages=[{"role": "tool", "content": "x"}]), "messages[0].tool_call_id", "missing_required_parameter"),
    (chat(temperature=3), "temperature", "decimal_above_max_value"),
    (chat(temperature="hot"), "temperature", "invalid_type"),
    (chat(temperature=True), "temperature", "invalid_type"),
    (chat(top_p=-0.1), "top_p", "decimal_below_min_value"),
    (chat(n=130), "n", "integer_above_max_value"),
    (chat(n=0), "n", "integer_below_min_value"),
    (chat(n=1.5), "n", "invalid_type"),
    (chat(n=10**9), "n", "integer_above_max_value"),
    (chat(max_tokens=0), "max_tokens", "integer_below_min_value"),
    (chat(max_completion_tokens=-1), "max_completion_tokens", "integer_below_min_value"),
    (chat(max_tokens=10**30), "max_tokens", None),
    (chat(stop=["a", "b", "c", "d", "e"]), "stop", "array_above_max_length"),
    (chat(stop=5), "stop", "invalid_type"),
    (chat(seed=2**64), "seed", None),
    (chat(top_logprobs=5), "top_logprobs", "invalid_value"),
    (chat(logprobs=True, top_logprobs=21), "top_logprobs", "integer_above_max_value"),
    (chat(logit_bias={"x": 1}), "logit_bias", "invalid_value"),
    (chat(logit_bias={"5": 101}), "logit_bias[...]", "decimal_above_max_value"),
    (chat(stream_options={"include_usage": True}), "stream_options", "invalid_value"),
    (chat(tools=[TOOL, TOOL]), "tools[1].function.name", "invalid_value"),
    (chat(tools=[{"type": "function", "function": {"name": "bad name"}}]), "tools[0].function.name", "invalid_value"),
    (chat(tools=[{"type": "custom", "custom": {}}]), "tools[0].type", "invalid_value"),
    (chat(tool_choice="auto"), "tool_choice", "invalid_value"),
    (chat(tools=[TOOL], tool_choice="sometimes"), "tool_choice", "invalid_value"),
    (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice.function.name",
     "invalid_value"),
    (chat(tools=[TOOL], tool_choice={"type": "custom", "custom": {"name": "f"}}), "tool_choice.type", "invalid_value"),
    (chat(tools=[TOOL], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
     "tool_choice.allowed_tools.tools", "array_below_min_length"),
    (chat(response_format={"type": "yaml"}), "response_format.type", "invalid_value"),
    (chat(structured_outputs={"regex": ""}), "structured_outputs.regex", "string_below_min_length"),
    (chat(reasoning_effort="much"), "reasoning_effort", "invalid_value"),
    (chat(guided_json={}), "guided_json", "unsupported_parameter"),
    (chat(response_format={"type": "json_object"}), "response_format", "unsupported_value"),
    (chat(structured_outputs={"regex": "a"}), "structured_outputs", "unsupported_value"),
    (chat(tools=[TOOL], tool_choice="required"), "tool_choice", "unsupported_value"),
    (chat(reasoning_effort="high"), "reasoning_effort", "unsupported_value"),
    (chat(metadata={"k" * 65: "v"}), "metadata", "invalid_value"),
    (chat(metadata={str(i): "v" for i in range(17)}), "metadata", None),
    (chat(modalities=["audio"]), "modalities[0]", "invalid_value"),
    (chat(functions=[]), "functions", "unsupported_parameter"),
    (chat(chat_template="{{ x }}"), "chat_template", "unsupported_parameter"),
    (chat(api_base="http://169.254.169.254"), "api_base", "unsupported_parameter"),
    (chat(audio={"format": "wav", "voice": "x"}), "audio", "unsupported_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code"), FIELDS, ids=lambda value: json.dumps(value)[:60])
def test_a_field_that_is_wrong_is_named(
    http: httpx.Client, body: dict[str, Any], param: str | None, code: str | None
) -> None:
    answer = http.post(CHAT, json=body)
    error = error_of(answer)
    assert answer.status_code == 400, error
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    if code is not None:
        assert error["code"] == code


BODIES: list[bytes] = [
    b"", b"nope", b"[]", b"5", b"null", b'"x"', b"{", b'{"model":', b'{"model": NaN}', b'{"model": 1e999}',
    b'\xef\xbb\xbf{"model": "m"}', '{"model": "m"}'.encode("utf-16"), b'{"model": "\xff"}', b'{"model": "\\ud800"}',
    b"[" * 100_000, b'{"a":' * 100_000, b'{"messages": [' + b"[" * 50_000, b'{"model": "m", "\\ud800": 1}',
    b'{"model": "m", "messages": [{"role": "user", "content": "x"}]} trailing',
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, "/v1/embeddings"])
def test_bodies_that_are_not_json_objects(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert error_of(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "x"}, "input"),
        ({"model": "x", "input": ""}, "input"),
        ({"model": "x", "input": []}, "input"),
        ({"model": "x", "input": ["a", 5]}, "input"),
        ({"model": "x", "input": [[]]}, "input[0]"),
        ({"model": "x", "input": [-1]}, "input[0]"),
        ({"model": "x", "input": ["a"] * 2049}, "input"),
        ({"model": "x", "input": "a", "dimensions": 0}, "dimensions"),
        ({"model": "x", "input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"model": MODEL, "input": "a"}, "model"),
    ],
)
def test_embeddings(http: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = http.post("/v1/embeddings", json=body)
    assert answer.status_code == 400
    assert error_of(answer)["param"] == param


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": []}, "prompt", "array_below_min_length"),
        ({"prompt": ["a", 5]}, "prompt", "invalid_value"),
        ({"prompt": [[]]}, "prompt[0]", "array_below_min_length"),
        ({"prompt": [-1]}, "prompt[0]", "integer_below_min_value"),
        ({"prompt": [256]}, "prompt", "invalid_value"),  # the scripted model has so many tokens
        ({"prompt": ["a"] * 65}, "prompt", "invalid_value"),
        ({"prompt": ["a"] * 9, "n": 8}, "prompt", "invalid_value"),
        ({"prompt": "a", "n": 9}, "n", "integer_above_max_value"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"prompt": "a", "logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"prompt": "a", "logprobs": True}, "logprobs", "invalid_type"),
        ({"prompt": "a", "logprobs": 1, "echo": True}, "logprobs", "unsupported_parameter"),
        ({"prompt": "a", "suffix": "b"}, "suffix", "unsupported_parameter"),
        ({"prompt": "a", "best_of": 2}, "best_of", "unsupported_parameter"),
        ({"prompt": "a", "n": 2, "best_of": 3}, "best_of", "unsupported_parameter"),
        ({"prompt": "a", "stream_options": {}}, "stream_options", "invalid_value"),
        ({"prompt": "a", "logit_bias": {"x": 1}}, "logit_bias", "invalid_value"),
        ({"prompt": "a", "tools": []}, "tools", "unsupported_parameter"),
        ({}, "prompt", "missing_required_parameter"),
    ],
    ids=str,
)
def test_completions(http: httpx.Client, fields: dict[str, Any], param: str, code: str) -> None:
    answer = http.post(COMPLETIONS, json={"model": MODEL} | fields)
    error = error_of(answer)
    assert answer.status_code == 400, error
    assert (error["param"], error["code"]) == (param, code)


def test_what_is_not_there_and_not_allowed(http: httpx.Client) -> None:
    for path in ("/v1/nothing", f"{CHAT}/"):
        missing = http.get(path)
        assert (missing.status_code, error_of(missing)["type"]) == (404, "invalid_request_error")
    wrong = http.delete(CHAT)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert error_of(wrong)["code"] == "method_not_supported"
    unknown = http.post(CHAT, json=chat(model="gpt-9"))
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "model_not_found")
    text = http.post(CHAT, content=b"{}", headers={"content-type": "text/plain"})
    assert (text.status_code, error_of(text)["code"]) == (415, "unsupported_content_type")
    zipped = http.post(CHAT, content=b"x", headers={"content-type": "application/json", "content-encoding": "gzip"})
    assert (zipped.status_code, error_of(zipped)["code"]) == (415, "unsupported_content_type")
    large = http.post(CHAT, content=b" " * (9 << 20), headers={"content-type": "application/json"})
    assert (large.status_code, error_of(large)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b'"temperature": 1e999', "Invalid value for 'temperature'. Number out of range."),
        (b'"n": 130, "x": 1e999', "Expected a value <= 8, but got 130 instead."),
        (b'"user": "\xff"', "byte 10 is not part of any UTF-8."),
    ],
)
def test_what_no_json_can_say_is_refused_in_whole_sentences(http: httpx.Client, more: bytes, said: str) -> None:
    body = b"{" + more + b"," + json.dumps(chat()).encode()[1:]
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert said in error_of(answer)["message"]


def test_half_of_a_character_is_said_to_be_what_it_is(http: httpx.Client) -> None:
    """What `text.slice(0, n)` leaves of an emoji in JavaScript."""
    fine = json.dumps(chat(messages=[{"role": "user", "content": "\\ud83d 😀"}]))
    cut = json.dumps(chat(messages=[{"role": "user", "content": "\\ud83d 😀 \ud83d"}]))
    as_json = {"content-type": "application/json"}
    assert http.post(CHAT, content=fine, headers=as_json).status_code == 200
    error = error_of(http.post(CHAT, content=cut, headers=as_json))
    assert error["code"] == "invalid_json"
    assert f"half of a character at byte {cut.rindex(chr(92) + 'ud83d')} (\\ud83d without" in error["message"]


def test_a_byte_order_mark_is_passed_over(http: httpx.Client) -> None:
    body = json.dumps(chat()).encode("utf-8-sig")
    assert http.post(CHAT, content=body, headers={"content-type": "application/json"}).status_code == 200


def test_null_is_absent_and_unknown_fields_are_named(http: httpx.Client) -> None:
    optional = "temperature top_p n stop seed tools tool_choice logit_bias stream stream_options metadata max_tokens "
    optional += "functions function_call audio moderation suffix unknown"
    answer = http.post(CHAT, json=chat(**dict.fromkeys(optional.split()), provider={"x": 1}, new_field=2))
    assert answer.status_code == 200
    assert answer.headers["x-novai-ignored-params"] == "new_field,provider"


def test_a_message_says_what_came_and_what_to_do(http: httpx.Client) -> None:
    error = error_of(http.post(CHAT, json=chat(n=130)))
    assert error["message"] == "Invalid 'n': integer above maximum value. Expected a value <= 8, but got 130 instead."
    error = error_of(http.post(CHAT, json=chat(messages=[{"role": "boss", "content": "x"}])))
    assert "Supported values are: 'assistant', 'developer'" in error["message"]


@pytest.mark.parametrize("name", ["", "a b", "f\n", "é"])
def test_a_name_that_does_not_fit_its_pattern_is_told_which_it_is(http: httpx.Client, name: str) -> None:
    """A last newline, too, which Python's `$` would let pass."""
    tools = [{"type": "function", "function": {"name": name}}]
    error = error_of(http.post(CHAT, json=chat(tools=tools)))
    assert (error["param"], error["code"]) == ("tools[0].function.name", "invalid_value")
    assert error["message"].endswith("Expected a string that matches ^[a-zA-Z0-9_-]{1,64}$.")


def test_a_parameter_of_the_query_is_told_its_choices(http: httpx.Client) -> None:
    for path, name, choices in (
        ("/v1/files?order=up", "order", "'up'. Supported values are: 'asc' and 'desc'."),
        ("/v1/responses/resp_1?stream=true", "stream", "'true'. Supported values are: 'false'."),
        ("/v1/files?limit=0", "limit", "Expected `int` >= 1."),
    ):
        error = error_of(http.get(path))
        assert (error["message"], error["param"]) == (f"Invalid value for '{name}': {choices}", name)
