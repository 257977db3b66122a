"""GET /healthz and /readyz."""

from __future__ import annotations

from fastapi import Request, Response

from api.dependencies import encode
from api.generated import schemas as s
from api.generated.routes import HealthApi
from api.state import AppState


class Health(HealthApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def get_health(self, request: Request) -> s.Health:
        return s.Health(status="ok")

    async def get_readiness(self, request: Request) -> s.Readiness | Response:
        checks = await self._state.checks()
        ready = all(value == "ok" for value in checks.values())
        readiness = s.Readiness(status="ready" if ready else "not_ready", checks=checks)
        return readiness if ready else Response(encode(readiness), 503, media_type="application/json")
