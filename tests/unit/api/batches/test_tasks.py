"""The worker's own life; what it does with jobs is in tests/faults."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from procrastinate import App

from api.batches.tasks import QueueWorker, opened, queue, run_until_cancelled
from api.config import Settings
from api.storage import jobs

TURNS = 40  # of the loop: while it registers itself


@pytest.mark.parametrize("swallowed", [True, False])
async def test_it_ends_whoever_swallows_its_cancellation(swallowed: bool, fresh_database: str) -> None:
    """procrastinate's own way out is lost when the cancellation meets an answer of PostgreSQL at its start."""

    async def work(worker: QueueWorker) -> None:
        if swallowed:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await run_until_cancelled(worker)

    lines = queue(Settings(database_url=fresh_database))
    async with lines.open_async():
        for turns in range(1, 2 if swallowed else TURNS):
            working = asyncio.create_task(work(QueueWorker(lines, queues=[jobs.QUEUE], install_signal_handlers=False)))
            for _ in range(turns):
                await asyncio.sleep(0)
            working.cancel()
            async with asyncio.timeout(30):
                await asyncio.wait((working,))


async def test_a_queue_that_was_cancelled_while_it_opened_leaves_nothing_that_runs() -> None:
    reached, cut = asyncio.Event(), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await cut.wait()
        writer.close()

    async def work(lines: App) -> None:
        async with opened(lines):
            await asyncio.Event().wait()

    async with await asyncio.start_server(hang, "127.0.0.1") as server, asyncio.timeout(30):
        host, port = server.sockets[0].getsockname()
        before = asyncio.all_tasks()
        working = asyncio.create_task(work(queue(Settings(database_url=f"postgresql://u@{host}:{port}/n"))))
        await reached.wait()
        working.cancel()
        await asyncio.sleep(0)
        cut.set()
        while left := asyncio.all_tasks() - before:
            await asyncio.wait(left)
    assert working.cancelled()
