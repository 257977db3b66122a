"""/v1/messages on the wire: the exact events, the shape of every error, what Claude Code sends; counting and tokens."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import database
from tests.contract import tenants
from tests.contract.tenants import Tenant, ok
from tests.edge import Edge, edge_in_thread
from tests.workers import MODEL

MESSAGES = "/v1/messages"
CLAUDE_CODE = json.loads((Path(__file__).parent / "claude_code.json").read_text())
TYPES = {401: "authentication_error", 404: "not_found_error", 405: "invalid_request_error", 413: "request_too_large"}


@pytest.fixture
def http(edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, headers={"x-api-key": edge.key}, timeout=10) as client:
        yield client


def asked(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    said = "script:" + json.dumps(steps) if steps else "hi"
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": said}]} | fields


def events(body: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of every event; nothing else may be there."""
    frames = body.split("\n\n")
    assert frames.pop() == ""
    found = []
    for frame in frames:
        name, data = frame.split("\n")
        assert name.startswith("event: ") and data.startswith("data: ")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which must have Anthropic's shape."""
    body = answer.json()
    assert body.keys() == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert answer.headers["request-id"] == answer.headers["x-request-id"] == body["request_id"]
    error: dict[str, Any] = body["error"]
    assert error.keys() <= {"type", "message", "details"} and error["message"]
    return error


def test_the_events_of_a_stream_exactly(http: httpx.Client) -> None:
    steps = (
        {"think": "Hm, so"},
        {"say": "Let me"},
        {"call": {"name": "f", "arguments": {"a": "ü"}}},
        {"call": {"name": "g"}},
    )
    answer = http.post(MESSAGES, params={"beta": "true"}, json=asked(*steps, stream=True))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    found = events(answer.text)
    assert all(name == data["type"] for name, data in found)
    request_id = answer.headers["request-id"]
    identifier = "msg_" + request_id.removeprefix("req_")
    start, *blocks, end, stop = [data for _, data in found]
    prompt = len(asked(*steps)["messages"][0]["content"].split())
    assert start["message"] | {"usage": None} == {
        "id": identifier, "type": "message", "role": "assistant", "model": MODEL, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": None,
    }  # fmt: skip
    assert start["message"]["usage"]["input_tokens"] == prompt

    def begun(index: int, **block: Any) -> dict[str, Any]:
        return {"type": "content_block_start", "index": index, "content_block": block}

    def more(index: int, **delta: Any) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": delta}

    def ended(index: int) -> dict[str, Any]:
        return {"type": "content_block_stop", "index": index}

    ids = [data["content_block"]["id"] for data in blocks if data.get("content_block", {}).get("type") == "tool_use"]
    assert len(set(ids)) == 2
    assert blocks == [
        begun(0, type="thinking", thinking="", signature=""),
        more(0, type="thinking_delta", thinking="Hm, "),
        more(0, type="thinking_delta", thinking="so"),
        more(0, type="signature_delta", signature=identifier),
        ended(0),
        begun(1, type="text", text=""),
        more(1, type="text_delta", text="Let "),
        more(1, type="text_delta", text="me"),
        ended(1),
        begun(2, type="tool_use", id=ids[0], name="f", input={}),
        more(2, type="input_json_delta", partial_json='{"a":"ü"}'),
        ended(2),
        begun(3, type="tool_use", id=ids[1], name="g", input={}),
        more(3, type="input_json_delta", partial_json="{}"),
        ended(3),
    ]
    assert end == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {
            "input_tokens": prompt, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 6,
            "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "standard",
        },
    }  # fmt: skip
    assert stop == {"type": "message_stop"}


def test_a_whole_message_has_the_streams_content(http: httpx.Client) -> None:
    body = asked({"think": "Hm"}, {"say": "So"}, {"call": {"name": "f", "arguments": {"n": 1.50}}})
    answer = http.post(MESSAGES, json=body)
    thinking, text, call = ok(answer)["content"]
    assert thinking == {"type": "thinking", "thinking": "Hm", "signature": answer.json()["id"]}
    assert text == {"type": "text", "text": "So"}
    assert call == {"type": "tool_use", "id": call["id"], "name": "f", "input": {"n": 1.5}}


