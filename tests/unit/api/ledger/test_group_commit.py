from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.errors import LedgerUnavailableError
from api.ledger.group_commit import GroupCommit


class BadRowError(Exception):
    pass


@dataclass
class Ledger:
    """A commit that writes all rows or none, and fails as it was told: `faults[n]` is what the n-th commit does."""

    bad: frozenset[int] = frozenset()
    faults: Sequence[str] = ()
    written: Counter[int] = field(default_factory=Counter)
    batches: list[int] = field(default_factory=list)

    async def commit(self, rows: Sequence[int]) -> Sequence[int]:
        fault = self.faults[len(self.batches)] if len(self.batches) < len(self.faults) else "none"
        self.batches.append(len(rows))
        await asyncio.sleep(0)
        if fault == "away":
            raise LedgerUnavailableError("away")
        if fault == "broken":
            raise BadRowError("a fault that says nothing about rows")
        if bad := self.bad.intersection(rows):
            raise BadRowError(bad)
        self.written.update(rows)
        return [row * 10 for row in rows]


ROWS = st.lists(st.integers(0, 10_000), min_size=1, max_size=60, unique=True)


@settings(max_examples=150)
@given(
    rows=ROWS,
    bad=st.frozensets(st.integers(0, 10_000), max_size=20),
    faults=st.lists(st.sampled_from(["none", "away", "broken"]), max_size=20),
    leaving=st.frozensets(st.integers(0, 59)),
    max_batch=st.integers(1, 16),
    waves=st.integers(1, 5),
)
def test_every_row_gets_its_own_result_exactly_once(
    rows: list[int], bad: frozenset[int], faults: list[str], leaving: frozenset[int], max_batch: int, waves: int
) -> None:
    async def run() -> tuple[Ledger, list[object]]:
        ledger = Ledger(bad.intersection(rows[::3]), faults)
        commits = GroupCommit(ledger.commit, max_batch=max_batch)
        tasks: list[asyncio.Task[int]] = []
        for i, row in enumerate(rows):
            tasks.append(asyncio.create_task(commits.submit(row)))
            if i % waves == 0:
                await asyncio.sleep(0)
        for place in leaving:
            if place < len(tasks):
                tasks[place].cancel()
        answers: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
        await commits.aclose()
        return ledger, answers

    ledger, answers = asyncio.run(run())
    assert max(ledger.batches, default=0) <= max_batch
    for place, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        if isinstance(answer, int):
            assert answer == row * 10 and ledger.written[row] == 1
        elif isinstance(answer, asyncio.CancelledError):
            assert place in leaving and ledger.written[row] <= 1
        elif isinstance(answer, LedgerUnavailableError):
            assert "away" in faults and ledger.written[row] == 0
        else:
            assert isinstance(answer, BadRowError)
            assert row in ledger.bad or "broken" in faults
            assert ledger.written[row] == 0


async def test_what_arrives_during_a_commit_is_the_next_batch() -> None:
    gate = asyncio.Event()
    batches: list[list[int]] = []

    async def commit(rows: Sequence[int]) -> Sequence[int]:
        batches.append(list(rows))
        await gate.wait()
        return rows

    commits = GroupCommit(commit)
    first = commits.enqueue(0)
    while not batches:
        await asyncio.sleep(0)
    rest = [commits.enqueue(n) for n in range(1, 50)]
    gate.set()
    assert await asyncio.gather(first, *rest) == list(range(50))
    assert batches == [[0], list(range(1, 50))]
    await commits.aclose()


async def test_one_bad_row_does_not_sink_the_others() -> None:
    ledger = Ledger(bad=frozenset({3}))
    commits = GroupCommit(ledger.commit)
    answers = await asyncio.gather(*map(commits.submit, range(6)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, int, int, BadRowError, int, int]
    assert ledger.batches == [6, 1, 1, 1, 1, 1, 1]
    await commits.aclose()


async def test_an_outage_is_not_tried_row_by_row() -> None:
    ledger = Ledger(faults=["away"])
    commits = GroupCommit(ledger.commit)
    answers = await asyncio.gather(*map(commits.submit, range(200)), return_exceptions=True)
    assert all(isinstance(answer, LedgerUnavailableError) for answer in answers)
    assert ledger.batches == [200]
    await commits.aclose()


async def test_whoever_left_before_the_commit_began_is_not_committed_for() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit)
    staying, leaving = commits.enqueue(1), commits.enqueue(2)
    leaving.cancel()
    assert await staying == 10
    await commits.aclose()
    assert ledger.written == {1: 1}


async def test_the_queue_is_bounded() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit, max_batch=4, max_waiting=10)
    waiting = [commits.enqueue(n) for n in range(10)]
    with pytest.raises(LedgerUnavailableError) as caught:
        await commits.submit(10)
    assert caught.value.retry_after_ms is not None
    assert await asyncio.gather(*waiting) == [n * 10 for n in range(10)]
    assert await commits.submit(11) == 110
    await commits.aclose()


async def test_closing_flushes_and_takes_nothing_more() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit, max_batch=2)
    waiting = [commits.enqueue(n) for n in range(9)]
    await commits.aclose()
    assert all(future.done() for future in waiting) and ledger.written.total() == 9
    with pytest.raises(LedgerUnavailableError):
        await commits.submit(1)
    await commits.aclose()


async def test_a_commit_of_the_wrong_length_is_nobodys_result() -> None:
    async def commit(rows: Sequence[int]) -> Sequence[int]:
        return rows[1:]

    commits = GroupCommit(commit)
    answers = await asyncio.gather(*map(commits.submit, range(3)), return_exceptions=True)
    assert all(isinstance(answer, AssertionError) for answer in answers)
    await commits.aclose()


async def test_nobody_waits_for_ever_when_the_loop_is_torn_down() -> None:
    async def commit(rows: Sequence[int]) -> Sequence[int]:
        await asyncio.Event().wait()
        return rows

    commits = GroupCommit(commit, max_batch=1)
    waiting = [commits.enqueue(n) for n in range(3)]
    await asyncio.sleep(0)
    assert commits._task is not None
    commits._task.cancel()
    for future in waiting:
        with pytest.raises(LedgerUnavailableError):
            await future
    with contextlib.suppress(asyncio.CancelledError):
        await commits.aclose()
