"""Administration over HTTP: it is in force at once, it stays within the organisation, and it is written down."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.generated.routes import OPERATIONS
from tests.contract import tenants
from tests.contract.tenants import Tenant, ok, refused, until
from tests.edge import Edge
from tests.workers import MODEL

Audited = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def audited(admin: httpx.Client) -> Audited:
    """What was written since the fixture was made, oldest first."""
    newest = ok(admin.get("/admin/v1/audit", params={"limit": 1}))["data"]
    since = int(newest[0]["id"]) if newest else 0

    def read() -> list[dict[str, Any]]:
        rows = ok(admin.get("/admin/v1/audit", params={"limit": 1000}))["data"]
        return [row for row in reversed(rows) if int(row["id"]) > since]

    return read


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize(("method", "path"), [where for where in OPERATIONS.values() if where[1].startswith("/admin/")])
def test_a_key_without_the_scope_may_not(tenant: Tenant, method: str, path: str) -> None:
    scope = "models" if path.startswith("/admin/v1/models") else "admin"
    path = path.replace("{key_id}", tenant.key_id).replace("{project}", tenant.project).replace("{tier}", "default")
    answer = tenant.http.request(method, path, content=b"not even JSON")
    assert f"`{scope}`" in refused(answer, 403, "missing_scope")["message"]


def test_the_scope_models_is_handed_on_by_keys_that_have_it(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    fields = {"project": tenant.project, "name": "k", "scopes": ["models"]}
    theirs = ok(admin.post("/admin/v1/keys", json=fields))["info"]["id"]
    with tenants.tenant(edge, admin, tenant.project, scopes=["admin"]) as narrow:
        for attempt in (
            narrow.http.post("/admin/v1/keys", json=fields),
            narrow.http.post(f"/admin/v1/keys/{theirs}/rotate", json={"overlap_s": 0}),
        ):
            assert "`models`" in refused(attempt, 403, "missing_scope")["message"]
        ok(narrow.http.post("/admin/v1/keys", json=fields | {"scopes": ["inference", "usage", "admin"]}))
        ok(narrow.http.post(f"/admin/v1/keys/{theirs}/revoke"))


def test_other_organisations_do_not_exist(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    with tenants.stranger(edge) as stranger:
        http = stranger.http
        limits = [{"name": "requests_per_minute", "limit": 1}]
        attempts = [
            http.post(f"/admin/v1/projects/{tenant.project}/archive"),
            http.put(f"/admin/v1/projects/{tenant.project}/tier", json={"tier": "default"}),
            http.get("/admin/v1/keys", params={"project": tenant.project}),
            http.post("/admin/v1/keys", json={"project": tenant.project, "name": "x"}),
            http.post(f"/admin/v1/keys/{tenant.key_id}/revoke"),
            http.post(f"/admin/v1/keys/{tenant.key_id}/rotate", json={"overlap_s": 0}),
            http.get("/admin/v1/budgets", params={"project": tenant.project}),
            http.put("/admin/v1/budgets", json={"project": tenant.project, "kind": "total", "limit_usd": 0}),
            http.put("/admin/v1/budgets", json={"key_id": tenant.key_id, "kind": "total", "limit_usd": 0}),
            http.delete("/admin/v1/budgets", params={"key_id": tenant.key_id}),
            http.get("/admin/v1/credits", params={"project": tenant.project}),
            http.post("/admin/v1/credits", json={"project": tenant.project, "amount_usd": 1}),
            http.get("/admin/v1/limits", params={"key_id": tenant.key_id}),
            http.put("/admin/v1/limits", json={"project": tenant.project, "limits": limits}),
            http.delete("/admin/v1/limits", params={"key_id": tenant.key_id}),
        ]
        for answer in attempts:
            refused(answer, 404)
        assert [project["id"] for project in ok(http.get("/admin/v1/projects"))["data"]] == [stranger.project]
        assert [key["id"] for key in ok(http.get("/admin/v1/keys"))["data"]] == [stranger.key_id]
        assert ok(http.get("/admin/v1/budgets"))["data"] == []
        assert all(row["organisation_id"] is None for row in ok(http.get("/admin/v1/audit"))["data"])
    ok(tenant.chat())


# ---------------------------------------------------------------- projects and keys


def test_a_project_from_its_making_to_its_end(edge: Edge, admin: httpx.Client, audited: Audited) -> None:
    with tenants.tenant(edge, admin) as tenant:
        listed = {project["id"]: project for project in ok(admin.get("/admin/v1/projects"))["data"]}
        name = listed[tenant.project]["name"]
        refused(admin.post("/admin/v1/projects", json={"name": name}), 409)
        ok(tenant.chat())
        ok(admin.post(f"/admin/v1/projects/{tenant.project}/archive"))
        until(lambda: tenant.chat().status_code == 401)
        refused(admin.post(f"/admin/v1/projects/{tenant.project}/archive"), 404)
        assert tenant.project not in {row["id"] for row in ok(admin.get("/admin/v1/projects"))["data"]}
        limits = [{"name": "requests_per_minute", "limit": 1}]
        for answer in (
            admin.put("/admin/v1/budgets", json={"key_id": tenant.key_id, "kind": "total", "limit_usd": 0}),
            admin.put("/admin/v1/limits", json={"key_id": tenant.key_id, "limits": limits}),
        ):
            assert "Name a key of another project." in refused(answer, 404)["message"]
    assert [(row["action"], row["target"]) for row in audited()] == [
        ("project.create", tenant.project),
        ("key.create", tenant.key_id),
        ("project.archive", tenant.project),
    ]


@pytest.mark.parametrize("name", ["", " ", " x", "x ", "x\n", "x\ty"])
def test_a_name_has_no_white_space_around_it(admin: httpx.Client, tenant: Tenant, name: str) -> None:
    for path, body in (("projects", {}), ("keys", {"project": tenant.project})):
        error = refused(admin.post(f"/admin/v1/{path}", json=body | {"name": name}), 400)
        assert error["param"] == "name", (path, error)


@pytest.mark.parametrize("name", ["a/b", ".", ".."])
def test_a_name_that_no_path_can_have_is_refused(admin: httpx.Client, name: str) -> None:
    error = refused(admin.post("/admin/v1/projects", json={"name": name}), 400, "invalid_value")
    assert error["param"] == "name"


def test_a_project_is_found_by_its_name_however_that_is_written(admin: httpx.Client) -> None:
    name = f"a b?#%2F&.. {secrets.token_hex(4)}"
    made = ok(admin.post("/admin/v1/projects", json={"name": name}))
    archived = admin.post(f"/admin/v1/projects/{quote(name, safe='')}/archive")
    assert ok(archived)["id"] == made["id"]


def test_keys_are_listed_a_page_at_a_time(admin: httpx.Client, tenant: Tenant) -> None:
    made = [tenant.key_id]
    made += [
        ok(admin.post("/admin/v1/keys", json={"project": tenant.project, "name": name}))["info"]["id"] for name in "ab"
    ]
    mine = {"project": tenant.project}
    page = ok(admin.get("/admin/v1/keys", params=mine))
    assert [key["id"] for key in page["data"]] == made and page["has_more"] is False
    first = ok(admin.get("/admin/v1/keys", params=mine | {"limit": 2}))
    assert (first["first_id"], first["last_id"], first["has_more"]) == (made[0], made[1], True)
    last = ok(admin.get("/admin/v1/keys", params=mine | {"limit": 2, "after": first["last_id"]}))
    assert ([key["id"] for key in last["data"]], last["has_more"]) == (made[2:], False)
    assert refused(admin.get("/admin/v1/keys", params={"after": "nobody"}), 404)["param"] == "after"


def test_a_key_cannot_archive_its_own_project(edge: Edge) -> None:
    with tenants.stranger(edge) as owner:
        refused(owner.http.post(f"/admin/v1/projects/{owner.project}/archive"), 409)
        ok(owner.http.get("/admin/v1/projects"))


def test_revocation_is_in_force_within_a_second(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    ok(tenant.chat())
    assert ok(admin.post(f"/admin/v1/keys/{tenant.key_id}/revoke"))["state"] == "revoked"
    revoked_s = time.monotonic()
    asked_s = revoked_s
    while tenant.http.get("/v1/models").status_code == 200:
        asked_s = time.monotonic()  # when the last request was sent that still went through, at the latest
    assert asked_s - revoked_s < 1
    refused(tenant.chat(), 401)
    again = refused(admin.post(f"/admin/v1/keys/{tenant.key_id}/revoke"), 409)
    assert "already" in again["message"] and again["param"] == "key_id"
    assert [row["action"] for row in audited()] == ["key.revoke"]


def test_a_rotated_key_works_as_long_as_was_said(
    edge: Edge, admin: httpx.Client, tenant: Tenant, audited: Audited
) -> None:
    path = f"/admin/v1/keys/{tenant.key_id}/rotate"
    made = ok(admin.post(path, json={"overlap_s": 3600}))
    with tenants.client(edge, made["key"]) as successor:
        ok(successor.get("/v1/models"))
        ok(tenant.chat())  # both work
        keys = {row["id"]: row for row in ok(admin.get("/admin/v1/keys", params={"project": tenant.project}))["data"]}
        old, new = keys[tenant.key_id], keys[made["info"]["id"]]
        assert (old["state"], old["rotated_to"], new["state"]) == ("rotated", new["id"], "active")
        assert 0 < old["expires_at"] - new["created_at"] <= 3600
        assert refused(admin.post(path, json={"overlap_s": 0}), 409)["param"] == "key_id"
        again = ok(admin.post(f"/admin/v1/keys/{new['id']}/rotate", json={"overlap_s": 0}))
        until(lambda: successor.get("/v1/models").status_code == 401)
    told = audited()
    assert [(row["action"], row["target"]) for row in told] == [
        ("key.rotate", tenant.key_id),
        ("key.rotate", made["info"]["id"]),
    ]
    assert told[1]["details"]["successor"] == again["info"]["id"]


def test_a_key_is_what_was_asked_for_and_its_secret_is_nowhere(
    edge: Edge, admin: httpx.Client, tenant: Tenant, audited: Audited
) -> None:
    fields = {"scopes": ["inference", "inference"], "models": ["other"], "expires_in_s": 60}
    with tenants.tenant(edge, admin, tenant.project, **fields) as made:
        refused(made.chat(), 403, "model_not_allowed")
    keys = admin.get("/admin/v1/keys", params={"project": tenant.project})
    [listed] = [row for row in ok(keys)["data"] if row["id"] == made.key_id]
    assert (listed["scopes"], listed["models"], listed["state"]) == (["inference"], ["other"], "active")
    assert listed["expires_at"] - listed["created_at"] in (59, 60, 61) and made.key.endswith(listed["ends_in"])
    secret = made.key.rpartition("-")[2]
    assert secret not in keys.text and secret not in admin.get("/admin/v1/audit").text
    [entry] = audited()
    assert (entry["actor"], entry["details"]["scopes"]) == (own_key_id(edge), ["inference"])


def own_key_id(edge: Edge) -> str:
    return edge.admin_key.split("-")[2]


# ---------------------------------------------------------------- money


def test_a_key_and_its_successors_have_one_budget(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    ok(tenant.chat())
    budget = {"key_id": tenant.key_id, "kind": "total", "limit_usd": 1, "alert_percents": [90]}
    spent = ok(admin.put("/admin/v1/budgets", json=budget))["spent_nusd"]
    newest, plain = tenant.key_id, tenant.key
    for _ in range(2):
        made = ok(admin.post(f"/admin/v1/keys/{newest}/rotate", json={"overlap_s": 3600}))
        newest, plain = made["info"]["id"], made["key"]
    with tenants.client(edge, plain) as http:
        successor = Tenant(tenant.project, newest, plain, http)
        for who in (tenant, successor):
            ok(who.chat())
            [listed] = ok(admin.get("/admin/v1/budgets", params={"project": tenant.project}))["data"]
            assert listed["key_id"] == newest and listed["spent_nusd"] > spent
            assert ok(who.http.get("/v1/limits"))["budgets"] == [listed]
            spent = listed["spent_nusd"]
        for name in (tenant.key_id, newest):
            ok(admin.put("/admin/v1/budgets", json={"key_id": name, "kind": "total", "limit_usd": 0}))
            for who in (tenant, successor):
                assert "API key" in refused(who.chat(), 429, "insufficient_quota")["message"]
            assert ok(admin.delete("/admin/v1/budgets", params={"key_id": name}))["cleared"] is True
        again = ok(admin.put("/admin/v1/budgets", json={"key_id": newest, "kind": "month", "limit_usd": 1}))
        assert again["spent_nusd"] == spent  # by all of them
        ok(successor.chat())


def test_a_budget_binds_the_next_request(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    ok(tenant.chat())
    budget = {"project": tenant.project, "kind": "total", "limit_usd": 0}
    answer = ok(admin.put("/admin/v1/budgets", json=budget))
    assert answer["left_nusd"] == -answer["spent_nusd"] < 0  # what was spent before counts
    error = refused(tenant.chat(), 429, "insufficient_quota")
    assert error["type"] == "insufficient_quota"
    ok(admin.put("/admin/v1/budgets", json=budget | {"limit_usd": 1, "alert_percents": [90, 10, 90]}))
    ok(tenant.chat())
    [listed] = ok(admin.get("/admin/v1/budgets", params={"project": tenant.project}))["data"]
    assert (listed["kind"], listed["limit_nusd"], listed["alert_percents"]) == ("total", 10**9, [10, 90])
    ok(admin.put("/admin/v1/budgets", json={"key_id": tenant.key_id, "kind": "month", "limit_usd": 0}))
    assert "API key" in refused(tenant.chat(), 429, "insufficient_quota")["message"]
    assert ok(admin.delete("/admin/v1/budgets", params={"key_id": tenant.key_id}))["cleared"] is True
    assert ok(admin.delete("/admin/v1/budgets", params={"key_id": tenant.key_id}))["cleared"] is False
    ok(tenant.chat())
    actions = [(row["action"], row["target"]) for row in audited()]
    of_project, of_key = ("budget.set", tenant.project), ("budget.set", tenant.key_id)
    assert actions == [of_project, of_project, of_key, ("budget.clear", tenant.key_id)]


def test_credits_that_cannot_be_counted_are_refused(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    most = {"project": tenant.project, "amount_usd": 10**9}
    for _ in range(9):
        ok(admin.post("/admin/v1/credits", json=most))
    assert refused(admin.post("/admin/v1/credits", json=most), 400, "invalid_value")["param"] == "amount_usd"
    [credit] = ok(admin.get("/admin/v1/credits", params={"project": tenant.project}))["data"]
    assert (credit["limit_nusd"], len(audited())) == (9 * 10**18, 9)
    ok(tenant.chat())
    [credit] = ok(admin.get("/admin/v1/credits", params={"project": tenant.project}))["data"]
    assert credit["spent_nusd"] > 0 == credit["held_nusd"]


def test_credits_are_granted_once(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    credit = {"project": tenant.project, "amount_usd": 0.000000001, "id": "invoice-7"}
    assert ok(admin.post("/admin/v1/credits", json=credit))["limit_nusd"] == 1
    refused(tenant.chat(), 429, "insufficient_quota")  # prepaid from now on
    refused(admin.post("/admin/v1/credits", json=credit), 409)
    assert (
        ok(admin.post("/admin/v1/credits", json=credit | {"id": "b", "amount_usd": 12.5}))["left_usd"] == 12.500000001
    )
    ok(tenant.chat())
    [listed] = ok(admin.get("/admin/v1/credits", params={"project": tenant.project}))["data"]
    assert listed["limit_nusd"] == 12_500_000_001 and 0 < listed["spent_nusd"] < 10**9
    assert [row["details"]["amount"] for row in audited()] == ["$0.000000001", "$12.50"]


def test_a_retry_of_a_credit_gets_the_answer_and_no_second_credit(
    edge: Edge, admin: httpx.Client, tenant: Tenant, audited: Audited
) -> None:
    credit, key = {"project": tenant.project, "amount_usd": 10}, {"Idempotency-Key": f"credit {tenant.project}"}
    first, second = (admin.post("/admin/v1/credits", json=credit, headers=key) for _ in range(2))
    assert ok(first) == ok(second) and ok(first)["limit_nusd"] == 10 * 10**9
    assert second.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    more = credit | {"amount_usd": 11}
    refused(admin.post("/admin/v1/credits", json=more, headers=key), 400, "idempotency_key_reused")
    # As if the process had ended before the answer was kept.
    edge.sql("DELETE FROM idempotency WHERE key = $1", key["Idempotency-Key"])
    refused(admin.post("/admin/v1/credits", json=credit, headers=key), 409)
    [listed] = ok(admin.get("/admin/v1/credits", params={"project": tenant.project}))["data"]
    assert listed["limit_nusd"] == 10 * 10**9
    assert [row["action"] for row in audited()] == ["credits.add"]


def test_prices_are_versions(admin: httpx.Client, audited: Audited) -> None:
    model = f"priced {time.monotonic_ns()}"
    price = {"model": model, "input_usd_per_mtok": 0.0375, "cached_usd_per_mtok": 0, "output_usd_per_mtok": 3}
    first = ok(admin.post("/admin/v1/prices", json=price))
    later = ok(admin.post("/admin/v1/prices", json=price | {"output_usd_per_mtok": 4, "valid_from": 4_000_000_000}))
    assert (first["version"], first["input_nusd_per_mtok"], first["output_nusd_per_mtok"]) == (1, 37_500_000, 3 * 10**9)
    assert (later["version"], later["valid_from"]) == (2, 4_000_000_000)
    listed = [row for row in ok(admin.get("/admin/v1/prices"))["data"] if row["model"] == model]
    assert listed == [first, later]
    error = refused(admin.post("/admin/v1/prices", json=price | {"cached_usd_per_mtok": 1}), 400)
    assert error["param"] == "cached_usd_per_mtok"
    assert [(row["action"], row["target"], row["organisation_id"]) for row in audited()] == [
        ("price.set", model, None)
    ] * 2


# ---------------------------------------------------------------- limits


def test_limits_override_the_tier_until_they_are_cleared(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    where = {"project": tenant.project}
    rpm = {"name": "requests_per_minute", "limit": 120, "burst": 7}
    said = ok(
        admin.put("/admin/v1/limits", json=where | {"limits": [rpm, {"name": "tokens_per_minute", "limit": None}]})
    )
    assert {(row["name"], row["limit"], row["burst"]) for row in said["data"]} == {
        ("requests_per_minute", 120, 7),
        ("tokens_per_minute", None, None),
    }
    model = where | {"scope": "model", "model": MODEL, "limits": [{"name": "concurrent_requests", "limit": 3}]}
    ok(admin.put("/admin/v1/limits", json=model))
    ok(admin.put("/admin/v1/limits", json=where | {"scope": "key", "limits": [rpm]}))

    def in_force(**query: str) -> dict[tuple[str, str], tuple[int | None, str]]:
        rows = ok(admin.get("/admin/v1/limits", params=query))["data"]
        return {(row["scope"], row["name"]): (row["limit"], row["set_by"]) for row in rows}

    found = in_force(**where)
    assert found["project", "requests_per_minute"] == (120, "project")
    assert found["project", "concurrent_requests"] == (1000, "tier default")
    assert found["model", "concurrent_requests"] == (3, "project")
    ok(admin.put("/admin/v1/limits", json={"key_id": tenant.key_id, "limits": [rpm | {"limit": 2}]}))
    assert in_force(key_id=tenant.key_id)["key", "requests_per_minute"] == (2, "key")
    ok(admin.delete("/admin/v1/limits", params={"key_id": tenant.key_id}))
    assert in_force(key_id=tenant.key_id)["key", "requests_per_minute"] == (120, "project")
    left = ok(admin.delete("/admin/v1/limits", params=where | {"name": "tokens_per_minute"}))["data"]
    assert {(row["scope"], row["name"]) for row in left} == found.keys() - {
        ("project", "tokens_per_minute"),
        ("project", "concurrent_requests"),
    }
    assert in_force(**where)["project", "tokens_per_minute"] == (10_000_000, "tier default")
    assert {row["action"] for row in audited()} == {"limits.set"} and len(audited()) == 6


def test_a_filter_that_is_misspelt_clears_nothing(admin: httpx.Client, tenant: Tenant) -> None:
    where = {"project": tenant.project}
    limits = [{"name": "requests_per_minute", "limit": 600}, {"name": "tokens_per_minute", "limit": 1000}]
    ok(admin.put("/admin/v1/limits", json=where | {"limits": limits}))
    before = ok(admin.get("/admin/v1/limits", params=where))
    answer = admin.delete("/admin/v1/limits", params=where | {"limit": "requests_per_minute"})
    error = refused(answer, 400, "unknown_parameter")
    assert error["param"] == "limit" and "'key_id', 'model', 'name', 'project', 'scope'" in error["message"]
    assert ok(admin.get("/admin/v1/limits", params=where)) == before
    created = admin.post("/admin/v1/keys?scopes=inference", json=where | {"name": "k"})
    assert refused(created, 400, "unknown_parameter")["message"].endswith("Parameters of this path are: none.")


def test_a_tier_is_made_and_assigned(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    name = f"tier {time.monotonic_ns()}"
    path = f"/admin/v1/projects/{tenant.project}/tier"
    refused(admin.put(path, json={"tier": name}), 404)
    limits = [{"name": "requests_per_day", "limit": 2}]
    assert ok(admin.put(f"/admin/v1/tiers/{name}", json={"limits": limits}))["limits"][0]["burst"] == 2
    assert ok(admin.put(path, json={"tier": name}))["tier"] == name
    until(lambda: tenant.http.get("/v1/limits").json()["limits"][0]["limit"] == 2)
    ok(tenant.chat()), ok(tenant.chat())
    refused(tenant.chat(), 429, "rate_limit_exceeded")
    assert name in {tier["name"] for tier in ok(admin.get("/admin/v1/tiers"))["data"]}
    assert [(row["action"], row["target"]) for row in audited()] == [
        ("tier.set", name),
        ("tier.assign", tenant.project),
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "project"),
        ({"project": "x", "key_id": "x"}, "project"),
        ({"project": "x", "model": MODEL}, "model"),
        ({"project": "x", "scope": "model"}, "model"),
        ({"key_id": "x", "scope": "project"}, "scope"),
        ({"key_id": "x", "limits": [{"name": "concurrent_requests", "limit": 5, "burst": 2}]}, "limits[0].burst"),
        ({"key_id": "x", "limits": [{"name": "tokens_per_day", "limit": 5, "burst": 51}]}, "limits[0].burst"),
        ({"key_id": "x", "limits": [{"name": "tokens_per_day", "limit": 5}] * 2}, "limits[1].name"),
        ({"key_id": "x", "limits": [{"name": "speed", "limit": 5}]}, "limits[0].name"),
        ({"key_id": "x", "limits": []}, "limits"),
    ],
)
def test_limits_that_cannot_be(admin: httpx.Client, fields: dict[str, Any], param: str) -> None:
    body = {"limits": [{"name": "requests_per_minute", "limit": 5}]} | fields
    assert refused(admin.put("/admin/v1/limits", json=body), 400)["param"] == param


# ---------------------------------------------------------------- the audit log


def test_the_log_is_read_in_pages_from_the_newest(admin: httpx.Client, tenant: Tenant) -> None:
    for limit in (1, 2, 3, 4, 5):
        ok(admin.put("/admin/v1/budgets", json={"project": tenant.project, "kind": "total", "limit_usd": limit}))
    whole = ok(admin.get("/admin/v1/audit", params={"limit": 1000}))["data"]
    assert [row["details"]["limit"] for row in whole[:5]] == ["$5.00", "$4.00", "$3.00", "$2.00", "$1.00"]
    assert [int(row["id"]) for row in whole] == sorted((int(row["id"]) for row in whole), reverse=True)
    read: list[Any] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = ok(admin.get("/admin/v1/audit", params=query))
        read += page["data"]
        if not page["has_more"]:
            assert page["next_after"] is None
            break
        query["after"] = page["next_after"]
    assert read == whole
    for wrong in ("x", "-1", "9" * 30, "½"):
        assert refused(admin.get("/admin/v1/audit", params={"after": wrong}), 400)["param"] == "after"


def test_what_fails_is_not_written(admin: httpx.Client, tenant: Tenant, audited: Audited) -> None:
    refused(admin.post("/admin/v1/credits", json={"project": "nowhere", "amount_usd": 1}), 404)
    refused(admin.post("/admin/v1/credits", json={"project": tenant.project, "amount_usd": 1e-10}), 400)
    refused(admin.put(f"/admin/v1/projects/{tenant.project}/tier", json={"tier": "no such tier"}), 404)
    ok(admin.post("/admin/v1/credits", json={"project": tenant.project, "amount_usd": 1, "id": "x"}))
    refused(admin.post("/admin/v1/credits", json={"project": tenant.project, "amount_usd": 1, "id": "x"}), 409)
    assert [row["action"] for row in audited()] == ["credits.add"]


def test_fields_that_nobody_looks_at_are_named(admin: httpx.Client, tenant: Tenant) -> None:
    answer = admin.post("/admin/v1/keys", json={"project": tenant.project, "name": "k", "expires_in_days": 1})
    assert ok(answer) and answer.headers["x-novai-ignored-params"] == "expires_in_days"
