"""/v1/batches: the official SDK from upload to answers, inputs, whose a batch is, and what makes one fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from openai import NotFoundError, OpenAI
from openai.types import Batch

from api.batches.tasks import BatchWorker
from api.state import open_state
from api.storage import batches as rows
from tests.contract import tenants
from tests.contract.tenants import Tenant, ok, refused, stranger
from tests.edge import Edge

PATH = "/v1/batches"
ENDPOINT = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")
LINES = 50_000  # that a batch may have
SECRET = "script:" + json.dumps([{"hang": True}])


@pytest.fixture(scope="module")
def worker(edge: Edge) -> Iterator[None]:
    """A batch worker beside the edge, on its loop, with connections of its own."""

    @contextlib.asynccontextmanager
    async def working() -> Any:
        async with open_state(replace(edge.settings, drain_s=0.1), batch=True) as app:
            task = asyncio.create_task(BatchWorker(app).run())
            yield
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    context = working()
    edge.run(context.__aenter__())
    yield
    edge.run(context.__aexit__(None, None, None))


@pytest.fixture
def sdk(edge: Edge, tenant: Tenant) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=tenant.key, max_retries=0, timeout=10) as client:
        yield client


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}


def line(custom_id: str, body: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body, **other}


def uploaded(sdk: OpenAI, lines: list[dict[str, Any]]) -> str:
    content = b"".join(json.dumps(item).encode() + b"\n" for item in lines)
    return sdk.files.create(file=("lines.jsonl", content), purpose="batch").id


def created(sdk: OpenAI, lines: list[dict[str, Any]], endpoint: Any = ENDPOINT, **more: Any) -> Batch:
    file_id = uploaded(sdk, lines)
    return sdk.batches.create(input_file_id=file_id, endpoint=endpoint, completion_window="24h", **more)


def until(sdk: OpenAI, batch_id: str, ready: Callable[[Batch], bool], patience_s: float = 60.0) -> Batch:
    deadline_s = time.monotonic() + patience_s
    while not ready(batch := sdk.batches.retrieve(batch_id)):
        assert time.monotonic() < deadline_s, batch
        time.sleep(0.05)  # the API tells nobody: its callers ask, too
    return batch


def over(sdk: OpenAI, batch_id: str) -> Batch:
    return until(sdk, batch_id, lambda batch: batch.status in OVER)


def answers(sdk: OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    if file_id is None:
        return {}
    lines = [json.loads(text) for text in sdk.files.content(file_id).text.splitlines()]
    assert len({item["custom_id"] for item in lines}) == len(lines)
    return {item["custom_id"]: item for item in lines}


def test_an_answer_is_one_line_however_lines_are_split(worker: None, sdk: OpenAI) -> None:
    said = "a\u2028b\u2029c\u0085d"
    batch = over(sdk, created(sdk, [line(said, chat("script:" + json.dumps([{"say": said}])))]).id)
    answer = answers(sdk, batch.output_file_id)[said]
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == said


def test_from_upload_to_answers(worker: None, edge: Edge, sdk: OpenAI, tenant: Tenant) -> None:
    """Each line is answered once and charged once, at half the price; a request that is refused is so by itself."""
    lines = [line(f"line-{n}", chat(f"hello {n}")) for n in range(250)]
    lines += [line("streamed", chat("hello", stream=True)), line("empty", {"model": "scripted", "messages": []})]
    batch = created(sdk, lines, metadata={"what": "a test"})
    assert (batch.status, batch.metadata) == ("validating", {"what": "a test"})
    batch = over(sdk, batch.id)
    assert batch.status == "completed" and batch.model == "scripted" and batch.errors is None
    assert batch.request_counts is not None and batch.usage is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (252, 250, 2)
    done, failed = answers(sdk, batch.output_file_id), answers(sdk, batch.error_file_id)
    assert done.keys() | failed.keys() == {item["custom_id"] for item in lines}
    assert not done.keys() & failed.keys()
    for item in done.values():
        assert item["response"]["status_code"] == 200 and item["error"] is None
        assert item["response"]["body"]["object"] == "chat.completion"
    assert failed["streamed"]["response"]["status_code"] == 400
    assert failed["streamed"]["response"]["body"]["error"]["param"] == "stream"
    bills = edge.sql("SELECT * FROM usage WHERE project_id = $1", tenant.project)
    assert {bill["request_id"] for bill in bills} == {item["response"]["request_id"] for item in done.values()}
    assert {bill["price_percent"] for bill in bills} == {50} and len(bills) == 250
    assert batch.usage.input_tokens == sum(bill["prompt_tokens"] for bill in bills)
    assert batch.usage.output_tokens == sum(bill["completion_tokens"] for bill in bills)
    [posted] = edge.sql("SELECT count(*) FROM transfers WHERE kind = 'post' AND project_id = $1", tenant.project)
    assert posted["count"] == 250


def test_inputs(worker: None, sdk: OpenAI, tenant: Tenant) -> None:
    """The other form: the same batch, and the file that they became."""
    named = {"custom_id": "mine", "body": chat("two")}
    beside = chat("three") | {"custom_id": "mine too"}
    answer = tenant.http.post(PATH, json={"inputs": [chat("one"), named, beside], "completion_window": "24h"})
    assert answer.status_code == 202
    made = answer.json()
    assert (made["total"], made["completed"], made["failed"], made["status"]) == (3, 0, 0, "validating")
    batch = over(sdk, made["id"])
    seen = ok(tenant.http.get(f"{PATH}/{batch.id}"))
    assert (seen["total"], seen["completed"], seen["failed"]) == (3, 3, 0)
    assert seen["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert (
        answers(sdk, batch.output_file_id).keys() == {"request-1", "mine", "mine too"} and batch.error_file_id is None
    )
    assert len(sdk.files.content(batch.input_file_id).text.splitlines()) == 3


def test_the_other_endpoints(worker: None, sdk: OpenAI) -> None:
    for endpoint, body, kind in (
        ("/v1/completions", {"model": "scripted", "prompt": "Once"}, "text_completion"),
        ("/v1/responses", {"model": "scripted", "input": [{"role": "user", "content": "Hi"}]}, "response"),
    ):
        batch = over(sdk, created(sdk, [line("a", body, url=endpoint)], endpoint).id)
        [item] = answers(sdk, batch.output_file_id).values()
        assert item["response"]["body"]["object"] == kind
        if kind == "response":
            assert sdk.responses.retrieve(item["response"]["body"]["id"]).status == "completed"


def test_what_makes_a_batch_fail(worker: None, edge: Edge, sdk: OpenAI, tenant: Tenant) -> None:
    """Nothing runs, and every wrong line is named."""
    batch = over(
        sdk,
        created(
            sdk,
            [
                line("a", chat("fine")),
                line("a", chat("twice")),
                line("b", chat("elsewhere"), url="/v1/embeddings"),
                line("c", chat("got"), method="GET"),
                line("d", chat("unknown") | {"model": "nobody"}),
                line("", chat("nameless")),
                line("e", {}),
            ],
        ).id,
    )
    assert batch.status == "failed" and batch.errors is not None and batch.failed_at is not None
    assert [(error.line, error.code) for error in batch.errors.data or []] == [
        (2, "duplicate_custom_id"),
        (3, "invalid_url"),
        (4, "invalid_method"),
        (5, "model_not_found"),
        (6, "missing_custom_id"),
        (7, "missing_required_parameter"),
    ]
    assert edge.sql("SELECT FROM usage WHERE project_id = $1", tenant.project) == []


def test_texts_with_a_nul(worker: None, sdk: OpenAI, tenant: Tenant) -> None:
    """JSON has them and PostgreSQL's texts do not: they come back as they came, or are refused."""
    batch = over(sdk, created(sdk, [line("a", chat("x") | {"model": "no\0body"})], metadata={"k\0": "v\0"}).id)
    assert (batch.status, batch.metadata) == ("failed", {"k\0": "v\0"}) and batch.errors is not None
    assert [(error.line, error.code) for error in batch.errors.data or []] == [(1, "model_not_found")]
    body = {"input_file_id": "file-\0", "endpoint": ENDPOINT, "completion_window": "24h"}
    refused(tenant.http.post(PATH, json=body), 400, "invalid_value")


