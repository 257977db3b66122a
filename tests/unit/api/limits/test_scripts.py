"""The scripts against a model of them, with the same time: no difference, ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.limits import answers
from api.limits.dimensions import MAX_BURSTS, PREFIX, Plan, plan
from api.limits.shared import LEASE_S, MARK_MS, SharedBuckets
from tests.unit.api.limits.conftest import limit, someone

START_US = 1_800_000_000_000_000
LIFE_US = int(LEASE_S * 1e6)
TOKENS = st.integers(0, 60)


@dataclass
class Model:
    """What the scripts are meant to do, without a thought for speed."""

    now_us: int = START_US
    buckets: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # written at, owed then
    leases: dict[bytes, dict[str, int]] = field(default_factory=dict)  # lease → its end

    def owed(self, key: bytes) -> int:
        at_us, ns = self.buckets.get(key, (self.now_us, 0))
        if at_us > self.now_us:  # the clock went back
            self.buckets[key] = (self.now_us, ns)
            return ns
        return max(0, ns - (self.now_us - at_us) * 1000)

    def running(self, key: bytes) -> int:
        return sum(end > self.now_us for end in self.leases.get(key, {}).values())

    def levels(self, plan: Plan) -> list[int]:
        return [self.owed(row.key) for row in plan.rates] + [self.running(row.key) for row in plan.leases]

    def acquire(self, plan: Plan, lease: str, tokens: int) -> list[int]:
        levels, costs = self.levels(plan), plan.costs_ns(tokens)
        fits = all(ns + cost <= row.capacity_ns for ns, cost, row in zip(levels, costs, plan.rates, strict=False))
        room = all(self.running(row.key) < row.amount for row in plan.leases)
        if not (fits and room):
            return [0, *levels]
        for row, cost in zip(plan.rates, costs, strict=True):
            self.charge(row.key, cost)
        for row in plan.leases:
            living = {name: end for name, end in self.leases.get(row.key, {}).items() if end > self.now_us}
            self.leases[row.key] = living | {lease: self.now_us + LIFE_US}
        return [1, *self.levels(plan)]

    def charge(self, key: bytes, ns: int) -> None:
        self.buckets[key] = (self.now_us, max(0, self.owed(key) + ns))

    def renew(self, key: bytes, leases: Sequence[str]) -> None:
        self.leases.setdefault(key, {}).update(dict.fromkeys(leases, self.now_us + LIFE_US))


DOINGS = ["acquire", "acquire", "acquire", "settle", "settle twice", "renew", "restore", "look"]
STEPS = st.lists(
    st.tuples(st.sampled_from(DOINGS), TOKENS, st.integers(0, 5), st.integers(0, 40)), min_size=1, max_size=60
)
# Mostly a little time, at times a lot, at times backwards.
TIMES_US = st.one_of(
    st.integers(0, 2_000_000), st.integers(0, 2_000_000), st.integers(0, 90_000_000), st.integers(-70_000_000, 0)
)


def plans() -> list[Plan]:
    first = someone(
        limit("requests_per_minute", 60, 4),
        limit("tokens_per_minute", 700, 90),
        limit("concurrent_requests", 3),
        key=(limit("requests_per_day", 9000, 7), limit("tokens_per_day", 10_000, 200)),
        models=(("m", (limit("concurrent_requests", 2), limit("tokens_per_minute", 333, 61))),),
    )
    alone = someone(limit("requests_per_minute", 600), limit("concurrent_requests", 1))
    others = [plan(each, "m") for each in (someone(limit("requests_per_minute", 7, 3)), alone)]
    beside = replace(first, project_id="proj_beside", key_id="key_beside")  # settles in one call with the first
    return [plan(first, "m"), plan(first, "other"), plan(beside, "other"), *others]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, times_us=st.lists(TIMES_US, min_size=60, max_size=60))
def test_the_scripts_do_what_the_model_does(
    redis_url: str, steps: list[tuple[str, int, int, int]], times_us: Sequence[int]
) -> None:
    asyncio.run(compare(redis_url, steps, times_us))


async def compare(redis_url: str, steps: list[tuple[str, int, int, int]], times_us: Sequence[int]) -> None:
    model, known, grants = Model(), plans(), dict[str, tuple[Plan, int]]()
    running: dict[bytes, list[str]] = {}
    shared = SharedBuckets(redis_url, 10.0, lambda: running, dict, lambda error: None)
    await shared.start()
    try:
        for number, (step, tokens, which, other) in enumerate(steps):
            model.now_us += times_us[number]
            shared._now = str(model.now_us)
            the_plan, lease = known[which % len(known)], f"lease {number}"
            if step == "acquire":
                answer = await shared.acquire(the_plan, lease, the_plan.costs_ns(tokens), print)
                assert answer == model.acquire(the_plan, lease, tokens)
                if answer[0]:
                    grants[lease] = the_plan, tokens
                    for row in the_plan.leases:
                        running.setdefault(row.key, []).append(lease)
            elif step.startswith("settle") and grants:
                charged = Counter[bytes]()
                for lease in sorted(grants)[other % len(grants) :][:4]:  # at a time
                    the_plan, estimate = grants.pop(lease)
                    charges = [(r.key, r.cost_ns(tokens) - r.cost_ns(estimate)) for r in the_plan.token_rates]
                    shared.settle(the_plan.organisation, charges, [row.key for row in the_plan.leases], lease)
                    charged.update(dict(charges))
                    for row in the_plan.leases:
                        model.leases[row.key].pop(lease, None)
                        running[row.key].remove(lease)
                shared._flush()
                if step == "settle twice":  # as after an answer that was lost
                    shared._resend(shared._redis.connection)
                for key, ns in charged.items():
                    model.charge(key, ns)
            elif step == "renew":
                shared.renew()
                for key, leases in running.items():
                    model.renew(key, leases)
            elif step == "restore":  # what other processes had not heard of
                heard = {row.key: (tokens + place) * 10**9 for place, row in enumerate(the_plan.rates)}
                shared._restore(shared._redis.connection, heard)
                for key, ns in heard.items():
                    if ns > model.owed(key):
                        model.buckets[key] = model.now_us, ns
                for key, leases in running.items():
                    model.renew(key, leases)
            look = await shared.acquire(the_plan, "", [0] * len(the_plan.rates), print)
            # Looking writes nothing, but for a clock that went back.
            assert look == [0, *model.levels(the_plan)]
    finally:
        await shared.aclose(5.0)


async def test_a_clock_that_goes_back_an_hour_locks_nobody_out(redis_url: str) -> None:
    """Reliability M11: what was owed drains at its rate, counted from the new time."""
    the_plan = plan(someone(limit("requests_per_minute", 60, 2)), "m")
    shared = SharedBuckets(redis_url, 10.0, dict, dict, lambda error: None)
    await shared.start()
    try:
        admitted = []
        for number, second in enumerate([0, 0, 0, -3600, -3599, -3598, -3597, -3597]):
            shared._now = str(START_US + second * 1_000_000)
            answer = await shared.acquire(the_plan, str(number), the_plan.costs_ns(0), print)
            admitted.append(answer[0])
        assert admitted == [1, 1, 0, 0, 1, 1, 1, 0]
    finally:
        await shared.aclose(5.0)


async def test_what_redis_keeps_outlives_what_it_says_by_seconds_and_says_at_most_46_days(redis_url: str) -> None:
    the_plan = plan(someone(limit("tokens_per_minute", 600), limit("concurrent_requests", 3)), "m")
    bucket, places = the_plan.keys
    running = {places: ["a"]}
    shared = SharedBuckets(redis_url, 10.0, lambda: running, dict, lambda error: None)
    shared._now = str(START_US)
    await shared.start()
    call = shared._redis.connection.call

    async def charge(ns: int, *leases: bytes) -> int:
        shared.settle(the_plan.organisation, [(bucket, ns)], leases, "b")
        return (await shared.acquire(the_plan, "", [0], print))[1]

    async def spare_ms(key: bytes, said_ns: float) -> float:
        return await call("PTTL", key) - said_ns / 1e6

    try:
        _, owed_ns, _ = await shared.acquire(the_plan, "a", the_plan.costs_ns(300), print)
        assert 5_000 < await spare_ms(bucket, owed_ns) <= 10_000
        assert 5_000 < await spare_ms(places, LEASE_S * 1e9) <= 10_000
        await call("PERSIST", places)
        shared.renew()
        assert 5_000 < await spare_ms(places, LEASE_S * 1e9) <= 10_000
        shared._now = str(START_US + LIFE_US)  # a lease that nobody gave back goes with the next one
        await shared.acquire(the_plan, "b", [0], print)
        assert await call("ZRANGE", places, 0, -1) == [b"b"]
        assert await charge(10**20) == 4 * 10**15
        assert 5_000 < await spare_ms(bucket, 4e15) <= 10_000
        assert await charge(-(10**20), places) == 0
        assert await call("EXISTS", bucket, places) == 0
        mark = f"{PREFIX}{{{the_plan.organisation}}}:settled:{shared._process}"
        assert MARK_MS - 5_000 < await spare_ms(mark.encode(), 0) <= MARK_MS
    finally:
        await shared.aclose(5.0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount=st.integers(100, 10**7), burst=st.integers(100, 10**5), tokens=st.integers(1, 100))
def test_waiting_as_told_is_enough_and_a_millisecond_less_is_not(
    redis_url: str, amount: int, burst: int, tokens: int
) -> None:
    burst = min(burst, MAX_BURSTS * amount)
    burst = max(burst, amount // 2)  # keys expire by Redis' own clock: a bucket must not drain while it is filled

    async def wait(shared: SharedBuckets) -> None:
        the_plan = plan(someone(limit("tokens_per_minute", amount, burst)), "m")
        now_us, levels = START_US, [0]
        for number in range(200):
            costs = the_plan.costs_ns(max(tokens, burst // 7))
            shared._now = str(now_us)
            admitted, *levels = await shared.acquire(the_plan, str(number), costs, print)
            if not admitted:
                break
        else:
            raise AssertionError("never full")
        wait_ms = answers.refusal(the_plan, levels, costs, tokens).retry_after_ms
        assert wait_ms is not None
        for waited_us, fits in ((wait_ms * 1000 - 1001, 0), (wait_ms * 1000, 1)):
            shared._now = str(now_us + waited_us)
            assert (await shared.acquire(the_plan, "last", costs, print))[0] == fits

    async def run() -> None:
        shared = SharedBuckets(redis_url, 10.0, dict, dict, lambda error: None)
        await shared.start()
        try:
            await wait(shared)
        finally:
            await shared.aclose(5.0)

    asyncio.run(run())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount=st.integers(1, 100_000),
    burst=st.integers(1, 20),
    pauses_us=st.lists(st.one_of(st.just(0), st.integers(0, 3_000_000)), min_size=30, max_size=80),
)
def test_the_published_rule_holds_in_every_window(
    redis_url: str, amount: int, burst: int, pauses_us: list[int]
) -> None:
    """At most `burst + rate × t` in any t, and not one less than that allows."""

    async def run() -> list[int]:
        the_plan = plan(someone(limit("requests_per_minute", amount, burst)), "m")
        shared = SharedBuckets(redis_url, 10.0, dict, dict, lambda error: None)
        await shared.start()
        now_us, admitted_at = START_US, []
        try:
            for number, pause_us in enumerate(pauses_us):
                now_us += pause_us
                shared._now = str(now_us)
                if (await shared.acquire(the_plan, str(number), the_plan.costs_ns(0), print))[0]:
                    admitted_at.append(now_us)
                else:
                    assert admitted_at[-1] + 60_000_000 // amount + 1 > now_us
            return admitted_at
        finally:
            await shared.aclose(5.0)

    admitted_at = asyncio.run(run())
    for first, start_us in enumerate(admitted_at):
        for last, end_us in enumerate(admitted_at[first:], first):
            assert last - first + 1 <= burst + Fraction(amount * (end_us - start_us), 60_000_000)
