"""The ledger: money is held before a request runs and settled once when it is over. Hold, extend, settle, release.

The rules, in order:
- A request of a free model holds nothing: it can cost nothing, so nothing is checked, and only its usage is written.
- Every other request holds the most it can cost, durably, before the client sees a byte. A project is prepaid from its
  first credit on (`novai credits add`): what it holds must fit the credits that are left. Until then it is post-paid.
- Budgets, of a project or of one key, for a month or in total, must cover the hold too, prepaid or not.
- The client pays for what was generated, also when it leaves. What we broke is free, and booked as our expense.

Every statement is idempotent by request_id. When PostgreSQL is away nothing new is held (503 within a second) and what
runs goes on; settlements wait in memory. When this process dies, its lease lapses and another one sweeps its holds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from api import metrics
from api.domain import LineAnswer, Outcome, Principal, UsageRecord
from api.errors import InsufficientQuotaError, InternalError, LedgerUnavailableError, QuotaHeldError
from api.ledger.group_commit import GroupCommit
from api.ledger.pricing import Price, cost_nusd, usd
from api.ledger.settlements import MAX_UNWRITTEN, Closing, Settlements, request_id
from api.regularly import Regularly
from api.storage import holds as rows
from api.storage.holds import HoldRow, Refused, Reserved
from api.storage.session import Database, NotSentError
from api.storage.settlements import Settlement

logger = logging.getLogger(__name__)

LEASE_S = 10.0
RENEW_S = 3.0
HOLD_TIMEOUT_S = 1.0  # a request that cannot be held within it is answered 503
# Whether the client pays for what was generated; otherwise it is our expense.
PAYS: dict[Outcome, bool] = {"finished": True, "client_left": True, "upstream_broke": False, "refused": False}
_BUDGETS = {
    "credits": "has {left} of its prepaid credits left",
    "month": "has {left} of its monthly budget left",
    "total": "has {left} of its budget left",
}
_ADVICE = {
    "credits": "Add credits (`novai credits add`), or ask for less with a smaller max_tokens.",
    "month": "Raise the budget (`novai budgets set`), wait for next month, or ask for less with a smaller max_tokens.",
    "total": "Raise the budget (`novai budgets set`), or ask for less with a smaller max_tokens.",
}


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What a request may cost at most, and whose it is."""

    request_id: str
    principal: Principal
    operation: str  # the operationId of the spec
    model: str
    price: Price
    amount_nusd: int
    started_at_s: float  # unix seconds; the same as in the usage record


class Hold:
    """Money set aside for one request. Closed exactly once, by `Ledger.settle` or `Ledger.release`."""

    __slots__ = ("amount_nusd", "closing", "request")

    def __init__(self, request: HoldRequest) -> None:
        self.request = request
        self.amount_nusd = request.amount_nusd
        self.closing: asyncio.Future[None] | None = None

    @property
    def price(self) -> Price:
        return self.request.price


