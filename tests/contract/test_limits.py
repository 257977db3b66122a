"""What callers are told of their limits, in headers and by GET /v1/limits, is what holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import yaml

from api.main import EXPOSED
from api.routers.docs import SPEC
from tests.contract import tenants
from tests.contract.tenants import Tenant, ok, refused, until
from tests.edge import Edge
from tests.workers import MODEL

HOURLY = {"name": "requests_per_day", "limit": 24, "burst": 3}  # too slow to grow back while a test runs


def set_limits(admin: httpx.Client, tenant: Tenant, *limits: Mapping[str, Any], **where: Any) -> None:
    """Sets limits of the project, and waits until the edge goes by them."""
    where = where or {"project": tenant.project}
    ok(admin.put("/admin/v1/limits", json={"limits": limits, **where}))
    wanted = {(limit["name"], limit["limit"]) for limit in limits if limit["limit"] is not None}
    model = {"model": MODEL}
    until(lambda: wanted <= {(row["name"], row["limit"]) for row in standing(tenant, **model)})


def standing(tenant: Tenant, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(tenant.http.get("/v1/limits", params=query))["limits"]
    return found


def test_looking_takes_nothing_and_a_request_takes_one(admin: httpx.Client, tenant: Tenant) -> None:
    set_limits(admin, tenant, HOURLY)

    def daily() -> dict[str, Any]:
        return next(row for row in standing(tenant) if row["name"] == HOURLY["name"])

    assert daily() == daily()
    assert (daily()["limit"], daily()["burst"], daily()["used"], daily()["remaining"]) == (24, 3, 0, 3)
    for left in (2, 1, 0):
        ok(tenant.chat())
        assert (daily()["remaining"], daily()["used"]) == (left, 3 - left)
    assert 0 < daily()["reset_ms"] <= 3 * 3_600_000
    assert daily()["scope"] == "project"


def test_a_refusal_has_its_code_and_every_header(admin: httpx.Client, tenant: Tenant) -> None:
    set_limits(admin, tenant, HOURLY)
    for _ in range(3):
        ok(tenant.chat())
    answer = tenant.chat()
    error = refused(answer, 429, "rate_limit_exceeded")
    assert error["type"] == "requests" and tenant.project in error["message"]
    assert answer.headers["x-ratelimit-limit-requests"] == "24"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
    assert 0 < int(answer.headers["retry-after-ms"]) <= 3_600_000
    assert answer.headers["x-should-retry"] == "false"  # nobody waits for an hour


def test_success_tells_how_the_limits_that_bind_stand(admin: httpx.Client, tenant: Tenant) -> None:
    tokens = {"name": "tokens_per_minute", "limit": 500_000}
    set_limits(admin, tenant, {"name": "requests_per_minute", "limit": 600, "burst": 100}, tokens)
    headers = tenant.chat().headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-limit-rpm"]) == ("600", "600")
    assert headers["x-ratelimit-remaining-requests"] == headers["x-ratelimit-remaining-rpm"] == "99"
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-limit-tpm"]) == ("500000", "500000")
    assert int(headers["x-ratelimit-remaining-tokens"]) == int(headers["x-ratelimit-remaining-tpm"]) < 500_000
    assert headers["x-ratelimit-reset-requests"] and headers["x-ratelimit-reset-tokens"]
    assert "x-novai-degraded" not in headers


def test_limits_count_the_tokens_that_answers_used(admin: httpx.Client, tenant: Tenant) -> None:
    """Not the estimate, which counts all that may be written."""
    set_limits(admin, tenant, {"name": "tokens_per_day", "limit": 2400})  # one grows back in 36 seconds
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello " * 20}], "max_tokens": 500}
    answers = [ok(tenant.http.post(tenants.CHAT, json=body)) for _ in range(2)]
    used = sum(answer["usage"]["total_tokens"] for answer in answers)
    until(lambda: next(row["used"] for row in standing(tenant) if row["name"] == "tokens_per_day") == used, 10)


def test_each_scope_is_told(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    set_limits(admin, tenant, {"name": "requests_per_minute", "limit": 50}, key_id=tenant.key_id)
    set_limits(
        admin,
        tenant,
        {"name": "concurrent_requests", "limit": 7},
        project=tenant.project,
        scope="model",
        model=MODEL,
    )
    rows = {(row["scope"], row["name"]): row["limit"] for row in standing(tenant, model=MODEL)}
    assert rows["key", "requests_per_minute"] == 50
    assert rows["project", "requests_per_minute"] == 10_000  # of the default tier
    assert rows["model", "concurrent_requests"] == 7
    assert not any(row["scope"] == "model" for row in standing(tenant))
    refused(tenant.http.get("/v1/limits", params={"model": "no-such-model"}), 404, "model_not_found")
    with tenants.tenant(edge, admin, tenant.project, scopes=["usage"], models=["other"]) as narrow:
        assert standing(narrow)  # any key may ask
        refused(narrow.http.get("/v1/limits", params={"model": MODEL}), 403, "model_not_allowed")


def test_budgets_of_the_project_and_the_key_are_told(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    ok(admin.put("/admin/v1/budgets", json={"project": tenant.project, "kind": "month", "limit_usd": 2}))
    ok(admin.put("/admin/v1/budgets", json={"key_id": tenant.key_id, "kind": "total", "limit_usd": 0.5}))
    with tenants.tenant(edge, admin, tenant.project) as colleague:
        ok(admin.put("/admin/v1/budgets", json={"key_id": colleague.key_id, "kind": "total", "limit_usd": 3}))
    answer = tenant.chat()
    spent = ok(tenant.http.get(f"/v1/usage/requests/{answer.headers['x-request-id']}"))["paid"]["cost_nusd"]
    found = ok(tenant.http.get("/v1/limits"))["budgets"]
    assert [(b["key_id"], b["kind"], b["left_nusd"]) for b in found] == [
        (None, "month", 2 * 10**9 - spent),
        (tenant.key_id, "total", 5 * 10**8 - spent),
    ]
    assert all(b["spent_nusd"] == spent and b["held_nusd"] == 0 for b in found)


def test_browsers_may_read_every_header_of_the_spec() -> None:
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    responses = [
        operation_responses
        for item in spec["paths"].values()
        for operation in item.values()
        for operation_responses in (*operation["responses"].values(), *spec["components"]["responses"].values())
        if "headers" in operation_responses
    ]
    named = {name for response in responses for name in response["headers"]} - {"allow"}
    assert named <= set(EXPOSED)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
def test_the_spec_names_every_header_of_rate_limits(path: str) -> None:
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    sent = {name for name in EXPOSED if name.startswith("x-ratelimit-")} | {"x-novai-degraded"}
    assert len(sent) == 11
    assert sent <= spec["paths"][path]["post"]["responses"]["200"]["headers"].keys()
    assert sent <= spec["components"]["responses"]["TooManyRequests"]["headers"].keys()
