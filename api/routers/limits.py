"""GET /v1/limits."""

from __future__ import annotations

from typing import Literal, cast

from fastapi import Request

from api.dependencies import principal_of
from api.generated import schemas as s
from api.generated.routes import LimitsApi
from api.ledger.pricing import NUSD
from api.services.usage import standing
from api.state import AppState
from api.storage.budgets import Budget


class Limits(LimitsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def retrieve_limits(self, request: Request, model: str | None = None) -> s.LimitStates:
        state, principal = self._state, principal_of(request)
        found = None if model is None else state.catalog.find(model, principal).id
        limits, budgets = await standing(state.database, state.limiter, principal, found)
        return s.LimitStates(
            object="limits",
            organisation_id=principal.organisation_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            model=found,
            limits=[
                s.LimitState(
                    scope=limit.scope,
                    name=limit.name,
                    limit=limit.limit,
                    burst=limit.burst,
                    used=limit.used,
                    remaining=limit.remaining,
                    reset_ms=limit.reset_ms,
                )
                for limit in limits
            ],
            budgets=[budget_shown(budget) for budget in budgets],
        )


def budget_shown(budget: Budget) -> s.Budget:
    return s.Budget(
        object="budget",
        project_id=budget.project_id,
        key_id=budget.key_id,
        kind=cast(Literal["credits", "month", "total"], budget.kind),
        limit_nusd=budget.limit_nusd,
        spent_nusd=budget.spent_nusd,
        held_nusd=budget.held_nusd,
        left_nusd=budget.left_nusd,
        left_usd=budget.left_nusd / NUSD,
        alert_percents=list(budget.thresholds),
    )
