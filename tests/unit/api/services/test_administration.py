"""What two administrators do to one key at the same moment."""

from __future__ import annotations

import asyncio

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
