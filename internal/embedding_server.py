"""Process: one encoder behind EmbeddingService. Started by the model host, one per replica.

What it says to the host is in `announce.py`.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from gen import embedding_pb2, embedding_pb2_grpc

from internal.announce import Activity, announce_busy, announce_ready
from internal.config import ConfigError, WorkerSettings
from internal.embedding.backends import load_backend
from internal.embedding.service import EmbeddingService
from internal.errors import WorkerError
from internal.gently import gently
from internal.serving import GrpcServer, setup_logging, stop_signal

SERVICE = embedding_pb2.DESCRIPTOR.services_by_name["EmbeddingService"].full_name


async def serve(settings: WorkerSettings) -> None:
    """Loads, serves until SIGTERM, drains. Raises ConfigError or WorkerError when the model cannot be loaded."""
    stop = stop_signal()
    backend = await gently(lambda: load_backend(settings.model))  # imports its libraries
    await asyncio.to_thread(backend.load)
    service = EmbeddingService(backend, activity=Activity(announce_busy))
    server = GrpcServer(settings.listen, [SERVICE], settings.token)
    embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server(service, server.server)
    await server.start()
    try:
        await server.ready()
        announce_ready(backend.info, server.port)
        await stop.wait()
        service.draining = True
    finally:
        await server.drain(settings.drain_s)
        await service.aclose()


def main() -> None:
    setup_logging("embedding")
    try:
        uvloop.run(serve(WorkerSettings.from_env()))
    except (ConfigError, WorkerError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
