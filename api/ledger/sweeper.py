"""Closes what a dead process left open.

A process that stops renewing its lease is dead, or as good as dead: what it held is taken over, and the worker that
ran the request says what it generated. A client that had left pays for that; what our death broke is free and booked as
our expense. When nobody can say, the hold is given back. What a worker still runs is left alone: its process lives, and
has only lost sight of PostgreSQL. Whoever closes a hold first is right: a process that comes back and settles too late
finds it closed, and an event says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api import metrics
from api.domain import Principal, Provenance, TokenUsage, UsageRecord
from api.ledger.holds import PAYS, Ledger
from api.ledger.price_book import PriceBook
from api.ledger.pricing import cost_nusd
from api.ledger.settlements import Closing, request_id
from api.regularly import Regularly
from api.storage import holds as rows
from api.storage.holds import HoldRow
from api.storage.settlements import Settlement

logger = logging.getLogger(__name__)

SWEEP_S = 1.0
GRACE_S = 2.0  # how long the worker has to say how the request ended
PATIENCE_S = 30.0  # how long a worker that is down has to come back, and to say what it had noted
RECEIPTS_TIMEOUT_S = 1.0
LIMIT = 256  # holds of one sweep


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a worker says about a request that it does not run any more."""

    replica: str
    tokens: TokenUsage
    client_left: bool  # cancelled by its edge, and not because that edge was gone
    provenance: Provenance = "engine"


class Heard(NamedTuple):
    """What the workers of a model say of some requests."""

    receipts: Mapping[str, Receipt]
    complete: bool = True  # every worker was heard: who neither has a receipt nor runs will not get one
    running: Collection[str] = ()  # still, so that their process lives: workers stop what nobody reads


# Asks the workers of one model about requests. May raise anything.
Receipts = Callable[[str, Sequence[str]], Awaitable[Heard]]


class Sweeper(Regularly):
    """One per process. `start()` begins to sweep, `aclose()` ends that; what was taken over is then left to others."""

    def __init__(
        self,
        ledger: Ledger,
        prices: PriceBook,
        receipts: Receipts,
        *,
        sweep_s: float = SWEEP_S,
        grace_s: float = GRACE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__("ledger-sweeper", self.sweep, sweep_s, pause_first=True)
        self._ledger = ledger
        self._prices = prices
        self._receipts = receipts
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._taken: dict[str, tuple[float, HoldRow]] = {}  # by request: when (monotonic), what

    async def sweep(self) -> int:
        """Takes over what nobody holds a lease of, and closes what can be closed; returns how many it closed. Raises
        LedgerUnavailableError."""
        ledger = self._ledger
        known = [*ledger.open, *self._taken]
        now = time.monotonic()
        for row in await rows.claim(ledger.database, ledger.owner, ledger.lease_s, known, LIMIT):
            self._taken[row.request_id] = (now, row)
        if not self._taken:
            return 0
        by_model: dict[str, list[str]] = {}
        for name, (_, row) in self._taken.items():
            by_model.setdefault(row.model, []).append(name)
        heard = await asyncio.gather(*(self._ask(model, names) for model, names in by_model.items()))
        closings: list[Closing] = []
        for names, (receipts, complete, running) in zip(by_model.values(), heard, strict=True):
            for name in names:
                since_s, row = self._taken[name]
                if name in running:
                    continue
                if name in receipts:
                    if (settlement := self._settlement(row, receipts[name])) is not None:
                        closings.append(settlement)
                elif now - since_s >= (self._grace_s if complete else self._patience_s):
                    closings.append(row)
        for closing in closings:
            how = closing.record.outcome if isinstance(closing, Settlement) else "released"
            metrics.LEDGER_SWEPT.labels(how).inc()
            logger.warning("Closing the hold of %s, whose process is gone: %s.", request_id(closing), how)
            del self._taken[request_id(closing)]
        await asyncio.gather(*map(ledger.close, closings))
        return len(closings)

    async def _ask(self, model: str, names: list[str]) -> Heard:
        try:
            async with asyncio.timeout(RECEIPTS_TIMEOUT_S):
                return await self._receipts(model, names)
        except Exception as error:  # noqa: BLE001 — whatever it is, the worker has not said anything
            logger.warning("No receipts of %s: %r", model, error)
            return Heard({}, complete=False)

    def _settlement(self, row: HoldRow, receipt: Receipt) -> Settlement | None:
        """None: this process has not heard of the price yet, and the others need not wait for that."""
        found = self._prices.find(row.model, row.price_version)
        if found is None:
            logger.warning("The hold of %s waits for its price, version %d.", row.request_id, row.price_version)
            return None
        price = found.at(row.price_percent)
        left = receipt.client_left
        record = UsageRecord(
            request_id=row.request_id,
            principal=Principal(row.organisation_id, row.project_id, row.key_id, frozenset()),
            operation=row.operation,
            model=row.model,
            replica=receipt.replica,
            outcome="client_left" if left else "upstream_broke",
            finish_reason="",
            provenance=receipt.provenance,
            tokens=receipt.tokens,
            status=499 if left else 502,
            streamed=False,  # nobody is left who knows
            started_at_s=row.started_at_s,
            ttft_ms=None,
            duration_ms=max(0.0, (self._prices.now_s() - row.started_at_s) * 1e3),
        )
        cost = cost_nusd(price, receipt.tokens)
        pays = PAYS[record.outcome]
        return Settlement(record, row.price_version, cost, pays, held=True, price_percent=row.price_percent)
