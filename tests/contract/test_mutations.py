"""The short form of bench/malformed.py: valid requests of every operation, with something wrong about them."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from bench.malformed import Models, attack, fault, operations
from tests.edge import Edge
from tests.workers import MODEL

REQUESTS, SEED = 600, 1
CHAT = "/v1/chat/completions"
OURS = {"message": "broken", "type": "t", "param": None, "code": None}


def test_nothing_breaks_nothing_hangs_and_errors_have_their_shape(ours: Edge) -> None:
    counts, findings = asyncio.run(attack(ours.url, ours.admin_key, Models(MODEL, "none"), range(REQUESTS), SEED))
    assert not findings
    assert counts.total() == REQUESTS
    assert {"200", "400", "404", "415"} <= counts.keys()  # something of everything came through


def test_every_operation_with_a_body_is_among_them() -> None:
    assert {"/v1/chat/completions", "/v1/embeddings", "/admin/v1/limits"} <= {path for _, path, _ in operations()}


@pytest.mark.parametrize(
    ("path", "status", "body", "what"),
    [
        (CHAT, 500, {"error": OURS}, "broken"),
        (CHAT, 307, {}, "redirect"),
        (CHAT, 400, {"detail": "x"}, "shape"),
        (CHAT, 400, {"error": {"message": "m", "type": "t"}}, "shape"),
        (CHAT, 400, {"type": "error", "error": OURS, "request_id": "req_1"}, "shape"),
        ("/v1/messages", 400, {"error": OURS}, "shape"),
        ("/v1/messages", 400, {"type": "error", "error": OURS, "request_id": "req_1"}, None),
        (CHAT, 400, {"error": OURS}, None),
        (CHAT, 200, {}, None),
    ],
)
def test_what_counts_as_a_finding(path: str, status: int, body: object, what: str | None) -> None:
    headers = {"x-request-id": "req_1", "content-type": "application/json", "location": "/x"}
    found = fault(path, httpx.Response(status, headers=headers, content=json.dumps(body)))
    assert (found is None) if what is None else what in (found or "")
