"""Vectors that are computed here: texts are tokenised in a thread, checked, and wait for their batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from gen import embedding_pb2 as pb

from internal.embedding.backends.base import Backend, Embedded
from internal.embedding.batching import Batcher, Job
from internal.errors import InvalidRequestError

MAX_REQUEST_TOKENS = 300_000
CHARACTERS_PER_TOKEN = 100  # a longer word is unknown to most tokenizers: no text has more, whatever its language
PART_CHARACTERS = 1 << 16


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
        """Raises InvalidRequestError, and what `Batcher.embed` raises."""
        texts = await asyncio.get_running_loop().run_in_executor(self._tokenizing, self._tokenize, inputs)
        vectors = await self._batcher.embed(Job(texts, batch_priority))
        return Embedded(vectors, sum(len(text) for text in texts))

    async def aclose(self) -> None:
        """Refuses what waits and stops the threads. Idempotent."""
        await self._batcher.aclose()
        self._tokenizing.shutdown()

    def _tokenize(self, inputs: Sequence[pb.EmbedInput]) -> list[list[int]]:
        """Ids of all inputs, in their order, checked. Runs in a thread that all requests share, so what is too long is
        found before all of it has been read."""
        texts: list[list[int]] = []
        total = 0
        for part in parts_of(inputs):
            for ids in self._ids_of(part, len(texts)):
                self._check_length(len(texts), len(ids))
                texts.append(ids)
                total += len(ids)
            if total > MAX_REQUEST_TOKENS:
                raise InvalidRequestError(
                    f"the inputs have more than {MAX_REQUEST_TOKENS} tokens together, which is what one request may "
                    "have. Send several",
                    "input",
                )
        return texts

    def _ids_of(self, part: Sequence[pb.EmbedInput], first: int) -> list[list[int]]:
        """Of neighbours, the first of which has this position."""
        for position, item in enumerate(part, first):
            if item.WhichOneof("kind") == "text":
                self._check_size(position, len(item.text))
            else:
                self._check_length(position, len(item.tokens.ids))
                self._check_ids(position, item.tokens.ids)
        encoded = iter(self._backend.tokenize([item.text for item in part if item.WhichOneof("kind") == "text"]))
        return [
            next(encoded) if item.WhichOneof("kind") == "text" else self._backend.complete(item.tokens.ids)
            for item in part
        ]

    def _check_ids(self, position: int, ids: Sequence[int]) -> None:
        size = self._backend.info.vocabulary_size
        if (highest := max(ids)) >= size:
            raise InvalidRequestError(
                f"token id {highest} is outside the vocabulary of this model ({size} ids). Token ids must come from "
                "the model's own tokenizer; send text instead (LangChain: check_embedding_ctx_length=False)",
                f"input[{position}]",
            )

    def _check_size(self, position: int, characters: int) -> None:
        limit = self._backend.info.context_length
        if characters > limit * CHARACTERS_PER_TOKEN:
            raise self._too_long(position, f"{characters} characters")

    def _check_length(self, position: int, tokens: int) -> None:
        if not tokens:  # of a tokenizer that leaves blanks out, and puts nothing around a text
            raise InvalidRequestError("this text has no tokens: send words", f"input[{position}]")
        if tokens > self._backend.info.context_length:
            raise self._too_long(position, f"{tokens} tokens")

    def _too_long(self, position: int, length: str) -> InvalidRequestError:
        return InvalidRequestError(
            f"this text has {length}; the maximum context length of this model is "
            f"{self._backend.info.context_length} tokens. Shorten it or send it in parts",
            f"input[{position}]",
        )


def parts_of(inputs: Sequence[pb.EmbedInput]) -> Iterator[list[pb.EmbedInput]]:
    """Neighbours that are tokenised together."""
    part: list[pb.EmbedInput] = []
    characters = 0
    for item in inputs:
        part.append(item)
        characters += len(item.text)
        if characters >= PART_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part
