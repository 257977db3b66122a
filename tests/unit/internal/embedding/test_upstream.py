"""Vectors of an upstream, through a real worker, against a provider of the tests."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from gen import embedding_pb2 as pb

from internal.config import ConfigError, ModelConfig
from internal.embedding.backends import load_backend
from internal.embedding.backends.base import RemoteBackend
from tests.conformance.provider import Fault, Provider, provider
from tests.unit.internal.embedding.conftest import serving


@pytest.fixture
async def upstream() -> AsyncIterator[Provider]:
    async with provider() as serving:
        yield serving


def backend(upstream: Provider, **options: Any) -> RemoteBackend:
    fixed = {"base_url": f"{upstream.url}/v1", "model": "remote", "name": "far", "dimensions": 4}
    made = load_backend(ModelConfig(name="m", kind="embedding", backend="openai_compatible", options=fixed | options))
    assert isinstance(made, RemoteBackend)
    return made


def request(*texts: str, **more: Any) -> pb.EmbedRequest:
    return pb.EmbedRequest(inputs=[pb.EmbedInput(text=text) for text in texts], **more)


def answer_of(vector: Any) -> bytes:
    return json.dumps({"data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 1}}).encode()


@pytest.mark.parametrize("base64", [False, True])
async def test_vectors_come_in_the_order_of_the_texts(upstream: Provider, base64: bool) -> None:
    upstream.base64 = base64
    async with serving(backend(upstream)) as stub:
        answer = await stub.Embed(request("one", "four five"))
    assert np.frombuffer(answer.vectors, "<f4").reshape(2, 4).tolist() == [[3, 1, 0, 0.5], [9, 1, 0, 0.5]]
    assert (answer.prompt_tokens, answer.upstream, answer.estimated) == (3, "far", False)
    assert upstream.asked[0].body == {"model": "remote", "input": ["one", "four five"], "encoding_format": "base64"}


async def test_failures_are_tried_again(upstream: Provider) -> None:
    upstream.faults.extend([Fault(500), Fault(200, body=b'{"data": []}')])
    async with serving(backend(upstream)) as stub:
        assert (await stub.Embed(request("one"))).prompt_tokens == 1
    assert len(upstream.asked) == 3


async def test_leading_dimensions_are_cut_here(upstream: Provider) -> None:
    async with serving(backend(upstream, matryoshka=True)) as stub:
        answer = await stub.Embed(request("one", dimensions=2))
    assert np.allclose(np.frombuffer(answer.vectors, "<f4"), np.array([3, 1]) / np.sqrt(10))


async def test_tokens_that_are_not_counted_are_estimated(upstream: Provider) -> None:
    upstream.counts = False
    async with serving(backend(upstream)) as stub:
        answer = await stub.Embed(request("a text of some length"))
    assert answer.estimated
    assert answer.prompt_tokens > 0


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(400, body=b'{"error": {"message": "too odd", "param": "input"}}'), grpc.StatusCode.INVALID_ARGUMENT),
        (Fault(401), grpc.StatusCode.INTERNAL),
        (Fault(429, (("retry-after", "30"),)), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (Fault(500), grpc.StatusCode.INTERNAL),
        (Fault(hangs=True), grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_what_stays_wrong_is_said(upstream: Provider, fault: Fault, status: grpc.StatusCode) -> None:
    upstream.always = fault
    async with serving(backend(upstream, first_token_timeout_s=0.2)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Embed(request("one"))
    assert failed.value.code() == status
    assert len(upstream.asked) <= 3


async def test_token_ids_mean_nothing_there(upstream: Provider) -> None:
    async with serving(backend(upstream)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Embed(pb.EmbedRequest(inputs=[pb.EmbedInput(tokens=pb.InputTokens(ids=[1, 2]))]))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "input[0]" in (refused.value.details() or "")
    assert not upstream.asked


@pytest.mark.parametrize(
    "vector",
    [
        [7.0],
        [1e300, 0.0, 0.0, 0.0],
        b64encode(np.array([np.nan, 0, 0, 0], "<f4").tobytes()).decode(),
        b64encode(np.array([1], "<f4").tobytes()).decode(),
    ],
)
async def test_what_is_no_vector_is_asked_for_again(upstream: Provider, vector: Any) -> None:
    upstream.faults.append(Fault(200, body=answer_of(vector)))
    async with serving(backend(upstream)) as stub:
        answer = await stub.Embed(request("one"))
    assert np.frombuffer(answer.vectors, "<f4").tolist() == [3, 1, 0, 0.5]


async def test_an_answer_that_is_nested_too_deeply_is_asked_for_again(upstream: Provider) -> None:
    upstream.faults.append(Fault(200, body=b'{"deep": %b%b}' % (b"[" * 5000, b"]" * 5000)))
    async with serving(backend(upstream)) as stub:
        assert (await stub.Embed(request("one"))).dimensions == 4


@pytest.mark.parametrize("usage", [None, *({"prompt_tokens": tokens} for tokens in (-1, 0, None, 1 << 40))])
async def test_counts_that_cannot_be_are_estimated(upstream: Provider, usage: dict[str, Any] | None) -> None:
    body = {"data": [{"index": 0, "embedding": [3, 1, 0, 0.5]}], "usage": usage}
    upstream.faults.append(Fault(200, body=json.dumps(body).encode()))
    async with serving(backend(upstream)) as stub:
        answer = await stub.Embed(request("one"))
    assert (answer.estimated, answer.prompt_tokens) == (True, 1)


async def test_dimensions_that_are_not_as_configured_are_a_fault(upstream: Provider) -> None:
    async with serving(backend(upstream, dimensions=8)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.Embed(request("one"))
    assert failed.value.code() == grpc.StatusCode.INTERNAL


def test_anthropic_has_no_vectors() -> None:
    options = {"base_url": "http://x", "model": "m", "dimensions": 4}
    fallback = {"backend": "anthropic", "base_url": "http://x", "model": "m"}
    with pytest.raises(ConfigError, match="anthropic"):
        load_backend(
            ModelConfig(
                name="m", kind="embedding", backend="openai_compatible", options=options | {"fallbacks": [fallback]}
            )
        )
