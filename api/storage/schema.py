"""Bringing the database to the newest revision. Imports alembic and SQLAlchemy: for `api.admin` and tests only."""

from __future__ import annotations

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
# Whoever asks for a table waits behind a migration that waits for it: a dump that runs must not stop every edge.
_TABLE_WAIT_MS = 2000


async def upgrade(database_url: str, revision: str = "head") -> tuple[str | None, str | None]:
    """Migrates in one transaction, for as long as the tables take; returns the revision before and after. A database
    that a newer program has migrated stays as it is: old code runs on the new schema.

    Raises OSError, asyncpg.PostgresError or SQLAlchemyError when the database cannot be reached or refuses, and
    CommandError when its revision is none of ours.
    """
    async with _engine(database_url).begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.execute(text(f"SET LOCAL lock_timeout = {_TABLE_WAIT_MS}"))
        return await connection.run_sync(_upgrade, revision)


async def downgrade(database_url: str, revision: str) -> tuple[str | None, str | None]:
    async with _engine(database_url).begin() as connection:
        return await connection.run_sync(_run, command.downgrade, revision)


def head() -> str | None:
    """The newest revision this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_newer(revision: str | None) -> bool:
    """Whether a newer program made it."""
    return revision is not None and revision.isdecimal() and revision > (head() or "")


def _upgrade(connection: Connection, revision: str) -> tuple[str | None, str | None]:
    before = MigrationContext.configure(connection).get_current_revision()
    return (before, before) if is_newer(before) else _run(connection, command.upgrade, revision)


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
