"""The policy by the thousand, and the queue around it with a backend that waits to be let go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internal.embedding.backends.base import ModelInfo, Vectors
from internal.embedding.batching import Backlog, Batcher, Job
from internal.errors import InternalError, OverloadedError, UnavailableError

lengths = st.lists(st.integers(1, 50), min_size=1, max_size=12)
jobs = st.lists(st.builds(lambda sizes, batch: Job([[1] * size for size in sizes], batch), lengths, st.booleans()))


def drained(backlog: Backlog, budget_tokens: int) -> list[list[tuple[Job, int]]]:
    batches = []
    while batch := backlog.take(budget_tokens):
        batches.append(batch)
    return batches


def tokens(batch: list[tuple[Job, int]]) -> int:
    return sum(len(job.texts[index]) for job, index in batch)


@given(jobs, st.integers(1, 100))
def test_every_text_is_taken_exactly_once_within_the_budget(added: list[Job], budget: int) -> None:
    backlog = Backlog(10**9)
    for job in added:
        backlog.add(job)
    assert backlog.tokens == sum(len(text) for job in added for text in job.texts)
    batches = drained(backlog, budget)
    assert all(tokens(batch) <= budget or len(batch) == 1 for batch in batches)
    taken = [(id(job), index) for batch in batches for job, index in batch]
    assert sorted(taken) == sorted((id(job), index) for job in added for index in range(len(job.texts)))
    assert backlog.tokens == 0


@given(jobs, st.integers(1, 100))
def test_interactive_goes_before_batch_and_never_with_it(added: list[Job], budget: int) -> None:
    backlog = Backlog(10**9)
    for job in added:
        backlog.add(job)
    classes = [{job.batch_priority for job, _ in batch} for batch in drained(backlog, budget)]
    assert all(len(kinds) == 1 for kinds in classes)
    assert classes == sorted(classes, key=lambda kinds: True in kinds)


@given(jobs, st.data())
def test_what_is_discarded_is_not_taken_and_not_counted(added: list[Job], data: st.DataObject) -> None:
    backlog = Backlog(10**9)
    for job in added:
        backlog.add(job)
    backlog.take(data.draw(st.integers(1, 200)))
    gone = data.draw(st.sets(st.sampled_from(added))) if added else set()
    for job in gone:
        backlog.discard(job)
        backlog.discard(job)
    rest = backlog.tokens
    batches = drained(backlog, 64)
    assert not gone & {job for batch in batches for job, _ in batch}
    assert sum(tokens(batch) for batch in batches) == rest


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    backlog = Backlog(10**9)
    large, small = Job([[1] * 10] * 1000), Job([[1] * 10] * 2)
    backlog.add(large)
    backlog.add(small)
    first = backlog.take(40)
    assert [job for job, _ in first] == [large, small, large, small]


def test_texts_of_one_length_are_computed_together() -> None:
    backlog = Backlog(10**9)
    backlog.add(Job([[1] * size for size in (3, 9, 3, 9)]))
    assert [index for _, index in backlog.take(6)] == [0, 2]


def test_full_means_full_and_a_job_is_taken_whole() -> None:
    backlog = Backlog(10)
    backlog.add(Job([[1] * 9]))
    backlog.add(Job([[1] * 9]))
    with pytest.raises(OverloadedError):
        backlog.add(Job([[1]]))
    backlog.take(9)
    backlog.add(Job([[1]]))


class HeldBackend:
    """The vector of a text is its length. Nothing is computed until `let_go`; then what it saw is in `batches`."""

    info = ModelInfo("held", "held", "cpu", 512, 100, dimensions=1)

    def __init__(self, lanes: int = 1, batch_tokens: int = 100) -> None:
        self.lanes = lanes
        self.batch_tokens = batch_tokens
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.broken = False

    def load(self) -> None: ...

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [[1] * len(text) for text in texts]

    def complete(self, ids: Sequence[int]) -> list[int]:
        return list(ids)

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        self.batches.append([len(text) for text in texts])
        self.begun.release()
        assert self.let_go.wait(30)
        if self.broken:
            raise RuntimeError("out of memory")
        return np.array([[len(text)] for text in texts], np.float32)


async def begun(backend: HeldBackend, times: int = 1) -> None:
    for _ in range(times):
        await asyncio.to_thread(backend.begun.acquire)


async def test_requests_that_wait_are_computed_together_and_answered_apart() -> None:
    backend = HeldBackend()
    batcher = Batcher(backend, 1000)
    first = asyncio.create_task(batcher.embed(Job([[1] * 7])))
    await begun(backend)
    others = [asyncio.create_task(batcher.embed(Job([[1] * size, [1] * 2]))) for size in (5, 3)]
    await asyncio.sleep(0)
    backend.let_go.set()
    assert (await first).tolist() == [[7]]
    assert [(await other).tolist() for other in others] == [[[5], [2]], [[3], [2]]]
    assert backend.batches == [[7], [2, 2, 5, 3]]
    await batcher.aclose()


async def test_one_request_alone_uses_all_lanes() -> None:
    backend = HeldBackend(lanes=2)
    batcher = Batcher(backend, 1000)
    running = asyncio.create_task(batcher.embed(Job([[1] * 4] * 10)))
    await begun(backend, 2)
    backend.let_go.set()
    await running
    assert backend.batches == [[4] * 5, [4] * 5]
    await batcher.aclose()


async def test_a_cancelled_request_is_not_computed() -> None:
    backend = HeldBackend()
    batcher = Batcher(backend, 10)
    first = asyncio.create_task(batcher.embed(Job([[1]])))
    await begun(backend)
    left = asyncio.create_task(batcher.embed(Job([[1] * 10])))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await batcher.embed(Job([[1]]))
    left.cancel()
    await asyncio.wait([left])
    last = asyncio.create_task(batcher.embed(Job([[1] * 2])))
    await asyncio.sleep(0)
    backend.let_go.set()
    await first
    await last
    assert backend.batches == [[1], [2]]
    await batcher.aclose()


async def test_a_failure_reaches_its_callers_and_the_next_request_works() -> None:
    backend = HeldBackend()
    backend.let_go.set()
    backend.broken = True
    batcher = Batcher(backend, 10)
    with pytest.raises(InternalError, match="out of memory"):
        await batcher.embed(Job([[1]]))
    backend.broken = False
    assert (await batcher.embed(Job([[1] * 3]))).tolist() == [[3]]
    await batcher.aclose()


async def test_closing_refuses_what_waits_and_ends_what_runs() -> None:
    backend = HeldBackend()
    batcher = Batcher(backend, 1000)
    running = asyncio.create_task(batcher.embed(Job([[1]])))
    await begun(backend)
    waiting = asyncio.create_task(batcher.embed(Job([[1]])))
    await asyncio.sleep(0)
    closing = asyncio.create_task(batcher.aclose())
    with pytest.raises(UnavailableError):
        await waiting
    backend.let_go.set()
    assert (await running).tolist() == [[1]]
    await closing
    with pytest.raises(UnavailableError):
        await batcher.embed(Job([[1]]))
