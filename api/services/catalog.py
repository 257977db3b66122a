"""Names of models → what serves them. A model is served when a host has it; it can be used when the key may."""

from __future__ import annotations

from dataclasses import dataclass

from api.clients.hosts import Hosts, Replica
from api.domain import Principal
from api.errors import InvalidRequestError, ModelNotFoundError, PermissionDeniedError

KINDS = {0: "chat", 1: "embedding"}  # Kind of model_host.proto


@dataclass(frozen=True, slots=True)
class Model:
    """A model as callers see it."""

    id: str
    kind: str  # chat | embedding
    created: int
    owned_by: str
    context_length: int
    dimensions: int
    replicas: int
    free: bool = False  # runs without a price


class Catalog:
    """What can be asked for, from what the hosts say."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def list(self, principal: Principal) -> list[Model]:
        """The models that are loaded and that the key may use, by name."""
        found = self._hosts.models()
        models = [describe(name, replicas) for name, replicas in sorted(found.items()) if principal.may_use(name)]
        return [model for model in models if model.replicas]

    def resolve(self, name: str, kind: str, principal: Principal) -> Model:
        """The model of that name, if it is of that kind.

        Raises ModelNotFoundError, PermissionDeniedError, InvalidRequestError.
        """
        if "inference" not in principal.scopes:
            raise PermissionDeniedError("This key may not run models: it lacks the scope `inference`.")
        model = self.find(name, principal)
        if model.kind != kind:
            path = "/v1/embeddings" if model.kind == "embedding" else "/v1/chat/completions"
            raise InvalidRequestError(
                f"The model `{name}` is of kind {model.kind}: use it with {path}.", param="model", code="invalid_value"
            )
        return model

    def find(self, name: str, principal: Principal) -> Model:
        """The model of that name, loaded or loading. Raises ModelNotFoundError, PermissionDeniedError."""
        replicas = self._hosts.models().get(name)
        if not replicas:
            raise ModelNotFoundError(
                f"The model `{name}` does not exist or you do not have access to it. GET /v1/models lists them.",
                param="model",
            )
        if not principal.may_use(name):
            raise PermissionDeniedError(
                f"This key may not use the model `{name}`. Ask for a key that allows it.",
                param="model",
                code="model_not_allowed",
            )
        return describe(name, replicas)


def describe(name: str, replicas: list[Replica]) -> Model:
    usable = [replica for replica in replicas if replica.usable]
    state = (usable or replicas)[0].state
    return Model(
        id=name,
        kind=KINDS[state.kind],
        created=state.created,
        owned_by=state.owned_by or "novai",
        context_length=state.context_length,
        dimensions=state.dimensions,
        replicas=len(usable),
        free=state.free,
    )
