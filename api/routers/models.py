"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, cast

from fastapi import Request

from api.dependencies import principal_of
from api.generated import schemas as s
from api.generated.routes import ModelsApi
from api.services.catalog import Model
from api.state import AppState

_ANTHROPIC = "anthropic-version"  # sent by every client of Anthropic's API


class Models(ModelsApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def list_models(self, request: Request) -> s.ModelList:
        found = self._state.catalog.list(principal_of(request))
        models = s.ModelList(object="list", data=[shown(name, model) for name, model in found.items()])
        if _ANTHROPIC in request.headers:
            models.has_more = False
            for model in models.data:
                _add_anthropic(model)
            if models.data:
                models.first_id, models.last_id = models.data[0].id, models.data[-1].id
        return models

    async def retrieve_model(self, request: Request, model: str) -> s.Model:
        found = shown(model, self._state.catalog.find(model, principal_of(request)))
        if _ANTHROPIC in request.headers:
            _add_anthropic(found)
        return found


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


def _add_anthropic(model: s.Model) -> None:
    """https://docs.claude.com/en/api/models-list"""
    model.type = "model"
    model.display_name = model.id
    model.created_at = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if model.max_model_len:
        model.max_input_tokens = model.max_model_len
