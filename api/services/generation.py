"""A generation is an admitted stream, whatever its public form; a plain JSON answer is the same stream, collected.

`GenerationStream` owns everything the request took: the ticket, the call on a worker's session, the settlement.
However it ends (finished, client left, worker broke), it ends through `aclose`, which is shielded from the cancellation
of the task that reads it: a client that goes away cannot take the settlement along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Literal

from api.clients.generate_request import choices_of, most_prompt_tokens
from api.clients.grpc_errors import from_failed, worker_died
from api.clients.hosts import Hosts, Replica
from api.clients.images import Images, check_images, images_of, weight
from api.clients.session import PROVENANCES, Call, Delta, Failed, Finished, GenerateRequest, length
from api.domain import LineAnswer, Outcome, Principal, Provenance, TokenUsage, UsageRecord
from api.errors import (
    ApiError,
    InsufficientQuotaError,
    OverloadedError,
    UpstreamError,
    UpstreamTimeoutError,
)
from api.limits.dimensions import estimate_tokens
from api.services.admission import UNBOUNDED, Admission, Quote, Ticket
from api.services.answering import AnswerStream
from api.services.catalog import Catalog, answered_by, mapped, ran_at
from api.services.quarantine import Quarantine, Turn

DEFAULT_OUTPUT_TOKENS = 1024  # what the rate limits expect of a request without `max_tokens`
CANCEL_WAIT_S = 1.0  # how long the worker has to say what it generated until it was cancelled
FINISH_NAMES: dict[int, Literal["stop", "length", "tool_calls", "content_filter"]] = {
    1: "stop",
    2: "length",
    3: "tool_calls",
    4: "content_filter",
    5: "stop",
}


class GenerationService:
    """Opens streams."""

    def __init__(
        self,
        catalog: Catalog,
        admission: Admission,
        hosts: Hosts,
        images: Images,
        first_token_timeout_s: float,
        inter_token_timeout_s: float,
    ) -> None:
        self.hosts = hosts
        self._images = images
        self.quarantine = Quarantine(hosts)
        self.first_token_timeout_s = first_token_timeout_s
        self.inter_token_timeout_s = inter_token_timeout_s
        self._catalog = catalog
        self._admission = admission
        self._settling: set[asyncio.Task[None]] = set()

    async def admit(
        self, request: GenerateRequest, principal: Principal, request_id: str, operation: str, streamed: bool
    ) -> GenerationStream:
        """An admitted stream, not yet started. Whoever calls this calls `GenerationStream.aclose`.

        `operation`: the operationId that usage is recorded under. `request.cache_salt` is set here, and `request.model`
        to the model's own name.
        Raises ModelNotFoundError, PermissionDeniedError, InvalidRequestError, OverloadedError, RateLimitError,
        LimiterUnavailableError, LedgerUnavailableError.
        """
        asked = request.model
        model = await self._catalog.awake(asked, "chat", principal)
        request.model = model.id
        request.cache_salt = principal.organisation_id
        images = images_of(request)
        if images:
            check_images(images, model.id, model.image_tokens)
        size, context = weight(request, images, model.image_tokens), model.context_length or UNBOUNDED
        outputs = 0 if request.prompt_only else choices_of(request)
        quote = Quote(
            request_id=request_id,
            operation=operation,
            started_at_s=time.time(),
            prompt_tokens=most_prompt_tokens(request, size),
            completion_tokens=outputs * min(request.max_tokens or context, context),
            estimated_tokens=estimate_tokens(size, outputs * min(request.max_tokens or DEFAULT_OUTPUT_TOKENS, context)),
        )
        ticket = await self._admission.admit(principal, model, quote)
        try:
            await self._images.load(images)
        except BaseException:
            ticket.release()
            raise
        return GenerationStream(self, request, ticket, asked, streamed)

    def settle(self, stream: GenerationStream) -> asyncio.Task[None]:
        """Ends a stream that still runs, and settles it, as a task of its own, which shutdown waits for."""
        task = asyncio.create_task(stream.stop_and_settle())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def aclose(self) -> None:
        """Waits for every settlement under way."""
        await asyncio.gather(*self._settling, return_exceptions=True)


class GenerationStream(AnswerStream[Delta]):
    """One request from admission to settlement. Read by one task: `start`, `next` until `finished`, `aclose`."""

    def __init__(
        self,
        service: GenerationService,
        request: GenerateRequest,
        ticket: Ticket,
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
        self._service = service
        self._request = request
        self._ticket = ticket
        self._streamed = streamed
        self._started_s = time.monotonic()
        self._first_token_s: float | None = None
        self._tokens = 0
        self._finish_reason = ""
        self._left = False
        self._left_s = 0.0
        self._accepted = False
        self._prompt_tokens = 0  # known when it is accepted
        self._upstream = ""  # that answers, if one does; as above
        self._unfinished = set(range(self.choices))
        self._covered = UNBOUNDED  # tokens of output that the hold pays for
        self._extend_at = UNBOUNDED  # tokens after which more is held
        self._extension: asyncio.Task[None] | None = None
        self.exhausted = False  # ended because the money did
        self._delivered = 0  # tokens of output, when it is exhausted
        self._early: list[Delta] = []
        self._failed: Failed | None = None
        self._tried: list[Replica] = []
        self._call: Call | None = None
        self._turn: Turn | None = None
        self._settlement: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------ reading

    async def start(self) -> None:
        """Hands the request to a worker; returns when it has accepted: valid, fits, has a slot or a place in the queue.

        Raises InvalidRequestError, ContextLengthExceededError, OverloadedError, UpstreamTimeoutError,
        InsufficientQuotaError, LedgerUnavailableError, PoisonRequestError.
        """
        if self._ticket.eager:
            await self._submit()
        try:
            await self._take_hold()
        except ApiError as error:
            self.error = error
            if self._call is not None:
                self._call.cancel()
            raise
        if self._call is None:
            await self._submit()
        while not self._accepted and self.finished is None:
            self._early += await self._read()  # a quick worker accepts and answers in one frame
        self._cover()

    async def next(self) -> list[Delta]:
        """The deltas that arrived since the last call. Empty about once a second of silence, and at the end.

        Raises the ApiError that ended the stream; after that and after `finished` it must not be called again.
        """
        if self._early:
            deltas, self._early = self._early, []
        else:
            deltas = await self._read()
        if self._tokens > self._extend_at:
            deltas = await self._within(deltas)
        return deltas

    async def _read(self) -> list[Delta]:
        assert self._call is not None
        if self._failed is not None:
            return await self._refused(self._failed)
        try:
            events = await self._call.next()
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
                self._tried[-1].worked()
                if not event.finished.cancelled:
                    self._service.quarantine.answered(self._asks)
            elif kind == "accepted":
                self._accepted = True
                self._prompt_tokens = event.accepted.prompt_tokens
                self.echo = event.accepted.echo
                self._upstream = event.accepted.upstream
            else:
                self._failed = event.failed  # said after what came before it
        if self._failed is not None and not deltas:
            return await self._refused(self._failed)
        if deltas and self._first_token_s is None:
            self._first_token_s = time.monotonic()
        elif not events:
            self._check_deadline()
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
        if self._call is not None:
            self._call.cancel()

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
            replica = self._service.hosts.pick(self.model)
            assert replica.session is not None
            try:
                prompt_tokens = await replica.session.count_tokens(self._request)
            except ApiError:
                raise refusal from None
            await self._ticket.take_hold(prompt_tokens)

    def _cover(self) -> None:
        """More is held when half of what is left is used: long before it is needed."""
        self._covered = self._ticket.covered_tokens(self._prompt_tokens)
        missing = self._covered < self._ticket.quote.completion_tokens
        self._extend_at = (self._tokens + self._covered) // 2 if missing else UNBOUNDED

    async def _within(self, deltas: list[Delta]) -> list[Delta]:
        """What of the deltas is covered by the hold, which is extended on the way."""
        if self.exhausted:
            return []
        if self._extension is None:
            self._extension = asyncio.create_task(self._extend())
        if self._tokens <= self._covered:
            return deltas
        await asyncio.shield(self._extension)
        if self._tokens <= self._covered:
            return deltas
        return self._cut(deltas)

    async def _extend(self) -> None:
        while await self._ticket.extend(self._prompt_tokens):
            self._cover()
            if self._tokens <= self._extend_at:
                self._extension = None  # otherwise there is no more to be had
                return

    def _cut(self, deltas: list[Delta]) -> list[Delta]:
        """The answer ends here: what is not covered is neither delivered nor charged."""
        assert self._call is not None
        self._call.cancel()
        self.exhausted = True
        self._extend_at = -1
        self._delivered = self._tokens - sum(delta.tokens for delta in deltas)
        kept = []
        for delta in deltas:
            if self._delivered + delta.tokens > self._covered:
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
            self.error = OverloadedError("This request was stopped before it was answered. Please try again.")
            if self._call is not None:
                self._call.cancel()

    # ------------------------------------------------------------------ the one door

    async def aclose(self) -> None:
        """Gives everything back and settles, whatever ended the stream. Idempotent, shielded from cancellation."""
        if self._settlement is None:
            running = self._call is not None and self.finished is None and self.error is None
            self._settlement = self._service.settle(self) if running else self.settle()
        if self._extension is not None:
            self._extension.cancel()
        if self._settlement is not None:
            await asyncio.shield(self._settlement)

    async def stop_and_settle(self) -> None:
        """Ends what still runs, hears from the worker what it had generated, settles. Run by the service as a task."""
        assert self._call is not None
        self._left = True
        self._call.cancel()
        try:
            await self._await_end()
        finally:
            settled = self.settle()
        if settled is not None:
            await settled

    def settle(self) -> asyncio.Future[None] | None:
        """What is over is given back and on its way to the ledger; the future says when it is there."""
        if self._call is not None:
            self._call.forget()
        for replica in self._tried[-1:]:
            replica.outstanding -= 1
        if self._turn is not None:
            self._turn.over()
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
            replica=ran_at(self._upstream, self._tried[-1].target),
            outcome=self._outcome(),
            finish_reason=self._finish_reason,
            provenance=self._provenance(),
            tokens=self.usage(),
            status=self.error.status if self.error and not self._streamed else 499 if self._left else self.status,
            streamed=self._streamed,
            started_at_s=self._ticket.quote.started_at_s,
            ttft_ms=None if self._first_token_s is None else (self._first_token_s - self._started_s) * 1e3,
            duration_ms=(now - self._started_s) * 1e3,
        )

    def usage(self) -> TokenUsage:
        """What is charged: what the engine says, once it has finished."""
        if self.finished is None:
            return TokenUsage(self._prompt_tokens, 0, self._tokens)
        usage = self.finished.usage
        tokens = TokenUsage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
        if self.exhausted:  # what came after the cut was not delivered
            tokens.completion_tokens = self._delivered
            tokens.reasoning_tokens = min(tokens.reasoning_tokens, self._delivered)
        return tokens

    def _provenance(self) -> Provenance:
        return "estimated" if self.finished is None else PROVENANCES[self.finished.usage.provenance]

    def _outcome(self) -> Outcome:
        if self.error is not None:
            return "upstream_broke"
        return "client_left" if self._left else "finished"

    # ------------------------------------------------------------------ workers

    async def _submit(self) -> None:
        """Hands the request to the least loaded replica that has not failed it yet."""
        if self._turn is None:
            self._turn = await self._service.quarantine.turn(self.model, self._asks)
        replica = self._service.hosts.pick(self.model, exclude=self._tried)
        assert replica.session is not None
        self._call = replica.session.start(self.request_id, self._request)
        for former in self._tried[-1:]:
            former.outstanding -= 1
        replica.outstanding += 1
        self._tried.append(replica)
        if self._left:
            self._call.cancel()

    async def _broken(self, error: UpstreamError) -> list[Delta]:
        """The worker died. Before the first token another replica takes over, or the client may try again."""
        poison = await self._service.quarantine.crashed(self._asks, self._tried[-1].target)
        if poison is None and self._first_token_s is None and not self._left:
            return await self._elsewhere(worker_died(self.model))
        self.error = poison or error
        raise self.error

    async def _refused(self, failed: Failed) -> list[Delta]:
        error, self._failed = from_failed(failed), None
        movable = isinstance(error, OverloadedError) and not failed.exhausted
        if movable and self._first_token_s is None and not self._left:
            return await self._elsewhere(error)
        self.error = error
        raise error

    async def _elsewhere(self, error: ApiError) -> list[Delta]:
        """One more try on a replica that has not seen the request; otherwise `error`."""
        try:
            if len(self._tried) > 1:
                raise error
            await self._submit()
        except ApiError:
            self.error = error
            raise error from None
        return []

    def _asks(self) -> bytes:
        return self._request.SerializeToString(deterministic=True)

    def _check_deadline(self) -> None:
        assert self._call is not None
        first = self._first_token_s is None
        if self._left:
            limit_s, since_s = CANCEL_WAIT_S, self._left_s
        elif first:
            limit_s, since_s = self._service.first_token_timeout_s, self._started_s
        else:
            limit_s, since_s = self._service.inter_token_timeout_s, self._call.last_event_s
        if time.monotonic() - since_s < limit_s:
            return
        self._tried[-1].stalled()
        self._call.cancel()
        self.error = UpstreamTimeoutError(
            f"The model `{self.model}` gave no {'answer' if first else 'further token'} within {limit_s:g} s; "
            "nothing is charged. Send the request again."
        )
        raise self.error
