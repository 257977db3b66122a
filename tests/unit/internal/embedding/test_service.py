"""What a caller of the worker sees, over real gRPC on the real model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from gen import embedding_pb2 as pb
from gen import embedding_pb2_grpc as rpc

from internal.config import ConfigError
from internal.embedding.backends.base import Backend, Vectors
from tests.unit.internal.embedding.conftest import loaded, serving


def request(*inputs: str | Sequence[int], **fields: object) -> pb.EmbedRequest:
    rows = [
        pb.EmbedInput(text=item) if isinstance(item, str) else pb.EmbedInput(tokens=pb.InputTokens(ids=item))
        for item in inputs
    ]
    return pb.EmbedRequest(inputs=rows, **fields)  # type: ignore[arg-type]


def vectors(response: pb.EmbedResponse) -> Vectors:
    return np.frombuffer(response.vectors, "<f4").reshape(-1, response.dimensions)


async def refusal(stub: rpc.EmbeddingServiceStub, refused: pb.EmbedRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Embed(refused)
    assert "novai-refused" in caught.value.trailing_metadata()  # without it, it is taken for dead
    return caught.value.code(), caught.value.details() or ""


async def test_vectors_come_in_order_with_unit_length_and_true_token_counts(stub: rpc.EmbeddingServiceStub) -> None:
    answer = await stub.Embed(request("a cat", "The stock market fell sharply today.", "a kitten"))
    cat, market, kitten = vectors(answer)
    assert answer.dimensions == 384
    assert answer.prompt_tokens == 4 + 9 + 4  # with [CLS] and [SEP]
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-5)
    assert cat @ kitten > 0.6 > 0.3 > cat @ market


async def test_scores_are_the_cosines_of_the_vectors(stub: rpc.EmbeddingServiceStub) -> None:
    texts = ["a cat", "The stock market fell sharply today.", "a kitten", "a cat"]
    answer = await stub.Rerank(pb.RerankRequest(query=texts[0], documents=texts[1:]))
    query, *others = vectors(await stub.Embed(request(*texts)))
    assert list(answer.scores) == pytest.approx([query @ other for other in others], abs=1e-5)
    assert max(answer.scores) <= 1
    assert answer.prompt_tokens == 4 + 9 + 4 + 4


@pytest.mark.parametrize(
    ("query", "documents", "param"),
    [
        ("", ["a"], "query"),
        ("a", ["b", ""], "documents[1]"),
        ("a" * 9999, ["b"], "query"),
        ("a", ["b"] * 2048, "documents"),
    ],
)
async def test_what_is_at_fault_is_said_in_the_words_of_a_rerank(
    stub: rpc.EmbeddingServiceStub, query: str, documents: list[str], param: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Rerank(pb.RerankRequest(query=" ".join(query), documents=documents))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert str(refused.value.details()).startswith(f"{param}: ")


async def test_token_ids_mean_the_same_as_their_text(stub: rpc.EmbeddingServiceStub) -> None:
    bare, complete = [7592, 2088], [101, 7592, 2088, 102]
    answer = await stub.Embed(request("hello world", bare, complete))
    text, *others = vectors(answer)
    assert answer.prompt_tokens == 12
    for other in others:
        assert text @ other == pytest.approx(1, abs=1e-5)


async def test_a_text_has_one_vector_whatever_it_is_computed_with(stub: rpc.EmbeddingServiceStub) -> None:
    texts = [f"text number {index} " + "and so on " * (index % 15) for index in range(60)]
    together = vectors(await stub.Embed(request(*texts)))
    apart = await asyncio.gather(*(stub.Embed(request(text)) for text in texts[::20]))
    alone = np.concatenate([vectors(answer) for answer in apart])
    assert (together[::20] * alone).sum(axis=1).min() > 0.99999


async def test_the_longest_text_works_and_a_longer_one_is_named(stub: rpc.EmbeddingServiceStub) -> None:
    assert (await stub.Embed(request("a " * 510))).prompt_tokens == 512
    code, details = await refusal(stub, request("fine", "a " * 511))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    param, _, message = details.partition(": ")
    assert param == "input[1]"
    assert "513 tokens" in message
    assert "512" in message


class Counting:
    """A backend that counts what it had to tokenise."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.characters = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        self.characters += sum(map(len, texts))
        return self._backend.tokenize(texts)


