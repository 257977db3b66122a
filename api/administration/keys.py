"""API keys: made, listed, rotated, revoked."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from api.administration.tenancy import add_filter, add_project, asked, the_key, the_project
from api.administration.words import Words, names, not_negative, opened, positive, show, text
from api.auth.keys import SCOPES
from api.config import Settings
from api.services import administration
from api.services.administration import CLI, state
from api.storage import keys, tenants
from api.storage.keys import KeyRecord

_IN_FORCE = ("active", "rotated")  # a rotated key works until its overlap ends
STORE_IT = "Store this key now: it is shown only once and kept nowhere."


def add_words(words: Words) -> None:
    verbs = words.group("keys", "API keys")
    create = verbs.word("create", create_key, "make a key; it is shown once")
    add_project(create)
    create.add_argument("--name", type=text, required=True, help="what people call the key")
    create.add_argument(
        "--scopes", type=_scopes, default=("inference", "usage"), help=f"comma separated: {','.join(SCOPES)}"
    )
    create.add_argument("--models", type=names, help="comma separated (default: every model)")
    create.add_argument("--expires-in-days", type=positive, metavar="D", help="default: never")
    listing = verbs.word("list", list_keys, "keys that are in force")
    add_filter(listing)
    listing.add_argument("--all", action="store_true", help="also those that are not in force any more")
    verbs.word("revoke", revoke_key, "stop a key, everywhere, within a second").add_argument("key", metavar="ID")
    rotate = verbs.word("rotate", rotate_key, "make a key's successor; both work for a while")
    rotate.add_argument("key", metavar="ID")
    rotate.add_argument("--overlap-hours", type=not_negative, default=24.0, metavar="H", help="default: %(default)g")


async def create_key(settings: Settings, options: argparse.Namespace) -> None:
    expires_in = None if options.expires_in_days is None else timedelta(days=options.expires_in_days)
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
        plain, record = await administration.create_key(
            database, CLI, settings.key_pepper, project, options.name, options.scopes, options.models, expires_in
        )
    _show_new(options, plain, record)


async def list_keys(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        organisation_id, project = await asked(database, options)
        found = await keys.list_keys(database, project.id if project else None, organisation_id)
        projects = {p.id: f"{p.organisation}/{p.name}" for p in await tenants.projects(database)}
    rows = [_key_fields(record, projects) for record in found if options.all or state(record) in _IN_FORCE]
    show(options, rows)


async def revoke_key(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        record = await administration.revoke_key(database, CLI, await the_key(database, options.key))
    show(options, {"id": record.id, "revoked": True}, f"Revoked {record.id} ({record.name}). It stops within a second.")


async def rotate_key(settings: Settings, options: argparse.Namespace) -> None:
    overlap_s = options.overlap_hours * 3600
    async with opened(settings) as database:
        old = await the_key(database, options.key)
        plain, record = await administration.rotate_key(database, CLI, settings.key_pepper, old, overlap_s)
    _show_new(options, plain, record)
    if not options.json:
        print(f"The old key {old.id} works for {options.overlap_hours:g} hours more.")


def _scopes(text: str) -> tuple[str, ...]:
    scopes = names(text)
    if unknown := set(scopes) - set(SCOPES):
        raise argparse.ArgumentTypeError(f"no such scope: {', '.join(sorted(unknown))}. There are: {', '.join(SCOPES)}")
    return scopes


def _show_new(options: argparse.Namespace, plain: str, record: KeyRecord) -> None:
    if options.json:
        show(options, {"key": plain, **_key_fields(record, {})})
    else:
        print(f"{plain}\n{STORE_IT}")


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
