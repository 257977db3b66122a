"""Rate limits as administrators see and change them: documents of tiers, projects and keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from api.domain import LimitName
from api.errors import NotFoundError
from api.limits.dimensions import DIMENSIONS, MAX_BURSTS
from api.services.administration import Owner
from api.storage import audit, limits
from api.storage.audit import changing
from api.storage.limits import Document, Rule, Rules, Stored
from api.storage.session import Database
from api.storage.tenants import Project

Scope = Literal["key", "project", "model"]


@dataclass(frozen=True, slots=True)
class LimitRow:
    scope: Scope
    model: str | None  # with the scope `model`; `*`: every model
    limit: LimitName
    amount: int | None  # None: no limit
    burst: int | None


@dataclass(frozen=True, slots=True)
class Section:
    """Which part of a document: limits of a project, of each of its keys, or of its use of one model."""

    scope: Scope
    model: str | None = None

    def of(self, document: Document) -> Rules:
        if self.scope == "model":
            assert self.model is not None
            return document.models.setdefault(self.model, {})
        return document.key if self.scope == "key" else document.project


def fault(name: LimitName, rule: Rule) -> str:
    """What is wrong with a rule, or an empty string."""
    if rule.burst is None:
        return ""
    if not DIMENSIONS[name].window_s:
        return f"{DIMENSIONS[name].short} has no burst"
    if not 1 <= rule.burst <= (rule.limit or 0) * MAX_BURSTS:
        return f"expected a burst between 1 and {MAX_BURSTS} times the limit"
    return ""


def rows(document: Document) -> list[LimitRow]:
    """What a document says, as a table."""
    sections: tuple[tuple[Scope, str | None, Rules], ...] = (
        ("project", None, document.project),
        ("key", None, document.key),
        *(("model", model, rules) for model, rules in document.models.items()),
    )
    return [_row(scope, model, name, rule) for scope, model, rules in sections for name, rule in rules.items()]


def _row(scope: Scope, model: str | None, name: LimitName, rule: Rule) -> LimitRow:
    if rule.limit is None:
        return LimitRow(scope, model, name, None, None)
    burst = DIMENSIONS[name].burst(rule.limit) if rule.burst is None else rule.burst
    return LimitRow(scope, model, name, rule.limit, burst)


async def list_tiers(database: Database) -> dict[str, list[LimitRow]]:
    return {name: rows(document) for name, document in (await limits.tiers(database)).items()}


async def in_force(database: Database, owner: Owner) -> list[tuple[LimitRow, str]]:
    """Every limit of a project, or of one of its keys, and who says so: the tier, the project or the key."""
    project = await _stored(database, "project", owner.project_id)
    tier = await _stored(database, "tier", project.tier or "default")
    documents = [(f"tier {project.tier}", tier.document), ("project", project.document)]  # of rising precedence
    if owner.key_id is not None:
        documents.append(("key", (await _stored(database, "key", owner.key_id)).document))
    found: dict[tuple[Scope, str | None, LimitName], tuple[LimitRow, str]] = {}
    for origin, document in documents:
        for row in rows(document):
            found[row.scope, row.model, row.limit] = row, origin
    return list(found.values())


async def change(
    database: Database, actor: str, owner: Owner, section: Section, rules: Mapping[LimitName, Rule | None]
) -> list[LimitRow]:
    """What the project or key itself says afterwards. A rule of None takes away what was said before."""
    kind: Literal["key", "project"] = "project" if owner.key_id is None else "key"
    async with changing(database) as inside:
        document = await _change(inside, kind, owner.id, section, rules)
        await audit.add(inside, actor, owner.organisation_id, "limits.set", owner.id, _details(section, rules))
        return rows(document)


async def change_tier(
    database: Database, actor: str, tier: str, section: Section, rules: Mapping[LimitName, Rule | None]
) -> list[LimitRow]:
    """Makes the tier if there is none."""
    async with changing(database) as inside:
        await limits.add_tier(inside, tier)
        document = await _change(inside, "tier", tier, section, rules)
        await audit.add(inside, actor, None, "tier.set", tier, _details(section, rules))
        return rows(document)


async def assign_tier(database: Database, actor: str, project: Project, tier: str) -> None:
    """Raises NotFoundError when there is no such tier."""
    async with changing(database) as inside:
        try:
            await limits.assign_tier(inside, project.id, tier)
        except LookupError:
            raise NotFoundError(
                f"No tier {tier!r}. `novai tiers list` or GET /admin/v1/tiers lists them.", param="tier"
            ) from None
        details = {"tier": tier, "before": project.tier}
        await audit.add(inside, actor, project.organisation_id, "tier.assign", project.id, details)


async def _change(
    inside: Database,
    kind: limits.Owner,
    owner_id: str,
    section: Section,
    changed: Mapping[LimitName, Rule | None],
) -> Document:
    def edit(document: Document) -> None:
        said = section.of(document)
        for name, rule in changed.items():
            said.pop(name, None)
            if rule is not None:
                said[name] = rule
        document.models = {model: theirs for model, theirs in document.models.items() if theirs}

    document = await limits.change(inside, kind, owner_id, edit)
    assert document is not None  # it was there a moment ago
    return document


async def _stored(database: Database, owner: limits.Owner, owner_id: str) -> Stored:
    found = await limits.find(database, owner, owner_id)
    assert found is not None  # it was there a moment ago
    return found


def _details(section: Section, rules: Mapping[LimitName, Rule | None]) -> dict[str, object]:
    return asdict(section) | {"limits": rules}
