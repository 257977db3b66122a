"""ModelHostService: the state of every worker, streamed on every change."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc.aio
from gen import model_host_pb2 as pb
from gen import model_host_pb2_grpc as rpc

from internal.config import ModelsFile
from internal.model_host.life import Phase
from internal.model_host.ports import Ports
from internal.model_host.settings import HostSettings
from internal.model_host.worker import MODULES, Worker

SERVICE = pb.DESCRIPTOR.services_by_name["ModelHostService"].full_name
HEARTBEAT_S = 5


class GaveUpError(Exception):
    """A model failed too often before it was ever ready (NOVAI_LOAD_ATTEMPTS)."""


class ModelHost(rpc.ModelHostServiceServicer):
    """Runs one worker per model and replica of models.yaml. `modules` names the program for each kind of model,
    `receipts` the folder in which a worker that dies leaves its receipts to the next one."""

    def __init__(
        self,
        file: ModelsFile,
        settings: HostSettings,
        receipts: Path,
        modules: Mapping[str, str] = MODULES,
    ) -> None:
        self.host_id = secrets.token_hex(8)
        self._aliases = file.aliases
        ports = Ports(settings.worker_host, settings.worker_ports)
        self.workers = [
            Worker(
                model,
                modules[model.kind],
                settings,
                ports,
                receipts / f"{quote(model.name, '')}.{replica}",
                self._changed,
            )
            for model in file.models
            for replica in range(model.replicas)
        ]
        self._attempts = settings.load_attempts
        self._stopped = False
        self._news = asyncio.Event()  # set, and replaced, at every change

    async def run(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Until `stop` is set and every worker is gone. Sets `ready` when all have been ready at one time.

        Raises GaveUpError, after stopping the others.
        """
        async with asyncio.TaskGroup() as tasks:
            for worker in self.workers:
                tasks.create_task(worker.run())
            try:
                failed = await self._watch_start(stop, ready)
                if not failed:
                    await stop.wait()
            finally:
                for worker in self.workers:
                    worker.stop()
        self._stopped = True
        self._changed()
        if failed:
            raise GaveUpError(failed)

    async def _watch_start(self, stop: asyncio.Event, ready: asyncio.Event) -> str:
        """Until all models are ready or one is hopeless: then the reason."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                if all(worker.life.phase is Phase.READY for worker in self.workers):
                    ready.set()
                    return ""
                for worker in self.workers:
                    if self._attempts and worker.life.failures >= self._attempts:
                        return f"the model {worker.model.name} does not load: {worker.life.error}"
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait({news, stopping}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        finally:
            stopping.cancel()
        return ""

    def state(self) -> pb.HostState:
        models = [worker.state() for worker in self.workers]
        return pb.HostState(host_id=self.host_id, models=models, aliases=self._aliases)

    async def Watch(  # noqa: N802 (the name in the proto)
        self, request: pb.WatchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.HostState]:
        while not self._stopped:
            news = self._news  # taken before the state is: a change in between is not missed
            yield self.state()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), request.heartbeat_s or HEARTBEAT_S)

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
