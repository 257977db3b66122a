"""Administration from the command line: `python -m api.admin …`, or `novai keys|projects|organisations|migrate …`.

Needs DATABASE_URL and KEY_PEPPER in the environment. Expected failures are one line on stderr and exit status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api.auth.keys import SCOPES, digest, is_well_formed, mint
from api.config import Settings, SettingsError
from api.errors import ApiError
from api.storage import keys, tenants
from api.storage.keys import KeyRecord
from api.storage.session import Database, describe, open_pool
from api.storage.tenants import Organisation, Project

DEFAULT = "default"
# The keys of `seed`: name in the database, name in the file, scopes.
SEEDED = (
    ("dev", "api_key", ("inference", "usage")),
    ("dev-admin", "admin_key", ("inference", "usage", "admin")),
)
_IN_FORCE = ("active", "rotated")  # a rotated key works until its overlap ends
STORE_IT = "Store this key now: it is shown only once and kept nowhere."


class AdminError(Exception):
    """A request that cannot be carried out. The message says why and what to do."""


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """The exit status. Without arguments, those of the process."""
    options = parser().parse_args(arguments)
    try:
        asyncio.run(options.run(Settings.from_env(env), options))
    except (AdminError, SettingsError, ApiError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {describe(error)}. Is DATABASE_URL right, and does the server run?", file=sys.stderr)
        return 1
    except Exception as error:
        # asyncpg's tree of errors, without importing it for `--help`.
        if type(error).__module__.partition(".")[0] not in ("asyncpg", "sqlalchemy"):
            raise
        advice = " Run `novai migrate` first." if "UndefinedTable" in type(error).__name__ else ""
        print(f"error: the database refused: {str(error).splitlines()[0]}.{advice}", file=sys.stderr)
        return 1
    return 0


# ---------------------------------------------------------------- words


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


async def create_key(settings: Settings, options: argparse.Namespace) -> None:
    expires_at = None
    if options.expires_in_days is not None:
        expires_at = datetime.now(UTC) + timedelta(days=options.expires_in_days)
    async with opened(settings) as database:
        project = await _the_project(database, options.project, options.organisation)
        plain, record = mint(
            settings.key_pepper,
            project.id,
            options.name,
            scopes=options.scopes,
            models=options.models,
            expires_at=expires_at,
        )
        await keys.add(database, record)
        await _show_new(options, database, plain, record)


async def list_keys(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        project = await _the_project(database, options.project, options.organisation) if options.project else None
        found = await keys.list_keys(database, project.id if project else None)
        names = {project.id: f"{project.organisation}/{project.name}" for project in await tenants.projects(database)}
    rows = [_key_fields(record, names) for record in found if options.all or _state(record) in _IN_FORCE]
    show(options, rows)


async def revoke_key(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        record = await _the_key(database, options.key)
        if not await keys.revoke(database, record.id):
            raise AdminError(f"The key {record.id} was revoked at {record.revoked_at:%Y-%m-%d %H:%M} UTC already.")
    show(options, {"id": record.id, "revoked": True}, f"Revoked {record.id} ({record.name}). It stops within a second.")


async def rotate_key(settings: Settings, options: argparse.Namespace) -> None:
    overlap_s = options.overlap_hours * 3600
    async with opened(settings) as database:
        old = await _the_key(database, options.key)
        plain, record = mint(
            settings.key_pepper,
            old.project_id,
            old.name,
            scopes=old.scopes,
            models=old.models,
            expires_at=_renewed(old),
        )
        if not await keys.succeed(database, old.id, record, overlap_s):
            raise AdminError(f"The key {old.id} is {_state(old)}; only an active key can be rotated. Create a new one.")
        await _show_new(options, database, plain, record)
    if not options.json:
        print(f"The old key {old.id} works for {options.overlap_hours:g} hours more.")


async def create_organisation(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        made = await tenants.add_organisation(database, _new_id("org"), options.name)
    if made is None:
        raise AdminError(f"There is an organisation named {options.name!r} already.")
    show(options, made, f"Created organisation {made.name} ({made.id}).")


async def list_organisations(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        show(options, await tenants.organisations(database))


async def create_project(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        organisation = await tenants.find_organisation(database, options.organisation or DEFAULT)
        if organisation is None:
            raise AdminError(f"No organisation {options.organisation or DEFAULT!r}. See `novai organisations list`.")
        made = await tenants.add_project(database, _new_id("proj"), organisation.id, options.name)
    if made is None:
        raise AdminError(f"Organisation {organisation.name} has a project named {options.name!r} already.")
    show(options, made, f"Created project {made.organisation}/{made.name} ({made.id}).")


async def list_projects(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        show(options, await tenants.projects(database))


# ---------------------------------------------------------------- what the words share


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    database = await open_pool(settings.database_url, 1, settings.db_timeout_s)
    try:
        yield database
    except ApiError as error:
        raise AdminError(
            f"PostgreSQL cannot be reached: {describe(error.__cause__ or error)}. Check DATABASE_URL."
        ) from None
    finally:
        await database.aclose()


async def _organisation(database: Database, name: str) -> Organisation:
    await tenants.add_organisation(database, _new_id("org"), name)
    found = await tenants.find_organisation(database, name)
    if found is None:
        raise AdminError(f"The organisation {name!r} is archived.")
    return found


async def _project(database: Database, organisation: Organisation, name: str) -> Project:
    await tenants.add_project(database, _new_id("proj"), organisation.id, name)
    return await _the_project(database, name, organisation.id)


async def _the_project(database: Database, id_or_name: str, organisation: str | None) -> Project:
    found = await tenants.find_projects(database, id_or_name, organisation)
    if not found:
        raise AdminError(f"No project {id_or_name!r}. See `novai projects list`, or make it: `novai projects create`.")
    if len(found) > 1:
        names = ", ".join(project.organisation for project in found)
        raise AdminError(f"Several organisations have a project {id_or_name!r}: {names}. Say which: --organisation O.")
    return found[0]


async def _the_key(database: Database, id_or_key: str) -> KeyRecord:
    """By id; a whole key is understood too, since that is what people have at hand."""
    key_id = id_or_key.split("-")[2] if is_well_formed(id_or_key) else id_or_key
    found = await keys.find(database, key_id)
    if found is None:
        raise AdminError(f"No key with the id {key_id[:40]!r}. See `novai keys list`.")
    return found


async def _show_new(options: argparse.Namespace, database: Database, plain: str, record: KeyRecord) -> None:
    stored = await keys.find(database, record.id)
    assert stored is not None
    if options.json:
        show(options, {"key": plain, **_key_fields(stored, {})})
    else:
        print(f"{plain}\n{STORE_IT}")


def _state(record: KeyRecord) -> str:
    if record.revoked_at is not None:
        return "revoked"
    if record.archived:
        return "archived"
    if record.expires_at is not None and record.expires_at <= datetime.now(UTC):
        return "expired"
    return "rotated" if record.rotated_to else "active"


def _renewed(old: KeyRecord) -> datetime | None:
    """A key with a term gets the same term again."""
    if old.expires_at is None or old.created_at is None:
        return None
    return datetime.now(UTC) + (old.expires_at - old.created_at)


def _key_fields(record: KeyRecord, projects: dict[str, str]) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "project": projects.get(record.project_id, record.project_id),
        "ends_in": record.last4,
        "scopes": list(record.scopes),
        "models": None if record.models is None else list(record.models),
        "state": _state(record),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
    }


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


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
        _state(record) == "active" and set(record.scopes) >= wanted[key_digest] for key_digest, record in found.items()
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


# ---------------------------------------------------------------- showing


def show(options: argparse.Namespace, value: Any, said: str | None = None) -> None:
    """With --json the value; otherwise the sentence, or a table of the rows."""
    if options.json:
        print(json.dumps(_plain(value), indent=2))
    elif said is not None:
        print(said)
    else:
        print(table([_plain(row) for row in value]) if value else "None.")


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def table(rows: list[dict[str, Any]]) -> str:
    """Columns as wide as their widest cell."""
    cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None else str(value)


# ---------------------------------------------------------------- the command line

Run = Callable[[Settings, argparse.Namespace], Awaitable[None]]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="novai", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words = top.add_subparsers(required=True, metavar="WORD")

    def word(parent: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = parent.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    def group(name: str, text: str) -> Any:
        return words.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="VERB")

    word(words, "migrate", migrate, "bring the database to the newest revision")
    seeding = word(words, "seed", seed, "make the default project and two keys, unless they are there and work")
    seeding.add_argument(
        "--file", type=Path, required=True, help="where the two keys are written, readable by you only"
    )

    verbs = group("keys", "API keys")
    create = word(verbs, "create", create_key, "make a key; it is shown once")
    create.add_argument("--project", default=DEFAULT, help="id or name (default: %(default)s)")
    create.add_argument("--organisation", help="id or name, where project names are not unique")
    create.add_argument("--name", type=_text, required=True, help="what people call the key")
    create.add_argument(
        "--scopes", type=_scopes, default=("inference", "usage"), help=f"comma separated: {','.join(SCOPES)}"
    )
    create.add_argument("--models", type=_names, help="comma separated (default: every model)")
    create.add_argument("--expires-in-days", type=_positive, metavar="D", help="default: never")
    listing = word(verbs, "list", list_keys, "keys that are in force")
    listing.add_argument("--project", help="id or name")
    listing.add_argument("--organisation", help="id or name")
    listing.add_argument("--all", action="store_true", help="also those that are not in force any more")
    word(verbs, "revoke", revoke_key, "stop a key, everywhere, within a second").add_argument("key", metavar="ID")
    rotate = word(verbs, "rotate", rotate_key, "make a key's successor; both work for a while")
    rotate.add_argument("key", metavar="ID")
    rotate.add_argument("--overlap-hours", type=_not_negative, default=24.0, metavar="H", help="default: %(default)g")

    verbs = group("projects", "projects")
    create = word(verbs, "create", create_project, "make a project")
    create.add_argument("name", type=_text)
    create.add_argument("--organisation", help=f"id or name (default: {DEFAULT})")
    word(verbs, "list", list_projects, "all projects")

    verbs = group("organisations", "organisations")
    word(verbs, "create", create_organisation, "make an organisation").add_argument("name", type=_text)
    word(verbs, "list", list_organisations, "all organisations")
    return top


def _text(text: str) -> str:
    if not (1 <= len(text) <= 100 and text.isprintable() and text == text.strip()):
        raise argparse.ArgumentTypeError("expected 1 to 100 printable characters")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(name.strip()) for name in text.split(",")))


def _scopes(text: str) -> tuple[str, ...]:
    scopes = _names(text)
    if unknown := set(scopes) - set(SCOPES):
        raise argparse.ArgumentTypeError(f"no such scope: {', '.join(sorted(unknown))}. There are: {', '.join(SCOPES)}")
    return scopes


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1e6:
        raise argparse.ArgumentTypeError("expected a number between 0 and 1000000")
    return number


def _positive(text: str) -> float:
    if _not_negative(text) == 0:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return float(text)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # what went wrong is said once, by `main`
    sys.exit(main())
