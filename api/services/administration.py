"""What administrators do, from the command line and over HTTP: projects, keys, prices, budgets, credits.

Every change is one commit with its entry in the audit log. `actor` is the id of the API key that asks, or `CLI`.
Whose things may be changed is decided where they are looked up: `organisation_id` is that of the asking key; None,
the operator's, reaches everything. Prices belong to the whole installation.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from api.auth.keys import mint
from api.errors import ConflictError, InvalidRequestError, NotFoundError
from api.ledger.pricing import parse_usd, usd
from api.storage import audit, budgets, keys, prices, tenants
from api.storage.audit import Entry, changing
from api.storage.budgets import Alert, Budget, Kind
from api.storage.keys import KeyRecord
from api.storage.prices import PriceRow
from api.storage.session import Database
from api.storage.tenants import Organisation, Project

CLI = "cli"
MAX_ID_CHARS = 19  # of a bigint
ALERT_PERCENTS = (50, 80, 100)
Row = TypeVar("Row", Budget, Alert)
KeyState = Literal["active", "rotated", "expired", "revoked", "archived"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose budget or limits: a project's, or those of one of its keys. A key shares its budgets with those that were
    rotated into it: they are kept under the first of them."""

    organisation_id: str
    project_id: str
    key_id: str | None = None
    first_key_id: str | None = None

    @property
    def id(self) -> str:
        return self.key_id or self.project_id

    @property
    def budget_id(self) -> str:
        return self.first_key_id or self.project_id


# ---------------------------------------------------------------- finding


async def find_project(database: Database, organisation_id: str | None, id_or_name: str) -> Project:
    """Raises NotFoundError."""
    found = [
        project
        for project in await tenants.find_projects(database, id_or_name)
        if organisation_id in (None, project.organisation_id)
    ]
    if not found:
        raise NotFoundError(
            f"No project {id_or_name!r} in your organisation. GET /admin/v1/projects lists them.", param="project"
        )
    return next((project for project in found if project.id == id_or_name), found[0])


async def find_key(database: Database, organisation_id: str | None, key_id: str, param: str = "key_id") -> KeyRecord:
    """Raises NotFoundError; `param` named the key."""
    found = await keys.find(database, key_id)
    if found is None or organisation_id not in (None, found.organisation_id):
        raise NotFoundError(f"No key {key_id!r} in your organisation. GET /admin/v1/keys lists them.", param=param)
    return found


async def find_owner(database: Database, organisation_id: str | None, project: str | None, key_id: str | None) -> Owner:
    """Raises NotFoundError, and InvalidRequestError unless one of the two is given."""
    if (project is None) == (key_id is None):
        raise InvalidRequestError(
            "Name either a project ('project') or one key ('key_id').", param="project", code="invalid_value"
        )
    if project is not None:
        return owner_of(await find_project(database, organisation_id, project))
    assert key_id is not None
    return owner_of(await find_key(database, organisation_id, key_id))


def owner_of(found: Project | KeyRecord) -> Owner:
    """Raises NotFoundError for a key of an archived project, as there is no such project to name any more."""
    if isinstance(found, Project):
        return Owner(found.organisation_id, found.id)
    if found.archived:
        raise NotFoundError(
            f"The key {found.id} belongs to a project that is archived: its budgets and limits bind nothing any more. "
            "Name a key of another project.",
            param="key_id",
        )
    return Owner(found.organisation_id, found.project_id, found.id, found.first_id)


def nusd(amount_usd: float, param: str) -> int:
    """Nano-USD of an amount in a body. Raises InvalidRequestError when it is finer than that."""
    try:
        return parse_usd(repr(amount_usd))
    except ValueError as error:
        raise InvalidRequestError(f"Invalid '{param}': {error}.", param=param, code="invalid_value") from None


# ---------------------------------------------------------------- organisations and projects


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


async def create_organisation(database: Database, actor: str, name: str) -> Organisation:
    """Raises ConflictError when the name is taken."""
    async with changing(database) as inside:
        made = await tenants.add_organisation(inside, new_id("org"), name)
        if made is None:
            raise ConflictError(f"There is an organisation named {name!r} already.", param="name")
        await audit.add(inside, actor, made.id, "organisation.create", made.id, {"name": name})
        return made


async def list_projects(database: Database, organisation_id: str) -> list[Project]:
    return await tenants.projects(database, organisation_id)


