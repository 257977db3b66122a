"""Real servers for every test: PostgreSQL and Redis from wheels, started once per session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from api.storage import schema
from internal.dev.postgres_server import PostgresServer
from internal.dev.redis_server import RedisServer
from tests.dev_stack import novai_dev

# How long an example takes is the machine's affair: several processes share its cores.
settings.register_profile("novai", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("novai")

TABLES = f"test_{secrets.token_hex(8)}"  # a database that has been migrated, and that others are copies of


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    # Not pytest's own folder: it is closed to others, and PostgreSQL may have to run as another user than root.
    folder = Path(tempfile.mkdtemp(prefix="novai-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url(server_folder: Path) -> Iterator[str]:
    """A PostgreSQL superuser's URL. TEST_DATABASE_URL names another server."""
    with contextlib.ExitStack() as stack:
        url = os.environ.get("TEST_DATABASE_URL")
        # What was committed outlives every process, if not the machine: a disk that is busy fails no test.
        url = url or stack.enter_context(PostgresServer(server_folder / "postgres", fsync="off")).url
        with database(url, TABLES, "template1") as tables:
            wait_for(schema.upgrade(tables))
            yield url


@pytest.fixture(scope="session")
def redis_url(server_folder: Path) -> Iterator[str]:
    """A Redis of this session; tests take random key prefixes. TEST_REDIS_URL names another server."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with RedisServer(server_folder / "redis") as server:
        yield server.url


@contextlib.contextmanager
def database(postgres_url: str, name: str = "", template: str = TABLES) -> Iterator[str]:
    """A database with our tables, or a copy of another one, dropped afterwards. For fixtures of a wider scope than a
    test."""
    name = name or f"test_{secrets.token_hex(8)}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    finally:
        execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def dev(postgres_url: str) -> Iterator[dict[str, str]]:
    """A running `novai dev` with the models it ships, on the tests' own PostgreSQL: the content of its dev.env."""
    with database(postgres_url) as url, novai_dev(env={"DATABASE_URL": url}) as told:
        yield told | {"DATABASE_URL": url}


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[str]:
    """URL of a database for one test, with our tables and nothing in them."""
    with database(postgres_url) as url:
        yield url


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """URL of a database for one test, with nothing in it."""
    with database(postgres_url, template="template1") as url:
        yield url


def execute(url: str, statement: str) -> None:
    """One statement, from synchronous code."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    wait_for(run())


def wait_for(coroutine: Coroutine[Any, Any, object]) -> None:
    """From synchronous code, whether or not an event loop is running."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()
