"""Requests that arrive together are one durable commit.

Self-clocking: what came in while a commit was under way is the next batch. No timer, so a lone request waits for
nobody; under load batches grow and the cost of a commit is shared.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from api.errors import LedgerUnavailableError

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Result = TypeVar("Result")

MAX_BATCH = 256
MAX_WAITING = 2000


class GroupCommit(Generic[Row, Result]):
    """`commit(rows)` writes all rows or none and returns one result for each, in order.

    It must be idempotent by row: a batch that fails is tried once more row by row, so that one bad row does not sink
    the others, and a commit whose connection broke may have happened. When PostgreSQL is away (LedgerUnavailableError)
    every row of the batch fails with that; trying again is the caller's choice.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Row]], Awaitable[Sequence[Result]]],
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Row, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, row: Row) -> Result:
        """The row's own result, once it is durable. Raises what `commit` raised for this row, and
        LedgerUnavailableError when the queue is full. A cancelled call may or may not have been committed."""
        return await self.enqueue(row)

    def enqueue(self, row: Row) -> asyncio.Future[Result]:
        """`submit` without waiting: the row is committed whether or not anybody awaits the future."""
        if self._closed or len(self._waiting) >= self._max_waiting:
            raise LedgerUnavailableError(
                "The service is shutting down."
                if self._closed
                else "Too many requests wait for the ledger. Try again.",
                retry_after_ms=1000,
            )
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="group-commit")
        return future

    async def aclose(self) -> None:
        """Takes nothing more, and returns when everything taken has its result."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        batch: list[tuple[Row, asyncio.Future[Result]]] = []
        try:
            while self._waiting:
                batch = self._next_batch()
                await self._commit_batch(batch)
        finally:
            self._task = None
            # Only a cancelled loop, at the end of the process, leaves anything here.
            for _, future in (*batch, *self._waiting):
                _fail(future, LedgerUnavailableError("The service is shutting down."))
            self._waiting.clear()

    def _next_batch(self) -> list[tuple[Row, asyncio.Future[Result]]]:
        batch: list[tuple[Row, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._max_batch:
            row, future = self._waiting.popleft()
            if not future.cancelled():  # whoever left before the commit began is not committed for
                batch.append((row, future))
        return batch

    async def _commit_batch(self, batch: list[tuple[Row, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._commit([row for row, _ in batch])
            assert len(results) == len(batch), "a commit returns one result for each row"
        except Exception as error:  # noqa: BLE001 — whatever it is belongs to those who wait
            await self._commit_singly(batch, error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _commit_singly(self, batch: list[tuple[Row, asyncio.Future[Result]]], error: Exception) -> None:
        if len(batch) == 1 or isinstance(error, LedgerUnavailableError):
            for _, future in batch:
                _fail(future, error)
            return
        logger.warning("A batch of %d rows failed (%r); trying each by itself.", len(batch), error)
        for i, entry in enumerate(batch):
            await self._commit_batch([entry])
            lost = entry[1].exception() if not entry[1].cancelled() else None
            if isinstance(lost, LedgerUnavailableError):
                for _, future in batch[i + 1 :]:
                    _fail(future, lost)
                return


def _fail(future: asyncio.Future[Result], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody may be waiting any more: no complaint about an exception that was not seen
