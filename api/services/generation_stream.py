"""One generation, from admission to settlement.

`GenerationStream` owns everything the request took: the ticket, the call on a worker's session, the settlement.
However it ends (finished, client left, worker broke), it ends through `aclose`, which is shielded from the cancellation
of the task that reads it: a client that goes away cannot take the settlement along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from api.clients.generate_request import choices_of
from api.clients.grpc_errors import from_failed, worker_died
from api.clients.session import FINISH_NAMES, PROVENANCES, Call, Delta, Failed, Finished, GenerateRequest, length
from api.domain import LineAnswer, Outcome, Provenance, TokenUsage, UsageRecord
from api.errors import (
    ApiError,
    InsufficientQuotaError,
    LedgerUnavailableError,
    OverloadedError,
    UpstreamError,
    UpstreamTimeoutError,
)
from api.services.admission import Ticket
from api.services.answering import AnswerStream, Endings
from api.services.attempts import Attempts
from api.services.catalog import answered_by, mapped, ran_at
from api.services.coverage import Coverage

CANCEL_WAIT_S = 1.0  # how long the worker has to say what it generated until it was cancelled


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a worker may be silent."""

    first_token_s: float
    inter_token_s: float


class GenerationStream(AnswerStream[Delta]):
    """One request from admission to settlement. Read by one task: `start`, `next` until `finished`, `aclose`."""

    def __init__(
        self,
        request: GenerateRequest,
        ticket: Ticket,
        attempts: Attempts,
        deadlines: Deadlines,
        endings: Endings,
        asked: str,
        streamed: bool,
    ) -> None:
        self.model = request.model
        self._asked = asked  # the client's name of the model
        self.request_id = ticket.quote.request_id
        self.choices = choices_of(request)
        self.echo: Sequence[str] = ()  # the prompts, where they were asked for; known when it is accepted
        self.created_s = int(time.time())
        self.finished: Finished | None = None
        self.error: ApiError | None = None
        self.status = 200  # what the client was told
        self._ticket = ticket
        self._attempts = attempts
        self._coverage = Coverage(ticket)
        self._deadlines = deadlines
        self._endings = endings
        self._streamed = streamed
        self._started_s = time.monotonic()
        self._first_token_s: float | None = None
        self._tokens = 0
        self._finish_reason = ""
        self._left = False
        self._left_s = 0.0
        self._let_down = False  # it ended for another reason than the client, while the client was there
        self._accepted = False
        self._prompt_tokens = 0  # known when it is accepted
        self._upstream = ""  # that answers, if one does; as above
        self._unfinished = set(range(self.choices))
        self.exhausted = False  # ended because the money did
        self._delivered = 0  # tokens of output, when it is exhausted
        self._early: list[Delta] = []
        self._failed: Failed | None = None
        self._closed = False
        self._settlement: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------ reading

    async def start(self) -> None:
        """Hands the request to a worker; returns when it has accepted: valid, fits, has a slot or a place in the queue.

        Raises InvalidRequestError, ContextLengthExceededError, OverloadedError, UpstreamTimeoutError,
        InsufficientQuotaError, LedgerUnavailableError, PoisonRequestError.
        """
        if self._ticket.eager:
            await self._attempts.submit()
        try:
            await self._take_hold()
        except ApiError as error:
            self._attempts.cancel()
            raise self._broken_by(error) from None
        if self._attempts.call is None:
            await self._attempts.submit()
        while not self._accepted and self.finished is None:
            self._early += await self._read()  # a quick worker accepts and answers in one frame
        self._coverage.begin(self._prompt_tokens, self._tokens)

    async def next(self) -> list[Delta]:
        """The deltas that arrived since the last call. Empty about once a second of silence, and at the end.

        Raises the ApiError that ended the stream; after that and after `finished` it must not be called again.
        """
        if self._early:
            deltas, self._early = self._early, []
        else:
            deltas = await self._read()
        if self._tokens > self._coverage.certain:
            self._early = deltas  # whoever gives up waiting asks for them again
            deltas = await self._within(deltas)
            self._early = []
        return deltas

    async def _read(self) -> list[Delta]:
        call = self._attempts.call
        assert call is not None
        if self._failed is not None:
            return await self._refused(self._failed)
        try:
            events = await call.next()
        except UpstreamError as error:
            return await self._broken(error)
        deltas = []
        for event in events:
            kind = event.WhichOneof("kind")
            if kind == "delta":
                delta = event.delta
                deltas.append(delta)
                self._tokens += delta.tokens
                if delta.finish:
                    self._finish_reason = FINISH_NAMES[delta.finish]
                    self._unfinished.discard(delta.choice)
            elif kind == "finished":
                self.finished = event.finished
                self._attempts.finished(event.finished.cancelled)
            elif kind == "accepted":
                self._accepted = True
                self._prompt_tokens = event.accepted.prompt_tokens
                self.echo = event.accepted.echo
                self._upstream = event.accepted.upstream
            else:
                self._failed = event.failed  # said after what came before it
        if self._failed is not None and not deltas:
            return await self._refused(self._failed)
        if deltas and self._first_token_s is None and not self._left:
            self._first_token_s = time.monotonic()
        elif not events:
            self._check_deadline(call)
        return deltas

    @property
    def over(self) -> bool:
        """Everything has been read."""
        return self.finished is not None and not self._early

    @property
    def left(self) -> bool:
        """The client is gone."""
        return self._left

    def leave(self) -> None:
        """The client is gone: generation stops within a step. What was generated is still settled."""
        self._left = True
        self._left_s = time.monotonic()
        self._attempts.cancel()

    # ------------------------------------------------------------------ money

    @property
    def headers(self) -> dict[str, str]:
        """How the caller's limits stand, and what answers."""
        return dict(self._ticket.headers) | mapped(self._asked, self.model) | self.upstream_headers

    @property
    def upstream_headers(self) -> dict[str, str]:
        """Which upstream answers, if one does; known when it is accepted."""
        return answered_by(self._upstream)

    async def _take_hold(self) -> None:
        """By the bytes of the prompt, which cost nothing to count; by its tokens when there is no money for that."""
        try:
            await self._ticket.take_hold()
        except InsufficientQuotaError as refusal:
            try:
                prompt_tokens = await self._attempts.count_tokens()
            except ApiError:
                raise refusal from None
            await self._ticket.take_hold(prompt_tokens)

    async def _within(self, deltas: list[Delta]) -> list[Delta]:
        """What of the deltas is covered by the hold. Raises LedgerUnavailableError, to a client that is there: one that
        has left pays for what was held."""
        if self.exhausted:
            return []
        try:
            covered = await self._coverage.reaches(self._tokens)
        except LedgerUnavailableError as error:
            if not self._left:
                self._attempts.cancel()
                raise self._broken_by(error) from None
            covered = False
        return deltas if covered else self._cut(deltas)

    def _cut(self, deltas: list[Delta]) -> list[Delta]:
        """The answer ends here: what is not covered is neither delivered nor charged."""
        self._attempts.cancel()
        self.exhausted = True
        self._delivered = self._tokens - sum(delta.tokens for delta in deltas)
        kept = []
        for delta in deltas:
            if self._delivered + delta.tokens > self._coverage.tokens:
                break
            self._delivered += delta.tokens
            kept.append(delta)
        ended = {delta.choice for delta in kept if delta.finish}
        cut = {delta.choice for delta in deltas if delta.finish} - ended
        self._finish_reason = "length"
        return kept + [length(choice) for choice in sorted(self._unfinished | cut)]

    # ------------------------------------------------------------------ lines of batches

    def keep(self, answer: LineAnswer) -> None:
        """Is kept in the commit that settles this stream, which has been read to its end."""
        self._ticket.answer = answer

    def abandon(self) -> None:
        """We want no more of it, though it may go on: nobody pays. `aclose` still has to follow."""
        if self.error is None and self._ticket.answer is None:
            self._broken_by(OverloadedError("This request was stopped before it was answered. Please try again."))
            self._attempts.cancel()

    # ------------------------------------------------------------------ the one door

    async def aclose(self) -> None:
        """Gives everything back and settles, whatever ended the stream. Idempotent, shielded from cancellation."""
        if not self._closed:
            self._closed = True
            running = self._attempts.call is not None and self.finished is None and self.error is None
            self._settlement = self._endings.run(self._stop()) if running else self._settle()
            self._coverage.close()
        if self._settlement is not None:
            await asyncio.shield(self._settlement)

    async def _stop(self) -> None:
        """Ends what still runs, hears from the worker what it had generated, settles. Whose answer ends here without
        having left is let down, by our shutdown for example."""
        self._let_down = not self._left
        self._left = True
        self._attempts.cancel()
        try:
            await self._await_end()
        finally:
            settled = self._settle()
        if settled is not None:
            await settled

    def _settle(self) -> asyncio.Future[None] | None:
        """What is over is given back and on its way to the ledger; the future says when it is there."""
        self._attempts.close()
        if self._accepted and self._ticket.hold is not None:
            return self._ticket.settle(self._record())
        return self._ticket.release()

    async def _await_end(self) -> None:
        """What the worker generated until it heard of the cancellation, if it can still say."""
        try:
            async with asyncio.timeout(CANCEL_WAIT_S):
                while self.finished is None:
                    await self._read()
        except (TimeoutError, ApiError):
            return

    def _record(self) -> UsageRecord:
        now = time.monotonic()
        return UsageRecord(
            request_id=self.request_id,
            principal=self._ticket.principal,
            operation=self._ticket.quote.operation,
            model=self.model,
            replica=ran_at(self._upstream, self._attempts.replica.target),
            outcome=self._outcome(),
            finish_reason=self._finish_reason,
            provenance=self._provenance(),
            tokens=self.usage(),
            status=self._told_status(),
            streamed=self._streamed,
            started_at_s=self._ticket.quote.started_at_s,
            ttft_ms=None if self._first_token_s is None else (self._first_token_s - self._started_s) * 1e3,
            duration_ms=(now - self._started_s) * 1e3,
        )

    def usage(self) -> TokenUsage:
        """What is charged: what the engine says, once it has finished; without its word what came. Who left before
        anything came may have left before the prompt was computed."""
        if self.finished is None:
            prompt_tokens = self._prompt_tokens if self._tokens or self._let_down else 0
            return TokenUsage(prompt_tokens, 0, self._delivered if self.exhausted else self._tokens)
        usage = self.finished.usage
        tokens = TokenUsage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
        if self.exhausted:  # what came after the cut was not delivered
            tokens.completion_tokens = self._delivered
            tokens.reasoning_tokens = min(tokens.reasoning_tokens, self._delivered)
        return tokens

    def _provenance(self) -> Provenance:
        return "estimated" if self.finished is None else PROVENANCES[self.finished.usage.provenance]

    def _told_status(self) -> int:
        if self._let_down and not self._streamed:
            return 503 if self.error is None else self.error.status
        return 499 if self._left and not self._let_down else self.status

    def _outcome(self) -> Outcome:
        if self._let_down:
            return "upstream_broke"
        return "client_left" if self._left else "finished"

    # ------------------------------------------------------------------ workers

    def _broken_by(self, error: ApiError) -> ApiError:
        """What ended the answer, to be raised. It concerns a client that is there, and is free for it; who left before
        pays for what came."""
        self.error = error
        self._let_down = self._let_down or not self._left
        return error

    async def _broken(self, error: UpstreamError) -> list[Delta]:
        """The worker died. Before the first token another replica takes over, or the client may try again."""
        poison = await self._attempts.crashed()
        if poison is None and self._first_token_s is None and not self._left:
            await self._elsewhere(worker_died(self.model))
            return []
        raise self._broken_by(poison or error)

    async def _refused(self, failed: Failed) -> list[Delta]:
        error = from_failed(failed)
        movable = isinstance(error, OverloadedError) and not failed.exhausted
        if movable and self._first_token_s is None and not self._left:
            await self._elsewhere(error)
            self._failed = None  # not before: whoever gives up waiting meanwhile is told again
            return []
        raise self._broken_by(error)

    async def _elsewhere(self, error: ApiError) -> None:
        """One more try; otherwise `error`."""
        try:
            await self._attempts.elsewhere(error)
        except ApiError:
            raise self._broken_by(error) from None

    def _check_deadline(self, call: Call) -> None:
        first = self._first_token_s is None
        if self._left:
            limit_s, since_s = CANCEL_WAIT_S, self._left_s
        elif first:
            limit_s, since_s = self._deadlines.first_token_s, self._started_s
        else:
            limit_s, since_s = self._deadlines.inter_token_s, call.last_event_s
        now = time.monotonic()
        if now - since_s < limit_s:
            return
        # Who left keeps nobody waiting, and a worker that is busy with others does not stand still.
        if not self._left and now - call.last_token_s >= limit_s:
            self._attempts.replica.stalled()
        self._attempts.cancel()
        raise self._broken_by(
            UpstreamTimeoutError(
                f"The model `{self.model}` gave no {'answer' if first else 'further token'} within {limit_s:g} s; "
                "nothing is charged. Send the request again."
            )
        )
