"""What model hosts are told to do with their models, and waiting for a model that sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal

import grpc.aio
from gen import model_host_pb2 as pb
from gen import model_host_pb2_grpc

from api.clients.grpc_errors import calling, from_host
from api.clients.hosts import Host, Hosts
from api.errors import ApiError, OverloadedError

TIMEOUT_S = 5.0
SOURCE_TIMEOUT_S = 60.0  # until the source of a download has said what it has
RETRY_MS = 5000

HostedModel = pb.Model
WorkerState = pb.ModelState
LoadRequest = pb.LoadRequest
DownloadRequest = pb.DownloadRequest
LifeState = Literal["unloaded", "asleep", "downloading", "loading", "ready", "restarting", "draining", "failed"]
STATES: dict[int, LifeState] = {
    pb.READY: "ready",
    pb.LOADING: "loading",
    pb.DOWNLOADING: "downloading",
    pb.ERROR: "restarting",
    pb.DRAINING: "draining",
    pb.ASLEEP: "asleep",
    pb.FAILED: "failed",
    pb.UNLOADED: "unloaded",
}  # the furthest first
COMING = (pb.LOADING, pb.READY, pb.ERROR, pb.DRAINING)
"""What a model that sleeps passes through before it can be used; it is drained before it sleeps."""


class HostCommands:
    """Every method raises the ApiError that the host's refusal stands for."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    async def load(self, host: Host, request: LoadRequest) -> None:
        await self._called(host, self._stub(host).Load(request, metadata=self._hosts.metadata, timeout=TIMEOUT_S))

    async def unload(self, host: Host, model: str) -> None:
        request = pb.UnloadRequest(model=model)
        await self._called(host, self._stub(host).Unload(request, metadata=self._hosts.metadata, timeout=TIMEOUT_S))

    async def download(self, host: Host, request: DownloadRequest) -> HostedModel:
        call = self._stub(host).Download(request, metadata=self._hosts.metadata, timeout=SOURCE_TIMEOUT_S)
        return await self._called(host, call)

    async def wake(self, model: str, timeout_s: float) -> None:
        """Loads a model that sleeps; returns when it can be used. Raises OverloadedError when it cannot in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not any(replica.usable for replica in self._hosts.models().get(model, ())):
                    news = self._hosts.news  # taken before the state is looked at: no change is missed
                    await self._wake_one(model)
                    await news.wait()
        except TimeoutError:
            raise OverloadedError(
                f"The model `{model}` is being loaded. Please try again in {RETRY_MS // 1000}s.",
                retry_after_ms=RETRY_MS,
            ) from None

    async def _wake_one(self, model: str) -> None:
        """On the first host that can, unless one is at it. Raises OverloadedError when none is, and none can."""
        told = self._hosts.on_demand(model)
        if any(known.state in COMING for _, known in told):
            return
        for host, known in told:
            if known.state != pb.ASLEEP:
                continue
            try:
                await self.load(host, pb.LoadRequest(model=model, on_demand=True))
            except ApiError:
                continue  # it has no room: perhaps another one does
            return
        raise OverloadedError(
            f"The model `{model}` sleeps and cannot be loaded now. Please try again in {RETRY_MS // 1000}s.",
            retry_after_ms=RETRY_MS,
        )

    def _stub(self, host: Host) -> model_host_pb2_grpc.ModelHostServiceAsyncStub:
        if host.stub is None:
            raise OverloadedError(
                f"The model host {host.address} is out of sight; try again in 1s.", retry_after_ms=1000
            )
        return host.stub

    async def _called(self, host: Host, call: Awaitable[HostedModel]) -> HostedModel:
        """What the host says is believed at once, before it is watched."""
        try:
            with calling():
                told = await call
        except grpc.aio.AioRpcError as error:
            raise from_host(error, host.address) from None
        host.known[told.model] = told
        return told