async def create_project(database: Database, actor: str, organisation_id: str, name: str) -> Project:
    """Raises InvalidRequestError for a name that no path can have, ConflictError when it is taken, NotFoundError when
    there is no such organisation."""
    if "/" in name or name in (".", ".."):
        raise InvalidRequestError(
            f"A project cannot be named {name!r}: names stand in paths, and this one would be another path. Choose "
            "another name.",
            param="name",
            code="invalid_value",
        )
    async with changing(database) as inside:
        try:
            made = await tenants.add_project(inside, new_id("proj"), organisation_id, name)
        except LookupError:
            raise NotFoundError(f"No organisation {organisation_id!r}.") from None
        if made is None:
            raise ConflictError(
                f"The organisation has a project named {name!r} already, perhaps an archived one. Choose another name.",
                param="name",
            )
        await audit.add(inside, actor, organisation_id, "project.create", made.id, {"name": name})
        return made


async def archive_project(database: Database, actor: str, project: Project) -> None:
    """Its keys stop working. Raises ConflictError when that has happened before."""
    async with changing(database) as inside:
        if not await tenants.archive_project(inside, project.id):
            raise ConflictError(f"The project {project.id} is archived already.", param="project")
        await audit.add(inside, actor, project.organisation_id, "project.archive", project.id, {"name": project.name})


# ---------------------------------------------------------------- keys


def state(record: KeyRecord) -> KeyState:
    if record.revoked_at is not None:
        return "revoked"
    if record.archived:
        return "archived"
    if record.expired:
        return "expired"
    return "rotated" if record.rotated_to else "active"


async def list_keys(
    database: Database, organisation_id: str, project: Project | None, after: str | None, limit: int | None
) -> tuple[list[KeyRecord], bool]:
    """Of the organisation, or of one project of it, whatever their state: those behind the key `after`, and whether
    there are more than `limit`. Raises NotFoundError (`after`)."""
    if after is not None:
        await find_key(database, organisation_id, after, "after")
    project_id = None if project is None else project.id
    found = await keys.list_keys(database, project_id, organisation_id, after, None if limit is None else limit + 1)
    return found[:limit], limit is not None and len(found) > limit


async def create_key(
    database: Database,
    actor: str,
    pepper: str,
    project: Project,
    name: str,
    scopes: Iterable[str],
    models: Iterable[str] | None,
    expires_in: timedelta | None,
) -> tuple[str, KeyRecord]:
    """The key in plain text, to be shown once, and what is stored of it."""
    expires_at = None if expires_in is None else database.now() + expires_in
    plain, record = mint(pepper, project.id, name, scopes=scopes, models=models, expires_at=expires_at)
    async with changing(database) as inside:
        await keys.add(inside, record)
        details = {"name": name, "project_id": project.id, "scopes": record.scopes, "models": record.models}
        await audit.add(inside, actor, project.organisation_id, "key.create", record.id, details)
        return plain, await find_key(inside, None, record.id)


async def revoke_key(database: Database, actor: str, key: KeyRecord) -> KeyRecord:
    """Raises ConflictError when it was revoked before."""
    async with changing(database) as inside:
        done = await keys.revoke(inside, key.id)
        key = await find_key(inside, None, key.id)  # as it is now: others may have been quicker
        if not done:
            when = f"{key.revoked_at:%Y-%m-%d %H:%M} UTC"
            raise ConflictError(f"The key {key.id} was revoked at {when} already.", param="key_id")
        await audit.add(inside, actor, key.organisation_id, "key.revoke", key.id, {"name": key.name})
        return key


async def rotate_key(
    database: Database, actor: str, pepper: str, old: KeyRecord, overlap_s: float
) -> tuple[str, KeyRecord]:
    """A successor with the same scopes, models, limits, budgets and, where there was one, term. The old key works for
    `overlap_s` more, within the same budgets. Raises ConflictError unless it is active."""
    expires_at = None if (term := _term(old)) is None else database.now() + term
    plain, record = mint(pepper, old.project_id, old.name, scopes=old.scopes, models=old.models, expires_at=expires_at)
    async with changing(database) as inside:
        if state(old) == "archived" or not await keys.succeed(inside, old.id, record, overlap_s):
            found = state(await find_key(inside, None, old.id))  # others may have been quicker
            raise ConflictError(
                f"The key {old.id} is {found}; only an active key can be rotated. Create a new one.", param="key_id"
            )
        details = {"name": old.name, "successor": record.id, "overlap_s": overlap_s}
        await audit.add(inside, actor, old.organisation_id, "key.rotate", old.id, details)
        return plain, await find_key(inside, None, record.id)


def _term(key: KeyRecord) -> timedelta | None:
    return None if key.expires_at is None or key.created_at is None else key.expires_at - key.created_at


# ---------------------------------------------------------------- money


async def list_prices(database: Database) -> list[PriceRow]:
    return await prices.all_prices(database)


async def list_budgets(database: Database, organisation_id: str | None, project: Project | None) -> list[Budget]:
    """Of the organisation's projects and their keys, or of one project and its keys, or all; credits among them."""
    return await _of(budgets.budgets, database, organisation_id, project)