def test_files_that_make_a_batch_fail(worker: None, sdk: OpenAI) -> None:
    """The upload says what is wrong with them already."""
    fine = json.dumps(line("a", chat("fine"))).encode() + b"\n"
    for content, at, code in (
        (fine + b"{nonsense}\n", 2, "invalid_json_line"),
        (b"", None, "empty_file"),
        (fine.replace(b'"a"', b'"%d"') * (LINES + 1) % tuple(range(LINES + 1)), LINES + 1, "too_many_lines"),
    ):
        file = sdk.files.create(file=("x.jsonl", content), purpose="batch")
        assert file.status == "error" and file.status_details
        batch = over(sdk, sdk.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h").id)
        assert batch.status == "failed" and batch.errors is not None
        assert (at, code) in [(error.line, error.code) for error in batch.errors.data or []]


def test_cancelled(worker: None, edge: Edge, sdk: OpenAI, tenant: Tenant) -> None:
    """What runs is stopped and costs nothing; what was answered stays."""
    lines = [line("done", chat("hello"))] + [line(f"hangs-{n}", chat(SECRET)) for n in range(5)]
    batch_id = created(sdk, lines).id
    until(sdk, batch_id, lambda batch: batch.request_counts is not None and batch.request_counts.completed == 1)
    assert sdk.batches.cancel(batch_id).status == "cancelling"
    batch = over(sdk, batch_id)
    assert batch.status == "cancelled" and batch.cancelled_at is not None
    assert answers(sdk, batch.output_file_id).keys() == {"done"}
    stopped = answers(sdk, batch.error_file_id)
    assert len(stopped) == 5
    assert {item["error"]["code"] for item in stopped.values()} == {"batch_cancelled"}
    [posted] = edge.sql("SELECT count(*) FROM transfers WHERE kind = 'post' AND project_id = $1", tenant.project)
    assert posted["count"] == 1
    assert sdk.batches.cancel(batch_id).status == "cancelled"


def test_over_is_over(worker: None, sdk: OpenAI) -> None:
    batch = over(sdk, created(sdk, [line("a", chat("hello"))]).id)
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.batches.cancel(batch.id)
    assert raised.value.code == "batch_not_cancellable"


def test_what_is_made_into_files_is_not_cancelled(edge: Edge, sdk: OpenAI) -> None:
    """One that expired, say: its files tell why lines did not run."""
    batch_id = created(sdk, [line("a", chat("hello"))]).id
    edge.sql("UPDATE batches SET status = 'finalizing' WHERE id = $1", batch_id)
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.batches.cancel(batch_id)
    assert raised.value.code == "batch_not_cancellable" and sdk.batches.retrieve(batch_id).status == "finalizing"


def test_expired(worker: None, edge: Edge, sdk: OpenAI) -> None:
    batch_id = created(sdk, [line("done", chat("hello")), line("hangs", chat(SECRET))]).id
    until(sdk, batch_id, lambda batch: batch.request_counts is not None and batch.request_counts.completed == 1)
    edge.run(rows.expire(edge.state.database, batch_id))
    batch = over(sdk, batch_id)
    assert batch.status == "expired" and answers(sdk, batch.output_file_id).keys() == {"done"}
    [late] = answers(sdk, batch.error_file_id).values()
    assert (late["response"], late["error"]["code"]) == (None, "batch_expired")


def test_lines_stop_when_their_key_is_not_in_force_any_more(
    worker: None, edge: Edge, admin: httpx.Client, sdk: OpenAI, tenant: Tenant
) -> None:
    """Those that run, and those that wait for them: a key that leaked spends nothing more."""
    batch_id = created(sdk, [line("done", chat("hello"))] + [line(f"hangs-{n}", chat(SECRET)) for n in range(40)]).id
    until(sdk, batch_id, lambda batch: batch.request_counts is not None and batch.request_counts.completed == 1)
    with tenants.tenant(edge, admin, tenant.project) as other:
        ok(admin.post(f"/admin/v1/keys/{tenant.key_id}/revoke"))
        with OpenAI(base_url=f"{edge.url}/v1", api_key=other.key, max_retries=0, timeout=10) as theirs:
            batch = until(theirs, batch_id, lambda batch: batch.status in OVER, patience_s=10)
            assert batch.status == "completed" and answers(theirs, batch.output_file_id).keys() == {"done"}
            stopped = [item["response"] for item in answers(theirs, batch.error_file_id).values()]
    assert [item["body"]["error"]["code"] for item in stopped] == ["permission_denied"] * 40
    [posted] = edge.sql("SELECT count(*) FROM transfers WHERE kind = 'post' AND project_id = $1", tenant.project)
    assert posted["count"] == 1


def test_lines_go_on_under_the_key_that_theirs_was_rotated_into(
    worker: None, edge: Edge, admin: httpx.Client, sdk: OpenAI, tenant: Tenant
) -> None:
    """With an overlap of none, before they were looked at, and while they run."""
    slow = "script:" + json.dumps([{"wait_ms": 3000}, {"say": "done"}])
    running, waiting = (created(sdk, [line(name, chat(slow))]).id for name in ("running", "waiting"))
    until(sdk, running, lambda batch: batch.status == "in_progress")
    made = ok(admin.post(f"/admin/v1/keys/{tenant.key_id}/rotate", json={"overlap_s": 0}))
    with OpenAI(base_url=f"{edge.url}/v1", api_key=made["key"], max_retries=0, timeout=10) as successor:
        for batch in (over(successor, batch_id) for batch_id in (running, waiting)):
            assert batch.status == "completed" and batch.request_counts is not None
            assert (batch.request_counts.completed, batch.error_file_id) == (1, None)


def test_an_input_that_is_gone_holds_no_answers_back(worker: None, edge: Edge, sdk: OpenAI) -> None:
    """As when no worker was there for days."""
    batch_id = created(sdk, [line("done", chat("hello")), line("hangs", chat(SECRET))]).id
    begun = until(sdk, batch_id, lambda batch: batch.request_counts is not None and batch.request_counts.completed == 1)
    edge.sql("UPDATE files SET expires_at = now() WHERE id = $1", begun.input_file_id)
    edge.run(rows.expire(edge.state.database, batch_id))
    batch = over(sdk, batch_id)
    assert batch.status == "expired" and answers(sdk, batch.output_file_id).keys() == {"done"}
    assert batch.request_counts is not None and batch.request_counts.failed == 1


def test_lines_share_what_credits_there_are(worker: None, admin: httpx.Client, sdk: OpenAI, tenant: Tenant) -> None:
    """A hold is a bound: credits that cover a few at once pay for many lines one after the other."""
    one = over(sdk, created(sdk, [line("a", chat("hello", max_tokens=100))]).id)
    [paid] = answers(sdk, one.output_file_id).values()
    bill = ok(tenant.http.get(f"/v1/usage/requests/{paid['response']['request_id']}"))
    needed_nusd = bill["hold"]["amount_nusd"] + 11 * bill["paid"]["cost_nusd"]
    credit = {"project": tenant.project, "amount_usd": needed_nusd / 10**9}
    ok(admin.post("/admin/v1/credits", json=credit))
    many = over(sdk, created(sdk, [line(str(n), chat("hello", max_tokens=100)) for n in range(12)]).id)
    assert many.request_counts is not None and many.request_counts.completed == 12
    # What was never there is not waited for.
    [refusal] = answers(sdk, over(sdk, created(sdk, [line("a", chat("x " * 2000))]).id).error_file_id).values()
    assert refusal["response"]["body"]["error"]["code"] == "insufficient_quota"


def test_pages(sdk: OpenAI) -> None:
    """The newest first; the SDK turns the pages."""
    made = [created(sdk, [line("a", chat("hello"))]).id for _ in range(5)]
    assert [batch.id for batch in sdk.batches.list(limit=2)] == made[::-1]
    assert [batch.id for batch in sdk.batches.list(after=made[1])] == made[:1]


def test_batches_of_others(edge: Edge, sdk: OpenAI) -> None:
    batch = created(sdk, [line("a", chat("hello"))])
    with stranger(edge) as other:
        for answer in (
            other.http.get(f"{PATH}/{batch.id}"),
            other.http.post(f"{PATH}/{batch.id}/cancel"),
            other.http.post(
                PATH, json={"input_file_id": batch.input_file_id, "endpoint": ENDPOINT, "completion_window": "24h"}
            ),
        ):
            assert answer.status_code == 404
        assert ok(other.http.get(PATH))["data"] == []
        refused(other.http.get(PATH, params={"after": batch.id}), 400, "invalid_value")


def test_bodies_that_make_no_sense(tenant: Tenant) -> None:
    for body, param in (
        ({}, "input_file_id"),
        ({"inputs": [chat("a")], "input_file_id": "file-1"}, "input_file_id"),
        ({"input_file_id": "file-1"}, "endpoint"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{"body": {}, "model": "x"}]}, "inputs[0].model"),
        ({"inputs": [chat("a"), {"body": "x"}]}, "inputs[1].body"),
        ({"inputs": [{"body": {}, "custom_id": ""}]}, "inputs[0].custom_id"),
    ):
        answer = tenant.http.post(PATH, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def test_the_same_key_makes_one_batch(tenant: Tenant) -> None:
    body = {"inputs": [chat("once")]}
    first, second = (tenant.http.post(PATH, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert len(ok(tenant.http.get(PATH))["data"]) == 1


def test_a_file_that_is_not_there_has_the_name_of_the_field_that_named_it(sdk: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        sdk.batches.create(input_file_id="file-nope", endpoint=ENDPOINT, completion_window="24h")
    assert refused.value.param == "input_file_id"
