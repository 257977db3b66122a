"""Several api processes, many clients, one limit: never above it, and never refused what is free."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from api.domain import LimitName
from api.limits.answers import DEGRADED
from api.storage import limits
from api.storage.limits import Rule
from internal.dev.processes import free_port
from internal.dev.redis_server import RedisServer
from tests.edge import PEPPER, Edge, open_edge
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(120)
PROCESSES = 3
CLIENTS = 24
CHAT = "/v1/chat/completions"
IN_FORCE_S = 30.0


@dataclass
class Api:
    """An api process."""

    url: str
    process: subprocess.Popen[bytes]


@dataclass
class Ran:
    """What clients saw: when each stream had surely begun and had not yet ended, and how many were refused."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    errors: list[str] = field(default_factory=list)

    def most(self) -> int:
        """Streams that ran at one time."""
        turns = sorted([(begun, 1) for begun, _ in self.spans] + [(ended, -1) for _, ended in self.spans])
        running = most = 0
        for _, change in turns:
            running += change
            most = max(most, running)
        return most


@pytest.fixture
def own_redis(server_folder: Path, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def first(fresh_database: str, own_redis: RedisServer) -> AsyncIterator[Edge]:
    """An edge of this process, with the worker and the key that all processes use."""
    async with open_edge(fresh_database, own_redis.url, worker_options={"slots": 64}) as edge:
        yield edge


@pytest.fixture
async def apis(first: Edge, tmp_path: Path) -> AsyncIterator[list[Api]]:
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(api_process(first, tmp_path / f"api{n}.log")) for n in range(PROCESSES)]
        async with httpx.AsyncClient() as client:
            for api in started:
                await until_ready(client, api)
        yield started


@contextlib.contextmanager
def api_process(edge: Edge, log: Path) -> Iterator[Api]:
    port = free_port()
    settings = {
        "DATABASE_URL": edge.settings.database_url,
        "REDIS_URL": edge.settings.redis_url,
        "INFERENCE_GRPC_HOST": edge.settings.inference_grpc_host,
        "KEY_PEPPER": PEPPER,
        "AUTH_MODE": "all_except_health",
        "API_PORT": str(port),
        "DRAIN_S": "1",
        "LAME_DUCK_S": "0",
        "RATE_LIMIT_TIMEOUT_S": "2",  # a busy machine is not an outage
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.main"], env=os.environ | settings, stdout=file, stderr=file
        )
    try:
        yield Api(f"http://127.0.0.1:{port}", process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


async def until_ready(client: httpx.AsyncClient, api: Api) -> None:
    async with asyncio.timeout(IN_FORCE_S):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{api.url}/readyz")).status_code == 200:
                    return
            assert api.process.poll() is None
            await asyncio.sleep(0.05)


async def in_force(client: httpx.AsyncClient, apis: list[Api], header: str, value: str) -> None:
    """Every process knows the limit."""
    async with asyncio.timeout(IN_FORCE_S):
        for api in apis:
            while (await client.post(api.url + CHAT, json=chat(1))).headers.get(header) != value:
                await asyncio.sleep(0.05)


def chat(wait_ms: int) -> dict[str, object]:
    script = [{"count": 3}, {"wait_ms": wait_ms}, {"count": 2}]
    content = "script:" + json.dumps(script)
    return {"model": MODEL, "stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": content}]}


async def stream(client: httpx.AsyncClient, api: Api, wait_ms: int, ran: Ran) -> bool:
    """One stream, read to its end; False when it was refused."""
    async with client.stream("POST", api.url + CHAT, json=chat(wait_ms)) as answer:
        if answer.status_code == 429:
            ran.refused += 1
            return False
        begun_s = ended_s = 0.0
        async for line in answer.aiter_lines():
            begun_s = begun_s or time.monotonic()
            if '"content":" 2"' in line:
                ended_s = time.monotonic()  # it waits now, so it still runs
        if answer.status_code != 200 or not ended_s:
            ran.errors.append(f"{answer.status_code} {await answer.aread()!r}")
        ran.spans.append((begun_s, ended_s))
        return True


