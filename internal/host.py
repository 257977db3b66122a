"""Process: the model host of one machine. `python -m internal.host`, settings in `internal/model_host/settings.py`.

Reads models.yaml, runs one worker process per model and replica, restarts what crashes or hangs, and streams the state
of all. Health says SERVING once every model has been ready; single failures after that are in `Watch`. SIGTERM drains
the workers and ends with code 0; a setting that cannot work ends with one line on stderr and code 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from gen import model_host_pb2_grpc as rpc

from internal.config import ConfigError, load_models
from internal.model_host.service import SERVICE, GaveUpError, ModelHost
from internal.model_host.settings import HostSettings
from internal.model_host.worker import MODULES
from internal.serving import listening, setup_logging, stop_signal

LAST_STATE_S = 1.0  # for watchers to hear that everything is gone


async def serve(settings: HostSettings, modules: Mapping[str, str] = MODULES) -> None:
    """Runs until SIGTERM. Raises ConfigError, GaveUpError."""
    stop, ready = stop_signal(), asyncio.Event()
    with receipts_folder(settings) as receipts:
        host = ModelHost(load_models(settings.models, settings.model_backend), settings, receipts, modules)
        # Each worker would say so by itself, again and again.
        await listening("NOVAI_WORKER_HOST", f"{settings.worker_host}:0", SERVICE, "").server.stop(None)
        server = listening("NOVAI_LISTEN", settings.listen, SERVICE, settings.grpc_token)
        rpc.add_ModelHostServiceServicer_to_server(host, server.server)
        await server.start()

        async def announce() -> None:
            await ready.wait()
            await server.ready()

        announcing = asyncio.create_task(announce())
        try:
            await host.run(stop, ready)
        finally:
            announcing.cancel()
            await server.drain(LAST_STATE_S)


@contextlib.contextmanager
def receipts_folder(settings: HostSettings) -> Iterator[Path]:
    """The folder that is set, or one that is gone afterwards."""
    if settings.receipts_folder is not None:
        try:
            settings.receipts_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"NOVAI_RECEIPTS_FOLDER={settings.receipts_folder}: cannot be made: {error.strerror}"
            ) from None
        yield settings.receipts_folder
        return
    with tempfile.TemporaryDirectory(prefix="novai-receipts-") as folder:
        yield Path(folder)


def main(modules: Mapping[str, str] = MODULES) -> None:
    setup_logging("host")
    try:
        asyncio.run(serve(HostSettings.from_env(), modules))
    except (ConfigError, GaveUpError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
