"""Batch workers are killed, PostgreSQL is restarted, lines break their model's workers: every line is answered once and
charged once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.batches.tasks import BatchWorker
from api.errors import StorageUnavailableError
from api.ledger.reconcile import verify
from api.storage.session import Database, open_pool
from internal.dev.postgres_server import PostgresServer
from tests.edge import PEPPER, Edge, local_host, open_edge
from tests.faults.conftest import System
from tests.processes import program

pytestmark = pytest.mark.timeout(180)
ENDPOINT = "/v1/chat/completions"
LINES = 300
SLOW = 'script:[{"say": "one "}, {"wait_ms": 150}, {"say": "two"}]'
POISON = 'script:[{"exit": 1}]'
# Whoever was killed has been silent for long enough to be believed dead.
DEAD = (
    "UPDATE jobs.procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 hour'",
    "UPDATE holds SET created_at = created_at - interval '1 hour' WHERE state = 'open'",
    "UPDATE ledger_processes SET lease_until = lease_until - interval '1 hour' WHERE id <> $1",
)
NO_HEARTBEATS = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END'",
    "CREATE TRIGGER refuse BEFORE UPDATE ON jobs.procrastinate_workers EXECUTE FUNCTION refuse()",
)
UNHEARD = (
    "CREATE FUNCTION unheard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER unheard BEFORE UPDATE ON jobs.procrastinate_workers FOR EACH ROW EXECUTE FUNCTION unheard()",
)
# Whoever ends a job that looks at lines waits for who has the lock.
ENDS_WAIT = (
    "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pg_advisory_xact_lock(18); RETURN OLD; END'",
    "CREATE TRIGGER wait BEFORE DELETE ON jobs.procrastinate_jobs"
    " FOR EACH ROW WHEN (OLD.task_name = 'validate') EXECUTE FUNCTION wait()",
)


class Batch:
    """One batch of a running system, as its owner and as the database see it."""

    def __init__(self, edge: Edge, store: Database, client: httpx.AsyncClient) -> None:
        self.edge = edge
        self.store = store
        self.client = client
        self.id = ""

    async def begin(self, texts: list[str], model: str = "scripted") -> None:
        inputs = [{"model": model, "messages": [{"role": "user", "content": text}]} for text in texts]
        answer = await self.client.post("/v1/batches", json={"inputs": inputs})
        assert answer.status_code == 202, answer.text
        self.id = answer.json()["id"]

    async def seen(self) -> dict[str, Any]:
        """As its owner sees it; PostgreSQL may be away for a while."""
        while True:
            answer = await self.client.get(f"/v1/batches/{self.id}")
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.05)

    async def until(self, ready: Callable[[dict[str, Any]], bool], patience_s: float = 90.0) -> dict[str, Any]:
        async with asyncio.timeout(patience_s):
            while not ready(seen := await self.seen()):
                await asyncio.sleep(0.02)
        return seen

    async def over(self) -> dict[str, Any]:
        return await self.until(lambda seen: seen["status"] in ("completed", "failed", "expired", "cancelled"))

    async def lines(self, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        answer = await self.client.get(f"/v1/files/{file_id}/content")
        return [json.loads(text) for text in answer.text.splitlines()]

    async def the_dead_are_found(self) -> None:
        for statement in DEAD:
            await self.store.execute(statement, *([self.edge.state.ledger.owner] if "$1" in statement else []))

    async def workers(self) -> set[int]:
        return {row["id"] for row in await self.store.fetch("SELECT id FROM jobs.procrastinate_workers")}

    async def charges(self) -> int:
        """When all is swept, and every invariant holds."""
        async with asyncio.timeout(60):
            while (await self.store.fetch("SELECT count(*) FROM holds WHERE state = 'open'"))[0][0]:
                await asyncio.sleep(0.05)
        assert [(found.invariant.name, found.offences) for found in await verify(self.store) if found.offences] == []
        [row] = await self.store.fetch("SELECT count(*) FROM transfers WHERE kind = 'post'")
        return int(row[0])


def batch_worker(edge: Edge) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """A worker process on what the edge uses."""
    settings = edge.settings
    env = {
        "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "KEY_PEPPER": PEPPER,
        "INFERENCE_GRPC_HOST": settings.inference_grpc_host, "FILES_URL": settings.files_url, "DRAIN_S": "1",
    }  # fmt: skip
    return program("api.worker", env)


@pytest.fixture
async def batch(server_folder: Path, tmp_path: Path, redis_url: str) -> AsyncIterator[tuple[Batch, PostgresServer]]:
    """On a PostgreSQL of its own, which can be restarted."""
    with PostgresServer(server_folder / f"batches-{secrets.token_hex(4)}") as server:
        async with contextlib.AsyncExitStack() as stack:
            address, _ = await stack.enter_async_context(local_host(1, {"slots": 16}))
            edge = await stack.enter_async_context(
                open_edge(server.url, redis_url, host_address=address, files_url=str(tmp_path / "files"))
            )
            store = await stack.enter_async_context(contextlib.aclosing(await open_pool(server.url, 2)))
            headers = {"authorization": f"Bearer {edge.key}"}
            client = httpx.AsyncClient(base_url=edge.url, headers=headers, timeout=20)
            yield Batch(edge, store, await stack.enter_async_context(client)), server


async def test_killed_again_and_again(batch: tuple[Batch, PostgresServer]) -> None:
    """Four times, and PostgreSQL restarted: 300 answers and 300 charges."""
    begun, server = batch
    await begun.begin([f"{SLOW}" for _ in range(LINES)])
    for answered in (20, 80, 140, 200):
        with batch_worker(begun.edge):
            await begun.until(lambda seen, least=answered: seen["completed"] >= least)  # type: ignore[misc]
        await begun.the_dead_are_found()
    with batch_worker(begun.edge):
        await begun.until(lambda seen: seen["completed"] >= 220)
        port = server.port
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server._start_on, port)
        seen = await begun.over()
        assert (seen["status"], seen["total"], seen["completed"], seen["failed"]) == ("completed", LINES, LINES, 0)
        lines = await begun.lines(seen["output_file_id"])
        assert sorted(line["custom_id"] for line in lines) == sorted(f"request-{n}" for n in range(1, LINES + 1))
        assert await begun.charges() == LINES
        rows = await begun.store.fetch("SELECT request_id FROM transfers WHERE kind = 'post'")
        assert {row["request_id"] for row in rows} == {line["response"]["request_id"] for line in lines}


async def test_procrastinate_ends_by_itself(batch: tuple[Batch, PostgresServer]) -> None:
    """As it does when a heartbeat fails, without an error: the process goes on with another worker."""
    begun, _ = batch
    await begun.begin([f"{SLOW}" for _ in range(60)])
    with batch_worker(begun.edge) as process:
        await begun.until(lambda seen: seen["completed"] >= 10)
        former = await begun.workers()
        for statement in NO_HEARTBEATS:
            await begun.store.execute(statement)
        async with asyncio.timeout(60):
            while not await begun.workers() - former:
                await asyncio.sleep(0.05)
        await begun.store.execute("DROP TRIGGER refuse ON jobs.procrastinate_workers")
        seen = await begun.over()
        assert (seen["status"], seen["completed"], process.poll()) == ("completed", 60, None)


async def test_a_worker_that_was_not_heard_of_runs_nothing_twice(batch: tuple[Batch, PostgresServer]) -> None:
    """As after a pause of its machine: it must not take itself for dead, and its jobs for somebody else's."""
    begun, _ = batch
    lines = 140
    await begun.begin([SLOW.replace("150", "1500")] * lines)  # longer than the queue is not looked at
    with batch_worker(begun.edge):
        await begun.until(lambda seen: seen["completed"] >= 20)
        await begun.store.execute(DEAD[0])
        for statement in UNHEARD:
            await begun.store.execute(statement)
        seen = await begun.over()
    assert (seen["status"], seen["completed"], await begun.charges()) == ("completed", lines, lines)
    assert await begun.store.fetch("SELECT request_id FROM transfers WHERE kind = 'outage'") == []


