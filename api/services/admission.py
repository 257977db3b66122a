"""Admission takes what is scarce before a request runs, and gives it back exactly once when the request is over.

What is scarce: room in this process, the caller's rate limits (a grant), the caller's money (a hold). The grant comes
first, in one round trip to Redis. The hold is durable before the client sees a byte, but the worker may begin
meanwhile: its latency hides behind the prefill. Who was refused a moment ago gets nothing computed in advance.

A hold covers the prompt and a step of output; it is extended while the stream goes on. Nothing is ever delivered that
is not covered, so a budget is never overrun.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from api.domain import LineAnswer, Principal, UsageRecord
from api.errors import InsufficientQuotaError, ModelNotFoundError, OverloadedError
from api.ledger.holds import Hold, HoldRequest, Ledger
from api.ledger.price_book import PriceBook
from api.ledger.pricing import Price, bound_nusd, completion_tokens_within, free_price
from api.limits.limiter import Grant, Limiter
from api.services.catalog import Model

# Tokens of output that are held for at first, and once more whenever half of them are used up; each step is twice the
# one before, so that a long answer costs few commits.
FIRST_STEP_TOKENS = 1024
MOST_STEP_TOKENS = 16_384
LEAST_STEP_TOKENS = 64
# Who was refused for money within this time is asked for it before anything is computed.
REFUSED_S = 5.0
MOST_REFUSED = 10_000
UNBOUNDED = 1 << 62


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request can use at most."""

    request_id: str
    operation: str  # the operationId of the spec
    started_at_s: float  # as of `Admission.now_s`
    prompt_tokens: int  # an upper bound
    completion_tokens: int  # at most, of all choices together; 0: of none
    estimated_tokens: int  # what the rate limits are charged before it runs


class Ticket:
    """One admitted request. Ends with `settle` or `release`, once; again changes nothing."""

    __slots__ = ("_admission", "_closing", "_grant", "_open", "_step", "answer", "hold", "price", "principal", "quote")

    def __init__(self, admission: Admission, principal: Principal, price: Price, quote: Quote, grant: Grant) -> None:
        self._admission = admission
        self._grant = grant
        self._closing: asyncio.Future[None] | None = None
        self._open = True
        self._step = FIRST_STEP_TOKENS
        self.principal = principal
        self.price = price
        self.quote = quote
        self.hold: Hold | None = None
        self.answer: LineAnswer | None = None  # to a line of a batch, to be kept with the settlement

    @property
    def headers(self) -> list[tuple[str, str]]:
        """How the caller's limits stand."""
        return self._grant.headers()

    @property
    def eager(self) -> bool:
        """Whether the worker may begin before the hold stands."""
        return not self._admission.refused_lately(self.principal)

    async def take_hold(self, prompt_tokens: int | None = None) -> None:
        """For a prompt of so many tokens; None: the quote's bound. Raises InsufficientQuotaError,
        LedgerUnavailableError; then nothing is held."""
        quote = self.quote
        prompt_tokens = quote.prompt_tokens if prompt_tokens is None else prompt_tokens
        amount = bound_nusd(self.price, prompt_tokens, min(quote.completion_tokens, self._step))
        request = HoldRequest(
            quote.request_id, self.principal, quote.operation, self.price.model, self.price, amount, quote.started_at_s
        )
        try:
            self.hold = await self._admission.ledger.hold(request)
        except InsufficientQuotaError:
            self._admission.note_refusal(self.principal)
            raise

    def covered_tokens(self, prompt_tokens: int) -> int:
        """Tokens of output that the hold pays for, after so many of the prompt. Negative: not even the prompt."""
        assert self.hold is not None
        if self.price.free:
            return UNBOUNDED
        within = completion_tokens_within(self.price, prompt_tokens, self.hold.amount_nusd)
        return UNBOUNDED if within is None else within

    async def extend(self, prompt_tokens: int) -> bool:
        """Holds for a further step of output, or for what is left of the request, or of the money. False when that
        is not worth a step: the answer ends within what is covered. Raises LedgerUnavailableError."""
        assert self.hold is not None
        covered = self.covered_tokens(prompt_tokens)
        step = min(2 * self._step, MOST_STEP_TOKENS)
        while step >= LEAST_STEP_TOKENS:
            wanted = min(self.quote.completion_tokens, covered + step)
            more_nusd = bound_nusd(self.price, prompt_tokens, wanted) - self.hold.amount_nusd
            if more_nusd <= 0 or await self._admission.ledger.extend(self.hold, more_nusd):
                self._step = step
                return True
            step //= 2
        return False

    def settle(self, record: UsageRecord) -> asyncio.Future[None]:
        """Charges what was used. The future is done when that is durable, or after a second; it never fails."""
        if self._closing is None:
            assert self.hold is not None and self._open
            tokens = record.tokens
            self._leave(tokens.prompt_tokens + tokens.completion_tokens)
            self._closing = self._admission.ledger.settle(self.hold, record, self.answer)
        return self._closing

    def release(self) -> asyncio.Future[None] | None:
        """Nothing ran. None when there was nothing to give back but room."""
        if self._open:
            self._leave(0)
            if self.hold is not None:
                self._closing = self._admission.ledger.release(self.hold)
        return self._closing

    def _leave(self, tokens: int) -> None:
        self._open = False
        self._admission.running -= 1
        self._grant.settle(tokens)


class Admission:
    """One per process. `batch`: what it admits are lines of batches, at their price."""

    def __init__(self, limit: int, limiter: Limiter, ledger: Ledger, prices: PriceBook, batch: bool = False) -> None:
        self.ledger = ledger
        self.running = 0  # requests that were let in, or wait for their grant
        self._batch = batch
        self._limit = limit
        self._limiter = limiter
        self._prices = prices
        self._refused: dict[tuple[str, str], float] = {}  # project and key → until (monotonic)

    def now_s(self) -> float:
        """Unix seconds for a quote: bills are of the day that PostgreSQL has."""
        return self._prices.now_s()

    async def admit(self, principal: Principal, model: Model, quote: Quote) -> Ticket:
        """A ticket without a hold yet (`Ticket.take_hold`).

        Raises OverloadedError when this process is full, ModelNotFoundError for a model without a price,
        RateLimitError, LimiterUnavailableError, LedgerUnavailableError.
        """
        if self.running >= self._limit:
            raise OverloadedError(
                f"This server already runs {self._limit} requests. Please try again in 1s.", retry_after_ms=1000
            )
        price = self.price_of(model)
        self.running += 1
        try:
            grant = await self._limiter.acquire(principal, model.id, quote.request_id, quote.estimated_tokens)
        except BaseException:
            self.running -= 1
            raise
        return Ticket(self, principal, price, quote, grant)

    def price_of(self, model: Model) -> Price:
        """Raises ModelNotFoundError for a model that has no price and is not free, LedgerUnavailableError."""
        if model.free:
            return free_price(model.id)
        price = self._prices.current(model.id)
        if price is None:
            raise ModelNotFoundError(
                f"The model `{model.id}` has no price yet. Its operator sets one with `novai prices set`, or serves it "
                "with `free: true`.",
                param="model",
                code="model_not_priced",
            )
        return price.at(price.batch_percent) if self._batch else price

    def refused_lately(self, principal: Principal) -> bool:
        until_s = self._refused.get((principal.project_id, principal.key_id))
        return until_s is not None and time.monotonic() < until_s

    def note_refusal(self, principal: Principal) -> None:
        if len(self._refused) >= MOST_REFUSED:
            self._refused.clear()
        self._refused[principal.project_id, principal.key_id] = time.monotonic() + REFUSED_S
