"""Limiters on a Redis that other tests share, and a Redis of its own for tests that stop it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.domain import Limit, LimitName, Limits, Principal
from api.limits.limiter import Limiter
from internal.dev.redis_server import RedisServer


def limit(name: LimitName, amount: int, burst: int | None = None) -> Limit:
    return Limit(name, amount, burst)


def someone(
    *project: Limit, key: tuple[Limit, ...] = (), models: tuple[tuple[str, tuple[Limit, ...]], ...] = ()
) -> Principal:
    """A principal nobody else uses, with limits of the project, the key, and the project's models."""
    name = secrets.token_hex(8)
    return Principal(
        f"org_{name}", f"proj_{name}", f"key_{name}", frozenset({"inference"}), None, Limits(key, project, models)
    )


@contextlib.asynccontextmanager
async def opened(url: str, *arguments: Any, patience_s: float = 5.0, **options: Any) -> AsyncIterator[Limiter]:
    """A limiter that has found its Redis. Far from the timeout of production: a busy machine is not an outage."""
    limiter = Limiter(url, *arguments, **({"timeout_s": 5.0} | options))
    await limiter.start()
    try:
        yield limiter
    finally:
        await limiter.aclose(patience_s)


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Waits for something that another process decides."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def limiter(redis_url: str) -> AsyncIterator[Limiter]:
    async with opened(redis_url) as found:
        yield found


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that a test may stop."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


def restart(server: RedisServer, port: int) -> None:
    """Where it was, with nothing of what it knew."""
    server._start_on(port)
