"""SQL for organisations and projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from api.storage.session import Database


@dataclass(frozen=True, slots=True)
class Organisation:
    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    organisation_id: str
    organisation: str  # its name
    name: str
    tier: str
    created_at: datetime


_INSERT_ORGANISATION = """
INSERT INTO organisations (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING id, name, created_at
"""
_ORGANISATIONS = "SELECT id, name, created_at FROM organisations WHERE archived_at IS NULL ORDER BY created_at, id"
_ORGANISATION = "SELECT id, name, created_at FROM organisations WHERE archived_at IS NULL AND $1 IN (id, name)"
_INSERT_PROJECT = """
INSERT INTO projects (id, organisation_id, name) VALUES ($1, $2, $3)
ON CONFLICT (organisation_id, name) DO NOTHING RETURNING id
"""
_PROJECTS = """
SELECT p.id, p.organisation_id, o.name AS organisation, p.name, p.tier, p.created_at
FROM projects p JOIN organisations o ON o.id = p.organisation_id
WHERE p.archived_at IS NULL AND o.archived_at IS NULL
"""
_ALL_PROJECTS = _PROJECTS + "AND ($1::text IS NULL OR o.id = $1) ORDER BY o.name, p.created_at, p.id"
_PROJECT = _PROJECTS + "AND $1 IN (p.id, p.name) AND ($2::text IS NULL OR $2 IN (o.id, o.name)) ORDER BY p.id"

_ARCHIVE = "UPDATE projects SET archived_at = now() WHERE id = $1 AND archived_at IS NULL RETURNING id"


async def add_organisation(database: Database, organisation_id: str, name: str) -> Organisation | None:
    """None when the name is taken."""
    row = await database.fetchrow(_INSERT_ORGANISATION, organisation_id, name)
    return row and Organisation(**row)


async def organisations(database: Database) -> list[Organisation]:
    return [Organisation(**row) for row in await database.fetch(_ORGANISATIONS)]


async def find_organisation(database: Database, id_or_name: str) -> Organisation | None:
    row = await database.fetchrow(_ORGANISATION, id_or_name)
    return row and Organisation(**row)


async def add_project(database: Database, project_id: str, organisation_id: str, name: str) -> Project | None:
    """None when the organisation has a project of that name. Raises LookupError when there is no such organisation."""
    try:
        row = await database.fetchrow(_INSERT_PROJECT, project_id, organisation_id, name)
    except asyncpg.ForeignKeyViolationError:
        raise LookupError(organisation_id) from None
    if row is None:
        return None
    [project] = await find_projects(database, project_id)
    return project


async def projects(database: Database, organisation_id: str | None = None) -> list[Project]:
    """Of an organisation, or all there are; those that are archived are not among them."""
    return [Project(**row) for row in await database.fetch(_ALL_PROJECTS, organisation_id)]


async def archive_project(database: Database, project_id: str) -> bool:
    """Its keys stop working. False when there is no such project or it was archived before."""
    return await database.fetchrow(_ARCHIVE, project_id) is not None


async def find_projects(database: Database, id_or_name: str, organisation: str | None = None) -> list[Project]:
    """Several when organisations share the name and none is given."""
    return [Project(**row) for row in await database.fetch(_PROJECT, id_or_name, organisation)]
