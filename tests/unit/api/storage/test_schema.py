from __future__ import annotations

import asyncio

import asyncpg
import pytest

from api.storage import schema
from api.storage.revisions import NEWEST
from api.storage.session import NotMigratedError, open_pool
from api.storage.tables import metadata

SHAPE = {
    "columns": "SELECT table_name || '.' || column_name, data_type, is_nullable, column_default"
    " FROM information_schema.columns WHERE table_schema = 'public'",
    "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


async def shape(url: str) -> dict[str, list[str]]:
    connection = await asyncpg.connect(url)
    try:
        rows = {what: await connection.fetch(query) for what, query in SHAPE.items()}
    finally:
        await connection.close()
    return {what: sorted(str(tuple(row)) for row in found if "alembic" not in str(row)) for what, found in rows.items()}


async def test_the_migrations_amount_to_the_tables(migrated_url: str, empty_database: str) -> None:
    async with schema._engine(empty_database).begin() as connection:
        await connection.run_sync(metadata.create_all)
    assert await shape(migrated_url) == await shape(empty_database)


async def test_upgrade_is_idempotent_and_reversible(empty_database: str) -> None:
    head = schema.head()
    assert await schema.upgrade(empty_database) == (None, head)
    assert await schema.upgrade(empty_database) == (head, head)
    assert await schema.downgrade(empty_database, "base") == (head, None)
    assert await schema.upgrade(empty_database) == (None, head)


async def test_processes_that_migrate_at_once_do_not_collide(empty_database: str) -> None:
    results = await asyncio.gather(*(schema.upgrade(empty_database) for _ in range(4)))
    assert sorted(before or "" for before, _ in results) == ["", *[schema.head()] * 3]


async def test_ping_tells_a_database_without_tables_and_one_of_an_older_program(empty_database: str) -> None:
    database = await open_pool(empty_database)
    try:
        with pytest.raises(NotMigratedError):
            await database.ping()
        await schema.upgrade(empty_database)
        await database.ping()
        assert schema.head() == NEWEST
        await schema.downgrade(empty_database, "-1")
        with pytest.raises(NotMigratedError, match=f"not {NEWEST}"):
            await database.ping()
        await schema.downgrade(empty_database, "base")
        with pytest.raises(NotMigratedError, match=f"none, not {NEWEST}"):
            await database.ping()
    finally:
        await database.aclose()
