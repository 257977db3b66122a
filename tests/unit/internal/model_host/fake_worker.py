"""A worker program without a model. What it does wrong is an option of its row in models.yaml."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from internal.config import WorkerSettings
from internal.serving import GrpcServer


def first_time(mark: str) -> bool:
    """True once for each file name, across processes."""
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


async def serve(settings: WorkerSettings, act: str, mark: str) -> None:
    stop = asyncio.Event()
    if act == "ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = GrpcServer(settings.listen, ["fake.Service"], settings.token)
    await server.start()
    await server.ready()
    if act == "loads for ever":
        await stop.wait()
    if act == "leave a child":
        await asyncio.create_subprocess_exec("sleep", "600")
    print("a library says hello on stdout", flush=True)
    print(json.dumps({"port": server.port, "model": settings.model.name, "slots": 3, "device": "fake"}), flush=True)
    if act == "is busy":
        print(json.dumps({"busy": True}), flush=True)
    if act == "hang once" and first_time(mark):
        os.kill(os.getpid(), signal.SIGSTOP)
    await stop.wait()
    await server.drain(0.1)


def main() -> None:
    settings = WorkerSettings.from_env()
    options = settings.model.options
    act, mark = options.get("act", "serve"), options.get("mark", "")
    if act == "never loads" or (act == "fails once" and first_time(mark)):
        sys.exit("error: no such file: weights.gguf")
    asyncio.run(serve(settings, act, mark))


if __name__ == "__main__":
    main()
