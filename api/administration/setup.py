"""A database that can be worked with: its tables, and keys for a first start."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from api.administration.tenancy import DEFAULT, the_project
from api.administration.words import AdminError, Words, amount, opened, show
from api.auth.keys import digest, mint
from api.config import Settings
from api.domain import LimitName
from api.ledger.pricing import parse_usd
from api.services.administration import new_id, state
from api.storage import budgets, keys, limits, prices, tenants
from api.storage.limits import Rule
from api.storage.session import Database
from api.storage.tenants import Organisation, Project

# The keys of `seed`: name in the database, name in the file, scopes.
SEEDED = (
    ("dev", "api_key", ("inference", "usage")),
    ("dev-admin", "admin_key", ("inference", "usage", "admin", "models")),
)
# Met by what runs away, not by a test suite.
WIDE: dict[LimitName, Rule] = {
    "requests_per_minute": Rule(600_000, 100_000),
    "tokens_per_minute": Rule(1_000_000_000),
    "concurrent_requests": Rule(2000),
}


def add_words(words: Words) -> None:
    words.word("migrate", migrate, "bring the database to the newest revision")
    seeding = words.word("seed", seed, "make the default project and two keys, unless they are there and work")
    seeding.add_argument(
        "--file", type=Path, required=True, help="where the two keys are written, readable by you only"
    )
    seeding.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="MODEL=INPUT:CACHED:OUTPUT",
        help="USD for a million tokens of a model that has no price yet; may be repeated",
    )
    seeding.add_argument("--tier", help="a tier of wide limits for the project; made if it is not there")
    seeding.add_argument("--credits", type=amount, default=0, metavar="USD", help="prepaid credit of the project, once")


async def migrate(settings: Settings, options: argparse.Namespace) -> None:
    from api.storage import schema

    before, after = await schema.upgrade(settings.database_url)
    said = f"The database is at revision {after}." if before == after else f"Migrated from {before} to {after}."
    if schema.is_newer(after):
        said = (
            f"The database is at revision {after}, of a newer program than this one ({schema.head()}): left as it is."
        )
    show(options, {"before": before, "after": after}, said)


async def seed(settings: Settings, options: argparse.Namespace) -> None:
    """Organisation, project and two keys for a first start. What is there and works stays as it is."""
    async with opened(settings) as database:
        organisation = await _organisation(database, DEFAULT)
        project = await _project(database, organisation, DEFAULT)
        await _set_first_prices(database, options.price)
        if options.tier:
            await _assign_first_tier(database, project, options.tier)
        if options.credits:
            await budgets.add_credits(database, project.id, options.credits, f"seed {project.id}", ())
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


async def _assign_first_tier(database: Database, project: Project, tier: str) -> None:
    """A tier that is there stays as it is, and so does a project that was given one."""
    if tier in await limits.tiers(database):
        return
    async with database.transaction() as inside:
        await limits.add_tier(inside, tier)
        await limits.change(inside, "tier", tier, lambda document: document.project.update(WIDE))
        await limits.assign_tier(inside, project.id, tier)


async def _set_first_prices(database: Database, given: list[str]) -> None:
    priced = {row.model for row in await prices.all_prices(database)}
    for text in given:
        model, _, amounts = text.rpartition("=")
        usd = amounts.split(":")
        if not model or len(usd) != 3:
            raise AdminError(f"--price {text!r}: write MODEL=INPUT:CACHED:OUTPUT, e.g. tiny=0.05:0.01:0.20")
        if model not in priced:
            of_input, of_cached, of_output = map(parse_usd, usd)
            await prices.add(database, model, of_input, of_cached, of_output)


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
