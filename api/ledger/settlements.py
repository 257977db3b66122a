"""What every admitted request used and what became of its hold, written once.

When PostgreSQL is away, settlements are kept in memory, up to `MAX_UNWRITTEN`, and written as soon as it is back;
answers do not wait for that. A process that dies in between leaves its holds to the sweeper of another one. What can
never be written is in the log, whole.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence

import msgspec

from api import metrics
from api.errors import LedgerUnavailableError
from api.ledger.group_commit import MAX_BATCH, GroupCommit
from api.ledger.pricing import usd
from api.storage import holds as hold_rows
from api.storage import settlements as rows
from api.storage.budgets import Alert
from api.storage.holds import HoldRow
from api.storage.session import Database, describe
from api.storage.settlements import Settlement

logger = logging.getLogger(__name__)

ANSWER_WAIT_S = 1.0  # longest time that settling may keep an answer waiting
MAX_UNWRITTEN = 100_000  # about 100 MB; at 1 000 requests a second, an outage of 100 s
_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)

Closing = Settlement | HoldRow  # a hold alone: released, as if the request had never been


class Settlements:
    """One per ledger. `on_closed(request_id)` is called when a closing is durable, or given up."""

    def __init__(
        self,
        database: Database,
        owner: str,
        on_closed: Callable[[str], object],
        max_unwritten: int = MAX_UNWRITTEN,
    ) -> None:
        self._database = database
        self._owner = owner
        self._on_closed = on_closed
        self._max_unwritten = max_unwritten
        self._commits: GroupCommit[Closing, None] = GroupCommit(self._write)
        self._retries: GroupCommit[Closing, None] = GroupCommit(self._write)
        self._unwritten: dict[str, Closing] = {}  # by request_id, oldest first
        self._retry_task: asyncio.Task[None] | None = None

    def enqueue(self, closing: Closing, after: asyncio.Future[None] | None = None) -> asyncio.Future[None]:
        """The future is done when the closing is durable, or after a second at most; it is written all the same. It
        never fails; whether anybody awaits it changes nothing. Written when `after` is done, if that is given."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(ANSWER_WAIT_S, _tell, told)
        told.add_done_callback(lambda _: timer.cancel())
        if after is None:
            self._commit(closing, told)
        else:
            after.add_done_callback(lambda _: self._commit(closing, told))
        return told

    def _commit(self, closing: Closing, told: asyncio.Future[None]) -> None:
        try:
            written = self._commits.enqueue(closing)
        except LedgerUnavailableError as error:
            self._keep(closing, error)
            _tell(told)
            return

        def done(future: asyncio.Future[None]) -> None:
            self._check(closing, future)
            _tell(told)

        written.add_done_callback(done)

    async def aclose(self, patience_s: float = 5.0) -> None:
        """Writes what is left, for at most `patience_s`."""
        await self._commits.aclose()
        await asyncio.sleep(0)  # the callbacks of the last batch
        if self._retry_task is not None:
            await asyncio.wait((self._retry_task,), timeout=patience_s)
            self._retry_task.cancel()
            await self._retries.aclose()
        for closing in self._unwritten.values():
            _give_up(closing, "the process ended before PostgreSQL was back")
        self._unwritten.clear()
        metrics.USAGE_WAITING.set(0)

    @property
    def unwritten(self) -> int:
        """Closings waiting for PostgreSQL to come back."""
        return len(self._unwritten)

    async def _write(self, closings: Sequence[Closing]) -> Sequence[None]:
        """Each request once, though it may have been closed twice."""
        by_id = {request_id(closing): closing for closing in reversed(closings)}
        released = [closing for closing in by_id.values() if isinstance(closing, HoldRow)]
        settled = [closing for closing in by_id.values() if isinstance(closing, Settlement)]
        if released:
            await hold_rows.release(self._database, self._owner, released)
        if settled:
            outcomes, alerts = await rows.settle(self._database, self._owner, settled)
            for settled_id, outcome in outcomes.items():
                metrics.LEDGER_EVENTS.labels(outcome).inc()
                logger.error("settlement of %s: %s; see ledger_events", settled_id, outcome)
            for alert in alerts:
                _tell_alert(alert)
        return [None] * len(closings)

    def _check(self, closing: Closing, written: asyncio.Future[None]) -> None:
        error = None if written.cancelled() else written.exception()
        if isinstance(error, LedgerUnavailableError):
            self._keep(closing, error)
            return
        if error is not None:
            _give_up(closing, repr(error))
        self._on_closed(request_id(closing))

    def _keep(self, closing: Closing, error: BaseException) -> None:
        if len(self._unwritten) >= self._max_unwritten:
            _give_up(closing, "too many settlements wait for PostgreSQL")
            self._on_closed(request_id(closing))
            return
        if not self._unwritten:
            why = describe(error.__cause__ or error)
            logger.error("Settlements cannot be written (%s). Keeping them until PostgreSQL is back.", why)
        self._unwritten.setdefault(request_id(closing), closing)
        metrics.USAGE_WAITING.set(len(self._unwritten))
        if self._retry_task is None or self._retry_task.done():
            self._retry_task = asyncio.create_task(self._retry(), name="settlement-retry")

    async def _retry(self) -> None:
        """Until everything kept is written. Idempotent by request: what was written after all stays as it is."""
        failures = 0
        while self._unwritten:
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            batch = list(itertools.islice(self._unwritten.values(), MAX_BATCH))
            outcomes = await asyncio.gather(*map(self._retries.enqueue, batch), return_exceptions=True)
            kept = 0
            for closing, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, LedgerUnavailableError):
                    kept += 1
                    continue
                if outcome is not None:
                    _give_up(closing, repr(outcome))
                del self._unwritten[request_id(closing)]
                self._on_closed(request_id(closing))
            failures = failures + 1 if kept else 0
            metrics.USAGE_WAITING.set(len(self._unwritten))
        logger.warning("All settlements that were kept are written.")


def request_id(closing: Closing) -> str:
    return closing.request_id if isinstance(closing, HoldRow) else closing.record.request_id


def _give_up(closing: Closing, reason: str) -> None:
    metrics.USAGE_LOST.inc()
    logger.error("not settled (%s): %s", reason, msgspec.json.encode(closing, enc_hook=list).decode())


def _tell_alert(alert: Alert) -> None:
    metrics.BUDGET_ALERTS.labels(alert.kind, str(alert.threshold)).inc()
    logger.warning(
        "budget alert: %s of %s passed %d %% of %s (%s): %s are spent",
        alert.owner_id,
        alert.project_id,
        alert.threshold,
        usd(alert.limit_nusd),
        alert.kind,
        usd(alert.spent_nusd),
    )


def _tell(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