async def list_alerts(database: Database, organisation_id: str | None, project: Project | None) -> list[Alert]:
    """Thresholds that were passed, oldest first; of whom, as `list_budgets`."""
    return await _of(budgets.alerts, database, organisation_id, project)


async def _of(
    read: Callable[[Database, str | None], Awaitable[list[Row]]],
    database: Database,
    organisation_id: str | None,
    project: Project | None,
) -> list[Row]:
    if project is not None or organisation_id is None:
        return await read(database, project.id if project else None)
    ours = {found.id for found in await tenants.projects(database, organisation_id)}
    return [row for row in await read(database, None) if row.project_id in ours]


async def set_price(
    database: Database,
    actor: str,
    model: str,
    input_nusd_per_mtok: int,
    cached_nusd_per_mtok: int,
    output_nusd_per_mtok: int,
    valid_from: datetime | None,
    batch_percent: int = 50,
) -> PriceRow:
    """A new version, in force from `valid_from` on; None: from now on. `batch_percent`: what lines of batches cost of
    it. Raises InvalidRequestError."""
    if cached_nusd_per_mtok > input_nusd_per_mtok:
        raise InvalidRequestError(
            "Cached input may not cost more than other input: the prefix cache saves work.",
            param="cached_usd_per_mtok",
            code="invalid_value",
        )
    async with changing(database) as inside:
        row = await prices.add(
            inside, model, input_nusd_per_mtok, cached_nusd_per_mtok, output_nusd_per_mtok, valid_from, batch_percent
        )
        details = {
            "version": row.version,
            "valid_from": row.valid_from.isoformat(),
            "input_nusd_per_mtok": input_nusd_per_mtok,
            "cached_nusd_per_mtok": cached_nusd_per_mtok,
            "output_nusd_per_mtok": output_nusd_per_mtok,
            "batch_percent": batch_percent,
        }
        await audit.add(inside, actor, None, "price.set", model, details)
        return row


async def set_budget(
    database: Database, actor: str, owner: Owner, kind: Kind, limit_nusd: int, percents: Sequence[int]
) -> Budget:
    """Binds from the next request on."""
    async with changing(database) as inside:
        await budgets.set_budget(inside, owner.project_id, owner.budget_id, kind, limit_nusd, sorted(set(percents)))
        details = {"kind": kind, "limit": usd(limit_nusd), "alert_percents": percents}
        await audit.add(inside, actor, owner.organisation_id, "budget.set", owner.id, details)
        return await _budget(inside, owner, kind)


async def clear_budget(database: Database, actor: str, owner: Owner, kinds: Sequence[Kind]) -> bool:
    """False when there was none."""
    async with changing(database) as inside:
        if not await budgets.clear(inside, owner.budget_id, kinds):
            return False
        await audit.add(inside, actor, owner.organisation_id, "budget.clear", owner.id, {"kinds": kinds})
        return True


async def add_credits(
    database: Database, actor: str, project: Project, amount_nusd: int, name: str | None, percents: Sequence[int]
) -> Budget:
    """`name`: the credit's own, within the project. Raises ConflictError when that was granted before, and
    InvalidRequestError for an amount that cannot be added."""
    credit_id = f"credit {project.id} {name or secrets.token_hex(12)}"
    owner = owner_of(project)
    async with changing(database) as inside:
        try:
            added = await budgets.add_credits(inside, project.id, amount_nusd, credit_id, sorted(set(percents)))
        except OverflowError:
            raise InvalidRequestError(
                "The credits of this project would be more than can be counted; nothing was added.",
                param="amount_usd",
                code="invalid_value",
            ) from None
        if not added:
            raise ConflictError(
                f"The credit {name!r} was granted to this project before; nothing was added.", param="id"
            )
        details = {"amount": usd(amount_nusd), "credit_id": credit_id}
        await audit.add(inside, actor, owner.organisation_id, "credits.add", project.id, details)
        return await _budget(inside, owner, "credits")


async def _budget(inside: Database, owner: Owner, kind: str) -> Budget:
    found = await budgets.budgets(inside, owner.project_id)
    return next(budget for budget in found if (budget.scope_id, budget.kind) == (owner.budget_id, kind))


# ---------------------------------------------------------------- audit


async def list_audit(
    database: Database, organisation_id: str | None, limit: int, after: str | None
) -> tuple[list[Entry], str | None]:
    """Entries, the newest first, and where the next page begins; None: this was the last. Raises
    InvalidRequestError."""
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < MAX_ID_CHARS):
        raise InvalidRequestError("Invalid 'after': take it from the page before.", param="after", code="invalid_value")
    found = await audit.page(database, organisation_id, None if after is None else int(after), limit + 1)
    more = len(found) > limit
    return found[:limit], str(found[limit - 1].id) if more else None
