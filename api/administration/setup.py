"""A database that can be worked with: its tables, and keys for a first start."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from api.administration.keys import state
from api.administration.tenancy import DEFAULT, new_id, the_project
from api.administration.words import AdminError, Words, opened, show
from api.auth.keys import digest, mint
from api.config import Settings
from api.storage import keys, tenants
from api.storage.session import Database
from api.storage.tenants import Organisation, Project

# The keys of `seed`: name in the database, name in the file, scopes.
SEEDED = (
    ("dev", "api_key", ("inference", "usage")),
    ("dev-admin", "admin_key", ("inference", "usage", "admin")),
)


def add_words(words: Words) -> None:
    words.word("migrate", migrate, "bring the database to the newest revision")
    seeding = words.word("seed", seed, "make the default project and two keys, unless they are there and work")
    seeding.add_argument(
        "--file", type=Path, required=True, help="where the two keys are written, readable by you only"
    )


async def migrate(settings: Settings, options: argparse.Namespace) -> None:
    from api.storage import schema

    before, after = await schema.upgrade(settings.database_url)
    said = f"The database is at revision {after}." if before == after else f"Migrated from {before} to {after}."
    show(options, {"before": before, "after": after}, said)


async def seed(settings: Settings, options: argparse.Namespace) -> None:
    """Organisation, project and two keys for a first start. What is there and works stays as it is."""
    async with opened(settings) as database:
        organisation = await _organisation(database, DEFAULT)
        project = await _project(database, organisation, DEFAULT)
        current = _read_seed(options.file)
        if await _all_work(database, settings.key_pepper, current):
            show(options, {"file": str(options.file), "created": False}, f"{options.file}: the keys work.")
            return
        plain: dict[str, str] = {}
        for name, entry, scopes in SEEDED:
            plain[entry], record = mint(settings.key_pepper, project.id, name, scopes=scopes)
            # Earlier keys of the name can have no owner: the file that held them is gone or belongs to others.
            await keys.revoke_named(database, project.id, name)
            await keys.add(database, record)
        _write_private(options.file, json.dumps(plain, indent=1) + "\n")
        show(options, {"file": str(options.file), "created": True}, f"{options.file}: made two keys.")


async def _organisation(database: Database, name: str) -> Organisation:
    await tenants.add_organisation(database, new_id("org"), name)
    found = await tenants.find_organisation(database, name)
    if found is None:
        raise AdminError(f"The organisation {name!r} is archived.")
    return found


async def _project(database: Database, organisation: Organisation, name: str) -> Project:
    await tenants.add_project(database, new_id("proj"), organisation.id, name)
    return await the_project(database, name, organisation.id)


def _read_seed(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise AdminError(f"{path} is not a file of keys. Delete it, or name another with --file.") from None
    return found if isinstance(found, dict) else {}


async def _all_work(database: Database, pepper: str, plain: dict[str, str]) -> bool:
    wanted = {digest(pepper, str(plain.get(entry, ""))): set(scopes) for _, entry, scopes in SEEDED}
    found = await keys.by_digest(database, list(wanted))
    return len(found) == len(SEEDED) and all(
        state(record) == "active" and set(record.scopes) >= wanted[key_digest] for key_digest, record in found.items()
    )


def _write_private(path: Path, text: str) -> None:
    """In one step, and never readable by others, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
