"""Workers for tests: real gRPC servers over the scripted backend, in this process, on loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from gen import inference_pb2 as pb
from gen import inference_pb2_grpc, model_host_pb2_grpc
from gen import model_host_pb2 as host_pb

from api.clients.hosts import Hosts, Replica
from internal.config import ModelConfig
from internal.inference.backends.base import Generation
from internal.inference.backends.scripted import ScriptedBackend
from internal.inference.receipts import Receipts
from internal.inference.service import InferenceService
from internal.inference_server import SERVICE
from internal.serving import GrpcServer

MODEL = "scripted"


@dataclass
class Worker:
    """A running worker and what a test wants to look at."""

    service: InferenceService
    backend: ScriptedBackend
    server: GrpcServer
    published: asyncio.Event  # set by every event of the backend

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@asynccontextmanager
async def worker(name: str = MODEL, token: str = "", **options: Any) -> AsyncIterator[Worker]:
    """A scripted worker; `options` are those of the scripted backend."""
    backend = ScriptedBackend(ModelConfig(name=name, kind="chat", backend="scripted", options=options))
    service = InferenceService(backend, Receipts())
    server = GrpcServer("127.0.0.1:0", [SERVICE], token)
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(service, server.server)
    await server.start()
    published = asyncio.Event()

    def publish(events: Sequence[tuple[Generation, pb.Event]]) -> None:
        service.publish(events)
        published.set()

    await backend.start(publish)
    await server.ready()
    try:
        yield Worker(service, backend, server, published)
    finally:
        await backend.aclose()
        await server.drain(0)


class FakeHost(model_host_pb2_grpc.ModelHostServiceServicer):
    """A model host whose state a test sets. Its models are whatever workers the test started. `load` answers what it is
    asked to load; without it, it refuses, as it does downloads."""

    def __init__(self) -> None:
        self._state = host_pb.HostState(host_id="test")
        self._changed = asyncio.Condition()
        self.load: Callable[[host_pb.LoadRequest, Any], Awaitable[host_pb.Model]] | None = None

    async def set(
        self, *models: host_pb.ModelState, known: Sequence[host_pb.Model] = (), incomplete: bool = False
    ) -> None:
        async with self._changed:
            self._state = host_pb.HostState(host_id="test", models=models, known=known, incomplete=incomplete)
            self._changed.notify_all()

    async def Watch(self, request: host_pb.WatchRequest, context: Any) -> AsyncIterator[host_pb.HostState]:  # type: ignore[override]
        while True:
            yield self._state
            async with self._changed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), request.heartbeat_s or 5)

    async def Load(self, request: host_pb.LoadRequest, context: Any) -> host_pb.Model:
        if self.load is None:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "model: there is no room")
            raise AssertionError
        return await self.load(request, context)

    async def Download(self, request: host_pb.DownloadRequest, context: Any) -> host_pb.Model:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "source: this host downloads nothing.")
        raise AssertionError


@asynccontextmanager
async def host() -> AsyncIterator[tuple[FakeHost, str]]:
    """A model host and its address."""
    service = FakeHost()
    server = GrpcServer("127.0.0.1:0", ["novai.host.v1.ModelHostService"])
    model_host_pb2_grpc.add_ModelHostServiceServicer_to_server(service, server.server)
    await server.start()
    try:
        yield service, f"127.0.0.1:{server.port}"
    finally:
        await server.drain(0)


def ready(worker: Worker) -> host_pb.ModelState:
    """How a host describes a worker that is ready."""
    info = worker.backend.info
    return host_pb.ModelState(
        model=info.name,
        kind=host_pb.CHAT,
        state=host_pb.READY,
        endpoint=worker.target,
        context_length=info.context_length,
        slots=info.slots,
        image_tokens=info.image_tokens,
        backend=info.backend,
        created=1_700_000_000,
    )


async def usable(hosts: Hosts, count: int = 1) -> list[Replica]:
    """Waits until that many replicas can be used."""
    while len(found := [r for r in hosts.replicas() if r.usable]) != count:
        await asyncio.sleep(0)
        await asyncio.to_thread(os.sched_yield)
    return found


@asynccontextmanager
async def stub(target: str) -> AsyncIterator[inference_pb2_grpc.InferenceServiceAsyncStub]:
    async with grpc.aio.insecure_channel(target) as channel:
        yield inference_pb2_grpc.InferenceServiceStub(channel)  # type: ignore[misc]


def say(text: str, **fields: Any) -> pb.GenerateRequest:
    """A request whose user says `text`; a text that begins with `script:` is a script."""
    message = pb.Message(role="user", parts=[pb.Part(text=text)])
    return pb.GenerateRequest(chat=pb.Chat(messages=[message]), **fields)
