"""Bringing the database to the newest revision. Imports alembic and SQLAlchemy: for `api.admin` and tests only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from api.storage.session import check_url

# Two processes that start together must not both create the tables.
_MIGRATION_LOCK = 0x6E6F766169  # "novai"


async def upgrade(database_url: str, revision: str = "head", timeout_s: float = 60.0) -> tuple[str | None, str | None]:
    """Migrates in one transaction; returns the revision before and after.

    Raises OSError or asyncpg.PostgresError when the database cannot be reached or refuses.
    """
    async with asyncio.timeout(timeout_s), _engine(database_url).begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        return await connection.run_sync(_run, command.upgrade, revision)


async def downgrade(database_url: str, revision: str, timeout_s: float = 60.0) -> tuple[str | None, str | None]:
    async with asyncio.timeout(timeout_s), _engine(database_url).begin() as connection:
        return await connection.run_sync(_run, command.downgrade, revision)


def head() -> str | None:
    """The newest revision this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _run(connection: Connection, direction: object, revision: str) -> tuple[str | None, str | None]:
    assert callable(direction)
    config = _config()
    config.attributes["connection"] = connection
    before = MigrationContext.configure(connection).get_current_revision()
    direction(config, revision)
    return before, MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _engine(database_url: str) -> AsyncEngine:
    check_url(database_url)

    # asyncpg reads the URL itself, so that every process understands the same URLs in the same way.
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database_url, timeout=10.0)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
