"""The processes of the edge, from their environment to what an operator reads of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from api.batches.tasks import BatchWorker
from api.config import Settings, SettingsError
from api.state import check, open_state
from internal.dev.processes import free_port
from tests.processes import program

PROGRAMS = ["api.main", "api.worker"]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql://novai@127.0.0.1:port/novai"),
        ("DATABASE_URL", "postgresql://novai@no..name:5432/novai"),
        ("DATABASE_URL", f"postgresql://novai@127.0.0.1,{'x' * 64}/novai"),
        ("REDIS_URL", "localhost"),
        ("REDIS_URL", "redis://127.0.0.1:port"),
        ("REDIS_URL", "redis://127.0.0.1:6379/zero"),
        ("REDIS_URL", "redis://no..name:6379/0"),
        ("FILES_URL", "ftp://files"),
        ("FILES_URL", "/proc/files"),
    ],
)
def test_a_url_that_can_never_work_is_named(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}.* cannot be used: "):
        check(Settings(**{"files_url": "memory:///", name.lower(): url}))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@a:1,b:2,c/n",
        "postgres://u@[::1]/n",
        "postgresql:///n?host=/run/postgresql",
        "postgresql://ünï.de/n",
    ],
)
def test_a_url_that_may_work_is_left_alone(url: str) -> None:
    check(Settings(database_url=url, redis_url="unix:///run/redis.sock?db=1", files_url="memory:///"))


@pytest.mark.parametrize("module", PROGRAMS)
@pytest.mark.parametrize("taken", [False, True], ids=["url", "port"])
def test_what_keeps_a_process_from_starting_is_its_only_line(module: str, taken: bool, redis_url: str) -> None:
    port = redis_url.rpartition(":")[2].partition("/")[0]
    wrong = {"METRICS_PORT": port, "WORKER_METRICS_PORT": port} if taken else {"DATABASE_URL": "nonsense"}
    env = os.environ | {"KEY_PEPPER": "p", "FILES_URL": "memory:///"} | wrong
    command = [sys.executable, "-m", module]
    ended = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("error: metrics" if taken else "error: DATABASE_URL")


def test_a_worker_has_metrics_beside_those_of_an_api_of_its_environment(fresh_database: str, redis_url: str) -> None:
    port = free_port()
    env = {
        "KEY_PEPPER": "p",
        "DATABASE_URL": fresh_database,
        "REDIS_URL": redis_url,
        "FILES_URL": "memory:///",
        "METRICS_PORT": redis_url.rpartition(":")[2].partition("/")[0],  # taken, as the api's is
        "WORKER_METRICS_PORT": str(port),
    }
    with program("api.worker", env) as worker:
        told = ""
        while not told and worker.poll() is None:
            try:
                told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            except httpx.ConnectError:
                time.sleep(0.05)
        assert "novai_usage_lost_total 0.0" in told and "novai_usage_waiting 0.0" in told
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


@pytest.mark.parametrize("batch", [False, True], ids=PROGRAMS)
async def test_a_database_without_tables_is_told_with_what_to_do_about_it(
    batch: bool, empty_database: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(database_url=empty_database, redis_url=redis_url, files_url="memory:///", key_pepper="p")
    async with open_state(settings, batch) as app, asyncio.timeout(30):
        working = asyncio.create_task(BatchWorker(app).run() if batch else asyncio.sleep(0))
        while "novai migrate" not in (await app.checks())["database"] or "novai migrate" not in caplog.text:
            await asyncio.sleep(0.01)
        while batch and "the queue is away" not in caplog.text:
            await asyncio.sleep(0.01)
        working.cancel()
        await asyncio.wait((working,))
    assert not [record for record in caplog.records if record.exc_info]
    assert caplog.text.count("novai migrate") == 2  # of both pools, once