@pytest.mark.parametrize(
    ("texts", "why", "most_characters"),
    [
        (["ab " * 2_600_000], "input[0]: this text has 7800000 characters", 0),
        (["a cat", *["a," * 1900] * 2000], "input[1]: this text has 3802 tokens", 100_000),
        (["word " * 400] * 2000, "input: the inputs have more than 300000 tokens together", 2_000_000),
    ],
)
async def test_what_is_too_long_is_not_read_to_its_end(
    minilm: Backend, texts: list[str], why: str, most_characters: int
) -> None:
    """Everybody's texts are tokenised in one thread: megabytes would keep all others waiting for seconds."""
    counting = Counting(minilm)
    async with serving(counting) as stub:
        code, told = await refusal(stub, request(*texts))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert told.startswith(why)
    assert counting.characters <= most_characters


class Bare(Counting):
    """A backend whose tokenizer puts nothing around a text."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [ids[1:-1] for ids in super().tokenize(texts)]


@pytest.mark.parametrize("texts", [[" "], ["fine", " "]], ids=str)
async def test_a_text_without_tokens_is_refused(minilm: Backend, texts: list[str]) -> None:
    """Alone it would wait for ever, and beside others its vector would be no numbers."""
    async with serving(Bare(minilm)) as stub, asyncio.timeout(10):
        code, details = await refusal(stub, request(*texts))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"input[{len(texts) - 1}]: ")


async def test_foreign_token_ids_name_the_way_out(stub: rpc.EmbeddingServiceStub) -> None:
    code, details = await refusal(stub, request([100_000, 1]))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("input[0]: ")
    assert "check_embedding_ctx_length=False" in details


@pytest.mark.parametrize(
    ("refused", "param"),
    [
        (request("fine", ""), "input[1]"),
        (request([]), "input[0]"),
        (request(), "input"),
        (request(*["a"] * 2049), "input"),
        (request(*["a " * 400] * 800), "input"),
        (request("a", dimensions=100), "dimensions"),
    ],
    ids=["empty text", "empty ids", "no inputs", "too many inputs", "too many tokens", "dimensions"],
)
async def test_what_cannot_be_embedded_is_refused(
    stub: rpc.EmbeddingServiceStub, refused: pb.EmbedRequest, param: str
) -> None:
    code, details = await refusal(stub, refused)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.partition(": ")[0] == param


async def test_the_full_number_of_dimensions_may_be_asked_for(stub: rpc.EmbeddingServiceStub) -> None:
    assert (await stub.Embed(request("a", dimensions=384))).dimensions == 384


async def test_another_model_is_not_found(stub: rpc.EmbeddingServiceStub) -> None:
    code, _ = await refusal(stub, request("a", model="other"))
    assert code is grpc.StatusCode.NOT_FOUND
    assert (await stub.Embed(request("a", model="minilm"))).dimensions == 384


async def test_a_truncatable_model_gives_leading_dimensions_as_unit_vectors(files: Path) -> None:
    async with serving(loaded(files, matryoshka=True)) as stub:
        whole = vectors(await stub.Embed(request("hello world")))[0]
        short = vectors(await stub.Embed(request("hello world", dimensions=64)))[0]
        assert short.shape == (64,)
        assert np.allclose(short, whole[:64] / np.linalg.norm(whole[:64]), atol=1e-6)
        code, _ = await refusal(stub, request("a", dimensions=385))
        assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_only_the_dimensions_that_a_model_was_trained_for(files: Path) -> None:
    async with serving(loaded(files, matryoshka=[128, 64])) as stub:
        for dimensions in (64, 128, 384):
            assert vectors(await stub.Embed(request("a", dimensions=dimensions))).shape == (1, dimensions)
        code, details = await refusal(stub, request("a", dimensions=100))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert details == "dimensions: the model 'minilm' can be asked for one of 64, 128, 384"


def test_more_dimensions_than_there_are_cannot_be_promised(files: Path) -> None:
    with pytest.raises(ConfigError, match="512 dimensions, and the model has 384"):
        loaded(files, matryoshka=[128, 512])


async def test_a_full_queue_is_refused_at_once_and_the_rest_is_answered(minilm: Backend) -> None:
    async with serving(minilm, max_waiting_tokens=2000) as stub:
        calls = [stub.Embed(request(*["a " * 100] * 20)) for _ in range(20)]
        done = await asyncio.gather(*(call.code() for call in calls))
        assert set(done) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert (await stub.Embed(request("a"))).dimensions == 384


async def test_too_many_open_requests_are_refused(minilm: Backend) -> None:
    async with serving(minilm, max_open_requests=1) as stub:
        calls = [stub.Embed(request(*["a " * 100] * 20)) for _ in range(5)]
        done = await asyncio.gather(*(call.code() for call in calls))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in done
        assert grpc.StatusCode.OK in done
