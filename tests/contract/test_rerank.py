"""/v1/rerank with the real encoder behind the edge: the nearest first, charged as the embeddings it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from gen import model_host_pb2 as host_pb

from tests.conftest import database
from tests.contract.tenants import ok, refused
from tests.edge import Edge, open_edge
from tests.unit.internal.embedding.conftest import listening, loaded
from tests.workers import host

MODEL = "minilm"
TEXTS = ["The stock market fell sharply today.", "A kitten sleeps on the sofa.", "Dogs bark at night."]


@pytest.fixture(scope="module")
async def encoder(postgres_url: str, redis_url: str) -> AsyncIterator[Edge]:
    async with listening(loaded()) as target, host() as (models, address):
        state = host_pb.ModelState(
            model=MODEL, kind=host_pb.EMBEDDING, state=host_pb.READY, endpoint=target, dimensions=384, free=True
        )
        await models.set(state)
        with database(postgres_url) as url:
            async with open_edge(url, redis_url, host_address=address) as running:
                yield running


@pytest.fixture(scope="module")
async def http(encoder: Edge) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {encoder.key}"}
    async with httpx.AsyncClient(base_url=encoder.url, headers=headers, timeout=20) as client:
        yield client


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "query": "Where is the cat?", "documents": TEXTS} | fields


async def test_the_nearest_come_first(http: httpx.AsyncClient) -> None:
    answer = ok(await http.post("/v1/rerank", json=asked()))
    assert [result["index"] for result in answer["results"]] == [1, 2, 0]
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True) and 0.3 < scores[0] < 1
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 20
    assert all(result.keys() == {"index", "relevance_score"} for result in answer["results"])


async def test_the_best_with_their_documents(http: httpx.AsyncClient) -> None:
    documents = [TEXTS[0], {"text": TEXTS[1]}]
    answer = ok(await http.post("/v1/rerank", json=asked(documents=documents, top_n=1, return_documents=True)))
    [best] = answer["results"]
    assert (best["index"], best["document"]) == (1, {"text": TEXTS[1]})


async def test_it_is_recorded_as_what_it_used(encoder: Edge, http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/rerank", json=asked())
    rows = await encoder.state.database.fetch(
        "SELECT operation, prompt_tokens, completion_tokens FROM usage WHERE request_id = $1",
        answer.headers["x-request-id"],
    )
    tokens = ok(answer)["usage"]["prompt_tokens"]
    assert [tuple(row.values()) for row in rows] == [("createRerank", tokens, 0)]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["a", ""]}, "documents[1]"),
        ({"documents": [{"title": "x"}]}, "documents[0].text"),
        ({"documents": ["a ", "b " * 9999]}, "documents[1]"),
        ({"top_n": 0}, "top_n"),
    ],
)
async def test_what_is_wrong_is_named(http: httpx.AsyncClient, fields: dict[str, Any], param: str) -> None:
    assert refused(await http.post("/v1/rerank", json=asked(**fields)), 400)["param"] == param
