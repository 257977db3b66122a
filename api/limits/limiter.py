"""Rate limits: what a request takes before it runs, and what it really used.

`acquire` charges an estimate and takes leases, all or nothing, in one round trip to Redis; `Grant.settle` corrects the
estimate and gives the leases back, in the background. The difference is never dropped: what was used beyond the
estimate is owed by the next requests.

When Redis does not answer within `timeout_s`, `on_failure` says what holds until it does: `local`: buckets in this
process at the limit divided by the live processes, beginning from what was last heard; `closed`: 503; `open`: no
limits. It is asked again every second, for ever. What it lost is restored from what the processes know, what ran
without it is charged then. As processes find it at different times, each goes on with no more than its share until
all have been there: otherwise the first would hand out what the others still do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from api import metrics
from api.domain import Limits, Principal
from api.errors import LimiterUnavailableError, RateLimitError
from api.limits import answers
from api.limits.answers import Header, State
from api.limits.connection import RETRY_S, RedisAwayError
from api.limits.dimensions import Plan, Row, plan
from api.limits.leaky import LeakyBuckets
from api.limits.shared import SharedBuckets

logger = logging.getLogger(__name__)

OnFailure = Literal["local", "closed", "open"]

RENEW_S = 3.0  # how soon a Redis that was emptied knows again what runs, and what was used
REJOIN_S = 2 * RETRY_S  # by then every process has found a Redis that is back, and has told it what ran without it
_MAX_PLANS = 20_000
_NOTHING = Plan("", [])


class Grant:
    """What one admitted request took. Settle it exactly once, when the request is over; again changes nothing."""

    __slots__ = ("_lease", "_levels", "_limiter", "_open", "_plan", "_share", "_tokens")

    def __init__(
        self, limiter: Limiter, plan: Plan, lease: str, tokens: int, levels: Sequence[int], share: int
    ) -> None:
        self._limiter = limiter
        self._plan = plan
        self._lease = lease
        self._tokens = tokens
        self._levels = levels
        self._share = share  # 0: charged in Redis; otherwise here, so many times
        self._open = True

    def headers(self) -> list[Header]:
        """Of the answer: how the limits that bind stand."""
        told = answers.headers(self._plan, self._levels) if self._levels else []
        return [*told, answers.DEGRADED] if self._share else told

    def settle(self, tokens_used: int) -> None:
        """What the request used after all. Does not wait."""
        if self._open:
            self._open = False
            self._limiter._settle(self, tokens_used)


class Limiter:
    """One per process; `start()` it before use. `processes()`: how many share the limits while Redis is away;
    `recount()` is called when it goes, so that they are counted anew."""

    def __init__(
        self,
        redis_url: str,
        on_failure: OnFailure = "local",
        timeout_s: float = 0.05,
        processes: Callable[[], int] = lambda: 1,
        recount: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_failure = on_failure
        self._processes = processes
        self._recount = recount
        self._shared = SharedBuckets(redis_url, timeout_s, self._running_leases, self._last_heard, self._on_change)
        self._heard = LeakyBuckets()  # what Redis said last
        self._local = LeakyBuckets()  # what stands in for it while it is away
        self._unshared = LeakyBuckets()  # what Redis would say if it had seen what this process admitted meanwhile
        self._running: dict[str, Grant] = {}  # those with leases
        self._places: Counter[bytes] = Counter()  # how many of them, by the lease's key
        self._plans: dict[tuple[str, str], tuple[Limits, Plan]] = {}
        self._away: Exception | None = None
        self._rejoined_s = 0.0  # when the shares end that stood in for Redis, in monotonic time
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects, or says that Redis is away. Never raises for that."""
        await self._shared.start()
        self._renewal = asyncio.create_task(self._renew(), name="limits-renew")

    async def aclose(self, patience_s: float = 2.0) -> None:
        """Waits until what was settled has reached Redis, for at most `patience_s`."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        await self._shared.aclose(patience_s)

    @property
    def degraded(self) -> bool:
        """Whether Redis is away."""
        return self._away is not None

    async def acquire(self, principal: Principal, model: str, request_id: str, tokens: int) -> Grant:
        """Takes one request and `tokens` tokens from every limit that it meets, or nothing.

        Raises RateLimitError (429), or LimiterUnavailableError (503) with `on_failure="closed"`.
        """
        plan = self._plan(principal, model)
        if not plan.rows:
            return Grant(self, _NOTHING, "", 0, (), 0)
        for row in plan.rows:
            if not row.fits(tokens):
                raise self._refused(answers.too_large(row, tokens))
        costs_ns = plan.costs_ns(tokens)
        rejoins = time.monotonic() < self._rejoined_s and not self.degraded
        share = self._take_share(plan, costs_ns, tokens)[1] if rejoins else 0
        try:
            answer = await self._shared.acquire(
                plan, request_id, costs_ns, lambda answer: self._give_back(plan, request_id, tokens, answer)
            )
        except RedisAwayError as error:  # the share went with the buckets it was taken from
            return self._acquire_alone(plan, request_id, costs_ns, tokens, error.asked)
        levels = answer[1:]
        for row, level in zip(plan.rates, levels, strict=False):
            self._heard.put(row.key, level)
        if not answer[0]:
            self._return_share(plan, costs_ns, share)
            raise self._refused(answers.refusal(plan, levels, costs_ns, tokens))
        return self._granted(Grant(self, plan, request_id, tokens, levels, 0))

    async def peek(self, principal: Principal, model: str) -> list[State]:
        """How the limits stand. Takes nothing. Raises LimiterUnavailableError when Redis is away."""
        plan = self._plan(principal, model)
        if not plan.rows:
            return []
        try:
            answer = await self._shared.acquire(plan, "", [0] * len(plan.rates), lambda answer: None)
        except RedisAwayError:
            raise _unavailable() from None
        return answers.states(plan, answer[1:])

    # ---------------------------------------------------------------- without Redis

    def _acquire_alone(self, plan: Plan, lease: str, costs_ns: Sequence[int], tokens: int, asked: bool) -> Grant:
        metrics.RATE_LIMIT_UNSHARED.inc()
        try:
            if self._on_failure == "closed":
                raise _unavailable()
            if self._on_failure == "open":
                return Grant(self, _NOTHING, "", 0, (), 1)
            return self._acquire_locally(plan, lease, costs_ns, tokens)
        finally:
            if asked and plan.leases and lease not in self._running:  # Redis may have given it all the same
                self._shared.settle(plan.organisation, (), [row.key for row in plan.leases], lease)

    def _acquire_locally(self, plan: Plan, lease: str, costs_ns: Sequence[int], tokens: int) -> Grant:
        levels, share = self._take_share(plan, costs_ns, tokens)
        for row, cost_ns in zip(plan.rates, costs_ns, strict=True):
            self._charge(self._unshared, row, cost_ns)
        return self._granted(Grant(self, plan, lease, tokens, levels, share))

    def _take_share(self, plan: Plan, costs_ns: Sequence[int], tokens: int) -> tuple[Sequence[int], int]:
        """As Redis would, of a share of each limit: everything costs as many times more as there are processes.

        The level of each row then, and how many share. Raises RateLimitError.
        """
        share = max(1, self._processes())
        levels = [self._charge(self._local, row, 0) for row in plan.rates]
        levels += [self._places[row.key] * share for row in plan.leases]
        # A share may hold less than one request; that one then needs a bucket that owes nothing.
        needed_ns = [min(row.capacity_ns, ns * share) for row, ns in zip(plan.rates, costs_ns, strict=True)]
        if not answers.fits(plan, levels, needed_ns):
            raise self._refused(answers.refusal(plan, levels, needed_ns, tokens, [answers.DEGRADED]))
        for i, (row, cost_ns) in enumerate(zip(plan.rates, costs_ns, strict=True)):
            levels[i] = self._local.add(row.key, cost_ns * share)
        return levels, share

    def _return_share(self, plan: Plan, costs_ns: Sequence[int], share: int) -> None:
        if share:
            for row, cost_ns in zip(plan.rates, costs_ns, strict=True):
                self._local.add(row.key, -cost_ns * share)

    def _charge(self, buckets: LeakyBuckets, row: Row, ns: int) -> int:
        """A bucket that stands in for one of Redis begins with what that owed when last heard of."""
        if row.key not in buckets:
            buckets.put(row.key, self._heard.owed_ns(row.key))
        return buckets.add(row.key, ns)

    def _on_change(self, error: Exception | None) -> None:
        if (error is None) == (self._away is None):
            return
        self._away = error
        metrics.RATE_LIMIT_DEGRADED.set(0 if error is None else 1)
        if error is not None:
            logger.error("Redis is away (%s). Rate limits: %s.", error, self._on_failure)
            self._local.clear()
            self._recount()
            return
        logger.warning("Redis is back. Rate limits are shared again.")
        for key, owed_ns in self._unshared.owing().items():
            ns = owed_ns - self._heard.owed_ns(key)
            self._shared.settle(_organisation(key), ((key, ns),), (), "")
            self._heard.put(key, owed_ns)
        self._unshared.clear()
        if self._on_failure == "local":
            self._rejoined_s = time.monotonic() + REJOIN_S

    # ---------------------------------------------------------------- grants

    def _granted(self, grant: Grant) -> Grant:
        if grant._plan.leases:
            self._running[grant._lease] = grant
            self._places.update(row.key for row in grant._plan.leases)
        return grant

    def _settle(self, grant: Grant, tokens_used: int) -> None:
        plan, share = grant._plan, grant._share
        if self._running.pop(grant._lease, None) is not None:
            self._places.subtract(row.key for row in plan.leases)
        charges = [(row, row.cost_ns(tokens_used) - row.cost_ns(grant._tokens)) for row in plan.token_rates]
        if self.degraded:
            for row, ns in charges:
                self._charge(self._local, row, ns * max(1, share))
            if share:  # what Redis is told of it when it is back
                for row, ns in charges:
                    self._charge(self._unshared, row, ns)
                charges = []
        if charges or plan.leases:
            told = [(row.key, ns) for row, ns in charges]
            self._shared.settle(plan.organisation, told, [row.key for row in plan.leases], grant._lease)

    def _give_back(self, plan: Plan, lease: str, tokens: int, answer: Sequence[int]) -> None:
        """Whoever asked has left before the answer came."""
        if isinstance(answer, list) and answer[0]:
            Grant(self, plan, lease, tokens, answer[1:], 0).settle(0)

    def _running_leases(self) -> Mapping[bytes, Sequence[str]]:
        found: dict[bytes, list[str]] = {}
        for lease, grant in self._running.items():
            for row in grant._plan.leases:
                found.setdefault(row.key, []).append(lease)
        return found

    def _last_heard(self) -> Mapping[bytes, int]:
        return self._heard.owing()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            self._heard.owing()  # forgets what has drained
            self._places += Counter()  # and those where nothing runs
            self._shared.renew()

    def _plan(self, principal: Principal, model: str) -> Plan:
        place = principal.key_id, model
        found = self._plans.get(place)
        if found is None or found[0] is not principal.limits:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            found = self._plans[place] = (principal.limits, plan(principal, model))
        return found[1]

    def _refused(self, error: RateLimitError) -> RateLimitError:
        metrics.count_refusal(error.reason)
        return error


def _organisation(key: bytes) -> str:
    return key[key.index(b"{") + 1 : key.index(b"}")].decode()


def _unavailable() -> LimiterUnavailableError:
    return LimiterUnavailableError(
        "Rate limits cannot be checked at the moment. Please try again in 1s.", retry_after_ms=1000
    )
