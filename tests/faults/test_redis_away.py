"""Redis is killed, hung, emptied, or replaced by a replica: no request fails for it, and every answer says so."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from api.limits.connection import Connection, Redis
from api.storage import limits
from api.storage.limits import Rule
from internal.dev.redis_server import RedisServer
from tests.edge import Edge, open_edge
from tests.unit.api.tcp_proxy import TcpProxy, proxied
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(60)
BODY = {"model": MODEL, "messages": [{"role": "user", "content": 'script:[{"say": "a"}]'}]}
PER_DAY = 100_000
PASSWORD = "same"


class Servers:
    """Two Redis, one of them behind a wire at the edge's address."""

    def __init__(self, first: RedisServer, second: RedisServer, wire: TcpProxy) -> None:
        self.first = first
        self.second = second
        self.wire = wire


async def command(server: RedisServer, *words: str) -> object:
    """The answer of a Redis, asked beside the edge."""

    async def on_up(connection: Connection) -> None:
        pass

    redis = Redis(server.url, 5.0, (), on_up, lambda error: None)
    await redis.start()
    try:
        return await redis.connection.call(*words)
    finally:
        await redis.aclose()


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[tuple[Servers, str]]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "password").write_text(PASSWORD)
    with RedisServer(tmp_path / "one") as first, RedisServer(tmp_path / "two") as second:
        async with proxied(first.url) as (wire, url):
            yield Servers(first, second, wire), url


@pytest.fixture
async def edge(fresh_database: str, servers: tuple[Servers, str]) -> AsyncIterator[Edge]:
    def set_limit(document: limits.Document) -> None:
        document.project["requests_per_day"] = Rule(PER_DAY, PER_DAY)
        document.project["concurrent_requests"] = Rule(100, 100)

    async with open_edge(fresh_database, servers[1], rate_limit_timeout_s=0.3) as running:
        await limits.change(running.state.database, "project", "proj_test", set_limit)
        yield running


async def killed(servers: Servers) -> Callable[[], Awaitable[None]]:
    port = servers.first.port
    os.kill(servers.first.pid, signal.SIGKILL)
    await asyncio.to_thread(servers.first.stop)

    async def restart() -> None:
        await asyncio.to_thread(servers.first._start_on, port)

    return restart


async def hung(servers: Servers) -> Callable[[], Awaitable[None]]:
    pid = servers.first.pid
    os.kill(pid, signal.SIGSTOP)

    async def go_on() -> None:
        os.kill(pid, signal.SIGCONT)

    return go_on


async def slow(servers: Servers) -> Callable[[], Awaitable[None]]:
    servers.wire.delay_s = 0.4
    return servers.wire.restore


async def failed_over(servers: Servers) -> Callable[[], Awaitable[None]]:
    """The replica is at the address of the one that died, and is promoted a while later."""
    first = servers.first
    await command(servers.second, "CONFIG", "SET", "masterauth", PASSWORD)
    await command(servers.second, "REPLICAOF", "127.0.0.1", str(first.port))
    while b"master_link_status:up" not in bytes(str(await command(servers.second, "INFO", "replication")), "utf8"):
        await asyncio.sleep(0.02)
    servers.wire.target = ("127.0.0.1", servers.second.port)
    os.kill(first.pid, signal.SIGKILL)
    await asyncio.to_thread(first.stop)

    async def promote() -> None:
        await command(servers.second, "REPLICAOF", "NO", "ONE")

    return promote


@pytest.mark.parametrize("fault", [killed, hung, slow, failed_over])
async def test_no_request_fails_and_answers_say_that_limits_are_local(
    edge: Edge, servers: tuple[Servers, str], fault: Callable[[Servers], Awaitable[Callable[[], Awaitable[None]]]]
) -> None:
    answers: list[tuple[int, bool]] = []
    headers = {"authorization": f"Bearer {edge.key}"}
    async with httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20) as client:

        async def ask() -> bool:
            """Whether the answer came without Redis."""
            answer = await client.post("/v1/chat/completions", json=BODY)
            degraded = answer.headers.get("x-novai-degraded") == "rate-limits"
            answers.append((answer.status_code, degraded))
            return degraded

        async def keep_asking() -> None:
            while True:
                await ask()

        while (await client.post("/v1/chat/completions", json=BODY)).headers.get("x-ratelimit-limit-requests") is None:
            await asyncio.sleep(0.05)  # the limit is in force within a second
        asking = [asyncio.create_task(keep_asking()) for _ in range(8)]
        heal = await fault(servers[0])
        async with asyncio.timeout(30):
            without = 0
            while without < 20:
                without += await ask()
            await heal()
            healed_s = time.monotonic()
            while await ask():
                await asyncio.sleep(0.01)
        assert time.monotonic() - healed_s < 5
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert set(Counter(status for status, _ in answers)) == {200}
