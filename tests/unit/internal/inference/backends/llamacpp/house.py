"""The context of the streams and the one beside it, of a real model, without an engine."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from internal.config import ModelConfig
from internal.inference.backends.batching.backend import Loaded
from internal.inference.backends.batching.library import Chunk, DecodeError, Logits, Parcel
from internal.inference.backends.batching.prefiller import Prefiller
from internal.inference.backends.batching.side import SideContext
from internal.inference.backends.batching.suffixes import Suffixes
from internal.inference.backends.llamacpp import LlamaCppBackend
from internal.inference.backends.llamacpp.context import Context, ContextSettings
from internal.inference.backends.llamacpp.model import Model
from internal.inference.backends.llamacpp.stream_cache import StreamCache
from tests.unit.internal.inference.backends.running import Engine

STREAMS = ContextSettings(
    unified=False,
    cells=3 * 512,
    sequences=3,
    batch=512,
    ubatch=512,
    threads=2,
    threads_batch=2,
    flash_attention="on",
    cache_type_k="f32",
    cache_type_v="f32",
)
ROUNDING = 2e-3  # of logits: chunks of other sizes round differently
POOL = replace(STREAMS, unified=True, cells=2 * 512, sequences=4)


class Broken:
    """A context that can hold sequences, and not compute."""

    unified = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self.take, self.put, self.remove = context.take, context.put, context.remove
        self.copy, self.use_threads, self.length = context.copy, context.use_threads, context.length

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        raise DecodeError("no")


class Dropping(Broken):
    """A context that computes, and loses what is put into it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.decode = context.decode  # type: ignore[method-assign]
        self.put = self._drop

    def _drop(self, sequence: int, _parcel: Parcel) -> None:
        self.remove(sequence, 0)
        raise DecodeError("dropped")


class Noting:
    """The streams' context, and what it was told: `(sequence, start, count)` of every chunk of a step, and between
    them the sequences that were put into it."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.notes: list[list[tuple[int, int, int]] | int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        self.notes.append([(chunk.sequence, chunk.start, len(chunk.tokens)) for chunk in chunks])
        logits: Logits = self._context.decode(chunks)
        return logits

    def put(self, sequence: int, parcel: Parcel) -> None:
        self.notes.append(sequence)
        self._context.put(sequence, parcel)


class House:
    """Two contexts of one model, and what works between them."""

    def __init__(self, path: Path, resources: ExitStack, pool: ContextSettings) -> None:
        model = Model(str(path))
        resources.callback(model.free)
        self.streams, self.pool = Context(model, STREAMS), Context(model, pool)
        resources.callback(self.streams.free)
        resources.callback(self.pool.free)
        self.side = SideContext(self.streams, self.pool, threads=2, batch=pool.batch, others=pool.sequences - 1)
        self.suffixes = Suffixes(self.side)
        self.prefiller = Prefiller(self.side)
        resources.callback(self.prefiller.rest)

    def begin(self, sequence: int, tokens: list[int], start: int) -> threading.Event:
        done = threading.Event()
        self.prefiller.begin(sequence, tokens, start, done.set)
        return done

    def compute(self, sequence: int, tokens: list[int], start: int = 0) -> Logits:
        """All of them, and what follows the last."""
        assert self.begin(sequence, tokens, start).wait(30) and self.prefiller.done
        reached, logits = self.prefiller.end(sequence)
        assert reached == len(tokens) and logits is not None and len(logits) == 1
        return logits[0]

    def next_logits(self, sequence: int, start: int, token: int) -> Logits:
        return self.streams.decode([Chunk(sequence, start, [token], wants_logits=True)])[0].copy()


@contextmanager
def house(path: Path, pool: ContextSettings = POOL) -> Iterator[House]:
    with ExitStack() as resources:
        yield House(path, resources, pool)


class BreakingBackend(LlamaCppBackend):
    """Its side context cannot compute."""

    def _load(self, resources: ExitStack) -> Loaded:
        loaded = super()._load(resources)
        assert loaded.side is not None and isinstance(loaded.side.context, Context)
        loaded.side.context = Broken(loaded.side.context)
        return loaded


class NotingBackend(LlamaCppBackend):
    """Its streams' context notes what it is told."""

    def _load(self, resources: ExitStack) -> Loaded:
        loaded = super()._load(resources)
        assert loaded.side is not None
        loaded.side.streams = self.noting = Noting(loaded.context)
        return replace(loaded, context=self.noting)


@asynccontextmanager
async def started(kind: type[LlamaCppBackend], path: Path, threads: int) -> AsyncIterator[Engine]:
    options: dict[str, Any] = {"threads": threads, "kv": "streams"}
    row = ModelConfig(name="tiny", kind="chat", backend="llamacpp", path=str(path), options=options)
    engine = Engine(kind(row))
    await engine.backend.start(engine.publish)
    try:
        yield engine
    finally:
        await engine.backend.aclose()


def check_nothing_leaked(engine: Engine) -> None:
    backend: Any = engine.backend
    running, held = engine.held()
    cache, context = backend._engine._cache, backend._engine._context
    sequences = len(cache._streams) if isinstance(cache, StreamCache) else len(held) + len(cache._free_sequences)
    assert running == 0
    assert {number: length for number in range(sequences) if (length := context.length(number))} == held
