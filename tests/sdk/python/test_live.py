"""Every method, against a running NovAI with a scripted model that repeats what it is told; what needs vectors or the
worker of batches, against `novai dev`."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from novai import AsyncNovAI, BadRequestError, NotFoundError, NovAI, types

from tests.dev_stack import CHAT, VECTORS
from tests.workers import MODEL

HELLO = "Hello there, how are you?"


@pytest.fixture
def novai_dev(dev: dict[str, str]) -> Iterator[NovAI]:
    with NovAI(base_url=dev["NOVAI_BASE_URL"], api_key=dev["NOVAI_API_KEY"]) as client:
        yield client


def test_chat(client: NovAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
    assert isinstance(answer, types.ChatCompletion)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id and answer._request_id.startswith("req_")
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a"}, answer.choices[0].message])


def test_chat_streamed(client: NovAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
    with client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True
    ) as stream:
        chunks = list(stream)
    assert all(isinstance(chunk, types.ChatCompletionChunk) for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content


async def test_chat_async(aclient: AsyncNovAI) -> None:
    whole = await aclient.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
    stream = await aclient.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True
    )
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == whole.choices[0].message.content


def test_completions(client: NovAI) -> None:
    prompts = ["One two three", "Four"]
    whole = client.completions.create(model=MODEL, prompt=prompts, max_tokens=8)
    assert [choice.index for choice in whole.choices] == [0, 1]
    texts = ["", ""]
    for chunk in client.completions.create(model=MODEL, prompt=prompts, max_tokens=8, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]


def test_responses(client: NovAI) -> None:
    first = client.responses.create(model=MODEL, input=HELLO)
    assert first.output_text
    second = client.responses.create(model=MODEL, input=[first.output[0], {"role": "user", "content": "more"}])
    assert second.status == "completed"
    assert client.responses.retrieve(first.id).output_text == first.output_text
    assert [item.type for item in client.responses.input_items.list(first.id)] == ["message"]
    assert client.responses.input_tokens.count(model=MODEL, input=HELLO).input_tokens > 0
    with pytest.raises(BadRequestError):  # it has ended
        client.responses.cancel(first.id)
    assert client.responses.delete(first.id).deleted
    with pytest.raises(NotFoundError):
        client.responses.retrieve(first.id)


def test_responses_streamed(client: NovAI) -> None:
    events = list(client.responses.create(model=MODEL, input=HELLO, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert isinstance(events[0], types.ResponseCreatedEvent)
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "".join(
        event.delta for event in events if event.type == "response.output_text.delta"
    )


def test_messages(client: NovAI) -> None:
    asked = {"model": MODEL, "max_tokens": 64}
    answer = client.messages.create(**asked, messages=[{"role": "user", "content": HELLO}])
    assert answer.content[0].type == "text"
    client.messages.create(
        **asked, messages=[{"role": "user", "content": HELLO}, {"role": "assistant", "content": answer.content}]
    )
    events = list(client.messages.create(**asked, messages=[{"role": "user", "content": HELLO}], stream=True))
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]
    counted = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": HELLO}])
    assert counted.input_tokens == answer.usage.input_tokens


def test_tokens(client: NovAI) -> None:
    made = client.tokens.tokenize(model=MODEL, prompt=HELLO)
    assert client.tokens.detokenize(model=MODEL, tokens=made.tokens).prompt
    counted = client.chat.completions.input_tokens.count(model=MODEL, messages=[{"role": "user", "content": HELLO}])
    assert counted.input_tokens > 0


def test_models(client: NovAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).object == "model"


async def test_models_async(aclient: AsyncNovAI) -> None:
    assert MODEL in [model.id async for model in aclient.models.list()]
    assert MODEL in [model.id for model in (await aclient.models.list()).data]


def test_files(client: NovAI, tmp_path: Path) -> None:
    made = client.files.create(file=("a.txt", b"hello"), purpose="user_data")
    assert client.files.wait_for_processing(made.id) == client.files.retrieve(made.id)
    assert (made.filename, made.bytes) == ("a.txt", 5)
    assert made.id in [file.id for file in client.files.list(purpose="user_data", limit=1)]
    client.files.content(made.id).write_to_file(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"hello"
    with client.files.with_streaming_response.content(made.id) as answer:
        assert b"".join(answer.iter_bytes()) == b"hello"
    assert client.files.delete(made.id).deleted
    with pytest.raises(NotFoundError):
        client.files.retrieve(made.id)


def test_usage_and_limits(client: NovAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
    assert answer._request_id
    assert client.usage.requests.retrieve(answer._request_id).state == "settled"
    assert sum(row.requests for row in client.usage.list(group_by="model")) >= 1
    assert client.limits.retrieve(model=MODEL).model == MODEL


def test_models_of_hosts(dev: dict[str, str]) -> None:
    with NovAI(base_url=dev["NOVAI_BASE_URL"], api_key=dev["NOVAI_ADMIN_KEY"]) as client:
        models = client.admin.models
        assert {CHAT, VECTORS} <= {model.id for model in models.list()}
        assert models.load(CHAT).state == "ready"  # it is, already
        assert [host.state for host in models.status(CHAT).hosts] == ["ready"]
        assert models.endpoint(CHAT).path == "/v1/chat/completions"
        with pytest.raises(NotFoundError, match="nobody"):
            models.unload("nobody")
        with pytest.raises(BadRequestError, match="MODEL_DIR"):
            models.download(source="owner/name")


@pytest.fixture
def project(admin: NovAI) -> types.AdminProject:
    return admin.admin.projects.create(name=f"sdk {secrets.token_hex(4)}")


def test_admin_of_projects_and_keys(admin: NovAI, project: types.AdminProject) -> None:
    assert project.id in [each.id for each in admin.admin.projects.list()]
    made = admin.admin.keys.create(project=project.id, name="alice")
    successor = admin.admin.keys.rotate(made.info.id, overlap_s=60)
    assert {made.info.id, successor.info.id} == {key.id for key in admin.admin.keys.list(project=project.id)}
    assert [made.info.id, successor.info.id] == [key.id for key in admin.admin.keys.list(project=project.id, limit=1)]
    assert admin.admin.keys.revoke(made.info.id).state == "revoked"
    assert project.id in [entry.target for entry in admin.admin.audit.list(limit=1000)]
    assert admin.admin.projects.archive(project.id).id == project.id


def test_admin_of_money(admin: NovAI, project: types.AdminProject) -> None:
    price = admin.admin.prices.set(
        model="sdk", input_usd_per_mtok=1, cached_usd_per_mtok=0.5, output_usd_per_mtok=4.000000001
    )
    assert price in list(admin.admin.prices.list())
    assert admin.admin.budgets.set(project=project.id, kind="month", limit_usd=5).left_usd == 5
    assert [budget.kind for budget in admin.admin.budgets.list(project=project.id)] == ["month"]
    assert admin.admin.budgets.clear(project=project.id).cleared is True
    assert admin.admin.credits.add(project=project.id, amount_usd=3).left_usd == 3
    assert [credit.left_usd for credit in admin.admin.credits.list(project=project.id)] == [3]


def test_admin_of_limits(admin: NovAI, project: types.AdminProject) -> None:
    assert "default" in [tier.name for tier in admin.admin.tiers.list()]
    tier = admin.admin.tiers.set("sdk", limits=[{"name": "requests_per_minute", "limit": 7}])
    assert admin.admin.projects.assign_tier(project.id, tier=tier.name).tier == "sdk"
    rule: Any = {"name": "requests_per_minute", "limit": 60}
    assert 60 in [limit.limit for limit in admin.admin.limits.set(project=project.id, limits=[rule]).data]
    assert 60 in [limit.limit for limit in admin.admin.limits.list(project=project.id)]
    assert 60 not in [limit.limit for limit in admin.admin.limits.clear(project=project.id).data]


@pytest.mark.timeout(300)
def test_vectors(novai_dev: NovAI) -> None:
    """Those that travel as base64 are the same as those that do not."""
    texts = ["a cat", "a feline"]
    packed = novai_dev.embeddings.create(model=VECTORS, input=texts)
    plain = novai_dev.embeddings.create(model=VECTORS, input=texts, encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-7)
        assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-3)
    ranked = novai_dev.rerank.create(model=VECTORS, query="a cat", documents=["a car", "a feline"])
    assert ranked.results[0].index == 1


@pytest.mark.timeout(300)
def test_batches(novai_dev: NovAI) -> None:
    asked: Any = {"body": {"model": CHAT, "messages": [{"role": "user", "content": HELLO}], "max_tokens": 4}}
    batch = novai_dev.batches.create(inputs=[asked | {"custom_id": name} for name in ("a", "b")])
    assert batch.id in [each.id for each in novai_dev.batches.list(limit=1)]
    ended = novai_dev.batches.wait(batch.id, timeout_s=200)
    assert ended == novai_dev.batches.retrieve(batch.id)
    assert (ended.status, ended.request_counts.completed) == ("completed", 2)
    results = {result.custom_id: result for result in novai_dev.batches.results(batch.id)}
    assert set(results) == {"a", "b"}
    assert results["a"].response is not None
    assert results["a"].response.body["choices"][0]["message"]["content"]
    left = novai_dev.batches.create(inputs=[asked])
    assert novai_dev.batches.cancel(left.id).status in ("cancelling", "cancelled")


def test_pages_follow_each_other(admin: NovAI) -> None:
    for number in range(5):
        admin.admin.projects.create(name=f"page {number}")
    whole = [entry.id for entry in admin.admin.audit.list(limit=1000)]
    page = admin.admin.audit.list(limit=2)
    assert page.has_next_page() and page.next_page_info() == {"after": page.next_after}
    assert [entry.id for entry in page] == whole
    assert [entry.id for each in page.iter_pages() for entry in each.data] == whole
    assert page.get_next_page().data[0].id == whole[2]
