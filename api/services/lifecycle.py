"""Models of the installation, as their operator sees them: which there are, loading, unloading, downloading.

A change reaches every host that has the model, or the one that is named. Its entry in the audit log is committed before
a host is asked: nothing is asked while the log is away, nobody's change waits for a host, and what a host refused is
there, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.clients.hosts import Host, Hosts, Replica
from api.clients.lifecycle import STATES, DownloadRequest, HostCommands, HostedModel, LifeState, LoadRequest
from api.errors import ApiError, ConflictError, InvalidRequestError, ModelNotFoundError, OverloadedError
from api.storage import audit
from api.storage.audit import changing
from api.storage.session import Database


@dataclass(frozen=True, slots=True)
class OnHost:
    """A model on one host, and its workers there."""

    host: str
    told: HostedModel
    workers: list[Replica]

    @property
    def state(self) -> LifeState:
        return STATES[self.told.state]


class Lifecycle:
    def __init__(self, database: Database, hosts: Hosts, commands: HostCommands) -> None:
        self._database = database
        self._hosts = hosts
        self._commands = commands

    def models(self) -> dict[str, list[OnHost]]:
        """By name; each with the hosts that have it."""
        return {name: [_on_host(*where) for where in told] for name, told in sorted(self._hosts.known().items())}

    def find(self, model: str) -> list[OnHost]:
        """Raises ModelNotFoundError."""
        return [_on_host(*where) for where in self._where(model, None)]

    def endpoints(self, model: str) -> list[str]:
        """Addresses of its workers that are ready. Raises ModelNotFoundError, and ConflictError when there are none."""
        found = self.find(model)
        ready = [worker.target for where in found for worker in where.workers if STATES[worker.state.state] == "ready"]
        if not ready:
            raise ConflictError(
                f"The model `{model}` is {furthest(found)}: load it first.", param="model", retryable=False
            )
        return ready

    async def load(self, actor: str, request: LoadRequest, host: str | None, details: Mapping[str, Any]) -> None:
        """Begins. `details`: what was chosen, for the log. Raises ModelNotFoundError, InvalidRequestError,
        ConflictError, OverloadedError."""
        where = [host for host, _ in self._where(request.model, host)]
        await self._note(actor, "model.load", request.model, details)
        await _on_some(where, lambda host: self._commands.load(host, request))

    async def unload(self, actor: str, model: str, host: str | None) -> None:
        """Begins. Raises as `load`."""
        where = [host for host, _ in self._where(model, host)]
        await self._note(actor, "model.unload", model, {})
        await _on_some(where, lambda host: self._commands.unload(host, model))

    async def download(self, actor: str, request: DownloadRequest, host: str | None) -> OnHost:
        """Begins; the model as it is then. Raises as `load`."""
        where = self._one_host(host)
        details = {"source": request.source, "file": request.file, "host": where.address}
        await self._note(actor, "model.download", request.name or request.source, details)
        return OnHost(where.address, await self._commands.download(where, request), [])

    async def _note(self, actor: str, action: str, model: str, details: Mapping[str, Any]) -> None:
        """Of the whole installation: every administrator reads it."""
        async with changing(self._database) as inside:
            await audit.add(inside, actor, None, action, model, details)

    def _where(self, model: str, address: str | None) -> list[tuple[Host, HostedModel]]:
        """Hosts that have it, or the one of that address. Raises ModelNotFoundError."""
        told = self._hosts.known().get(model, [])
        found = [(host, known) for host, known in told if address in (None, host.address)]
        if not found:
            where = "" if address is None else f" on the host {address}"
            raise ModelNotFoundError(
                f"There is no model `{model}`{where}. GET /admin/v1/models lists them.", param="model"
            )
        return found

    def _one_host(self, address: str | None) -> Host:
        """Raises InvalidRequestError, OverloadedError."""
        seen = self._hosts.seen()
        if not seen:
            raise OverloadedError("No model host is in sight; try again in 1s.", retry_after_ms=1000)
        found = [host for host in seen if address in (None, host.address)]
        if len(found) != 1:
            names = ", ".join(host.address for host in seen)
            raise InvalidRequestError(f"Name one of these hosts: {names}.", param="host", code="invalid_value")
        return found[0]


def furthest(found: list[OnHost]) -> LifeState:
    """The state of a model that several hosts have."""
    states = {where.state for where in found}
    return next(state for state in STATES.values() if state in states)


def _on_host(host: Host, told: HostedModel) -> OnHost:
    workers = [replica for replica in host.replicas.values() if replica.state.model == told.model]
    return OnHost(host.address, told, workers)


async def _on_some(hosts: list[Host], act: Callable[[Host], Awaitable[None]]) -> None:
    """On all; one at least accepts, or the first refusal is raised."""
    refusals: list[ApiError] = []
    for host in hosts:
        try:
            await act(host)
        except ApiError as error:
            refusals.append(error)
    if len(refusals) == len(hosts):
        raise refusals[0]
