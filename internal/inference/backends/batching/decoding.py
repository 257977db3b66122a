"""What the work of a step is as batches of the context, and how it is undone where that fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from internal.inference.backends.batching.kv_cache import Cache
from internal.inference.backends.batching.library import Chunk, Context, Logits
from internal.inference.backends.batching.scheduler import Task, Work
from internal.inference.backends.batching.slots import Choice

NO_LOGITS: Logits = np.empty((0, 0), np.float32)


class Decoding:
    """On the engine's thread."""

    def __init__(self, context: Context, cache: Cache[Any]) -> None:
        self._context = context
        self._cache = cache

    def logits(self, work: Sequence[Work]) -> Logits:
        """A row for each part that samples, in their order. Raises DecodeError."""
        chunks = [chunk for part in work for chunk in self._texts(part)]
        if not chunks:
            return NO_LOGITS
        # Of a part that ends with a picture all is computed by now, though its lease does not say so yet.
        ends = {part.sequence: part.start + part.count for part in work}
        bridges = [
            (sequence, ends.get(sequence, length))
            for sequence, length in self._cache.bridges([chunk.sequence for chunk in chunks])
        ]
        if bridges:
            chunks += [Chunk(sequence, length, [0], wants_logits=False) for sequence, length in bridges]
            chunks.sort(key=lambda chunk: chunk.sequence)
        try:
            return self._context.decode(chunks)
        finally:
            for sequence, length in bridges:
                self._context.remove(sequence, length)

    def rewind(self, tasks: Sequence[Task]) -> None:
        """Removes what a step that failed may have computed."""
        for task in tasks:
            if task.lease is not None:
                self._context.remove(task.lease.sequence, task.computed)

    def _texts(self, part: Work) -> list[Chunk]:
        """The chunk of a part that is computed together with others: the text behind its last picture, if there is any.
        What comes before is computed here, because a batch has either tokens or embeddings."""
        task = part.task
        assert isinstance(task, Choice)
        tokens = task.tokens[part.start : part.start + part.count]
        chunk = Chunk(part.sequence, part.start, tokens, part.samples)
        if task.prompt.pictures is None:
            return [chunk]
        chunks = task.prompt.pictures.cut(chunk)
        together = [chunks.pop()] if chunks[-1].embeddings is None else []
        for before in chunks:
            self._context.decode([before])
        return together
