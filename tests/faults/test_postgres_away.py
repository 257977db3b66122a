"""PostgreSQL is away, slow, or full: what runs goes on, nothing new begins, nothing is lost or charged twice."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from api.ledger.reconcile import verify
from api.storage.session import Database, open_pool
from internal.dev.postgres_server import PostgresServer
from tests.edge import Edge, open_edge
from tests.unit.api.tcp_proxy import TcpProxy, proxied
from tests.workers import MODEL

pytestmark = pytest.mark.timeout(90)
CHAT = "/v1/chat/completions"
SHORT = 'script:[{"say": "hello"}]'
LONG = 'script:[{"say": "one "}, {"wait_ms": 1500}, {"say": "two"}]'
FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE 'could not extend file "base/5/1259": No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON holds EXECUTE FUNCTION full_disk()
"""

SLOW_HOLDS = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON holds FOR EACH ROW EXECUTE FUNCTION slow();
"""


class Behind:
    """An edge behind a wire to its database, and the database itself."""

    def __init__(self, edge: Edge, wire: TcpProxy, store: Database, client: httpx.AsyncClient) -> None:
        self.edge = edge
        self.wire = wire
        self.store = store
        self.client = client

    async def ask(self) -> tuple[httpx.Response, float]:
        """The answer, and how long it took."""
        started_s = time.monotonic()
        answer = await self.client.post(CHAT, json=chat(SHORT))
        return answer, time.monotonic() - started_s

    async def refused(self) -> float:
        """Asks and is told that the ledger is away; how long that took."""
        answer, took_s = await self.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        return took_s

    async def back(self) -> float:
        """Seconds until it answers again; everything else that it said was 503."""
        started_s = time.monotonic()
        while (answer := (await self.ask())[0]).status_code != 200:
            assert answer.status_code == 503
            await asyncio.sleep(0.05)
        return time.monotonic() - started_s

    async def alive(self) -> None:
        """Not ready, and far from dead."""
        started_s = time.monotonic()
        assert (await self.client.get("/healthz")).status_code == 200
        assert time.monotonic() - started_s < 2.0
        readiness = await self.client.get("/readyz")
        assert readiness.status_code == 503 and readiness.json()["checks"]["database"] != "ok"

    async def ready(self, status: int, why: str = "") -> None:
        """Readiness says so, once it has found out."""
        async with asyncio.timeout(30):
            while (told := await self.client.get("/readyz")).status_code != status or why not in told.text:
                await asyncio.sleep(0.05)

    async def settled(self, finished: int) -> None:
        """Every hold is closed, so many requests were charged, once each, and every invariant holds."""
        async with asyncio.timeout(30):
            while (await self.store.fetch("SELECT 1 FROM holds WHERE state = 'open'")) or self.edge.state.ledger.open:
                await asyncio.sleep(0.05)
        posts = await self.store.fetch("SELECT request_id FROM transfers WHERE kind = 'post'")
        assert len(posts) == len({row["request_id"] for row in posts}) == finished
        assert [(f.invariant.name, f.offences) for f in await verify(self.store) if f.offences] == []


@pytest.fixture
async def behind(fresh_database: str, redis_url: str) -> AsyncIterator[Behind]:
    async with contextlib.AsyncExitStack() as stack:
        wire, url = await stack.enter_async_context(proxied(fresh_database))
        edge = await stack.enter_async_context(open_edge(url, redis_url))
        store = await stack.enter_async_context(contextlib.aclosing(await open_pool(fresh_database, 2)))
        headers = {"authorization": f"Bearer {edge.key}"}
        client = httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20)
        yield Behind(edge, wire, store, await stack.enter_async_context(client))


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]} | fields


@contextlib.asynccontextmanager
async def running(client: httpx.AsyncClient) -> AsyncIterator[asyncio.Task[list[str]]]:
    """A stream whose first token has been read; the task has its events."""
    async with client.stream("POST", CHAT, json=chat(LONG, stream=True)) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if "one" in line:
                break

        async def rest() -> list[str]:
            return [line async for line in lines if line]

        yield asyncio.create_task(rest())


@pytest.mark.parametrize("how", ["cut", "silent", "answers lost"])
async def test_what_runs_ends_well_and_nothing_new_begins(behind: Behind, how: str) -> None:
    async with running(behind.client) as stream:
        if how == "cut":
            await behind.wire.cut()
        else:
            behind.wire.silence(answers_only=how == "answers lost")
        assert await behind.refused() < 2.5  # it finds out
        assert sorted([await behind.refused() for _ in range(9)])[4] < 0.1  # the others know
        await behind.alive()
        assert (await stream)[-1] == "data: [DONE]"
    await behind.wire.restore()
    assert await behind.back() < 8
    await behind.settled(finished=2)


async def outlived(behind: Behind) -> AsyncIterator[str]:
    """The events of a stream that loses the database with its first token. Its hold is half used up when it says "two",
    and all of it is some seconds later."""
    steps = '{"say": "one "}, {"wait_ms": 200}, {"count": 600}, {"say": "two"}, {"wait_ms": 3000}, {"count": 900}'
    body = chat(f"script:[{steps}]", stream=True, stream_options={"include_usage": True})
    async with behind.client.stream("POST", CHAT, json=body) as answer:
        async for line in answer.aiter_lines():
            if "one" in line:
                await behind.wire.cut()
            if line:
                yield line


async def test_a_stream_that_outlasts_an_outage_is_answered_to_its_end(behind: Behind) -> None:
    events = []
    async for event in outlived(behind):
        events.append(event)
        if "two" in event:
            assert await behind.refused() < 2.5  # as whatever is asked to be held
            await behind.wire.restore()
    assert events[-1] == "data: [DONE]"
    assert '"completion_tokens":1502' in events[-2] and "budget_exhausted" not in events[-2]
    assert '"finish_reason":"stop"' in events[-3]
    await behind.settled(finished=1)


async def test_a_stream_whose_hold_an_outage_outlasts_is_not_told_that_its_budget_is_used_up(behind: Behind) -> None:
    events = [event async for event in outlived(behind)]
    assert '"code":"ledger_unavailable"' in events[-1]
    assert not any('finish_reason":"' in event or "budget_exhausted" in event for event in events)
    await behind.wire.restore()
    await behind.settled(finished=0)


async def test_what_waits_for_its_hold_when_the_answer_begins_is_not_lost(behind: Behind) -> None:
    """A quick model has said more than is held for before the hold stands, and more cannot be held for a while."""
    await behind.store.execute(
        FULL.replace("INSERT OR UPDATE", "UPDATE OF amount_nusd").replace("EXECUTE", "FOR EACH ROW EXECUTE")
        + ";"
        + SLOW_HOLDS
    )
    body = chat('script:[{"count": 3000}]', stream=True)
    async with behind.client.stream("POST", CHAT, json=body) as answer:  # its head is not kept back for longer
        await behind.store.execute("DROP TRIGGER full_disk ON holds")
        events = [line async for line in answer.aiter_lines() if line]
    assert sum('"content":" ' in event for event in events) == 3000
    assert events[-1] == "data: [DONE]"
    await behind.settled(finished=1)


async def test_a_slow_database_costs_a_second_and_charges_nobody(behind: Behind) -> None:
    """Every statement arrives and is committed, long after its caller has been told 503."""
    assert (await behind.ask())[0].status_code == 200
    behind.wire.delay_s = 0.7  # in each direction: longer than a hold may take
    took_s = sorted(await asyncio.gather(*(behind.refused() for _ in range(60))))
    assert took_s[-1] < 2.5
    await behind.alive()
    await behind.wire.restore()
    assert await behind.back() < 12
    await behind.settled(finished=2)


async def test_a_full_disk_is_a_database_that_is_away(behind: Behind) -> None:
    """PostgreSQL's own error, raised by a trigger: a file system cannot be filled in every place where tests run."""
    async with running(behind.client) as stream:
        await behind.store.execute(FULL)
        await behind.refused()
        assert (await stream)[-1] == "data: [DONE]"
    await behind.store.execute("DROP FUNCTION full_disk CASCADE")
    assert await behind.back() < 8
    await behind.settled(finished=2)


