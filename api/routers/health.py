"""GET /healthz and /readyz."""

from __future__ import annotations

from typing import Literal

from fastapi import Request, Response

from api.dependencies import encode
from api.generated import schemas as s
from api.generated.routes import HealthApi
from api.state import AppState

OURS = ("process", "database", "prices")  # checks of this process; the others are of models and their hosts


class Health(HealthApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def get_health(self, request: Request) -> s.Health:
        missing = self._state.hosts.unready()
        return s.Health(status="degraded" if missing else "ok", models=self._models())

    async def get_readiness(self, request: Request) -> s.Readiness | Response:
        checks = await self._state.checks()
        wrong = {name for name, value in checks.items() if value != "ok"}
        if not wrong:
            return s.Readiness(status="ready", checks=checks, models=self._models())
        status: Literal["degraded", "not_ready"] = "not_ready" if wrong & set(OURS) else "degraded"
        readiness = s.Readiness(status=status, checks=checks, models=self._models())
        return Response(encode(readiness), 503, media_type="application/json")

    def _models(self) -> dict[str, s.ModelHealth]:
        return {
            name: s.ModelHealth(
                healthy=any(replica.ready for replica in replicas), accessible=any(r.usable for r in replicas)
            )
            for name, replicas in sorted(self._state.hosts.models().items())
        }
