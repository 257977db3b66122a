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
        found = self._state.catalog.list(principal_of(request))
        return s.ModelList(object="list", data=[shown(name, model) for name, model in found.items()])

    async def retrieve_model(self, request: Request, model: str) -> s.Model:
        return shown(model, self._state.catalog.find(model, principal_of(request)))


def shown(name: str, model: Model) -> s.Model:
    """A model by one of its names."""
    result = s.Model(id=name, object="model", created=model.created, owned_by=model.owned_by)
    result.kind = cast(Literal["chat", "embedding"], model.kind)
    result.max_model_len = model.context_length
    if model.kind == "chat":
        result.input_modalities = ["text", "image"] if model.image_tokens else ["text"]
    result.replicas = model.replicas
    if name != model.id:
        result.alias_of = model.id
    if model.dimensions:
        result.dimensions = model.dimensions
    return result