async def test_a_database_that_can_only_be_read_is_away(behind: Behind) -> None:
    """As a standby is before its promotion, and a primary after it: connections that found it are not kept."""
    name = await behind.store.fetch("SELECT quote_ident(current_database()) AS name")
    async with running(behind.client) as stream:
        await behind.store.execute(f"ALTER DATABASE {name[0]['name']} SET default_transaction_read_only = on")
        await behind.wire.cut()  # the edge connects again
        await behind.wire.restore()
        await behind.ready(503, "ReadOnlySQLTransactionError")
        await behind.alive()
        for _ in range(3):
            await behind.refused()
        assert (await stream)[-1] == "data: [DONE]"
    await behind.store.execute(f"ALTER DATABASE {name[0]['name']} RESET default_transaction_read_only")
    await behind.back()
    await behind.settled(finished=2)
    await behind.ready(200)


async def test_a_log_that_cannot_be_written_ends_postgresql_and_loses_nothing(
    server_folder: Path, redis_url: str
) -> None:
    """A full disk under the log, or one that fails at fdatasync: PostgreSQL panics, and cannot recover until there is
    space. Here its processes may not write to files any more."""
    with PostgresServer(server_folder / "panics") as server:
        port = server.port
        async with contextlib.AsyncExitStack() as stack:
            edge = await stack.enter_async_context(open_edge(server.url, redis_url))
            headers = {"authorization": f"Bearer {edge.key}"}
            client = httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20)
            client = await stack.enter_async_context(client)
            store = await stack.enter_async_context(contextlib.aclosing(await open_pool(server.url, 1)))
            panicking = Behind(edge, TcpProxy("", 0), store, client)
            async with running(client) as stream:
                postmaster = psutil.Process(server.pid)
                for process in (postmaster, *postmaster.children()):
                    process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
                await panicking.refused()
                assert (await stream)[-1] == "data: [DONE]"
                await asyncio.to_thread(postmaster.wait, 20)
                await panicking.alive()
            server.stop()
            await asyncio.to_thread(server._start_on, port)  # there is space again
            assert await panicking.back() < 10
            await panicking.settled(finished=2)
