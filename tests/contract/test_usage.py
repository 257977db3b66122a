"""What /v1/usage says is what the answers said, to the nano-USD; and nobody sees what is not theirs."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from api.domain import TokenUsage
from api.ledger.pricing import Price, cost_nusd
from tests.contract import tenants
from tests.contract.tenants import CHAT, Tenant, ok, refused, until
from tests.edge import PRICE, Edge
from tests.workers import MODEL

SUMS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "cost_nusd")


def counted(answer: httpx.Response) -> Counter[str]:
    """What an answer says that it used, and what that costs."""
    usage = ok(answer)["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    tokens = TokenUsage(usage["prompt_tokens"], cached, usage["completion_tokens"])
    cost = cost_nusd(Price(MODEL, 1, *PRICE), tokens)
    return Counter(dict(zip(SUMS, (1, tokens.prompt_tokens, cached, tokens.completion_tokens, cost), strict=True)))


def total(rows: list[dict[str, Any]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows:
        found.update({name: row[name] for name in SUMS})
    return found


def pages(http: httpx.Client, **query: Any) -> list[list[dict[str, Any]]]:
    """All pages of an answer."""
    found = []
    while True:
        page = ok(http.get("/v1/usage", params=query))
        found.append(page["data"])
        assert page["has_more"] == (page["next_after"] is not None)
        if not page["has_more"]:
            return found
        query["after"] = page["next_after"]


def test_sums_are_what_the_answers_said(tenant: Tenant) -> None:
    wanted: Counter[str] = Counter()
    for words in (1, 2, 7):
        wanted.update(counted(tenant.chat("word " * words)))
    page = ok(tenant.http.get("/v1/usage"))
    assert page["object"] == "list" and page["has_more"] is False and page["next_after"] is None
    assert total(page["data"]) == wanted
    for row in page["data"]:  # more than one when midnight came between
        assert list(row)[:2] == ["date", "model"] and row["model"] == MODEL
        assert row["total_tokens"] == row["input_tokens"] + row["output_tokens"]
        assert Decimal(str(row["cost_usd"])) == Decimal(row["cost_nusd"]) / 10**9
        assert row["errors"] == 0
    grouped = ok(tenant.http.get("/v1/usage", params={"group_by": "hour,project,key"}))["data"]
    assert total(grouped) == wanted
    assert {(row["project_id"], row["key_id"]) for row in grouped} == {(tenant.project, tenant.key_id)}
    assert all(row["hour"].endswith(":00:00Z") and "date" not in row for row in grouped)


def test_what_a_stream_said_is_there_when_it_ends(tenant: Tenant) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": 'script:[{"say": "a b c d"}]'}]}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    lines = tenant.http.post(CHAT, json=body).text.splitlines()
    assert "data: [DONE]" in lines
    said = json.loads([line for line in lines if line.startswith("data: {")][-1].removeprefix("data: "))["usage"]
    [row] = ok(tenant.http.get("/v1/usage", params={"group_by": "model"}))["data"]
    assert (row["input_tokens"], row["output_tokens"]) == (said["prompt_tokens"], said["completion_tokens"])
    assert row["output_tokens"] == 4


def test_csv_has_the_same_rows_with_exact_amounts(tenant: Tenant) -> None:
    for words in (1, 3):
        ok(tenant.chat("word " * words))
    answer = tenant.http.get("/v1/usage", headers={"accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    read = list(csv.DictReader(io.StringIO(answer.text)))
    rows = ok(tenant.http.get("/v1/usage"))["data"]
    assert [list(row) for row in read] == [list(row) for row in rows]
    assert [row["cost_nusd"] for row in read] == [str(row["cost_nusd"]) for row in rows]
    assert all(Decimal(row["cost_usd"]) * 10**9 == int(row["cost_nusd"]) for row in read)
    assert "x-novai-next-after" not in answer.headers


def test_pages_have_every_row_once(
    edge: Edge, admin: httpx.Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: Counter[str] = Counter()
    for _ in range(5):
        with tenants.tenant(edge, admin, tenant.project) as one:
            used.update(counted(one.chat()))
    whole = ok(tenant.http.get("/v1/usage", params={"group_by": "key,model"}))["data"]
    assert len(whole) == 5
    for limit in (1, 2, 5):
        found = pages(tenant.http, group_by="key,model", limit=limit)
        assert all(len(page) <= limit for page in found) and len(found) == -(-5 // limit)
        assert [row for page in found for row in page] == whole
    assert total(whole) == used
    first = tenant.http.get("/v1/usage", params={"group_by": "key,model", "limit": 2}, headers={"accept": "text/csv"})
    again = tenant.http.get(
        "/v1/usage", params={"group_by": "key,model", "limit": 2, "after": first.headers["x-novai-next-after"]}
    )
    assert ok(again)["data"] == whole[2:4]
    monkeypatch.setattr("api.routers.usage.CSV_ROWS", 2)  # read at a time; who adds up gets them all
    answer = tenant.http.get("/v1/usage", params={"group_by": "key,model"}, headers={"accept": "text/csv"})
    read = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["key_id"] for row in read] == [row["key_id"] for row in whole]


def test_days_are_inclusive_and_filters_filter(tenant: Tenant) -> None:
    ok(tenant.chat())
    [stored] = ok(tenant.http.get("/v1/usage", params={"group_by": "day"}))["data"]
    day = datetime.fromisoformat(stored["date"]).replace(tzinfo=UTC).date()

    def rows(**query: Any) -> list[Any]:
        found: list[Any] = ok(tenant.http.get("/v1/usage", params=query))["data"]
        return found

    before, after = str(day - timedelta(days=1)), str(day + timedelta(days=1))
    assert len(rows(start_date=str(day), end_date=str(day))) == 1
    assert len(rows(start_date=before, end_date=after, group_by="hour")) == 1
    assert rows(end_date=before) == rows(start_date=after, end_date=after) == []
    assert len(rows(start_date="0001-01-01", end_date="9999-12-31")) == len(rows(end_date="9999-12-31")) == 1
    assert len(rows(model=MODEL, key_id=tenant.key_id, project_id=tenant.project)) == 1
    assert rows(model="other") == rows(key_id="another") == rows(project_id="another") == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"group_by": "day,hour"}, "group_by"),
        ({"group_by": "model,model"}, "group_by"),
        ({"group_by": "week"}, "group_by"),
        ({"group_by": ""}, "group_by"),
        ({"start_date": "2026-02-30"}, "start_date"),
        ({"start_date": "2026-02-02", "end_date": "2026-02-01"}, "start_date"),
        ({"end_date": "yesterday"}, "end_date"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"model": "a\0b"}, "model"),
        ({"project": "web"}, "project"),  # it is called `project_id` here, and all projects were summed up
        ({"after": "x"}, "after"),
        ({"after": "é"}, "after"),
        ({"after": "W1siZGF5Il0sWyJub25lIl1d"}, "after"),  # [["day"],["none"]]
        ({"group_by": "model", "after": "W1siZGF5Il0sWyIyMDI2LTAxLTAxVDAwOjAwOjAwWiJdXQ"}, "after"),
    ],
)
def test_what_cannot_be_asked(tenant: Tenant, query: dict[str, str], param: str) -> None:
    assert refused(tenant.http.get("/v1/usage", params=query), 400)["param"] == param


def test_a_project_sees_itself_and_an_administrator_the_organisation(
    edge: Edge, admin: httpx.Client, tenant: Tenant
) -> None:
    mine = ok(tenant.chat()) and tenant.http.get("/v1/usage").json()["data"]
    request_id = tenant.chat().headers["x-request-id"]
    with tenants.tenant(edge, admin) as other:
        assert ok(other.http.get("/v1/usage"))["data"] == []
        assert ok(other.http.get("/v1/usage", params={"project_id": tenant.project}))["data"] == []
        assert ok(other.http.get("/v1/usage", params={"key_id": tenant.key_id}))["data"] == []
        refused(other.http.get(f"/v1/usage/requests/{request_id}"), 404)
    seen = ok(admin.get("/v1/usage", params={"project_id": tenant.project}))["data"]
    assert seen[0]["requests"] == mine[0]["requests"] + 1
    assert ok(admin.get(f"/v1/usage/requests/{request_id}"))["project_id"] == tenant.project
    with tenants.stranger(edge) as elsewhere:
        assert ok(elsewhere.http.get("/v1/usage", params={"project_id": tenant.project}))["data"] == []
        assert ok(elsewhere.http.get("/v1/usage"))["data"] == []
        refused(elsewhere.http.get(f"/v1/usage/requests/{request_id}"), 404)


def test_without_the_scope_nothing_is_told(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    with tenants.tenant(edge, admin, tenant.project, scopes=["inference"]) as blind:
        assert "`usage`" in refused(blind.http.get("/v1/usage"), 403, "missing_scope")["message"]
        request_id = blind.chat().headers["x-request-id"]
        refused(blind.http.get(f"/v1/usage/requests/{request_id}"), 403, "missing_scope")


# ---------------------------------------------------------------- the bill of one request


def test_a_bill_adds_up(tenant: Tenant) -> None:
    answer = tenant.chat("a b c d e")
    wanted = counted(answer)
    bill = ok(tenant.http.get(f"/v1/usage/requests/{answer.headers['x-request-id']}"))
    used, price, paid = bill["used"], bill["price"], bill["paid"]
    assert (bill["state"], bill["hold"]["state"], bill["hold"]["account"]) == ("settled", "settled", "receivable")
    assert (used["outcome"], used["finish_reason"], used["status"]) == ("finished", "stop", 200)
    assert used["provenance"] == "engine" and used["streamed"] is False
    exact = (
        (used["input_tokens"] - used["cached_tokens"]) * price["input_nusd_per_mtok"]
        + used["cached_tokens"] * price["cached_nusd_per_mtok"]
        + used["output_tokens"] * price["output_nusd_per_mtok"]
    )
    assert paid["cost_nusd"] == -(-exact // 10**6) == wanted["cost_nusd"] <= bill["hold"]["amount_nusd"]
    assert (paid["by"], paid["outage_nusd"], bill["events"]) == ("account", 0, [])
    assert "5 output at $4.00 a million" in bill["explanation"]


def test_a_prepaid_request_is_paid_by_its_credits(admin: httpx.Client, tenant: Tenant) -> None:
    ok(admin.post("/admin/v1/credits", json={"project": tenant.project, "amount_usd": 1}))
    answer = tenant.chat()
    paid = ok(tenant.http.get(f"/v1/usage/requests/{answer.headers['x-request-id']}"))["paid"]
    assert paid["by"] == "credits"
    [credit] = ok(tenant.http.get("/v1/limits"))["budgets"]
    assert credit["left_nusd"] == 10**9 - paid["cost_nusd"] and credit["held_nusd"] == 0


def test_what_we_broke_is_free(tenant: Tenant) -> None:
    body = {"model": MODEL, "stream": True}
    script = json.dumps([{"say": "one two"}, {"wait_ms": 50}, {"fail": "broken"}])
    body["messages"] = [{"role": "user", "content": f"script:{script}"}]
    answer = tenant.http.post(CHAT, json=body)
    assert '"error"' in answer.text
    bill = ok(tenant.http.get(f"/v1/usage/requests/{answer.headers['x-request-id']}"))
    assert (bill["state"], bill["used"]["outcome"]) == ("released", "upstream_broke")
    assert bill["paid"]["cost_nusd"] == 0
    assert bill["paid"]["by"] == "operator" and bill["paid"]["outage_nusd"] > 0
    assert "the operator pays" in bill["explanation"]
    [row] = ok(tenant.http.get("/v1/usage", params={"group_by": "model"}))["data"]
    assert (row["requests"], row["errors"], row["cost_nusd"]) == (1, 1, 0)


def test_a_request_that_runs_has_a_hold_and_no_bill_yet(edge: Edge, tenant: Tenant) -> None:
    body = {"model": MODEL, "stream": True}
    body["messages"] = [{"role": "user", "content": 'script:[{"say": "one "}, {"hang": true}]'}]
    with tenant.http.stream("POST", CHAT, json=body) as answer:
        assert answer.status_code == 200
        path = f"/v1/usage/requests/{answer.headers['x-request-id']}"
        with tenants.client(edge, tenant.key) as other:
            until(lambda: other.get(path).status_code == 200)
            bill = ok(other.get(path))
            assert (bill["state"], bill["used"], bill["paid"]) == ("running", None, None)
            assert bill["hold"]["amount_nusd"] > 0 and "runs" in bill["explanation"]
    until(lambda: ok(tenant.http.get(path))["state"] == "settled")
    bill = ok(tenant.http.get(path))
    assert bill["used"]["outcome"] == "client_left" and bill["paid"]["by"] == "account"


def test_bills_that_do_not_exist(tenant: Tenant) -> None:
    refused(tenant.http.get("/v1/usage/requests/req_nothing"), 404)
    refused(tenant.http.get("/v1/usage/requests/no%00thing"), 400)
    never_admitted = tenant.chat(model="no-such-model").headers["x-request-id"]
    refused(tenant.http.get(f"/v1/usage/requests/{never_admitted}"), 404)
