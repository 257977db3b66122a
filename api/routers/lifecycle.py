"""/admin/v1/models: which models there are, loading, unloading, downloading."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request
from msgspec import UNSET, to_builtins

from api.clients.hosts import Replica
from api.clients.lifecycle import STATES, DownloadRequest, HostedModel, LoadRequest
from api.dependencies import principal_of
from api.generated import schemas as s
from api.generated.routes import LifecycleApi
from api.services.catalog import KINDS
from api.services.lifecycle import OnHost, furthest
from api.state import AppState

PATHS: dict[str, str] = {"chat": "/v1/chat/completions", "embedding": "/v1/embeddings"}


class Lifecycle(LifecycleApi):
    def __init__(self, state: AppState) -> None:
        self._lifecycle = state.lifecycle

    async def admin_list_models(self, request: Request) -> s.AdminModelList:
        found = self._lifecycle.models()
        return s.AdminModelList(object="list", data=[shown(name, where) for name, where in found.items()])

    async def admin_load_model(self, request: Request, body: s.AdminLoadModel, model: str) -> s.AdminModel:
        fields = chosen(body)
        host = fields.pop("host", None)
        await self._lifecycle.load(principal_of(request).key_id, LoadRequest(model=model, **fields), host, fields)
        return shown(model, self._lifecycle.find(model))

    async def admin_unload_model(self, request: Request, model: str, host: str | None = None) -> s.AdminModel:
        await self._lifecycle.unload(principal_of(request).key_id, model, host)
        return shown(model, self._lifecycle.find(model))

    async def admin_download_model(self, request: Request, body: s.AdminDownloadModel) -> s.AdminModel:
        fields = chosen(body)
        host = fields.pop("host", None)
        begun = await self._lifecycle.download(principal_of(request).key_id, DownloadRequest(**fields), host)
        return shown(begun.told.model, [begun])

    async def admin_get_model_status(self, request: Request, model: str) -> s.AdminModel:
        return shown(model, self._lifecycle.find(model))

    async def admin_get_model_endpoint(self, request: Request, model: str) -> s.AdminModelEndpoint:
        endpoints = self._lifecycle.endpoints(model)
        path = PATHS[KINDS[self._lifecycle.find(model)[0].told.kind]]
        return s.AdminModelEndpoint(object="model.endpoint", id=model, path=path, endpoints=endpoints)


def chosen(body: s.AdminLoadModel | s.AdminDownloadModel) -> dict[str, Any]:
    """The fields that were sent and are not null."""
    fields: dict[str, Any] = to_builtins(body)
    return {name: value for name, value in fields.items() if value is not None and value is not UNSET}


def shown(name: str, found: list[OnHost]) -> s.AdminModel:
    told = found[0].told
    kind: Literal["chat", "embedding"] = "embedding" if told.kind else "chat"
    return s.AdminModel(
        object="model",
        id=name,
        kind=kind,
        backend=told.backend,
        state=furthest(found),
        hosts=[hosted(where) for where in found],
    )


def hosted(where: OnHost) -> s.AdminHostedModel:
    told = where.told
    transfer = told.transfer if told.HasField("transfer") else None
    return s.AdminHostedModel(
        host=where.host,
        state=where.state,
        error=told.error or None,
        progress=progress(where),
        downloaded_bytes=transfer.done_bytes if transfer else None,
        total_bytes=(transfer.total_bytes or None) if transfer else None,
        size_bytes=told.size_bytes,
        needs_bytes=told.needs_bytes,
        path=told.path,
        pinned=told.pinned,
        idle_ttl_s=told.idle_ttl_s,
        workers=[worker(replica) for replica in where.workers],
    )


def progress(where: OnHost) -> float | None:
    """Of the download, or of the worker that is furthest behind."""
    told: HostedModel = where.told
    if told.HasField("transfer"):
        total = told.transfer.total_bytes
        return min(told.transfer.done_bytes / total, 1.0) if total else None
    return min((float(replica.state.progress) for replica in where.workers), default=None)


def worker(replica: Replica) -> s.AdminModelWorker:
    state = replica.state
    endpoint = replica.target if state.endpoint else None
    return s.AdminModelWorker(
        state=STATES[state.state],
        device=state.device,
        n_ctx=state.context_length,
        n_gpu_layers=state.gpu_layers,
        slots=state.slots,
        endpoint=endpoint,
        port=int(endpoint.rpartition(":")[2]) if endpoint else None,
        memory_bytes=state.memory_bytes,
        restarts=state.restarts,
        error=state.error or None,
    )
