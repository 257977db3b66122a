"""Redis is stopped, paused, killed and started again: what holds meanwhile, and what holds afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from prometheus_client import generate_latest

from api import metrics
from api.domain import Principal
from api.errors import LimiterUnavailableError, RateLimitError
from api.limits.limiter import Grant, Limiter
from api.limits.shared import SETTLE_PATIENCE_S
from internal.dev.redis_server import RedisServer
from tests.unit.api.limits.conftest import limit, opened, restart, someone, until
from tests.unit.api.limits.test_limiter import acquired, remaining, settled
from tests.unit.api.tcp_proxy import proxied

HARD_S = 0.3  # of production six times: a busy machine is not an outage


async def admitted(limiter: Limiter, principal: Principal, attempts: int, tokens: int = 0) -> list[Grant]:
    """The grants of so many attempts at once."""
    tried = await asyncio.gather(
        *(limiter.acquire(principal, "m", f"{time.monotonic_ns()} {n}", tokens) for n in range(attempts)),
        return_exceptions=True,
    )
    assert all(isinstance(each, Grant | RateLimitError) for each in tried), tried
    return [each for each in tried if isinstance(each, Grant)]


@pytest.fixture
def paused(own_redis: RedisServer) -> Iterator[RedisServer]:
    """A Redis that can be paused with `os.kill(pid, SIGSTOP)`; it goes on at the end, so that it can be stopped."""
    yield own_redis
    os.kill(own_redis.pid, signal.SIGCONT)


def gauge() -> float:
    text = generate_latest(metrics.REGISTRY).decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("novai_rate_limit_degraded "))


async def test_local_buckets_stand_in_and_say_so(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    principal = someone(limit("requests_per_day", 100), limit("concurrent_requests", 1000))
    port = own_redis.port
    async with opened(own_redis.url, "local") as limiter:
        grants = await admitted(limiter, principal, 40)
        assert len(grants) == 40 and not any(name == "x-novai-degraded" for name, _ in grants[0].headers())
        assert gauge() == 0
        with caplog.at_level(logging.WARNING):
            own_redis.stop()
            await until(lambda: limiter.degraded)
            assert gauge() == 1
            # It goes on from what Redis said last: sixty are left, not a hundred.
            more = await admitted(limiter, principal, 100)
            assert len(more) == 60
            assert ("x-novai-degraded", "rate-limits") in more[0].headers()
            assert dict(more[-1].headers())["x-ratelimit-remaining-requests"] == "0"
            with pytest.raises(RateLimitError) as caught:
                await acquired(limiter, principal, "refused")
            assert caught.value.headers()["x-novai-degraded"] == "rate-limits"
            restart(own_redis, port)
            await until(lambda: not limiter.degraded)
        assert gauge() == 0
        said = [record.getMessage() for record in caplog.records if "Redis is" in record.getMessage()]
        assert len(said) == 2 and "Rate limits: local" in said[0] and "shared again" in said[1]
        # Redis forgot everything, and was told: nobody gets a second burst.
        await settled(limiter)
        assert await admitted(limiter, principal, 100) == []
        assert await remaining(limiter, principal) == [0, 900]


async def test_closed_refuses_with_503(own_redis: RedisServer) -> None:
    principal = someone(limit("requests_per_day", 100))
    port = own_redis.port
    async with opened(own_redis.url, "closed") as limiter:
        await acquired(limiter, principal, "a")
        own_redis.stop()
        await until(lambda: limiter.degraded)
        with pytest.raises(LimiterUnavailableError) as caught:
            await acquired(limiter, principal, "b")
        assert caught.value.status == 503 and caught.value.code == "limiter_unavailable"
        assert caught.value.headers()["retry-after"] == "1"
        with pytest.raises(LimiterUnavailableError):
            await limiter.peek(principal, "m")
        restart(own_redis, port)
        await until(lambda: not limiter.degraded)
        assert len(await admitted(limiter, principal, 200)) == 99


async def test_open_lets_everything_pass(own_redis: RedisServer) -> None:
    principal = someone(limit("requests_per_day", 1))
    async with opened(own_redis.url, "open") as limiter:
        own_redis.stop()
        await until(lambda: limiter.degraded)
        grants = await admitted(limiter, principal, 50)
        assert len(grants) == 50 and grants[0].headers() == [("x-novai-degraded", "rate-limits")]
        for grant in grants:
            grant.settle(100)


@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_a_lease_that_nobody_heard_of_is_given_back(paused: RedisServer, on_failure: str) -> None:
    """Redis gave it after all, to a request that went on without it, or was refused."""
    principal = someone(limit("concurrent_requests", 1))
    async with opened(paused.url, on_failure, timeout_s=HARD_S) as limiter:
        os.kill(paused.pid, signal.SIGSTOP)
        with contextlib.suppress(LimiterUnavailableError):
            (await acquired(limiter, principal, "a")).settle(0)
        os.kill(paused.pid, signal.SIGCONT)
        await until(lambda: not limiter.degraded)
        await settled(limiter)
        assert await remaining(limiter, principal) == [1]


@pytest.mark.parametrize("share", [1, 3, 8])
async def test_local_buckets_are_a_share_of_the_limit(share: int) -> None:
    """Nobody is there from the start: whatever the processes admit together is the limit, rounded up by them."""
    principal = someone(limit("requests_per_day", 60), limit("concurrent_requests", 30), limit("tokens_per_day", 800))
    async with opened("redis://127.0.0.1:1", "local", patience_s=0, processes=lambda: share) as limiter:
        assert limiter.degraded
        grants = await admitted(limiter, principal, 100)
        assert len(grants) == -(-30 // share)  # places
        for grant in grants:
            grant.settle(0)
        rest = 0
        while more := await admitted(limiter, principal, 1):
            more[0].settle(0)
            rest += 1
        assert len(grants) + rest == 60 // share


async def test_a_share_smaller_than_one_request_still_admits_one_at_a_time() -> None:
    principal = someone(limit("tokens_per_minute", 60_000_000, 1_000_000))
    async with opened("redis://127.0.0.1:1", "local", patience_s=0, processes=lambda: 4) as limiter:
        await acquired(limiter, principal, "a", 600_000)
        with pytest.raises(RateLimitError) as caught:
            await acquired(limiter, principal, "b", 600_000)
        assert caught.value.retry_after_ms is not None
        assert caught.value.retry_after_ms == pytest.approx(2400, abs=50)  # 600 000 at a quarter of a million a second
        await asyncio.sleep(caught.value.retry_after_ms / 1e3)
        await acquired(limiter, principal, "c", 600_000)


async def test_a_paused_redis_costs_the_timeout_once_then_nothing(paused: RedisServer) -> None:
    principal = someone(limit("requests_per_day", 100))
    async with opened(paused.url, "local", timeout_s=HARD_S) as limiter:
        await acquired(limiter, principal, "a")
        os.kill(paused.pid, signal.SIGSTOP)
        started_s = time.monotonic()
        await acquired(limiter, principal, "b")
        assert HARD_S * 0.9 < time.monotonic() - started_s < 2.0
        started_s = time.monotonic()
        assert len(await admitted(limiter, principal, 98)) == 98
        assert time.monotonic() - started_s < 2.0
        os.kill(paused.pid, signal.SIGCONT)
        await until(lambda: not limiter.degraded)
        await settled(limiter)
        # What it was asked before it stood still it did after all; what was admitted without it, it was told.
        assert await remaining(limiter, principal) == [0]


async def test_settlements_reach_redis_once_whatever_happens(paused: RedisServer) -> None:
    """They were sent, and nobody knows whether they were done: they are sent again, and count once."""
    principal = someone(limit("tokens_per_day", 10_000), limit("concurrent_requests", 50))
    async with opened(paused.url, "local", timeout_s=HARD_S) as limiter:
        for rounds in range(1, 4):
            grants = [await acquired(limiter, principal, f"{rounds} {n}", 100) for n in range(10)]
            os.kill(paused.pid, signal.SIGSTOP)
            for grant in grants:
                grant.settle(10 + rounds)
            await until(lambda: limiter.degraded)  # the settlement had no answer
            os.kill(paused.pid, signal.SIGCONT)
            await until(lambda: not limiter.degraded)
            await settled(limiter)
        assert await remaining(limiter, principal) == [10_000 - 110 - 120 - 130, 50]


async def test_a_settlement_that_nobody_took_for_a_minute_is_given_up(redis_url: str) -> None:
    """What was owed has drained by then."""
    old, young = someone(limit("tokens_per_day", 1000)), someone(limit("tokens_per_day", 1000))
    async with proxied(redis_url) as (proxy, url), opened(url, "local") as limiter:
        grants = [await acquired(limiter, each, "a", 300) for each in (old, young)]
        await proxy.cut()
        await until(lambda: limiter.degraded)
        limiter._shared.renew()  # as it does all the time
        for grant in grants:
            grant.settle(100)
        limiter._shared._open[old.organisation_id].last_s -= SETTLE_PATIENCE_S
        lost = metrics.RATE_LIMIT_SETTLEMENTS_LOST._value.get()
        await proxy.restore()
        await until(lambda: not limiter.degraded)
        await settled(limiter)
        assert (await remaining(limiter, old), await remaining(limiter, young)) == ([700], [900])
        assert metrics.RATE_LIMIT_SETTLEMENTS_LOST._value.get() == lost + 1


async def test_redis_that_lost_everything_learns_what_runs_and_what_was_used(own_redis: RedisServer) -> None:
    principal = someone(limit("tokens_per_day", 10_000), limit("concurrent_requests", 5))
    port = own_redis.port
    async with opened(own_redis.url, "local") as limiter:
        before = [await acquired(limiter, principal, f"before {n}", 1000) for n in range(3)]
        own_redis.stop()
        await until(lambda: limiter.degraded)
        during = [await acquired(limiter, principal, "during", 1000)]
        (await acquired(limiter, principal, "during, and over", 1000)).settle(70)
        before.pop().settle(400)
        restart(own_redis, port)
        await until(lambda: not limiter.degraded)
        await settled(limiter)
        assert await remaining(limiter, principal) == [10_000 - 400 - 2000 - 1000 - 70, 2]
        for grant in before + during:
            grant.settle(100)
        assert await remaining(limiter, principal) == [10_000 - 400 - 200 - 100 - 70, 5]


async def test_a_redis_that_was_emptied_learns_it_too_though_no_connection_broke(own_redis: RedisServer) -> None:
    principal = someone(limit("tokens_per_day", 10_000), limit("concurrent_requests", 5))
    async with opened(own_redis.url, "closed") as limiter:
        running = [await acquired(limiter, principal, str(n), 1000) for n in range(3)]
        await limiter._shared._redis.connection.call("FLUSHALL")
        assert await remaining(limiter, principal) == [10_000, 5]
        emptied_s = time.monotonic()
        while await remaining(limiter, principal) != [7000, 2]:
            await asyncio.sleep(0.05)
        assert time.monotonic() - emptied_s < 3.0 + 2.0
        for grant in running:
            grant.settle(1000)
        assert await remaining(limiter, principal) == [7000, 5]


async def test_a_replica_takes_no_settlement_and_loses_none(own_redis: RedisServer, tmp_path: Path) -> None:
    """As after a failover, until the replica is promoted."""
    principal = someone(limit("tokens_per_day", 10_000), limit("concurrent_requests", 5))
    with RedisServer(tmp_path / "primary") as primary:
        async with opened(own_redis.url, "local") as limiter, opened(own_redis.url, "local") as other:
            grant = await acquired(limiter, principal, "a", 1000)
            operator = other._shared._redis.connection
            await operator.call(
                "REPLICAOF", "127.0.0.1", f"{primary.port}"
            )  # whose password it lacks: it stays as it is
            grant.settle(400)
            await until(lambda: limiter.degraded)
            assert len(await admitted(limiter, principal, 3, tokens=100)) == 3
            await operator.call("REPLICAOF", "NO", "ONE")
            await until(lambda: not limiter.degraded)
            await settled(limiter)
            assert await remaining(limiter, principal) == [10_000 - 400 - 300, 2]


async def test_what_settles_during_an_outage_frees_that_and_no_more(own_redis: RedisServer) -> None:
    principal = someone(limit("tokens_per_day", 1000))
    async with opened(own_redis.url, "local", patience_s=0) as limiter:
        grants = [await acquired(limiter, principal, str(n), 300) for n in range(3)]
        own_redis.stop()
        await until(lambda: limiter.degraded)
        grants[0].settle(200)
        assert len(await admitted(limiter, principal, 5, tokens=100)) == 2


async def test_killing_redis_again_and_again_gives_nobody_more(own_redis: RedisServer) -> None:
    """Each time it comes back knowing nothing. The whole test has one burst, and no request fails."""
    principal = someone(limit("requests_per_minute", 60, 40))
    port, started_s, total = own_redis.port, time.monotonic(), 0
    async with opened(own_redis.url, "local") as limiter:
        for _ in range(6):
            total += len(await admitted(limiter, principal, 30))
            os.kill(own_redis.pid, signal.SIGKILL)
            own_redis.stop()
            await until(lambda: limiter.degraded)
            total += len(await admitted(limiter, principal, 30))
            restart(own_redis, port)
            await until(lambda: not limiter.degraded)
            total += len(await admitted(limiter, principal, 30))
        assert 40 <= total <= 40 + (time.monotonic() - started_s) + 1


async def test_whoever_finds_redis_first_hands_out_no_more_than_its_share(own_redis: RedisServer) -> None:
    """The other goes on with its own share, which Redis does not know of yet."""
    principal = someone(limit("requests_per_day", 100))
    shares = {"processes": lambda: 2}
    async with (
        proxied(own_redis.url) as (proxy, url),
        opened(own_redis.url, "local", **shares) as first,
        opened(url, "local", **shares) as second,
    ):
        assert len(await admitted(first, principal, 20)) == 20
        assert len(await admitted(second, principal, 20)) == 20
        port, proxy.target = own_redis.port, ("127.0.0.1", 1)  # where nobody is
        os.kill(own_redis.pid, signal.SIGKILL)
        own_redis.stop()
        await until(lambda: first.degraded and second.degraded)
        restart(own_redis, port)
        await until(lambda: not first.degraded)
        # The first heard of 20 last, the second of 40: there are 60 left, of which each may have half of what it knows.
        assert len(await admitted(first, principal, 100)) == 40
        assert len(await admitted(second, principal, 100)) == 30
        proxy.target = "127.0.0.1", port
        await until(lambda: not second.degraded)
        await settled(second)
        assert await admitted(second, principal, 100) == []


async def test_who_finds_that_redis_is_gone_again_gets_no_second_burst(own_redis: RedisServer) -> None:
    principal = someone(limit("requests_per_day", 100))
    async with proxied(own_redis.url) as (proxy, url), opened(url, "local", timeout_s=HARD_S) as limiter:
        assert len(await admitted(limiter, principal, 90)) == 90
        await proxy.cut()
        await until(lambda: limiter.degraded)
        assert len(await admitted(limiter, principal, 3)) == 3
        await proxy.restore()
        await until(lambda: not limiter.degraded)
        proxy.silence()
        assert len(await admitted(limiter, principal, 100)) == 7
        assert limiter.degraded and await admitted(limiter, principal, 100) == []


async def test_what_was_owed_drains_once_during_an_outage(own_redis: RedisServer) -> None:
    principal = someone(limit("requests_per_minute", 600, 60))
    async with opened(own_redis.url, "local") as limiter:
        started_s = time.monotonic()
        total = len(await admitted(limiter, principal, 30))
        port = own_redis.port
        own_redis.stop()
        await until(lambda: limiter.degraded)
        total += len(await admitted(limiter, principal, 100))
        await asyncio.sleep(1.5)
        restart(own_redis, port)
        await until(lambda: not limiter.degraded)
        total += len(await admitted(limiter, principal, 100))
        assert 60 <= total <= 60 + 10 * (time.monotonic() - started_s) + 1


async def test_a_connection_that_was_cut_is_replaced_at_once(own_redis: RedisServer) -> None:
    principal = someone(limit("requests_per_day", 1000))
    async with proxied(own_redis.url) as (proxy, url), opened(url, "closed") as limiter:
        await acquired(limiter, principal, "a")
        await limiter._shared._redis.connection.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
        await until(lambda: proxy.accepted == 2 and not limiter.degraded)
        await acquired(limiter, principal, "b")
        assert await remaining(limiter, principal) == [998]


async def test_a_redis_that_refuses_is_a_redis_that_is_away(own_redis: RedisServer) -> None:
    """Out of memory, for one: it answers, but it cannot count."""
    principal = someone(limit("requests_per_day", 10))
    async with opened(own_redis.url, "local") as limiter:
        await acquired(limiter, principal, "a")
        await limiter._shared._redis.connection.call("CONFIG", "SET", "maxmemory", "1")
        assert len(await admitted(limiter, principal, 30)) == 9
        assert limiter.degraded
        # Another client, since ours is away: there is memory again.
        async with opened(own_redis.url, "local") as other:
            assert other.degraded


async def test_a_limiter_that_starts_without_redis_finds_it_later(tmp_path: Path) -> None:
    principal = someone(limit("requests_per_day", 10))
    server = RedisServer(tmp_path / "late")
    url = server.start()
    port = server.port
    server.stop()
    async with opened(url, "closed") as limiter:
        assert limiter.degraded
        restart(server, port)
        try:
            await until(lambda: not limiter.degraded)
            await acquired(limiter, principal, "a")
        finally:
            await limiter.aclose()
            server.stop()


def test_a_loop_that_stood_still_is_not_an_outage_of_redis(redis_url: str) -> None:
    """On the loop of production: what can be read is read before timers run."""
    principal = someone(limit("requests_per_day", 1000))

    async def run() -> None:
        async with opened(redis_url, "closed", timeout_s=HARD_S) as limiter:
            for n in range(3):
                asking = asyncio.create_task(acquired(limiter, principal, str(n)))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                time.sleep(HARD_S * 2)  # noqa: ASYNC251 — somebody parses a large body
                await asking

    uvloop.run(run())
