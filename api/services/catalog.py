"""Names of models → what serves them. A model is served when a host has it; it can be used when the key may.

A name is a model's own, or an alias. Whatever is counted, limited, priced or allowed is so by the model's own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.clients.hosts import Hosts, Replica
from api.clients.lifecycle import HostCommands, HostedModel, WorkerState
from api.domain import Principal
from api.errors import InvalidRequestError, ModelNotFoundError, OverloadedError, PermissionDeniedError

MOST_WAITING = 512  # requests that wait for models to be loaded
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
    image_tokens: int = 0  # of one image at most; 0: takes none


class Catalog:
    """What can be asked for, from what the hosts say. `wait_s`: how long a request waits for a model that sleeps."""

    def __init__(self, hosts: Hosts, commands: HostCommands, wait_s: float) -> None:
        self._hosts = hosts
        self._commands = commands
        self._wait_s = wait_s
        self._waiting = 0

    def list(self, principal: Principal) -> dict[str, Model]:
        """The models that the key may use, loaded or asleep, by their own names and by aliases, in order."""
        found = {name: loaded(replicas) for name, replicas in self._hosts.models().items()}
        sleeping = {name for name in self._hosts.known() if self._hosts.on_demand(name)} - found.keys()
        found |= {name: self._asleep(name) for name in sleeping}
        usable = {
            name: model
            for name, model in found.items()
            if (model.replicas or name in sleeping) and principal.may_use(name)
        }
        aliases = self._hosts.aliases().items()
        named = {alias: usable[name] for alias, name in aliases if name in usable and not alias.endswith("*")}
        return dict(sorted((named | usable).items()))

    async def awake(self, name: str, kind: str, principal: Principal) -> Model:
        """As `resolve`, and it can be used: one that sleeps is loaded first. Raises OverloadedError, too."""
        model = self.resolve(name, kind, principal)
        if model.replicas or not self._hosts.on_demand(model.id):
            return model
        if self._waiting >= MOST_WAITING:
            raise OverloadedError("Too many requests wait for models to be loaded.", retry_after_ms=1000)
        self._waiting += 1
        try:
            await self._commands.wake(model.id, self._wait_s)
        finally:
            self._waiting -= 1
        return self.resolve(name, kind, principal)

    def resolve(self, name: str, kind: str, principal: Principal) -> Model:
        """The model that answers to that name, if it is of that kind.

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
        """The model that answers to that name, loaded, loading or asleep. Raises ModelNotFoundError,
        PermissionDeniedError, and OverloadedError while nobody knows whether there is one."""
        models = self._hosts.models()
        served = self._own_name(name)
        if not self._served(served):
            if self._hosts.unsure():
                raise OverloadedError(
                    f"A model host is away, so it is not known whether there is a model `{name}`. "
                    "Please try again in 1s.",
                    retry_after_ms=1000,
                )
            raise ModelNotFoundError(
                f"The model `{name}` does not exist or you do not have access to it. GET /v1/models lists them.",
                param="model",
            )
        _allow(served, principal)
        return loaded(models[served]) if served in models else self._asleep(served)

    def allow(self, name: str, principal: Principal) -> None:
        """Whether the model is there or not. Raises PermissionDeniedError when the key may not use it."""
        _allow(self._own_name(name) or name, principal)

    def _own_name(self, name: str) -> str:
        """Of the model that answers to that name; empty when none does."""
        return name if self._served(name) else target_of(name, self._hosts.aliases())

    def _asleep(self, model: str) -> Model:
        return model_of(self._hosts.on_demand(model)[0][1])

    def _served(self, model: str) -> bool:
        return model in self._hosts.models() or bool(self._hosts.on_demand(model))


def _allow(served: str, principal: Principal) -> None:
    if not principal.may_use(served):
        raise PermissionDeniedError(
            f"This key may not use the model `{served}`. Ask for a key that allows it.",
            param="model",
            code="model_not_allowed",
        )


def target_of(name: str, aliases: Mapping[str, str]) -> str:
    """The model that a name stands for: by that very alias, else by the longest that ends in `*` and begins like the
    name (`*` alone is the shortest: what is left). Empty when none does."""
    if name in aliases:
        return aliases[name]
    fitting = [alias for alias in aliases if alias.endswith("*") and name.startswith(alias[:-1])]
    return aliases[max(fitting, key=len)] if fitting else ""


def mapped(asked: str, model: str) -> dict[str, str]:
    """The header that says what answered, when it has another name than was asked for."""
    return {} if asked == model else {"x-mapped-model": model}


def answered_by(upstream: str) -> dict[str, str]:
    """The header that says which upstream answered, if one did."""
    return {"x-novai-upstream": upstream} if upstream else {}


def ran_at(upstream: str, worker: str) -> str:
    """Where a request ran, for its row of usage: the worker's address, and which upstream it asked."""
    return f"{upstream}@{worker}" if upstream else worker


def loaded(replicas: list[Replica]) -> Model:
    usable = [replica for replica in replicas if replica.usable]
    return model_of((usable or replicas)[0].state, len(usable))


def model_of(told: WorkerState | HostedModel, replicas: int = 0) -> Model:
    """As its host describes it; one without a worker as it was when it had one."""
    return Model(
        id=told.model,
        kind=KINDS[told.kind],
        created=told.created,
        owned_by=told.owned_by or "novai",
        context_length=told.context_length,
        dimensions=told.dimensions,
        replicas=replicas,
        free=told.free,
        image_tokens=told.image_tokens,
    )
