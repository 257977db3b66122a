"""API keys: made, listed, rotated, revoked."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from api.administration.tenancy import DEFAULT, the_key, the_project
from api.administration.words import AdminError, Words, names, not_negative, opened, positive, show, text
from api.auth.keys import SCOPES, mint
from api.config import Settings
from api.storage import keys, tenants
from api.storage.keys import KeyRecord
from api.storage.session import Database

_IN_FORCE = ("active", "rotated")  # a rotated key works until its overlap ends
STORE_IT = "Store this key now: it is shown only once and kept nowhere."


def add_words(words: Words) -> None:
    verbs = words.group("keys", "API keys")
    create = verbs.word("create", create_key, "make a key; it is shown once")
    create.add_argument("--project", default=DEFAULT, help="id or name (default: %(default)s)")
    create.add_argument("--organisation", help="id or name, where project names are not unique")
    create.add_argument("--name", type=text, required=True, help="what people call the key")
    create.add_argument(
        "--scopes", type=_scopes, default=("inference", "usage"), help=f"comma separated: {','.join(SCOPES)}"
    )
    create.add_argument("--models", type=names, help="comma separated (default: every model)")
    create.add_argument("--expires-in-days", type=positive, metavar="D", help="default: never")
    listing = verbs.word("list", list_keys, "keys that are in force")
    listing.add_argument("--project", help="id or name")
    listing.add_argument("--organisation", help="id or name")
    listing.add_argument("--all", action="store_true", help="also those that are not in force any more")
    verbs.word("revoke", revoke_key, "stop a key, everywhere, within a second").add_argument("key", metavar="ID")
    rotate = verbs.word("rotate", rotate_key, "make a key's successor; both work for a while")
    rotate.add_argument("key", metavar="ID")
    rotate.add_argument("--overlap-hours", type=not_negative, default=24.0, metavar="H", help="default: %(default)g")


async def create_key(settings: Settings, options: argparse.Namespace) -> None:
    expires_at = None
    if options.expires_in_days is not None:
        expires_at = datetime.now(UTC) + timedelta(days=options.expires_in_days)
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
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
        project = await the_project(database, options.project, options.organisation) if options.project else None
        found = await keys.list_keys(database, project.id if project else None)
        projects = {p.id: f"{p.organisation}/{p.name}" for p in await tenants.projects(database)}
    rows = [_key_fields(record, projects) for record in found if options.all or state(record) in _IN_FORCE]
    show(options, rows)


async def revoke_key(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        record = await the_key(database, options.key)
        if not await keys.revoke(database, record.id):
            raise AdminError(f"The key {record.id} was revoked at {record.revoked_at:%Y-%m-%d %H:%M} UTC already.")
    show(options, {"id": record.id, "revoked": True}, f"Revoked {record.id} ({record.name}). It stops within a second.")


async def rotate_key(settings: Settings, options: argparse.Namespace) -> None:
    overlap_s = options.overlap_hours * 3600
    async with opened(settings) as database:
        old = await the_key(database, options.key)
        plain, record = mint(
            settings.key_pepper,
            old.project_id,
            old.name,
            scopes=old.scopes,
            models=old.models,
            expires_at=_renewed(old),
        )
        if not await keys.succeed(database, old.id, record, overlap_s):
            raise AdminError(f"The key {old.id} is {state(old)}; only an active key can be rotated. Create a new one.")
        await _show_new(options, database, plain, record)
    if not options.json:
        print(f"The old key {old.id} works for {options.overlap_hours:g} hours more.")


def _scopes(text: str) -> tuple[str, ...]:
    scopes = names(text)
    if unknown := set(scopes) - set(SCOPES):
        raise argparse.ArgumentTypeError(f"no such scope: {', '.join(sorted(unknown))}. There are: {', '.join(SCOPES)}")
    return scopes


async def _show_new(options: argparse.Namespace, database: Database, plain: str, record: KeyRecord) -> None:
    stored = await keys.find(database, record.id)
    assert stored is not None
    if options.json:
        show(options, {"key": plain, **_key_fields(stored, {})})
    else:
        print(f"{plain}\n{STORE_IT}")


def state(record: KeyRecord) -> str:
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
        "state": state(record),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
    }
