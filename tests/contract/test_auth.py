"""Keys over HTTP: the header forms, the modes, and addresses that many wrong keys come from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import AzureOpenAI

from api.auth.keys import mint
from tests.conftest import database
from tests.contract.tenants import ok, refused
from tests.edge import PEPPER, Edge, edge_in_thread

ATTACKER, TENANT = "203.0.113.7", "198.51.100.9"


@contextlib.contextmanager
def running(postgres_url: str, redis_url: str, **settings: Any) -> Iterator[Edge]:
    with database(postgres_url) as url, edge_in_thread(url, redis_url, **settings) as edge:
        yield edge


def ask(edge: Edge, key: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{edge.url}/v1/models", headers={"authorization": f"Bearer {key}"} | headers)


def guess(edge: Edge, **headers: str) -> httpx.Response:
    return ask(edge, mint(PEPPER, "proj_test", "guess")[0], **headers)


@pytest.mark.parametrize("name", ["x-api-key", "api-key", "x-goog-api-key"])
def test_a_key_comes_in_the_header_its_client_knows(edge: Edge, name: str) -> None:
    assert ok(httpx.get(f"{edge.url}/v1/models", headers={name: edge.key}))["data"]
    refused(httpx.get(f"{edge.url}/v1/models", headers={name: "sk-wrong"}), 401, "invalid_api_key")


def test_the_azure_client_sends_its_own_header(edge: Edge) -> None:
    with AzureOpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, api_version="2024-10-21", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["scripted"]


def test_strict_and_off(postgres_url: str, redis_url: str) -> None:
    with running(postgres_url, redis_url, auth_mode="strict") as edge:
        for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
            assert httpx.get(edge.url + path).status_code == 401
            assert httpx.get(edge.url + path, headers={"api-key": edge.key}).status_code == 200
    with running(postgres_url, redis_url, auth_mode="off") as edge:
        assert httpx.get(f"{edge.url}/v1/models").status_code == 200
        assert ask(edge, "anything").status_code == 200
        answer = httpx.post(f"{edge.url}/v1/completions", json={"model": "scripted", "prompt": "x"})
        assert ok(answer)["usage"]["completion_tokens"] == 16
        assert edge.sql("SELECT project_id FROM usage") == [{"project_id": "local"}]


def shut_out(edge: Edge, **headers: str) -> httpx.Response:
    """Guesses keys until they are not looked at any more: the twenty-first time, later when time passes meanwhile."""
    for _ in range(100):
        answer = guess(edge, **headers)
        if answer.status_code != 401:
            return answer
    raise AssertionError("a hundred wrong keys were looked at")


def test_an_attacker_behind_the_same_proxy_shuts_nobody_out(postgres_url: str, redis_url: str) -> None:
    with running(postgres_url, redis_url, trusted_proxies="127.0.0.0/8") as edge:
        from_attacker, from_tenant = {"x-forwarded-for": ATTACKER}, {"x-forwarded-for": TENANT}
        blocked = shut_out(edge, **from_attacker)
        assert refused(blocked, 429, "rate_limit_exceeded")["type"] == "rate_limit_error"
        assert 1 <= int(blocked.headers["retry-after"]) <= 3
        refused(guess(edge, **from_tenant), 401)
        assert ask(edge, edge.key, **from_tenant).status_code == 200
        assert ask(edge, edge.key, **from_attacker).status_code == 200
        # Whatever attackers write, the proxy's own entry is the last one.
        assert shut_out(edge, **{"x-forwarded-for": f"{TENANT}, {ATTACKER}"}).status_code == 429
        refused(guess(edge, **from_tenant), 401)


def test_what_strangers_say_of_their_address_is_not_believed(postgres_url: str, redis_url: str) -> None:
    with running(postgres_url, redis_url) as edge:
        assert ask(edge, edge.key).status_code == 200
        answers = [guess(edge, **{"x-forwarded-for": f"192.0.2.{number}"}).status_code for number in range(100)]
        assert answers[:20] == [401] * 20
        assert 429 in answers
        assert ask(edge, edge.key).status_code == 200
