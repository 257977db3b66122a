from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace

import pytest

from api import metrics
from api.domain import Limits, Principal
from api.errors import RateLimitError
from api.limits.limiter import Grant, Limiter
from tests.unit.api.limits.conftest import limit, opened, someone


async def refused(limiter: Limiter, principal: Principal, tokens: int = 0, model: str = "m") -> RateLimitError:
    with pytest.raises(RateLimitError) as caught:
        await limiter.acquire(principal, model, "refused", tokens)
    assert caught.value.status == 429 and caught.value.code == "rate_limit_exceeded"
    return caught.value


async def remaining(limiter: Limiter, principal: Principal, model: str = "m") -> list[int]:
    return [state.remaining for state in await limiter.peek(principal, model)]


async def settled(limiter: Limiter) -> None:
    """Waits until Redis has everything that was settled."""
    shared = limiter._shared
    async with asyncio.timeout(30):
        while shared._sent or shared._open:
            await asyncio.sleep(0)


def lost() -> float:
    """Settlements, so far."""
    return metrics.RATE_LIMIT_SETTLEMENTS_LOST._value.get()


async def acquired(limiter: Limiter, principal: Principal, lease: str, tokens: int = 0, model: str = "m") -> Grant:
    return await limiter.acquire(principal, model, lease, tokens)


async def test_a_burst_then_the_rate(limiter: Limiter) -> None:
    principal = someone(limit("requests_per_minute", 6, 3))
    left = [dict((await acquired(limiter, principal, str(n))).headers()) for n in range(3)]
    assert [told["x-ratelimit-remaining-requests"] for told in left] == ["2", "1", "0"]
    error = await refused(limiter, principal)
    assert error.type == "requests" and error.retry_after_ms is not None and 0 < error.retry_after_ms <= 10_000


async def test_a_refused_request_takes_nothing_from_any_limit(limiter: Limiter) -> None:
    principal = someone(
        limit("requests_per_minute", 6, 6),
        limit("tokens_per_minute", 100),
        limit("concurrent_requests", 10),
        key=(limit("requests_per_day", 100), limit("tokens_per_day", 1000)),
    )
    await acquired(limiter, principal, "first", 60)
    before = await limiter.peek(principal, "m")
    for _ in range(20):
        await refused(limiter, principal, 80)
    after = await limiter.peek(principal, "m")
    assert [state.used for state in after] == [state.used for state in before]


@pytest.mark.parametrize("scope", ["key", "project", "model"])
async def test_each_scope_binds_by_itself(limiter: Limiter, scope: str) -> None:
    rule = limit("requests_per_day", 2)
    principal = {
        "key": someone(key=(rule,)),
        "project": someone(rule),
        "model": someone(models=(("m", (rule,)),)),
    }[scope]
    for n in range(2):
        await acquired(limiter, principal, str(n))
    error = await refused(limiter, principal)
    assert error.reason == f"{scope}:requests_per_day:reached"
    assert {"key": principal.key_id, "project": principal.project_id, "model": "model m"}[scope] in error.message
    if scope == "model":
        await acquired(limiter, principal, "other", model="another")


async def test_the_estimate_is_corrected_by_what_was_used(limiter: Limiter) -> None:
    principal = someone(limit("tokens_per_day", 1000))
    grant = await acquired(limiter, principal, "a", 900)
    assert await remaining(limiter, principal) == [100]
    grant.settle(250)
    assert await remaining(limiter, principal) == [750]
    grant.settle(0)  # a second time changes nothing
    assert await remaining(limiter, principal) == [750]


async def test_what_was_used_beyond_the_estimate_is_owed(limiter: Limiter) -> None:
    principal = someone(limit("tokens_per_day", 1000))
    grant = await acquired(limiter, principal, "a", 100)
    grant.settle(3000)
    error = await refused(limiter, principal, 1)
    assert error.retry_after_ms is not None
    # 3 000 were used of 1 000 a day: two days and one token until there is room for one.
    assert error.retry_after_ms / 1000 == pytest.approx(86_400 * 2.001, rel=0.001)
    assert error.headers()["x-should-retry"] == "false"  # nobody waits for that in a loop
    assert error.headers()["x-ratelimit-remaining-tokens"] == "0"


