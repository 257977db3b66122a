"""ModelHostService: the state of every model and worker, streamed on every change, and what can be done with them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal

import grpc.aio
from gen import model_host_pb2 as pb
from gen import model_host_pb2_grpc as rpc

from internal.config import ModelsFile
from internal.model_host.errors import HostError
from internal.model_host.life import Phase
from internal.model_host.models import Models
from internal.model_host.options import Choice
from internal.model_host.settings import HostSettings
from internal.model_host.source import Wanted
from internal.model_host.worker import MODULES, Worker

SERVICE = pb.DESCRIPTOR.services_by_name["ModelHostService"].full_name
HEARTBEAT_S = 5
CHOICES: tuple[Literal["context_length", "gpu_layers", "slots", "device", "dtype"], ...] = (
    "context_length",
    "gpu_layers",
    "slots",
    "device",
    "dtype",
)

Context = grpc.aio.ServicerContext[Any, Any]


class GaveUpError(Exception):
    """A model failed too often before it was ever ready (NOVAI_LOAD_ATTEMPTS)."""


class ModelHost(rpc.ModelHostServiceServicer):
    """Runs a worker for each replica of a model that is loaded. `modules` names the program for each kind of model,
    `receipts` the folder in which a worker that dies leaves its receipts to the next one. Raises ConfigError."""

    def __init__(
        self,
        file: ModelsFile,
        settings: HostSettings,
        receipts: Path,
        modules: Mapping[str, str] = MODULES,
    ) -> None:
        self.host_id = secrets.token_hex(8)
        unknown = {"*": settings.default_model} if settings.default_model else {}
        self._aliases = unknown | file.aliases
        self.models = Models(file, settings, receipts, modules, self._changed)
        self._stopped = False
        self._news = asyncio.Event()  # set, and replaced, at every change

    @property
    def workers(self) -> list[Worker]:
        return self.models.workers

    async def run(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Until `stop` is set and every worker is gone. Sets `ready` when all have been ready at one time.

        Raises GaveUpError, after stopping the others.
        """
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.models.run(over))
            try:
                failed = await self._watch_start(stop, ready)
                if not failed:
                    await stop.wait()
            finally:
                over.set()
        self._stopped = True
        self._changed()
        if failed:
            raise GaveUpError(failed)

    async def _watch_start(self, stop: asyncio.Event, ready: asyncio.Event) -> str:
        """Until all models are ready or one is hopeless: then the reason."""
        stopping = asyncio.create_task(stop.wait())
        await asyncio.sleep(0)  # the first models begin
        try:
            while not stop.is_set():
                workers = [worker for model in self.models.first for worker in model.workers]
                if failed := next((model for model in self.models.first if model.error), None):
                    return f"the model {failed.row.name} does not load: {failed.error}"
                if all(worker.life.phase is Phase.READY for worker in workers):
                    ready.set()
                    return ""
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait({news, stopping}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        finally:
            stopping.cancel()
        return ""

    # ------------------------------------------------------------------ the calls

    async def Watch(  # noqa: N802 (the names in the proto)
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[pb.HostState]:
        while not self._stopped:
            news = self._news  # taken before the state is: a change in between is not missed
            yield self.state()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(request.heartbeat_s or HEARTBEAT_S):
                    await news.wait()

    async def Load(self, request: pb.LoadRequest, context: Context) -> pb.Model:  # noqa: N802
        choices: dict[str, Choice] = {name: getattr(request, name) for name in CHOICES if request.HasField(name)}
        pinned = request.pinned if request.HasField("pinned") else None
        idle_ttl_s = request.idle_ttl_s if request.HasField("idle_ttl_s") else None
        async with answering(context):
            return self.models.load(request.model, choices, pinned, idle_ttl_s, request.on_demand).told()

    async def Unload(self, request: pb.UnloadRequest, context: Context) -> pb.Model:  # noqa: N802
        async with answering(context):
            return self.models.unload(request.model).told()

    async def Download(self, request: pb.DownloadRequest, context: Context) -> pb.Model:  # noqa: N802
        wanted = Wanted(request.source, request.name, request.file, request.revision, request.sha256)
        async with answering(context):
            return (await self.models.download(wanted)).told()

    # ------------------------------------------------------------------ inside

    def state(self) -> pb.HostState:
        return pb.HostState(
            host_id=self.host_id,
            models=[worker.state() for worker in self.workers],
            aliases=self._aliases,
            known=[model.told() for model in self.models.all()],
            incomplete=not self.models.settled,
        )

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@contextlib.asynccontextmanager
async def answering(context: Context) -> AsyncIterator[None]:
    """Around a call: what it refuses is a status."""
    try:
        yield
    except HostError as error:
        await context.abort(error.status, str(error))
