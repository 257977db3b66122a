"""An edge process is killed in the middle of requests: what its clients saw, what the survivors make of it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.ledger.reconcile import verify
from api.storage.session import Database, open_pool
from internal.dev.processes import free_port
from tests.edge import PEPPER, Edge, local_host, open_edge
from tests.processes import program
from tests.unit.api.tcp_proxy import TcpProxy, proxied
from tests.workers import MODEL, Worker

pytestmark = pytest.mark.timeout(90)
CHAT = "/v1/chat/completions"
SILENT = 'script:[{"hang": true}]'
TALKING = 'script:[{"say": "one "}, {"hang": true}]'
ENDING = 'script:[{"say": "one "}, {"wait_ms": 500}, {"say": "two"}]'
# Leases of processes and of keys are over, but for the survivor's.
THE_LEASE_PASSES = (
    "UPDATE holds SET created_at = created_at - interval '1 hour' WHERE state = 'open'",
    "UPDATE ledger_processes SET since = since - interval '1 hour'",
    "UPDATE ledger_processes SET lease_until = lease_until - interval '1 hour' WHERE id <> $1",
    "UPDATE idempotency SET lease_until = lease_until - interval '1 hour'",
)


class Pair:
    """An edge in a process of its own, whose wire to the database can go silent, and one beside it that survives."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, survivor: Edge, wire: TcpProxy, store: Database):
        self.process = process
        self.survivor = survivor
        self.wire = wire
        self.store = store
        self.headers = {"authorization": f"Bearer {survivor.key}"}
        self.client = httpx.AsyncClient(base_url=url, headers=self.headers, timeout=20)

    async def one(self, statement: str, *arguments: Any) -> Any:
        [row] = await self.store.fetch(statement, *arguments)
        return row[0]

    async def killed(self) -> None:
        """The process is gone, and so are its leases."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        for statement in THE_LEASE_PASSES:
            await self.store.execute(statement, *([self.survivor.state.ledger.owner] if "$1" in statement else []))

    async def renewed(self) -> None:
        """The process has just renewed its lease."""
        lease = "SELECT lease_until FROM ledger_processes WHERE id <> $1"
        owner = self.survivor.state.ledger.owner
        before = await self.one(lease, owner)
        while await self.one(lease, owner) == before:
            await asyncio.sleep(0.01)

    async def swept(self) -> None:
        """The survivor has closed everything, and every invariant holds."""
        async with asyncio.timeout(30):
            while await self.one("SELECT count(*) FROM holds WHERE state = 'open'"):
                await asyncio.sleep(0.05)
        assert [(f.invariant.name, f.offences) for f in await verify(self.store) if f.offences] == []

    async def again(self, body: dict[str, Any], key: str) -> httpx.Response:
        """The client tries again, and reaches the survivor."""
        async with httpx.AsyncClient(base_url=self.survivor.url, headers=self.headers, timeout=20) as client:
            return await client.post(CHAT, json=body, headers={"Idempotency-Key": key})


@pytest.fixture
async def pair(fresh_database: str, redis_url: str) -> AsyncIterator[tuple[Pair, Worker]]:
    async with contextlib.AsyncExitStack() as stack:
        address, (worker,) = await stack.enter_async_context(local_host(1, {}))
        survivor = await stack.enter_async_context(open_edge(fresh_database, redis_url, host_address=address))
        wire, url = await stack.enter_async_context(proxied(fresh_database))
        store = await stack.enter_async_context(contextlib.aclosing(await open_pool(fresh_database, 2)))
        port = free_port()
        env = {
            "DATABASE_URL": url, "REDIS_URL": redis_url, "INFERENCE_GRPC_HOST": address, "KEY_PEPPER": PEPPER,
            "AUTH_MODE": "strict", "API_PORT": str(port), "LEDGER_SWEEP_S": "0",
        }  # fmt: skip
        process = stack.enter_context(program("api.main", env))
        made = Pair(process, f"http://127.0.0.1:{port}", survivor, wire, store)
        await stack.enter_async_context(made.client)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await made.client.get("/readyz")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        yield made, worker


def chat(text: str, stream: bool = True) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": stream}


async def read(client: httpx.AsyncClient, body: dict[str, Any], key: str) -> str:
    """What the client saw until the connection ended, well or not."""
    seen = ""
    with contextlib.suppress(httpx.HTTPError):
        async with client.stream("POST", CHAT, json=body, headers={"Idempotency-Key": key}) as answer:
            async for text in answer.aiter_text():
                seen += text
    return seen


async def test_nobody_pays_for_what_was_cut(pair: tuple[Pair, Worker]) -> None:
    """Before the first byte, and in the middle of a stream. Who tries again with the same key runs once more."""
    edge, worker = pair
    cut = [
        asyncio.create_task(read(edge.client, chat(text), key))
        for key, text in (("silent", SILENT), ("talking", TALKING), ("talking too", TALKING))
    ]
    async with asyncio.timeout(30):
        while worker.service.running < 3 or await edge.one("SELECT count(*) FROM holds WHERE state = 'open'") < 3:
            await asyncio.sleep(0.01)
    await edge.killed()
    silent, *talking = await asyncio.gather(*cut)
    assert silent == "" and not any("[DONE]" in seen for seen in talking)
    await asyncio.wait_for(worker.service.idle(), 5)
    await edge.swept()
    assert await edge.one("SELECT count(*) FROM transfers WHERE kind = 'post'") == 0
    assert (await edge.again(chat('script:[{"say": "hello"}]', stream=False), "talking")).status_code == 200
    assert await edge.one("SELECT count(*) FROM transfers WHERE kind = 'post'") == 1


async def test_killed_between_the_charge_and_the_last_byte(pair: tuple[Pair, Worker]) -> None:
    """Charged once, also when the client, who did not see the end, tries again with the same key."""
    edge, _ = pair
    assert "[DONE]" in await read(edge.client, chat(ENDING), "first")  # its statements are prepared
    await edge.renewed()  # nothing else of the ledger is under way for a while
    cut = asyncio.create_task(read(edge.client, chat(ENDING), "k"))
    async with asyncio.timeout(30):
        while not await edge.one("SELECT count(*) FROM holds WHERE state = 'open'"):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)  # the hold's answer has passed; the end is far
        edge.wire.silence(answers_only=True)
        while await edge.one("SELECT count(*) FROM usage") < 2:
            await asyncio.sleep(0.005)
    await edge.killed()
    assert "[DONE]" not in await cut
    await edge.swept()
    again = await edge.again(chat(ENDING), "k")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_answer_not_kept")
    assert await edge.one("SELECT count(*) FROM transfers WHERE kind = 'post'") == 2
