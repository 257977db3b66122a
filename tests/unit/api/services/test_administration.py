"""What two administrators do to one key at the same moment, and which clock its term goes by."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api.errors import ConflictError
from api.services import administration
from api.services.administration import CLI
from api.storage.keys import KeyRecord
from api.storage.session import Database
from api.storage.tenants import Project
from tests.unit.api.conftest import PEPPER


async def made(store: Database, project: Project) -> KeyRecord:
    return (await administration.create_key(store, CLI, PEPPER, project, "k", ("inference",), None, None))[1]


async def test_the_slower_of_two_that_revoke_is_told_when_it_was(store: Database, project: Project) -> None:
    key = await made(store, project)
    both = [administration.revoke_key(store, CLI, key) for _ in range(2)]
    [refused] = [got for got in await asyncio.gather(*both, return_exceptions=True) if not isinstance(got, KeyRecord)]
    assert isinstance(refused, ConflictError) and "was revoked at 2" in str(refused)


async def test_the_slower_of_two_that_rotate_is_told_what_the_key_is(store: Database, project: Project) -> None:
    key = await made(store, project)
    await administration.rotate_key(store, CLI, PEPPER, key, 60)
    with pytest.raises(ConflictError, match="is rotated; only an active key"):
        await administration.rotate_key(store, CLI, PEPPER, key, 60)
    await administration.revoke_key(store, CLI, key)
    with pytest.raises(ConflictError, match="is revoked; only an active key"):
        await administration.rotate_key(store, CLI, PEPPER, key, 60)


async def test_the_term_of_a_key_goes_by_the_clock_that_ends_it(
    store: Database, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by ours, which may be wrong."""
    [row] = await store.fetch("SELECT now() AS theirs")
    ours = datetime(2020, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(administration, "datetime", type("Clock", (datetime,), {"now": lambda _zone: ours}))
    term, near = timedelta(days=1), timedelta(minutes=1)
    _, key = await administration.create_key(store, CLI, PEPPER, project, "k", ("inference",), None, term)
    _, successor = await administration.rotate_key(store, CLI, PEPPER, key, 60)
    for record in (key, successor):
        assert record.expires_at is not None and abs(record.expires_at - row["theirs"] - term) < near
