"""What every admitted request used, written once.

When PostgreSQL is away, records are kept in memory, up to `MAX_UNWRITTEN`, and written as soon as it is back; answers
do not wait for that. A process that dies in between loses what it kept. What can never be written is in the log, whole.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence

import msgspec

from api import metrics
from api.domain import UsageRecord
from api.errors import LedgerUnavailableError
from api.ledger.group_commit import MAX_BATCH, GroupCommit
from api.storage import usage as rows
from api.storage.session import Database

logger = logging.getLogger(__name__)

ANSWER_WAIT_S = 1.0  # longest time that recording may keep an answer waiting
MAX_UNWRITTEN = 100_000  # about 100 MB; at 1 000 requests a second, an outage of 100 s
_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class UsageRecorder:
    """One per process. Close it before the database."""

    def __init__(self, database: Database, max_unwritten: int = MAX_UNWRITTEN) -> None:
        self._database = database
        self._max_unwritten = max_unwritten
        self._commits: GroupCommit[UsageRecord, None] = GroupCommit(self._insert)
        self._retries: GroupCommit[UsageRecord, None] = GroupCommit(self._insert)
        self._unwritten: dict[str, UsageRecord] = {}  # by request_id, oldest first
        self._retry_task: asyncio.Task[None] | None = None

    async def record(self, record: UsageRecord) -> None:
        """Returns when the record is durable, or after a second at most; it is written all the same. Never raises."""
        await self.enqueue(record)

    def enqueue(self, record: UsageRecord) -> asyncio.Future[None]:
        """`record` without waiting. The future never fails; whether anybody awaits it changes nothing."""
        metrics.count_usage(record)
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()
        try:
            written = self._commits.enqueue(record)
        except LedgerUnavailableError as error:
            self._keep(record, error)
            told.set_result(None)
            return told
        timer = loop.call_later(ANSWER_WAIT_S, _tell, told)

        def done(future: asyncio.Future[None]) -> None:
            timer.cancel()
            self._check(record, future)
            _tell(told)

        written.add_done_callback(done)
        return told

    async def aclose(self, patience_s: float = 5.0) -> None:
        """Writes what is left, for at most `patience_s`."""
        await self._commits.aclose()
        await asyncio.sleep(0)  # the callbacks of the last batch
        if self._retry_task is not None:
            await asyncio.wait((self._retry_task,), timeout=patience_s)
            self._retry_task.cancel()
            await self._retries.aclose()
        for record in self._unwritten.values():
            _give_up(record, "the process ended before PostgreSQL was back")
        self._unwritten.clear()
        metrics.USAGE_WAITING.set(0)

    @property
    def unwritten(self) -> int:
        """Records waiting for PostgreSQL to come back."""
        return len(self._unwritten)

    async def _insert(self, records: Sequence[UsageRecord]) -> Sequence[None]:
        await rows.insert(self._database, records)
        return [None] * len(records)

    def _check(self, record: UsageRecord, written: asyncio.Future[None]) -> None:
        error = None if written.cancelled() else written.exception()
        if isinstance(error, LedgerUnavailableError):
            self._keep(record, error)
        elif error is not None:
            _give_up(record, repr(error))

    def _keep(self, record: UsageRecord, error: BaseException) -> None:
        if len(self._unwritten) >= self._max_unwritten:
            _give_up(record, "too many records wait for PostgreSQL")
            return
        if not self._unwritten:
            logger.error("Usage cannot be written (%s). Keeping it until PostgreSQL is back.", error)
        self._unwritten[record.request_id] = record
        metrics.USAGE_WAITING.set(len(self._unwritten))
        if self._retry_task is None or self._retry_task.done():
            self._retry_task = asyncio.create_task(self._retry(), name="usage-retry")

    async def _retry(self) -> None:
        """Until everything kept is written. Idempotent by request_id: what was written after all stays as it is."""
        failures = 0
        while self._unwritten:
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            batch = list(itertools.islice(self._unwritten.values(), MAX_BATCH))
            outcomes = await asyncio.gather(*map(self._retries.enqueue, batch), return_exceptions=True)
            kept = 0
            for record, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, LedgerUnavailableError):
                    kept += 1
                    continue
                if outcome is not None:
                    _give_up(record, repr(outcome))
                del self._unwritten[record.request_id]
            failures = failures + 1 if kept else 0
            metrics.USAGE_WAITING.set(len(self._unwritten))
        logger.warning("All usage that was kept is written.")


def _give_up(record: UsageRecord, reason: str) -> None:
    metrics.USAGE_LOST.inc()
    logger.error("usage not recorded (%s): %s", reason, msgspec.json.encode(record, enc_hook=list).decode())


def _tell(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
