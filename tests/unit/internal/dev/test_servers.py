"""The embedded servers: owned by who started them, quick to come back, and indifferent to how they ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from internal.dev.postgres_server import PostgresServer, prepare
from internal.dev.processes import StartError
from internal.dev.redis_server import RedisServer


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="novai-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A prepared PostgreSQL folder to copy: making one takes seconds."""
    path = Path(tempfile.mkdtemp(prefix="novai-test-"))
    path.chmod(0o755)
    prepare(path / "postgres")
    yield path / "postgres"
    shutil.rmtree(path)


def wait_gone(pid: int, patience_s: float = 10.0) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(patience_s)


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_postgres_is_durable_and_survives_every_ending(folder: Path) -> None:
    """A clean stop, kill -9 of the server, and a lock file whose pid belongs to a stranger by now."""
    server = PostgresServer(folder / "postgres")
    url = server.start()
    assert server.start() == url, "a second start of the same server changes nothing"
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await value(url, f"SHOW {setting}") == "on"
    await value(url, "CREATE TABLE kept AS SELECT 1 AS n")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://novai:wrong@127.0.0.1:{server.port}/postgres")
    with pytest.raises(StartError, match="another PostgreSQL"):
        PostgresServer(folder / "postgres").start()
    server.stop()
    server.stop()

    started = time.monotonic()
    url = server.start()
    assert time.monotonic() - started < 1.5
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    assert (folder / "postgres/data/postmaster.pid").exists()
    server.stop()

    assert await value(server.start(), "SELECT n FROM kept") == 1
    lock = folder / "postgres/data/postmaster.pid"
    stale = lock.read_text()
    server.stop()
    lock.write_text(stale.replace(stale.split("\n")[0], str(os.getpid()), 1))
    assert await value(server.start(), "SELECT n FROM kept") == 1
    server.stop()
    assert server.pid == 0


def test_redis_forgets_nothing_silently_and_keeps_nothing(folder: Path) -> None:
    with RedisServer(folder / "redis") as server:
        client = redis.Redis.from_url(server.url)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        client.close()
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=server.port) as stranger:
            stranger.ping()
        pid = server.pid
    assert not psutil.pid_exists(pid)
    server.stop()
    assert {path.name for path in (folder / "redis").iterdir()} == {"password", "redis.conf", "redis.log"}


def test_the_folder_of_redis_may_have_any_name(folder: Path) -> None:
    with RedisServer(folder / "it's \"a \\ name") as server:
        client = redis.Redis.from_url(server.url)
        assert client.config_get("dir") == {"dir": str(server.folder)}
        client.close()


@pytest.mark.parametrize("kind", ["PostgresServer", "RedisServer"])
def test_a_server_dies_with_whoever_started_it(folder: Path, template: Path, kind: str) -> None:
    """The parent is killed with SIGKILL: it has no chance to clean up, the kernel does."""
    module = {"PostgresServer": "internal.dev.postgres_server", "RedisServer": "internal.dev.redis_server"}[kind]
    program = (
        f"import sys; from pathlib import Path; from {module} import {kind} as S;"
        "server = S(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); sys.stdin.read()"
    )
    shutil.copytree(template, folder / "server")
    argv = [sys.executable, "-c", program, str(folder / "server")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    wait_gone(pid)
    assert not psutil.pid_exists(pid)


def test_a_failed_start_says_why(folder: Path, template: Path) -> None:
    shutil.copytree(template, folder / "postgres")
    (folder / "postgres/data/PG_VERSION").write_text("9.6\n")
    with pytest.raises(StartError, match="incompatible with server"):
        PostgresServer(folder / "postgres").start()


async def test_empty_databases_are_empty_and_apart(empty_database: str, postgres_url: str) -> None:
    assert empty_database != postgres_url
    await value(empty_database, "CREATE TABLE mine (n int)")
    assert await value(postgres_url, "SELECT to_regclass('mine')") is None
    assert str(await value(empty_database, "SELECT current_database()")) in empty_database