class Ledger:
    """One per process, on connections of its own (`storage.holds.open_ledger_pool`). `start()` begins to renew the
    lease of everything it holds. Close it before the database."""

    def __init__(
        self,
        database: Database,
        *,
        lease_s: float = LEASE_S,
        renew_s: float = RENEW_S,
        max_unwritten: int = MAX_UNWRITTEN,
    ) -> None:
        self.owner = f"ledger_{secrets.token_hex(8)}"
        self.database = database
        self.lease_s = lease_s
        self._open: dict[str, Hold] = {}
        self._taken: set[str] = set()  # holds of other processes that are being closed
        self._reserving: Collection[str] = ()  # requests whose hold is being written, until `_reserved` is done
        self._reserved: asyncio.Future[None] | None = None
        self._holds: GroupCommit[HoldRow, Reserved] = GroupCommit(self._reserve)
        self._settlements = Settlements(database, self.owner, self._forget, max_unwritten)
        self._renewal = Regularly("ledger-lease", self._renew, renew_s)

    async def start(self) -> None:
        """Does not wait for PostgreSQL."""
        await self._renewal.start()

    async def hold(self, request: HoldRequest) -> Hold:
        """A durable hold, to be closed by the caller. Raises InsufficientQuotaError (429) when credits or a budget do
        not cover it, and LedgerUnavailableError (503); then nothing is held, or given back as soon as possible."""
        hold = Hold(request)
        if request.price.free:
            return hold
        written = self._holds.enqueue(_row(request, request.amount_nusd))
        known = self._open.setdefault(request.request_id, hold)
        try:
            reserved = await written
        except BaseException as error:
            if known is hold and isinstance(error, NotSentError):
                self._forget(request.request_id)
            elif known is hold:
                self.release(hold)  # it may have been written all the same
            raise
        if reserved == "held":
            return known
        if known is hold:
            self._forget(request.request_id)
        if reserved == "closed":
            raise InternalError(f"The request {request.request_id} was over before it began. Send it again.")
        raise _insufficient(reserved)

    async def extend(self, hold: Hold, more_nusd: int) -> bool:
        """Holds so much more. False when credits or a budget do not cover it, or the hold is closed: the stream is to
        end within what is held. Raises LedgerUnavailableError; what is held stays held."""
        wanted_nusd = hold.amount_nusd + more_nusd
        if not hold.price.free and await self._holds.submit(_row(hold.request, wanted_nusd)) != "held":
            return False
        hold.amount_nusd = max(hold.amount_nusd, wanted_nusd)
        return True

    def settle(self, hold: Hold, record: UsageRecord, answer: LineAnswer | None = None) -> asyncio.Future[None]:
        """Writes what the request used, and charges it or books it as our expense (`PAYS`). The future is done when
        that is durable, or after a second at most; it is written all the same. Never fails. Of several calls for one
        hold the first counts. `answer` is kept in the same commit; when its line has one already, this is our
        expense."""
        if hold.closing is None:
            metrics.count_usage(record)
            settlement = Settlement(
                record,
                hold.price.version,
                cost_nusd(hold.price, record.tokens),
                pays=PAYS[record.outcome],
                held=not hold.price.free,
                price_percent=hold.price.percent,
                answer=answer,
            )
            hold.closing = self._close(settlement)
        return hold.closing

    def release(self, hold: Hold) -> asyncio.Future[None]:
        """Gives back the whole hold, for a request that never ran: no usage is written. As `settle`."""
        if hold.closing is None:
            if hold.price.free:
                hold.closing = asyncio.get_running_loop().create_future()
                hold.closing.set_result(None)
            else:
                hold.closing = self._close(_row(hold.request, 0))
        return hold.closing

    def close(self, closing: Closing) -> asyncio.Future[None]:
        """For the sweeper: closes a hold that was taken over from another process. As `settle`."""
        self._taken.add(request_id(closing))
        return self._settlements.enqueue(closing)

    @property
    def open(self) -> Collection[str]:
        """Requests whose hold this process has and has not durably closed yet."""
        return self._open.keys() | self._taken

    @property
    def unwritten(self) -> int:
        """Settlements waiting for PostgreSQL to come back."""
        return self._settlements.unwritten

    async def aclose(self, patience_s: float = 5.0) -> None:
        """Writes what is left, for at most `patience_s`. What is still open then is swept by another process."""
        await self._holds.aclose()
        await asyncio.sleep(0)  # what waited for the last holds
        await self._settlements.aclose(patience_s)
        await self._renewal.aclose()
        try:
            await rows.resign(self.database, [self.owner])
        except LedgerUnavailableError as error:
            logger.warning("The lease stays until it lapses: %s", error.message)

    async def _reserve(self, wanted: Sequence[HoldRow]) -> Sequence[Reserved]:
        """A hold that is being closed is not written any more, and one that is being written is closed afterwards: the
        two statements lock it and its budgets in different orders, and PostgreSQL takes a second to see a deadlock."""
        over = {row.request_id for row in wanted if self._is_closing(row.request_id)}
        live = [row for row in wanted if row.request_id not in over]
        self._reserving = {row.request_id for row in live}
        self._reserved = asyncio.get_running_loop().create_future()
        try:
            answers = iter(await rows.reserve(self.database, self.owner, live, HOLD_TIMEOUT_S))
        finally:
            self._reserving = ()
            self._reserved.set_result(None)
        return ["closed" if row.request_id in over else next(answers) for row in wanted]

    def _close(self, closing: Closing) -> asyncio.Future[None]:
        busy = request_id(closing) in self._reserving
        return self._settlements.enqueue(closing, after=self._reserved if busy else None)

    def _is_closing(self, name: str) -> bool:
        hold = self._open.get(name)
        return hold is not None and hold.closing is not None

    def _forget(self, name: str) -> None:
        self._open.pop(name, None)
        self._taken.discard(name)

    async def _renew(self) -> None:
        await rows.renew(self.database, self.owner, self.lease_s)


def _row(request: HoldRequest, amount_nusd: int) -> HoldRow:
    principal = request.principal
    return HoldRow(
        request.request_id,
        principal.organisation_id,
        principal.project_id,
        principal.key_id,
        request.operation,
        request.model,
        request.price.version,
        amount_nusd,
        request.started_at_s,
        request.price.percent,
        principal.line_id,
    )


def _insufficient(refused: Refused) -> InsufficientQuotaError:
    who = "The API key" if refused.of_key else "The project"
    has = _BUDGETS[refused.kind].format(left=usd(max(0, refused.left_nusd)))
    kind = QuotaHeldError if refused.wanted_nusd <= refused.unspent_nusd else InsufficientQuotaError
    return kind(
        f"{who} {has}, and this request may cost up to {usd(refused.wanted_nusd)}. {_ADVICE[refused.kind]}",
        retryable=False,
    )
