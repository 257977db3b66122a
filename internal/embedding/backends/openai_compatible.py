"""Vectors of an upstream that speaks OpenAI's form."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec
import numpy as np

from internal.config import ModelConfig
from internal.embedding.backends.base import Embedded, Matryoshka, ModelInfo, RemoteBackend, Vectors
from internal.upstream.chain import Upstream
from internal.upstream.http import BrokenError
from internal.upstream.options import MOST_TOKENS, bearer
from internal.upstream.upstreams import ChainOptions, Way, configured

CHARACTERS_PER_TOKEN = 4


class Options(ChainOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`options` of a row."""

    dimensions: int  # of its vectors
    context_length: int = 8192  # what the model is published with; the upstream enforces its own
    matryoshka: Matryoshka = False


class Embedding(msgspec.Struct):
    index: int
    embedding: str | list[float]  # base64 of little-endian float32, where it knows that


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class Embeddings(msgspec.Struct):
    data: list[Embedding]
    usage: Usage | None = None


decode = msgspec.json.Decoder(Embeddings).decode


class OpenAICompatibleBackend(RemoteBackend):
    def __init__(self, config: ModelConfig) -> None:
        self._options, self._upstreams = configured(config, Options, {config.backend: bearer})
        self.info = ModelInfo(
            name=config.name,
            backend=config.backend,
            device="upstream",
            context_length=self._options.context_length,
            vocabulary_size=0,
            dimensions=self._options.dimensions,
            matryoshka=self._options.matryoshka,
            created=config.created,
        )

    def load(self) -> None:
        """There is nothing to load."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        async def attempt(way: Way, upstream: Upstream[Way], limit_s: float) -> Embedded:
            body = {"model": way.options.model, "input": texts, "encoding_format": "base64"}
            answer = await self._upstreams.whole(way, "/embeddings", body, limit_s)
            return self._read(answer, texts, upstream.name)

        return await self._upstreams.answered(attempt)

    async def aclose(self) -> None:
        self._upstreams.close()

    def _read(self, body: bytes, texts: Sequence[str], upstream: str) -> Embedded:
        """Raises BrokenError for what is no answer to these texts."""
        vectors = np.empty((len(texts), self._options.dimensions), np.float32)
        try:
            answer = decode(body)
            if sorted(item.index for item in answer.data) != list(range(len(texts))):
                raise BrokenError("not one vector for each text")
            for item in answer.data:
                vectors[item.index] = self._checked(floats(item.embedding))
        except (ValueError, RecursionError):
            raise BrokenError(f"no vectors of {self._options.dimensions} numbers") from None
        told = answer.usage and answer.usage.prompt_tokens
        if not told or not 0 < told < MOST_TOKENS:  # some say 0 where they do not know
            return Embedded(vectors, sum(map(len, texts)) // CHARACTERS_PER_TOKEN + 1, upstream, estimated=True)
        return Embedded(vectors, told, upstream)

    def _checked(self, vector: Vectors) -> Vectors:
        """Raises ValueError: numpy would stretch a vector of one number, and JSON has no NaN."""
        if vector.shape != (self._options.dimensions,) or not np.isfinite(vector).all():
            raise ValueError
        return vector


def floats(embedding: str | list[float]) -> Vectors:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    with np.errstate(over="ignore"):  # too large is infinite, and refused as that
        return np.array(embedding, np.float32)
