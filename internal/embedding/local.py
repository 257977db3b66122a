"""Vectors that are computed here: texts are tokenised in a thread, checked, and wait for their batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from gen import embedding_pb2 as pb

from internal.embedding.backends.base import Backend, Embedded
from internal.embedding.batching import Batcher, Job
from internal.errors import InvalidRequestError

MAX_REQUEST_TOKENS = 300_000


class Encoder:
    """A loaded backend, its tokenizing thread and its batches."""

    def __init__(self, backend: Backend, max_waiting_tokens: int) -> None:
        self._backend = backend
        self._batcher = Batcher(backend, max_waiting_tokens)
        self._tokenizing = ThreadPoolExecutor(1, "tokenize")

    def check_room(self) -> None:
        """Raises OverloadedError when the queue is full, so that nobody tokenises in vain."""
        self._batcher.check_room()

    async def embed(self, inputs: Sequence[pb.EmbedInput], batch_priority: bool) -> Embedded:
        """Raises InvalidRequestError, OverloadedError, InternalError."""
        texts = await asyncio.get_running_loop().run_in_executor(self._tokenizing, self._tokenize, inputs)
        vectors = await self._batcher.embed(Job(texts, batch_priority))
        return Embedded(vectors, sum(len(text) for text in texts))

    async def aclose(self) -> None:
        """Refuses what waits and stops the threads. Idempotent."""
        await self._batcher.aclose()
        self._tokenizing.shutdown()

    def _tokenize(self, inputs: Sequence[pb.EmbedInput]) -> list[list[int]]:
        """Ids of all inputs, in their order, checked. Runs in a thread."""
        encoded = iter(self._backend.tokenize([item.text for item in inputs if item.WhichOneof("kind") == "text"]))
        texts = []
        for position, item in enumerate(inputs):
            if item.WhichOneof("kind") == "text":
                ids = next(encoded)
            else:
                self._check_ids(position, item.tokens.ids)
                ids = self._backend.complete(item.tokens.ids)
            self._check_length(position, len(ids))
            texts.append(ids)
        total = sum(len(ids) for ids in texts)
        if total > MAX_REQUEST_TOKENS:
            raise InvalidRequestError(
                f"the inputs have {total} tokens together; one request may have {MAX_REQUEST_TOKENS}", "input"
            )
        return texts

    def _check_ids(self, position: int, ids: Sequence[int]) -> None:
        size = self._backend.info.vocabulary_size
        if (highest := max(ids)) >= size:
            raise InvalidRequestError(
                f"token id {highest} is outside the vocabulary of this model ({size} ids). Token ids must come from "
                "the model's own tokenizer; send text instead (LangChain: check_embedding_ctx_length=False)",
                f"input[{position}]",
            )

    def _check_length(self, position: int, tokens: int) -> None:
        limit = self._backend.info.context_length
        if tokens > limit:
            raise InvalidRequestError(
                f"this text has {tokens} tokens; the maximum context length of this model is {limit} tokens. "
                "Shorten it or send it in parts",
                f"input[{position}]",
            )
