"""What `novai models` asks of the API."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from internal.api_client import ApiFailure, read, told

T = TypeVar("T")

TIMEOUT = httpx.Timeout(90.0, connect=10.0)  # a source may take its time to say what it has
OVER = ("unloaded", "asleep", "ready", "failed")


class Worker(msgspec.Struct, frozen=True):
    state: str
    device: str
    n_ctx: int
    n_gpu_layers: int
    slots: int
    memory_bytes: int
    restarts: int
    endpoint: str | None = None


class OnHost(msgspec.Struct, frozen=True):
    """A model on one host."""

    host: str
    state: str
    size_bytes: int
    needs_bytes: int
    path: str
    pinned: bool
    idle_ttl_s: float
    workers: list[Worker]
    error: str | None = None
    progress: float | None = None
    downloaded_bytes: int | None = None
    total_bytes: int | None = None


class Model(msgspec.Struct, frozen=True):
    """What is read of one."""

    id: str
    kind: str
    backend: str
    state: str
    hosts: list[OnHost]

    @property
    def over(self) -> bool:
        """Nothing is being done with it anywhere."""
        return all(host.state in OVER for host in self.hosts)

    def on(self, host: str | None) -> Model:
        """As if that host were the only one; None: as it is. Raises ApiFailure."""
        if host is None:
            return self
        for found in self.hosts:
            if found.host == host:
                return msgspec.structs.replace(self, state=found.state, hosts=[found])
        raise ApiFailure(f"the model host {host} is gone, or does not have {self.id} any more.")


class Models(msgspec.Struct, frozen=True):
    data: list[Model]


class Client:
    """Used as a `with` block. `base_url` ends with /v1. Every method raises ApiFailure."""

    def __init__(self, base_url: str, admin_key: str) -> None:
        base = base_url.rstrip("/").removesuffix("/v1") + "/admin/v1"
        self._http = httpx.Client(base_url=base, headers={"authorization": f"Bearer {admin_key}"}, timeout=TIMEOUT)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()

    def list(self) -> list[Model]:
        return self._asked(Models, "GET", "/models").data

    def status(self, model: str) -> Model:
        return self._asked(Model, "GET", f"/models/{quote(model)}/status")

    def load(self, model: str, **choices: Any) -> Model:
        return self._asked(Model, "POST", f"/models/{quote(model)}/load", json=choices)

    def unload(self, model: str, host: str | None) -> Model:
        where = {"host": host} if host else {}
        return self._asked(Model, "POST", f"/models/{quote(model)}/unload", params=where)

    def download(self, **wanted: Any) -> Model:
        return self._asked(Model, "POST", "/models/download", json=wanted)

    def _asked(self, kind: type[T], method: str, path: str, **sent: Any) -> T:
        try:
            answer = self._http.request(method, path, **sent)
        except httpx.RequestError as error:
            raise ApiFailure(f"{self._http.base_url} cannot be reached: {error or type(error).__name__}") from None
        if not answer.is_success:
            raise ApiFailure(told(answer), answer.status_code)
        return read(answer, kind)
