"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from typing import Literal, cast

from fastapi import Request

from api.dependencies import principal_of
from api.generated import schemas as s
from api.generated.routes import ModelsApi
from api.services.catalog import Model
from api.state import AppState


class Models(ModelsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def list_models(self, request: Request) -> s.ModelList:
        return s.ModelList(object="list", data=[shown(m) for m in self._state.catalog.list(principal_of(request))])

    async def retrieve_model(self, request: Request, model: str) -> s.Model:
        return shown(self._state.catalog.find(model, principal_of(request)))


def shown(model: Model) -> s.Model:
    result = s.Model(id=model.id, object="model", created=model.created, owned_by=model.owned_by)
    result.kind = cast(Literal["chat", "embedding"], model.kind)
    result.max_model_len = model.context_length
    result.replicas = model.replicas
    if model.dimensions:
        result.dimensions = model.dimensions
    return result