@contextlib.asynccontextmanager
async def caller(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {edge.key}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(headers=headers, timeout=30, limits=limits) as client:
        yield client


async def set_limit(edge: Edge, name: LimitName, rule: Rule) -> None:
    def change(document: limits.Document) -> None:
        document.project[name] = rule

    await limits.change(edge.state.database, "project", "proj_test", change)


@pytest.mark.parametrize("redis_restarts", [False, True])
async def test_no_more_streams_at_once_than_may(
    first: Edge, apis: list[Api], own_redis: RedisServer, redis_restarts: bool
) -> None:
    """Concurrency: a place that was given back is free at once, whichever process gave it."""
    most = 6
    ran = Ran()

    async def keep_streaming(number: int) -> None:
        for turn in range(20):
            await stream(client, apis[(number + turn) % PROCESSES], 30, ran)

    async with caller(first) as client:
        await set_limit(first, "concurrent_requests", Rule(most, None))
        await refused_somewhere(client, apis, most)
        clients = [asyncio.create_task(keep_streaming(number)) for number in range(CLIENTS)]
        if redis_restarts:
            await kill_and_restart(own_redis, lambda: len(ran.spans) > 20)
        await asyncio.gather(*clients)
        assert not ran.errors
        assert len(ran.spans) > 50 and ran.refused > 50
        # While Redis is away every process has its share; streams of before it went may still run beside those.
        assert ran.most() <= (2 * most if redis_restarts else most)
        for _ in range(3):  # one after another: never refused, for all that ran has been given back
            for api in apis:
                assert await stream(client, api, 1, ran)


async def refused_somewhere(client: httpx.AsyncClient, apis: list[Api], most: int) -> None:
    """The limit is in force in every process."""
    async with asyncio.timeout(IN_FORCE_S):
        for api in apis:
            while True:
                answers = await asyncio.gather(*(client.post(api.url + CHAT, json=chat(100)) for _ in range(most + 2)))
                if sum(answer.status_code == 429 for answer in answers) == 2:
                    break


@pytest.mark.parametrize("redis_restarts", [False, True])
async def test_no_more_requests_than_the_limit(
    first: Edge, apis: list[Api], own_redis: RedisServer, redis_restarts: bool
) -> None:
    """While Redis is away, and until all have found it again, each process keeps to its share; the rest comes then."""
    amount = 400
    async with caller(first) as client:
        await set_limit(first, "requests_per_day", Rule(amount, amount))
        await in_force(client, apis, "x-ratelimit-limit-requests", str(amount))
        ran = Ran()
        before = amount - await remaining(client, apis[0])

        async def keep_asking(number: int) -> None:
            for turn in range(30):
                await stream(client, apis[(number + turn) % PROCESSES], 1, ran)

        clients = [asyncio.create_task(keep_asking(number)) for number in range(CLIENTS)]
        if redis_restarts:
            await kill_and_restart(own_redis, lambda: len(ran.spans) > 60)
        await asyncio.gather(*clients)
        admitted = before + len(ran.spans) + await admitted_until_used_up(client, apis)
    assert not ran.errors
    if redis_restarts:
        # What was asked as Redis went may be lost with it, or be asked twice.
        assert amount - 2 * CLIENTS <= admitted <= amount + 2 * CLIENTS
    else:
        assert admitted == amount


async def admitted_until_used_up(client: httpx.AsyncClient, apis: list[Api]) -> int:
    """One request after another, until the limit that all processes share refuses one."""
    admitted = 0
    async with asyncio.timeout(IN_FORCE_S):
        for turn in itertools.count():
            answer = await client.post(apis[turn % PROCESSES].url + CHAT, json=chat(1))
            if answer.status_code == 200:
                admitted += 1
            elif DEGRADED[0] not in answer.headers:
                return admitted
            else:
                await asyncio.sleep(0.05)
    raise AssertionError("unreachable")


async def remaining(client: httpx.AsyncClient, api: Api) -> int:
    answer = await client.post(api.url + CHAT, json=chat(1))
    return int(answer.headers["x-ratelimit-remaining-requests"])


async def kill_and_restart(redis: RedisServer, when: Callable[[], bool]) -> None:
    port = redis.port
    async with asyncio.timeout(30):
        while not when():
            await asyncio.sleep(0.005)
    os.kill(redis.pid, signal.SIGKILL)
    redis.stop()
    await asyncio.sleep(0.3)  # long enough that requests come while nobody is there
    redis._start_on(port)
