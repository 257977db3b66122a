"""Counting, tokenize and detokenize: free, and the same tokens that a request uses. The scripted model's are bytes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.contract.tenants import ok, refused
from tests.edge import Edge
from tests.workers import MODEL

HI = [{"role": "user", "content": "hi there"}]


def test_counting_is_what_a_completion_then_uses(http: httpx.Client) -> None:
    body = {"model": MODEL, "messages": [{"role": "system", "content": "Be very brief."}, *HI], "max_tokens": 1}
    counted = ok(http.post("/v1/chat/completions/input_tokens", json=body))
    assert counted == {"object": "response.input_tokens", "input_tokens": 5}
    assert ok(http.post("/v1/chat/completions", json=body))["usage"]["prompt_tokens"] == 5


@pytest.mark.parametrize("text", ["Hello, wörld 👋", "", " a\x00b\n", "<|im_start|>"])
def test_a_text_comes_back(http: httpx.Client, text: str) -> None:
    found = ok(http.post("/v1/tokenize", json={"model": MODEL, "prompt": text}))
    tokens = list(text.encode())
    assert found == {"count": len(tokens), "max_model_len": 131_072, "tokens": tokens, "token_strs": None}
    assert ok(http.post("/v1/detokenize", json={"model": MODEL, "tokens": tokens})) == {"prompt": text}


def test_texts_of_tokens_and_of_conversations(http: httpx.Client) -> None:
    body = {"model": MODEL, "messages": HI, "return_token_strs": True}
    assert ok(http.post("/v1/tokenize", json=body))["token_strs"] == list("hi there")
    halves = ok(http.post("/v1/tokenize", json={"model": MODEL, "prompt": "é", "return_token_strs": True}))
    assert halves["token_strs"] == ["\ufffd", "\ufffd"]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("tokenize", {"model": MODEL}, 400, "prompt"),
        ("tokenize", {"model": MODEL, "prompt": "x", "messages": HI}, 400, "prompt"),
        ("tokenize", {"model": "nope", "prompt": "x"}, 404, "model"),
        ("detokenize", {"model": MODEL, "tokens": [256]}, 400, "tokens"),
        ("detokenize", {"model": MODEL, "tokens": [-1]}, 400, "tokens[0]"),
        ("chat/completions/input_tokens", {"model": "nope", "messages": HI}, 404, "model"),
    ],
)
def test_what_is_wrong_is_named(http: httpx.Client, path: str, body: dict[str, Any], status: int, param: str) -> None:
    assert refused(http.post(f"/v1/{path}", json=body), status)["param"] == param


def test_nothing_is_charged(edge: Edge, http: httpx.Client) -> None:
    for path, body in (("tokenize", {"prompt": "x"}), ("chat/completions/input_tokens", {"messages": HI})):
        answer = http.post(f"/v1/{path}", json={"model": MODEL} | body)
        assert answer.status_code == 200
        assert not edge.sql("SELECT 1 FROM usage WHERE request_id = $1", answer.headers["x-request-id"])
        assert not edge.sql("SELECT 1 FROM holds WHERE request_id = $1", answer.headers["x-request-id"])
    assert edge.state.generation._admission.running == 0
