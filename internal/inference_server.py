"""Process: one generating model behind InferenceService. Started by the model host, one per replica.

What it says to the host is in `announce.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import uvloop
from gen import inference_pb2, inference_pb2_grpc

from internal.announce import Activity, announce_busy, announce_ready
from internal.config import ConfigError, WorkerSettings
from internal.cores import keep_threads_apart
from internal.errors import WorkerError
from internal.gently import gently
from internal.inference.backends import load_backend
from internal.inference.receipts import Journal, Receipts
from internal.inference.service import InferenceService
from internal.serving import GrpcServer, setup_logging, stop_signal

SERVICE = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].full_name


async def serve(settings: WorkerSettings) -> None:
    """Loads, serves until SIGTERM, drains. Raises ConfigError or WorkerError when the model cannot be loaded."""
    stop = stop_signal()
    keep_threads_apart(settings.model.options.get("threads"))
    backend = await gently(lambda: load_backend(settings.model))  # imports its libraries
    receipts = receipts_at(settings.receipts)
    service = InferenceService(backend, receipts, Activity(announce_busy))
    server = GrpcServer(settings.listen, [SERVICE], settings.token)
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(service, server.server)
    await server.start()
    try:
        await backend.start(service.publish)
        await server.ready()
        announce_ready(backend.info, server.port)
        await stop.wait()
        service.draining = True
        # The edge ends its sessions when it hears NOT_SERVING from the host; running requests get their time.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(service.idle(), settings.drain_s)
    finally:
        await server.drain(0.5)
        await backend.aclose()
        receipts.close()


def receipts_at(path: Path | None) -> Receipts:
    """With what the last process of this replica left there. Raises ConfigError."""
    try:
        return Receipts(Journal(path) if path else None)
    except OSError as error:
        raise ConfigError(f"NOVAI_RECEIPTS={path}: cannot be opened: {error.strerror}") from None


def main() -> None:
    setup_logging("inference")
    try:
        uvloop.run(serve(WorkerSettings.from_env()))
    except (ConfigError, WorkerError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
