"""/admin/v1: projects, keys, prices, budgets, credits, limits and tiers of the calling key's organisation.

Prices and tiers belong to the whole installation: every key with the scope `admin` may change them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from fastapi import Request
from msgspec import UNSET, UnsetType

from api.clients.generate_request import given
from api.dependencies import principal_of
from api.domain import LimitName, Principal
from api.errors import ConflictError, PermissionDeniedError
from api.generated import schemas as s
from api.generated.routes import AdminApi
from api.limits.dimensions import DIMENSIONS
from api.routers.limits import budget_shown
from api.routers.times import seconds
from api.rules import check_limit_rules, check_limit_section
from api.services import administration, limits
from api.services.administration import ALERT_PERCENTS, Owner, nusd
from api.services.limits import LimitRow, Scope, Section
from api.state import AppState
from api.storage.audit import Entry
from api.storage.keys import KeyRecord
from api.storage.limits import Rule
from api.storage.prices import PriceRow
from api.storage.tenants import Project


class Admin(AdminApi):
    def __init__(self, state: AppState) -> None:
        self._database = state.database
        self._pepper = state.settings.key_pepper

    # ---------------------------------------------------------------- projects

    async def admin_list_projects(self, request: Request) -> s.AdminProjectList:
        found = await administration.list_projects(self._database, principal_of(request).organisation_id)
        return s.AdminProjectList(object="list", data=[_project(project) for project in found])

    async def admin_create_project(self, request: Request, body: s.AdminCreateProject) -> s.AdminProject:
        who = principal_of(request)
        return _project(await administration.create_project(self._database, who.key_id, who.organisation_id, body.name))

    async def admin_archive_project(self, request: Request, project: str) -> s.AdminProject:
        who = principal_of(request)
        found = await self._find_project(who, project)
        if found.id == who.project_id:
            raise ConflictError(
                "This key belongs to that project and would stop working. Use a key of another project.",
                param="project",
            )
        await administration.archive_project(self._database, who.key_id, found)
        return _project(found)

    async def admin_assign_tier(self, request: Request, body: s.AdminAssignTier, project: str) -> s.AdminProject:
        who = principal_of(request)
        found = await self._find_project(who, project)
        await limits.assign_tier(self._database, who.key_id, found, body.tier)
        return _project(await self._find_project(who, found.id))

    # ---------------------------------------------------------------- keys

    async def admin_list_keys(
        self, request: Request, project: str | None = None, after: str | None = None, limit: int | None = None
    ) -> s.AdminKeyList:
        who = principal_of(request)
        found = None if project is None else await self._find_project(who, project)
        records, more = await administration.list_keys(self._database, who.organisation_id, found, after, limit)
        data = [_key(record) for record in records]
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return s.AdminKeyList(object="list", data=data, first_id=first, last_id=last, has_more=more)

    async def admin_create_key(self, request: Request, body: s.AdminCreateKey) -> s.AdminNewKey:
        who = principal_of(request)
        scopes = tuple(dict.fromkeys(given(body.scopes, None) or ("inference", "usage")))
        _check_handed_on(who, scopes)
        expires_in_s = given(body.expires_in_s, None)
        plain, record = await administration.create_key(
            self._database,
            who.key_id,
            self._pepper,
            await self._find_project(who, body.project),
            body.name,
            scopes,
            given(body.models, None),
            None if expires_in_s is None else timedelta(seconds=expires_in_s),
        )
        return s.AdminNewKey(key=plain, info=_key(record))

    async def admin_revoke_key(self, request: Request, key_id: str) -> s.AdminKey:
        who = principal_of(request)
        return _key(await administration.revoke_key(self._database, who.key_id, await self._find_key(who, key_id)))

    async def admin_rotate_key(self, request: Request, body: s.AdminRotateKey, key_id: str) -> s.AdminNewKey:
        who = principal_of(request)
        old = await self._find_key(who, key_id)
        _check_handed_on(who, old.scopes)
        plain, record = await administration.rotate_key(self._database, who.key_id, self._pepper, old, body.overlap_s)
        return s.AdminNewKey(key=plain, info=_key(record))

    # ---------------------------------------------------------------- money

    async def admin_list_prices(self, request: Request) -> s.AdminPriceList:
        found = await administration.list_prices(self._database)
        return s.AdminPriceList(object="list", data=[_price(row) for row in found])

    async def admin_set_price(self, request: Request, body: s.AdminSetPrice) -> s.AdminPrice:
        since = given(body.valid_from, None)
        return _price(
            await administration.set_price(
                self._database,
                principal_of(request).key_id,
                body.model,
                nusd(body.input_usd_per_mtok, "input_usd_per_mtok"),
                nusd(body.cached_usd_per_mtok, "cached_usd_per_mtok"),
                nusd(body.output_usd_per_mtok, "output_usd_per_mtok"),
                None if since is None else datetime.fromtimestamp(since, UTC),
                given(body.batch_percent, 50),
            )
        )

    async def admin_list_budgets(self, request: Request, project: str | None = None) -> s.BudgetList:
        return await self._budgets(principal_of(request), project, credits_only=False)

    async def admin_set_budget(self, request: Request, body: s.AdminSetBudget) -> s.Budget:
        who = principal_of(request)
        limit_nusd = nusd(body.limit_usd, "limit_usd")
        owner = await self._find_owner(who, given(body.project, None), given(body.key_id, None))
        percents = given(body.alert_percents, ALERT_PERCENTS)
        return budget_shown(
            await administration.set_budget(self._database, who.key_id, owner, body.kind, limit_nusd, percents)
        )

    async def admin_clear_budget(
        self,
        request: Request,
        project: str | None = None,
        key_id: str | None = None,
        kind: Literal["month", "total"] | None = None,
    ) -> s.AdminCleared:
        who = principal_of(request)
        owner = await self._find_owner(who, project, key_id)
        kinds: tuple[Literal["month", "total"], ...] = ("month", "total") if kind is None else (kind,)
        return s.AdminCleared(cleared=await administration.clear_budget(self._database, who.key_id, owner, kinds))

    async def admin_list_credits(self, request: Request, project: str | None = None) -> s.BudgetList:
        return await self._budgets(principal_of(request), project, credits_only=True)

    async def admin_add_credits(self, request: Request, body: s.AdminAddCredits) -> s.Budget:
        who = principal_of(request)
        amount_nusd = nusd(body.amount_usd, "amount_usd")
        project = await self._find_project(who, body.project)
        percents = given(body.alert_percents, ALERT_PERCENTS)
        # A retry whose first answer could not be kept, or was none (503), must not be a second credit either.
        name = given(body.id, None) or request.headers.get("idempotency-key")
        return budget_shown(
            await administration.add_credits(self._database, who.key_id, project, amount_nusd, name, percents)
        )

    async def _budgets(self, who: Principal, project: str | None, *, credits_only: bool) -> s.BudgetList:
        found = None if project is None else await self._find_project(who, project)
        rows = await administration.list_budgets(self._database, who.organisation_id, found)
        shown = [budget_shown(row) for row in rows if row.kind == "credits" or not credits_only]
        return s.BudgetList(object="list", data=shown)

    # ---------------------------------------------------------------- limits

    async def admin_show_limits(
        self, request: Request, project: str | None = None, key_id: str | None = None
    ) -> s.AdminLimitList:
        found = await limits.in_force(self._database, await self._find_owner(principal_of(request), project, key_id))
        return s.AdminLimitList(object="list", data=[_limit(row, origin) for row, origin in found])

    async def admin_set_limits(self, request: Request, body: s.AdminSetLimits) -> s.AdminLimitList:
        key_id = given(body.key_id, None)
        section = _section(given(body.scope, None), given(body.model, None), of_key=key_id is not None)
        return await self._change_limits(
            principal_of(request), given(body.project, None), key_id, section, _rules(body.limits)
        )

    async def admin_clear_limits(
        self,
        request: Request,
        project: str | None = None,
        key_id: str | None = None,
        scope: Literal["project", "key", "model"] | None = None,
        model: str | None = None,
        name: LimitName | None = None,
    ) -> s.AdminLimitList:
        section = _section(scope, model, of_key=key_id is not None)
        cleared = dict.fromkeys(DIMENSIONS if name is None else (name,))
        return await self._change_limits(principal_of(request), project, key_id, section, cleared)

    async def _change_limits(
        self,
        who: Principal,
        project: str | None,
        key_id: str | None,
        section: Section,
        rules: dict[LimitName, Rule | None],
    ) -> s.AdminLimitList:
        owner = await self._find_owner(who, project, key_id)
        rows = await limits.change(self._database, who.key_id, owner, section, rules)
        return s.AdminLimitList(object="list", data=[_limit(row) for row in rows])

    async def admin_list_tiers(self, request: Request) -> s.AdminTierList:
        found = await limits.list_tiers(self._database)
        return s.AdminTierList(object="list", data=[_tier(name, rows) for name, rows in found.items()])

    async def admin_set_tier(self, request: Request, body: s.AdminSetTier, tier: str) -> s.AdminTier:
        section = _section(given(body.scope, None), given(body.model, None), of_key=False)
        actor = principal_of(request).key_id
        return _tier(tier, await limits.change_tier(self._database, actor, tier, section, _rules(body.limits)))

    # ---------------------------------------------------------------- audit

    async def admin_list_audit(self, request: Request, limit: int = 100, after: str | None = None) -> s.AuditPage:
        organisation_id = principal_of(request).organisation_id
        found, next_after = await administration.list_audit(self._database, organisation_id, limit, after)
        shown = [_entry(entry) for entry in found]
        return s.AuditPage(object="list", data=shown, has_more=next_after is not None, next_after=next_after)

    # ---------------------------------------------------------------- finding

    async def _find_project(self, who: Principal, id_or_name: str) -> Project:
        return await administration.find_project(self._database, who.organisation_id, id_or_name)

    async def _find_key(self, who: Principal, key_id: str) -> KeyRecord:
        return await administration.find_key(self._database, who.organisation_id, key_id)

    async def _find_owner(self, who: Principal, project: str | None, key_id: str | None) -> Owner:
        return await administration.find_owner(self._database, who.organisation_id, project, key_id)


# ---------------------------------------------------------------- bodies


def _check_handed_on(who: Principal, scopes: Iterable[str]) -> None:
    """Models are the installation's, not the organisation's: a key that may not load them cannot make one that may.
    Raises PermissionDeniedError."""
    if "models" in scopes and "models" not in who.scopes:
        raise PermissionDeniedError(
            "A key with the scope `models` is made by one that has it, or by `novai keys`.", code="missing_scope"
        )


def _section(scope: Scope | None, model: str | None, *, of_key: bool) -> Section:
    scope = scope or ("key" if of_key else "project")
    check_limit_section(scope, model, of_key=of_key)
    return Section(scope, model)


def _rules(asked: list[s.AdminLimitRule]) -> dict[LimitName, Rule | None]:
    check_limit_rules(asked)
    return {rule.name: Rule(rule.limit, given(rule.burst, None)) for rule in asked}


# ---------------------------------------------------------------- answers


def _project(project: Project) -> s.AdminProject:
    return s.AdminProject(
        object="project",
        id=project.id,
        organisation_id=project.organisation_id,
        name=project.name,
        tier=project.tier,
        created_at=int(project.created_at.timestamp()),
    )


def _key(record: KeyRecord) -> s.AdminKey:
    return s.AdminKey(
        object="key",
        id=record.id,
        project_id=record.project_id,
        name=record.name,
        ends_in=record.last4,
        scopes=list(record.scopes),
        models=None if record.models is None else list(record.models),
        state=administration.state(record),
        created_at=seconds(record.created_at) or 0,
        expires_at=seconds(record.expires_at),
        revoked_at=seconds(record.revoked_at),
        rotated_to=record.rotated_to,
    )


def _price(row: PriceRow) -> s.AdminPrice:
    return s.AdminPrice(
        object="price",
        model=row.model,
        version=row.version,
        valid_from=row.valid_from.timestamp(),
        input_nusd_per_mtok=row.input_nusd_per_mtok,
        cached_nusd_per_mtok=row.cached_nusd_per_mtok,
        output_nusd_per_mtok=row.output_nusd_per_mtok,
        batch_percent=row.batch_percent,
    )


def _limit(row: LimitRow, set_by: str | UnsetType = UNSET) -> s.AdminLimit:
    return s.AdminLimit(
        scope=row.scope, model=row.model, name=row.limit, limit=row.amount, burst=row.burst, set_by=set_by
    )


def _tier(name: str, rows: list[LimitRow]) -> s.AdminTier:
    return s.AdminTier(object="tier", name=name, limits=[_limit(row) for row in rows])


def _entry(entry: Entry) -> s.AuditEntry:
    return s.AuditEntry(
        id=str(entry.id),
        created_at=entry.created_at.timestamp(),
        actor=entry.actor,
        organisation_id=entry.organisation_id,
        action=entry.action,
        target=entry.target,
        details=entry.details,
    )
