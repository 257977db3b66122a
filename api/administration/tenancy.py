"""Organisations and projects, and finding the one that was meant."""

from __future__ import annotations

import argparse

from api.administration.words import AdminError, Words, opened, show, text
from api.auth.keys import is_well_formed
from api.config import Settings
from api.services import administration
from api.services.administration import CLI, Owner, owner_of
from api.storage import keys, tenants
from api.storage.keys import KeyRecord
from api.storage.session import Database
from api.storage.tenants import Organisation, Project

DEFAULT = "default"


def add_words(words: Words) -> None:
    verbs = words.group("projects", "projects")
    create = verbs.word("create", create_project, "make a project")
    create.add_argument("name", type=text)
    create.add_argument("--organisation", help=f"id or name (default: {DEFAULT})")
    verbs.word("list", list_projects, "all projects")
    archive = verbs.word("archive", archive_project, "stop a project's keys; its usage stays")
    archive.add_argument("project", help="id or name")
    archive.add_argument("--organisation", help="id or name, where project names are not unique")

    verbs = words.group("organisations", "organisations")
    verbs.word("create", create_organisation, "make an organisation").add_argument("name", type=text)
    verbs.word("list", list_organisations, "all organisations")


async def create_organisation(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        made = await administration.create_organisation(database, CLI, options.name)
    show(options, made, f"Created organisation {made.name} ({made.id}).")


async def list_organisations(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        show(options, await tenants.organisations(database))


async def create_project(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        organisation = await the_organisation(database, options.organisation or DEFAULT)
        made = await administration.create_project(database, CLI, organisation.id, options.name)
    show(options, made, f"Created project {made.organisation}/{made.name} ({made.id}).")


async def archive_project(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        project = await the_project(database, options.project, options.organisation)
        await administration.archive_project(database, CLI, project)
    told = f"Archived project {project.organisation}/{project.name}. Its keys stop within a second."
    show(options, {"id": project.id, "archived": True}, told)


async def list_projects(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as database:
        show(options, await tenants.projects(database))


# ---------------------------------------------------------------- for other groups of words


def add_project(word: argparse.ArgumentParser) -> None:
    word.add_argument("--project", default=DEFAULT, help="id or name (default: %(default)s)")
    word.add_argument("--organisation", help="id or name, where project names are not unique")


def add_owner(word: argparse.ArgumentParser) -> None:
    add_project(word)
    word.add_argument("--key", metavar="ID", help="of this key alone")


def add_filter(listing: argparse.ArgumentParser) -> None:
    listing.add_argument("--project", help="id or name")
    listing.add_argument("--organisation", help="id or name")


async def the_organisation(database: Database, id_or_name: str) -> Organisation:
    """Raises AdminError when there is none."""
    found = await tenants.find_organisation(database, id_or_name)
    if found is None:
        raise AdminError(
            f"No organisation {id_or_name!r}. `novai organisations list` shows which there are; or make it: `novai "
            f"organisations create {id_or_name}`."
        )
    return found


async def the_project(database: Database, id_or_name: str, organisation: str | None) -> Project:
    """Raises AdminError when there is none, or more than one."""
    found = await tenants.find_projects(database, id_or_name, organisation)
    if not found:
        raise AdminError(f"No project {id_or_name!r}. See `novai projects list`, or make it: `novai projects create`.")
    if len(found) > 1:
        organisations = ", ".join(project.organisation for project in found)
        raise AdminError(
            f"Several organisations have a project {id_or_name!r}: {organisations}. Say which: --organisation O."
        )
    return found[0]


async def asked(database: Database, options: argparse.Namespace) -> tuple[str | None, Project | None]:
    """What a list is of, as `add_filter` takes it: the id of an organisation, and a project. Raises AdminError."""
    organisation_id = (await the_organisation(database, options.organisation)).id if options.organisation else None
    project = await the_project(database, options.project, options.organisation) if options.project else None
    return organisation_id, project


async def the_owner(database: Database, options: argparse.Namespace) -> Owner:
    """As `add_owner` takes it. Raises AdminError."""
    if options.key is not None:
        return owner_of(await the_key(database, options.key))
    return owner_of(await the_project(database, options.project, options.organisation))


async def the_key(database: Database, id_or_key: str) -> KeyRecord:
    """By id; a whole key is understood too, since that is what people have at hand. Raises AdminError."""
    key_id = id_or_key.split("-")[2] if is_well_formed(id_or_key) else id_or_key
    found = await keys.find(database, key_id)
    if found is None:
        raise AdminError(f"No key with the id {key_id[:40]!r}. See `novai keys list`.")
    return found
