from __future__ import annotations

import asyncio

import asyncpg
import pytest

from api.storage import audit, tenants
from api.storage.session import Database


async def change(store: Database, name: str, *, fails: bool = False) -> None:
    async with audit.changing(store) as inside:
        assert await tenants.add_organisation(inside, f"org_{name}", name) is not None
        await audit.add(inside, "key_1", f"org_{name}", "organisation.create", name, {"scopes": ("usage",)})
        if fails:
            raise RuntimeError(name)


async def names(store: Database) -> list[str]:
    return [entry.target for entry in await audit.page(store, None, None, 100)]


async def test_a_change_and_its_entry_are_one(store: Database) -> None:
    await change(store, "kept")
    with pytest.raises(RuntimeError):
        await change(store, "undone", fails=True)
    assert [found.name for found in await tenants.organisations(store)] == ["kept"]
    [entry] = await audit.page(store, None, None, 100)
    assert (entry.actor, entry.action, entry.target) == ("key_1", "organisation.create", "kept")
    assert entry.details == {"scopes": ["usage"]}


async def test_ids_are_in_the_order_of_commits(store: Database) -> None:
    """A page read while others write never misses an entry that comes later with a lower id."""
    seen: list[str] = []

    async def watch() -> None:
        while len(seen) < 20:
            newest = await names(store)
            assert newest[::-1][: len(seen)] == seen
            seen[:] = newest[::-1]

    await asyncio.gather(watch(), *(change(store, f"n{i}") for i in range(20)))


async def test_an_organisation_sees_its_own_and_what_is_everybodys(store: Database) -> None:
    async with audit.changing(store) as inside:
        for organisation in ("org_a", None, "org_b"):
            await audit.add(inside, "cli", organisation, "x", str(organisation), {})
    assert [entry.target for entry in await audit.page(store, "org_a", None, 100)] == ["None", "org_a"]
    newest = (await audit.page(store, None, None, 1))[0]
    assert [entry.target for entry in await audit.page(store, None, newest.id, 1)] == ["None"]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
async def test_nothing_is_rewritten(store: Database, statement: str) -> None:
    await change(store, "kept")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="stays written"):
        await store.execute(statement)
    assert await names(store) == ["kept"]
