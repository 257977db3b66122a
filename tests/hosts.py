"""A real model host, whose workers are real processes, for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from internal.dev.processes import free_port


@contextlib.contextmanager
def model_host(folder: Path, models: str, **more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address, and its process. `models`: the text of its models.yaml; `more`: settings. Ends with all its
    children."""
    (folder / "models.yaml").write_text(models)
    address = f"127.0.0.1:{free_port()}"
    env = {"NOVAI_MODELS": str(folder / "models.yaml"), "NOVAI_LISTEN": address, "NOVAI_DRAIN_S": "1"} | more
    with (folder / "host.log").open("wb") as log:
        host = subprocess.Popen([sys.executable, "-m", "internal.host"], env=os.environ | env, stdout=log, stderr=log)
    try:
        yield address, host
    finally:
        children = psutil.Process(host.pid).children(recursive=True)
        host.send_signal(signal.SIGTERM)
        assert host.wait(20) == 0
        assert not [child for child in children if child.is_running()]
