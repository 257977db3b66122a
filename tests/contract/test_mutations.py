"""The short form of bench/malformed.py: valid requests of every operation, with something wrong about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from bench.malformed import attack, fault, operations
from tests.conftest import database
from tests.edge import Edge, edge_in_thread
from tests.workers import MODEL

REQUESTS, SEED = 600, 1


@pytest.fixture(scope="module")
def ours(postgres_url: str, redis_url: str) -> Iterator[Edge]:
    """An edge of its own: what happens to be valid may change prices and tiers."""
    with database(postgres_url) as url, edge_in_thread(url, redis_url) as running:
        yield running


def test_nothing_breaks_nothing_hangs_and_errors_have_their_shape(ours: Edge) -> None:
    counts, findings = asyncio.run(attack(ours.url, ours.admin_key, [MODEL], range(REQUESTS), SEED))
    assert not findings
    assert counts.total() == REQUESTS
    assert {"200", "400", "404", "415"} <= counts.keys()  # something of everything came through


def test_every_operation_with_a_body_is_among_them() -> None:
    assert {"/v1/chat/completions", "/v1/embeddings", "/admin/v1/limits"} <= {path for _, path, _ in operations()}


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (500, {"error": {"message": "m", "type": "t", "param": None, "code": None}}, "m"),
        (400, {"detail": "x"}, "shape"),
        (400, {"error": {"message": "m"}}, "shape"),
        (200, {}, None),
        (400, {"error": {"message": "m", "type": "t", "param": None, "code": None}}, None),
    ],
)
def test_what_counts_as_a_finding(status: int, body: object, what: str | None) -> None:
    headers = {"x-request-id": "req_1", "content-type": "application/json"}
    found = fault(httpx.Response(status, headers=headers, content=json.dumps(body)))
    assert (found is None) if what is None else what in (found or "")
    assert fault(httpx.Response(200, headers={"content-type": "application/json"})) == "no x-request-id"
