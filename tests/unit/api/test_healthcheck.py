from __future__ import annotations

import asyncio
import sys

import httpx

from tests.edge import open_edge


async def healthy(port: str) -> bool:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "api.healthcheck", env={"API_PORT": port})
    return await process.wait() == 0


async def test_an_edge_that_asks_everyone_for_a_key_is_healthy(fresh_database: str, redis_url: str) -> None:
    async with open_edge(fresh_database, redis_url, auth_mode="strict") as edge:
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{edge.url}/healthz")).status_code == 401
        port = edge.url.rpartition(":")[2]
        assert await healthy(port)
    assert not await healthy(port)
