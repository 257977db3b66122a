"""The edge as it ships, for tests: uvicorn, PostgreSQL, scripted workers behind a model host, on a thread of its own.

Tests talk to it over HTTP from their own thread, with any client.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI

from api.auth.keys import mint
from api.config import Settings
from api.main import create_app
from api.protocol import Protocol
from api.state import AppState
from api.storage import keys, prices, schema, tenants
from api.storage.session import open_pool
from tests.threads import on_a_thread
from tests.workers import Worker, host, ready, worker

PEPPER = "pepper of the tests"
PRICE = (1_000_000_000, 250_000_000, 4_000_000_000)  # nano-USD per million tokens: $1, $0.25, $4
T = TypeVar("T")


@dataclass
class Edge:
    """A running edge: where it is, a key for it, and what is behind it."""

    app: FastAPI
    url: str  # without /v1
    key: str
    admin_key: str
    settings: Settings
    workers: list[Worker]  # none when a real model host runs them
    loop: asyncio.AbstractEventLoop

    @property
    def state(self) -> AppState:
        state: AppState = self.app.state.novai
        return state

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float = 60) -> T:
        """Runs something on the edge's own loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout_s)

    def sql(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        async def fetch() -> list[dict[str, Any]]:
            return [dict(row) for row in await self.state.database.fetch(query, *arguments)]

        return self.run(fetch())


async def add_keys(database_url: str) -> tuple[str, str]:
    """A post-paid project with two keys: one for inference, one for administration. Prices of the scripted models."""
    async with contextlib.AsyncExitStack() as stack:
        database = await open_pool(database_url)
        stack.push_async_callback(database.aclose)
        organisation = f"org_{secrets.token_hex(8)}"  # Redis is shared, and counts by organisation
        await tenants.add_organisation(database, organisation, "test")
        await tenants.add_project(database, "proj_test", organisation, "test")
        for model in ("scripted", "other"):
            await prices.add(database, model, *PRICE)
        plain: list[str] = []
        for name, scopes in (("dev", ["inference", "usage"]), ("admin", ["inference", "usage", "admin", "models"])):
            key, record = mint(PEPPER, "proj_test", name, scopes=scopes)
            await keys.add(database, record)
            plain.append(key)
    return plain[0], plain[1]


@contextlib.asynccontextmanager
async def serving(app: FastAPI, settings: Settings) -> AsyncIterator[str]:
    """The app under uvicorn, as `api.main` runs it, on a free port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, loop="none", http=Protocol, access_log=False, log_level="warning",
        timeout_keep_alive=75, timeout_graceful_shutdown=2, server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    if task.done():
        task.result()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def local_host(replicas: int, options: dict[str, Any]) -> AsyncIterator[tuple[str, list[Worker]]]:
    """A model host in this process, with scripted workers."""
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker(**options)) for _ in range(replicas)]
        fake_host, address = await stack.enter_async_context(host())
        await fake_host.set(*map(ready, workers))
        yield address, workers


@contextlib.asynccontextmanager
async def open_edge(
    database_url: str,
    redis_url: str,
    replicas: int = 1,
    worker_options: dict[str, Any] | None = None,
    host_address: str = "",
    **overrides: Any,
) -> AsyncIterator[Edge]:
    """The edge with its own scripted workers, or with those of the model host at `host_address`."""
    await schema.upgrade(database_url)
    key, admin_key = await add_keys(database_url)
    async with contextlib.AsyncExitStack() as stack:
        workers: list[Worker] = []
        if not host_address:
            host_address, workers = await stack.enter_async_context(local_host(replicas, worker_options or {}))
        settings = Settings(
            database_url=database_url,
            redis_url=redis_url,
            inference_grpc_host=host_address,
            key_pepper=PEPPER,
            **{
                "auth_mode": "all_except_health",
                "files_url": "memory:///",
                "rate_limit_timeout_s": 0.5,  # where tests run, a Redis that lets one wait is busy, and not away
            }
            | overrides,
        )
        app = create_app(settings)
        url = await stack.enter_async_context(serving(app, settings))
        edge = Edge(app, url, key, admin_key, settings, workers, asyncio.get_running_loop())
        while set((await edge.state.checks()).values()) != {"ok"}:
            await asyncio.sleep(0.01)
        yield edge


def edge_in_thread(database_url: str, redis_url: str, **options: Any) -> AbstractContextManager[Edge]:
    """An edge on a thread of its own."""
    return on_a_thread(open_edge(database_url, redis_url, **options))