async def test_nothing_is_given_back_beyond_a_full_bucket(limiter: Limiter) -> None:
    principal = someone(limit("tokens_per_minute", 60_000_000))  # drains in a moment
    grant = await acquired(limiter, principal, "a", 1_000_000)
    await asyncio.sleep(1.1)
    grant.settle(0)
    assert await remaining(limiter, principal) == [60_000_000]


async def test_a_lease_is_free_again_for_the_next_request(limiter: Limiter) -> None:
    """Given back and asked for in one turn of the loop: the order is kept."""
    principal = someone(limit("concurrent_requests", 1))
    for n in range(50):
        grant = await acquired(limiter, principal, str(n))
        if n % 10 == 0:
            error = await refused(limiter, principal)
            assert error.retry_after_ms == 1000 and "concurrent requests: limit 1, used 1" in error.message
        grant.settle(0)
    assert await remaining(limiter, principal) == [1]


async def test_leases_of_a_process_that_died_end_by_themselves(
    redis_url: str, limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.limits.shared._LEASE_US", 300_000)
    principal = someone(limit("concurrent_requests", 1))
    async with opened(redis_url) as dying:
        await acquired(dying, principal, "never given back")
        assert await remaining(limiter, principal) == [0]
        dying._running.clear()
    async with asyncio.timeout(30):
        while await remaining(limiter, principal) == [0]:
            await asyncio.sleep(0.02)
    await acquired(limiter, principal, "next")


async def test_leases_of_long_streams_are_renewed(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    principal = someone(limit("concurrent_requests", 3), key=(limit("concurrent_requests", 5),))
    monkeypatch.setattr("api.limits.shared._LEASE_US", 600_000)
    grants = [await acquired(limiter, principal, str(n)) for n in range(3)]
    started_s = time.monotonic()
    while time.monotonic() - started_s < 1.5:
        limiter._shared.renew()
        assert await remaining(limiter, principal) == [2, 0]
        await asyncio.sleep(0.1)
    for grant in grants:
        grant.settle(0)
    assert await remaining(limiter, principal) == [5, 3]


async def test_a_caller_who_leaves_before_the_answer_has_taken_no_tokens_and_no_place(limiter: Limiter) -> None:
    """Nor does one get any, who would have been refused."""
    principal = someone(limit("tokens_per_day", 1000), limit("concurrent_requests", 5))

    async def leave() -> list[int]:
        leaving = [asyncio.create_task(acquired(limiter, principal, str(n), 300)) for n in range(3)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        left = await asyncio.gather(*leaving, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in left)
        await limiter.peek(principal, "m")  # answered after the others
        await settled(limiter)
        return await remaining(limiter, principal)

    assert await leave() == [1000, 5]
    await acquired(limiter, principal, "stays", 900)
    assert await leave() == [100, 4]


async def test_what_can_never_fit_is_refused_for_good(limiter: Limiter) -> None:
    principal = someone(limit("tokens_per_minute", 100), limit("requests_per_minute", 60, 5))
    error = await refused(limiter, principal, 101)
    headers = error.headers()
    assert headers["x-should-retry"] == "false" and "retry-after" not in headers and "retry-after-ms" not in headers
    assert error.type == "tokens" and "Request too large" in error.message and "requested 101" in error.message
    assert await remaining(limiter, principal) == [100, 5]
    forbidden = someone(limit("requests_per_minute", 0))
    assert "higher limit" in (await refused(limiter, forbidden)).message


async def test_the_refusal_says_everything(limiter: Limiter) -> None:
    principal = someone(limit("requests_per_minute", 30, 2), limit("tokens_per_minute", 1000))
    await acquired(limiter, principal, "a", 900)
    error = await refused(limiter, principal, 400)
    assert f"project {principal.project_id} on tokens per minute (TPM): limit 1000, used " in error.message
    assert "requested 400" in error.message and "whole again in" in error.message
    # As Codex reads it.
    found = re.search(r"try again in (\d+(?:\.\d+)?)s", error.message)
    assert found is not None and error.retry_after_ms is not None
    assert float(found[1]) * 1000 == error.retry_after_ms
    headers = error.headers()
    assert headers["retry-after-ms"] == str(error.retry_after_ms)
    assert int(headers["retry-after"]) == -(-error.retry_after_ms // 1000)
    assert headers["x-ratelimit-limit-requests"] == headers["x-ratelimit-limit-rpm"] == "30"
    assert headers["x-ratelimit-limit-tokens"] == headers["x-ratelimit-limit-tpm"] == "1000"
    assert error.type == "tokens"


async def test_waiting_as_told_is_enough(limiter: Limiter) -> None:
    principal = someone(limit("requests_per_minute", 60, 1), limit("tokens_per_minute", 6_000, 100))
    await acquired(limiter, principal, "first", 80)
    for n in range(2):
        error = await refused(limiter, principal, 80)
        assert error.retry_after_ms is not None and error.retry_after_ms <= 1000
        await asyncio.sleep(error.retry_after_ms / 1e3)
        await acquired(limiter, principal, f"again {n}", 80)


async def test_headers_speak_of_the_limit_that_binds(limiter: Limiter) -> None:
    principal = someone(
        limit("requests_per_minute", 600, 100),
        limit("tokens_per_minute", 1000),
        key=(limit("requests_per_day", 5), limit("requests_per_minute", 60, 50)),
    )
    headers = dict((await acquired(limiter, principal, "a", 300)).headers())
    assert headers["x-ratelimit-limit-requests"] == "5" and headers["x-ratelimit-remaining-requests"] == "4"
    assert headers["x-ratelimit-limit-rpm"] == "60" and headers["x-ratelimit-remaining-rpm"] == "49"
    assert headers["x-ratelimit-limit-tokens"] == headers["x-ratelimit-limit-tpm"] == "1000"
    assert headers["x-ratelimit-remaining-tokens"] == headers["x-ratelimit-remaining-tpm"] == "700"
    assert headers["x-ratelimit-reset-requests"] == "4h48m0s"  # of a day's five, one
    assert headers["x-ratelimit-reset-tokens"] == "18s"
    assert len(headers) == 10


async def test_remaining_never_rises_within_a_burst_and_never_is_negative(limiter: Limiter) -> None:
    principal = someone(limit("requests_per_day", 30), limit("tokens_per_day", 3000))
    told = []
    for n in range(30):
        grant = await acquired(limiter, principal, str(n), 90)
        told.append({name: int(value) for name, value in grant.headers() if "remaining" in name})
    for name in told[0]:
        values = [each[name] for each in told]
        assert values == sorted(values, reverse=True) and min(values) >= 0
    assert int((await refused(limiter, principal)).headers()["x-ratelimit-remaining-requests"]) == 0


async def test_without_limits_redis_is_not_asked() -> None:
    limiter = Limiter("redis://127.0.0.1:1", "closed")  # nobody is there
    grant = await limiter.acquire(someone(), "m", "a", 10**9)
    assert grant.headers() == [] and await limiter.peek(someone(), "m") == []
    grant.settle(5)


async def test_an_admission_is_one_round_trip(redis_url: str, limiter: Limiter) -> None:
    """Also what settles at a time is one call, whoever it is of."""
    sent: list[tuple[object, ...]] = []
    connection = limiter._shared._redis.connection
    real = connection.call
    connection.call = lambda *words, **options: (sent.append(words), real(*words, **options))[1]  # type: ignore[method-assign, func-returns-value]
    principal = someone(
        limit("requests_per_minute", 600),
        limit("tokens_per_minute", 10_000),
        limit("concurrent_requests", 20),
        key=(limit("requests_per_day", 600), limit("tokens_per_day", 10_000)),
        models=(("m", (limit("requests_per_minute", 600),)),),
    )
    grants = [await acquired(limiter, principal, str(n), 10) for n in range(10)]
    assert len(sent) == 10
    for grant in grants:
        grant.settle(5)
    await settled(limiter)
    assert len(sent) == 11


async def test_scripts_that_redis_forgot_are_loaded_again(limiter: Limiter) -> None:
    principal = someone(limit("tokens_per_day", 1000), limit("concurrent_requests", 5))
    grant, before = await acquired(limiter, principal, "a", 100), lost()
    await limiter._shared._redis.connection.call("SCRIPT", "FLUSH")
    grant.settle(50)
    await settled(limiter)
    await limiter._shared._redis.connection.call("SCRIPT", "FLUSH")
    await acquired(limiter, principal, "b", 100)
    assert await remaining(limiter, principal) == [850, 4]
    assert not limiter.degraded and lost() == before


async def test_a_settlement_that_redis_cannot_do_is_lost_alone(limiter: Limiter) -> None:
    """Not the connection, as when it cannot write at all: sent again, it would fail again."""
    broken, other = someone(limit("tokens_per_day", 1000)), someone(limit("tokens_per_day", 1000))
    grants = [await acquired(limiter, each, "a", 300) for each in (broken, other)]
    [bucket], before = limiter._plan(broken, "m").keys, lost()
    call = limiter._shared._redis.connection.call
    await call("DEL", bucket)
    await call("LPUSH", bucket, "of another kind")
    for grant in grants:
        grant.settle(100)
    await settled(limiter)
    assert await remaining(limiter, other) == [900]
    assert not limiter.degraded and lost() == before + 1


async def test_what_settles_while_a_script_is_loaded_again_counts_in_any_order(limiter: Limiter) -> None:
    """Redis has it again between two settlements under way, because somebody else missed it first."""
    principal = someone(limit("tokens_per_day", 1000), limit("concurrent_requests", 5))
    grants = [await acquired(limiter, principal, name, 100) for name in "ab"]
    shared = limiter._shared
    connection = shared._redis.connection
    await connection.call("SCRIPT", "FLUSH")
    grants[0].settle(50)
    shared._flush()
    shared._redis.load(connection)
    grants[1].settle(30)
    await settled(limiter)
    assert await remaining(limiter, principal) == [920, 5]


async def test_every_key_ends_by_itself_and_is_in_the_slot_of_its_organisation(limiter: Limiter) -> None:
    principal = someone(
        limit("requests_per_minute", 60, 5), limit("tokens_per_minute", 600), limit("concurrent_requests", 3)
    )
    grant = await acquired(limiter, principal, "a", 10)
    await acquired(limiter, principal, "b", 10)
    grant.settle(20)
    await settled(limiter)
    call = limiter._shared._redis.connection.call
    keys = await call("KEYS", f"nv:rl:{{{principal.organisation_id}}}:*")
    assert len(keys) == 4
    for key in keys:
        assert 0 < await call("PTTL", key) <= 600_000


async def test_other_limits_take_force_with_the_next_request(limiter: Limiter) -> None:
    principal = someone(limit("requests_per_day", 2))
    await acquired(limiter, principal, "a")
    more = replace(principal, limits=Limits(project=(limit("requests_per_day", 200),)))
    await acquired(limiter, more, "b")
    # One of two was half a day, and half a day is a hundred of two hundred.
    assert await remaining(limiter, more) == [99]


async def test_closing_waits_for_what_was_settled(redis_url: str, limiter: Limiter) -> None:
    principal = someone(limit("tokens_per_day", 10_000), limit("concurrent_requests", 200))
    async with opened(redis_url) as closing:
        for n in range(100):
            (await acquired(closing, principal, str(n), 100)).settle(1)
    assert await remaining(limiter, principal) == [9900, 200]


async def test_a_url_that_can_never_work_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="REDIS_URL"):
        Limiter("http://127.0.0.1:6379")
