"""Several limiters, as several processes of the api have, on one Redis: nobody gets more than the limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.domain import Principal
from api.errors import RateLimitError
from api.limits.connection import Connection, Redis
from api.limits.limiter import Grant, Limiter
from internal.dev import redis_server
from internal.dev.processes import free_port
from internal.dev.redis_server import RedisServer
from tests.unit.api.limits.conftest import limit, opened, restart, someone, until
from tests.unit.api.limits.test_limiter import acquired, remaining, settled

LIMITERS = 4


@contextlib.asynccontextmanager
async def several(url: str) -> AsyncIterator[list[Limiter]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opened(url)) for _ in range(LIMITERS)]


async def attempt(limiter: Limiter, principal: Principal, lease: str, tokens: int = 0) -> Grant | None:
    try:
        return await limiter.acquire(principal, "m", lease, tokens)
    except RateLimitError:
        return None


async def test_exactly_the_limit_is_admitted(redis_url: str) -> None:
    principal = someone(limit("requests_per_day", 500), key=(limit("tokens_per_day", 100_000),))
    async with several(redis_url) as limiters:
        tried = await asyncio.gather(*(attempt(limiters[n % LIMITERS], principal, str(n), 100) for n in range(4000)))
        assert sum(grant is not None for grant in tried) == 500


async def test_no_more_run_at_once_than_may(redis_url: str) -> None:
    principal = someone(limit("concurrent_requests", 7))
    running = most = 0

    async def stream(n: int) -> None:
        nonlocal running, most
        grant = await attempt(limiters[n % LIMITERS], principal, str(n))
        if grant is not None:
            running += 1
            most = max(most, running)
            for _ in range(random.randrange(5)):
                await asyncio.sleep(0)
            running -= 1
            grant.settle(0)

    async with several(redis_url) as limiters:
        grants = await asyncio.gather(*(attempt(limiters[n % LIMITERS], principal, f"a {n}") for n in range(100)))
        assert sum(grant is not None for grant in grants) == 7
        for grant in filter(None, grants):
            grant.settle(0)
        for wave in range(20):
            await asyncio.gather(*(stream(wave * 100 + n) for n in range(100)))
        assert 1 <= most <= 7
        for limiter in limiters:
            await settled(limiter)
        assert await remaining(limiters[0], principal) == [7]


async def test_what_many_streams_used_is_what_is_missing(redis_url: str) -> None:
    """Reliability 4.6: after settling, the level is the capacity less what was used, to the token."""
    principal = someone(limit("tokens_per_day", 86_400_000), limit("concurrent_requests", 10_000))
    chance = random.Random(7)
    used = 0
    async with several(redis_url) as limiters:
        started_s = asyncio.get_running_loop().time()
        for wave in range(4):
            names = [f"{wave} {n}" for n in range(500)]
            grants = await asyncio.gather(
                *(acquired(limiters[n % LIMITERS], principal, name, 4000) for n, name in enumerate(names))
            )
            for grant in grants:
                tokens = chance.randrange(6000)
                used += tokens
                grant.settle(tokens)
        for limiter in limiters:
            await settled(limiter)
        left, places = await remaining(limiters[0], principal)
        refilled = 1000 * (asyncio.get_running_loop().time() - started_s)
    assert places == 10_000
    assert 86_400_000 - used <= left <= 86_400_000 - used + refilled + 1


async def test_redis_restarts_in_the_middle(own_redis: RedisServer) -> None:
    """Killed while requests come: the limiters go on by themselves, and tell it afterwards what was used."""
    principal = someone(limit("requests_per_day", 2000), limit("concurrent_requests", 5000))
    port, admitted, failures = own_redis.port, 0, 0
    async with several(own_redis.url) as limiters:
        for limiter in limiters:
            limiter._processes = lambda: LIMITERS

        async def client(limiter: Limiter, name: str) -> None:
            nonlocal admitted, failures
            for n in range(200):
                try:
                    grant = await attempt(limiter, principal, f"{name} {n}")
                except Exception:
                    failures += 1
                    raise
                if grant is not None:
                    admitted += 1
                    grant.settle(0)
                await asyncio.sleep(0.001)

        clients = [
            asyncio.create_task(client(limiter, f"{i} {j}")) for i, limiter in enumerate(limiters) for j in range(5)
        ]
        await until(lambda: admitted > 300)
        os.kill(own_redis.pid, signal.SIGKILL)
        own_redis.stop()
        await until(lambda: all(limiter.degraded for limiter in limiters))
        restart(own_redis, port)
        await asyncio.gather(*clients)
        await until(lambda: not any(limiter.degraded for limiter in limiters))
        for limiter in limiters:
            await settled(limiter)
        more = await asyncio.gather(*(attempt(limiters[n % LIMITERS], principal, str(n)) for n in range(2000)))
        admitted += sum(grant is not None for grant in more)
    assert failures == 0
    # An answer that was lost when Redis died is counted by nobody who could tell: at most one for each client.
    assert 1900 <= admitted <= 2000 + len(clients)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A cluster of one node: it refuses what is not in one slot."""
    monkeypatch.setitem(redis_server.SETTINGS, "cluster-enabled", "yes")
    server = RedisServer(tmp_path / "cluster")
    server._start_on(free_port() - 10_000)  # its bus listens 10 000 above, where nothing else may be
    yield server
    server.stop()


async def test_everything_of_a_request_is_in_one_slot_of_a_cluster(cluster: RedisServer) -> None:
    principal = someone(
        limit("requests_per_minute", 600),
        limit("tokens_per_day", 10_000),
        limit("concurrent_requests", 20),
        key=(limit("tokens_per_minute", 10_000), limit("concurrent_requests", 20)),
        models=(("m", (limit("requests_per_day", 600), limit("concurrent_requests", 20))),),
    )

    async def form(connection: Connection) -> None:
        await connection.call("CLUSTER", "ADDSLOTS", *range(16_384))
        while b"cluster_state:ok" not in await connection.call("CLUSTER", "INFO"):
            await asyncio.sleep(0.01)

    founder = Redis(cluster.url, 10.0, (), form, print)
    await founder.start()
    await founder.aclose()
    async with opened(cluster.url, "local") as limiter:
        assert not limiter.degraded
        call = limiter._shared._redis.connection.call
        grant, other = await acquired(limiter, principal, "a", 100), await acquired(limiter, principal, "b", 100)
        limiter._shared.renew()
        grant.settle(30)
        await settled(limiter)
        left = {(state.scope, state.name): state.remaining for state in await limiter.peek(principal, "m")}
        assert left["project", "tokens_per_day"] == 10_000 - 130
        assert left["key", "concurrent_requests"] == 19
        # What is restored after an outage, too.
        await call("FLUSHALL")
        limiter._shared._redis.connection.close("a cut")
        await until(lambda: not limiter.degraded)
        assert {(s.scope, s.name): s.remaining for s in await limiter.peek(principal, "m")}[
            "key", "concurrent_requests"
        ] == 19
        other.settle(0)
        await settled(limiter)
        assert not limiter.degraded