async def test_a_connection_breaks_at_the_end_of_a_job(batch: tuple[Batch, PostgresServer]) -> None:
    """The job had done what it was for; as long as nobody is told so, none of the same batch can follow it."""
    begun, server = batch
    for statement in ENDS_WAIT:
        await begun.store.execute(statement)
    await begun.begin(["short"] * 3)
    async with contextlib.aclosing(await open_pool(server.url, 1)) as other:
        with batch_worker(begun.edge) as process:
            async with other.transaction() as holding:
                await holding.execute("SELECT pg_advisory_xact_lock(18)")
                waiting = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                async with asyncio.timeout(60):
                    while not await begun.store.fetch(waiting):
                        await asyncio.sleep(0.02)
            seen = await begun.over()
            assert (seen["status"], seen["completed"], process.poll()) == ("completed", 3, None)


async def test_while_the_storage_is_away_nothing_piles_up(batch: tuple[Batch, PostgresServer], tmp_path: Path) -> None:
    """A shard whose lines cannot be read is tried again for hours: each try leaves nothing behind."""
    begun, _ = batch
    app, files = begun.edge.state, tmp_path / "files"
    await begun.begin(["short"] * 3)
    worker = BatchWorker(app)
    await worker.validate(begun.id)
    files.rename(tmp_path / "away")
    before = {task.get_coro() for task in asyncio.all_tasks()}
    with pytest.raises(StorageUnavailableError):
        await worker.run_shard(begun.id, 0)
    left = [str(task.get_coro()) for task in asyncio.all_tasks() if task.get_coro() not in before]
    assert not [name for name in left if "Shards." in name]
    (tmp_path / "away").rename(files)
    await worker.run_shard(begun.id, 0)
    await worker.finalize(begun.id)
    assert (await begun.seen())["completed"] == 3


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_line_that_kills_its_workers(
    start_system: Callable[[int], AbstractContextManager[System]], replicas: int
) -> None:
    """Two deaths are its answer; those that ran beside it are answered all the same."""
    with start_system(replicas) as system:
        edge = system.edge
        ask = httpx.Client(base_url=edge.url, headers={"authorization": f"Bearer {edge.key}"}, timeout=20)
        with batch_worker(edge), ask:
            # All are different: whoever asks the same as a line that stood beside the guilty one is suspect too.
            texts = [POISON if n == 7 else SLOW.replace("one", f"{n}") for n in range(40)]
            inputs = [{"model": "scripted", "messages": [{"role": "user", "content": text}]} for text in texts]
            batch_id = ask.post("/v1/batches", json={"inputs": inputs}).json()["id"]
            deadline_s = time.monotonic() + 90
            while (seen := ask.get(f"/v1/batches/{batch_id}").json())["status"] != "completed":
                assert time.monotonic() < deadline_s, seen
                time.sleep(0.05)
            refused = map(json.loads, ask.get(f"/v1/files/{seen['error_file_id']}/content").text.splitlines())
            told = {line["custom_id"]: line["response"]["body"]["error"]["code"] for line in refused}
            assert told == {"request-8": "poison_request"}
            assert (seen["completed"], seen["failed"]) == (39, 1)
            [posted] = edge.sql("SELECT count(*) FROM transfers WHERE kind = 'post'")
            assert posted["count"] == 39