def test_a_whole_message_has_its_blocks_in_the_streams_order(http: httpx.Client) -> None:
    """Models of other APIs think again behind what they said, and say something behind a call."""
    call: dict[str, Any] = {"call": {"name": "f", "arguments": {}}}
    body = asked({"say": "Let me"}, {"think": "Hm"}, call, {"say": "see"}, {"think": "So"}, call, call)
    told = [block["type"] for block in ok(http.post(MESSAGES, json=body))["content"]]
    begun = [data for name, data in events(http.post(MESSAGES, json=body | {"stream": True}).text) if "start" in name]
    assert told == ["text", "thinking", "tool_use", "text", "thinking", "tool_use", "tool_use"]
    assert told == [data["content_block"]["type"] for data in begun if "content_block" in data]


def test_an_answer_without_a_word(http: httpx.Client) -> None:
    silent = asked({"stop": "x"})
    assert ok(http.post(MESSAGES, json=silent))["content"] == []
    names = [name for name, _ in events(http.post(MESSAGES, json=silent | {"stream": True}).text)]
    assert names == ["message_start", "message_delta", "message_stop"]


def test_what_claude_code_sends(http: httpx.Client) -> None:
    headers = {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
        "x-app": "cli",
        "x-claude-code-session-id": str(uuid.uuid4()),
    }
    answer = http.post(f"{MESSAGES}?beta=true", json=CLAUDE_CODE, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-novai-ignored-params"] == "context_management,speed"
    text = "".join(d["delta"]["text"] for name, d in events(answer.text) if name == "content_block_delta")
    assert text == " tok" * 64
    prompt = {name: CLAUDE_CODE[name] for name in ("model", "messages", "system", "tools", "thinking", "tool_choice")}
    counted = ok(http.post(f"{MESSAGES}/count_tokens?beta=true", json=prompt, headers=headers))
    assert counted == {"input_tokens": events(answer.text)[-2][1]["usage"]["input_tokens"]}


def test_probes_of_the_root_are_answered(edge: Edge) -> None:
    assert httpx.head(edge.url + "/").status_code == 404


HI = [{"role": "user", "content": "hi"}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
# fields → the one at fault
FIELDS: list[tuple[dict[str, Any], str | None]] = [
    ({"model": MODEL, "messages": HI}, "max_tokens"),
    (asked(max_tokens=0), "max_tokens"),
    (asked(messages=[]), "messages"),
    (asked(messages=[{"role": "tool", "content": "x"}]), "messages[0].role"),
    (asked(messages=[{"role": "user", "content": [{"type": "tool_use"}]}]), "messages[0].content[0].type"),
    (asked(messages=[{"role": "user", "content": [IMAGE]}]), "messages[0].content[0].type"),
    (asked(messages=[{"role": "user", "content": [RESULT]}]), "messages[0].content[0].content[0].type"),
    (
        asked(messages=[{"role": "user", "content": [{"type": "document", "source": {}}]}]),
        "messages[0].content[0].type",
    ),
    (
        asked(messages=[{"role": "user", "content": [RESULT | {"content": [{"type": "document", "source": {}}]}]}]),
        "messages[0].content[0].content[0].type",
    ),
    (asked(temperature=3), "temperature"),
    (asked(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type"),
    (asked(tools=[{"name": "f"}]), "tools[0].input_schema"),
    (asked(tools=[TOOL, TOOL]), "tools[1].name"),
    (asked(tool_choice={"type": "any"}), "tool_choice"),
    (asked(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}), "tool_choice.name"),
    (asked(thinking={"type": "sometimes"}), "thinking.type"),
    (asked(mcp_servers=[]), "mcp_servers"),
    (asked(output_format={}), "output_format"),
]


@pytest.mark.parametrize(("body", "param"), FIELDS, ids=lambda value: json.dumps(value)[:60])
def test_a_field_that_is_wrong_is_named(http: httpx.Client, body: dict[str, Any], param: str | None) -> None:
    answer = http.post(MESSAGES, json=body)
    assert answer.status_code == 400, answer.text
    error = error_of(answer)
    assert error["type"] == "invalid_request_error"
    assert error["details"]["param"] == param


def test_the_roles_that_are_named_are_its_own(http: httpx.Client) -> None:
    wrong = http.post(MESSAGES, json=asked(messages=[{"role": "tool", "content": "x"}]))
    assert error_of(wrong)["message"].endswith("Supported values are: 'assistant', 'system' and 'user'.")


def test_errors_of_every_layer_have_one_shape(edge: Edge, http: httpx.Client) -> None:
    answers = [
        httpx.post(edge.url + MESSAGES, json=asked()),
        http.post(MESSAGES, json=asked(model="nope")),
        http.post(f"{MESSAGES}/batches", json={}),
        http.get(MESSAGES),
        http.post(MESSAGES, content=b" " * (9 << 20), headers={"content-type": "application/json"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 404, 405, 413]
    for answer in answers:
        assert error_of(answer)["type"] == TYPES[answer.status_code]
    assert answers[3].headers["allow"] == "POST"
    keys = http.post(MESSAGES, json=asked(), headers={"Idempotency-Key": "k" * 256})
    assert (keys.status_code, error_of(keys)["details"]["error_code"]) == (400, "invalid_idempotency_key")


def test_a_rate_limit(admin: httpx.Client, tenant: Tenant) -> None:
    limit = {"name": "requests_per_day", "limit": 24, "burst": 1}
    ok(admin.put("/admin/v1/limits", json={"project": tenant.project, "limits": [limit]}))
    tenants.until(lambda: bool(ok(tenant.http.get("/v1/limits"))["limits"]))
    assert tenant.http.post(f"{MESSAGES}/count_tokens", json={"model": MODEL, "messages": HI}).status_code == 200
    refused = tenant.http.post(MESSAGES, json=asked())
    assert (refused.status_code, error_of(refused)["type"]) == (429, "rate_limit_error")
    assert int(refused.headers["retry-after"]) > 0


def test_an_empty_budget_is_a_matter_of_billing(admin: httpx.Client, tenant: Tenant) -> None:
    budget = {"project": tenant.project, "kind": "total", "limit_usd": 0}
    ok(admin.put("/admin/v1/budgets", json=budget))
    refused = tenant.http.post(MESSAGES, json=asked())
    assert (refused.status_code, error_of(refused)["type"]) == (402, "billing_error")
    assert error_of(refused)["details"]["error_code"] == "insufficient_quota"


def test_a_full_server_is_overloaded(postgres_url: str, redis_url: str) -> None:
    with database(postgres_url) as url, edge_in_thread(url, redis_url, max_requests_in_flight=0) as full:
        refused = httpx.post(full.url + MESSAGES, json=asked(), headers={"x-api-key": full.key})
        again = httpx.post(full.url + MESSAGES, json=asked(), headers={"x-api-key": full.key, "Idempotency-Key": "k"})
        kept = full.sql("SELECT 1 FROM idempotency")
    for answer in (refused, again):
        assert (answer.status_code, error_of(answer)["type"]) == (529, "overloaded_error")
        assert answer.headers["retry-after"] == "1"
    assert not kept, "a refusal may be tried again"


def test_usage_is_recorded_once_under_its_operation(edge: Edge, tenant: Tenant) -> None:
    body = asked({"say": "one two"}, stream=True)
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (tenant.http.post(MESSAGES, json=body, headers=headers) for _ in range(2))
    assert first.text == second.text
    assert second.headers["idempotent-replayed"] == "true"
    tenant.http.post(f"{MESSAGES}/count_tokens", json={"model": MODEL, "messages": HI})
    rows = edge.sql("SELECT operation, completion_tokens FROM usage WHERE key_id = $1", tenant.key_id)
    assert rows == [{"operation": "createMessage", "completion_tokens": 2}]
