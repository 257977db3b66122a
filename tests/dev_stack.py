"""`novai dev` as it ships, as a process: real edge, real host, real weights."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from internal.dev.processes import free_port

CHAT, VECTORS = "novai-tiny", "all-MiniLM-L6-v2"
READY_S = 120.0


@contextlib.contextmanager
def novai_dev(*options: str, env: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """The content of its dev.env. Nothing is left of it afterwards: no process, no file."""
    folder = Path(tempfile.mkdtemp(prefix="novai-test-"))
    folder.chmod(0o755)  # PostgreSQL may have to run as another user than root
    state, log = folder / "state", folder / "log"
    command = [sys.executable, "-m", "internal.cli", "dev", "--state", str(state), "--port", str(free_port())]
    try:
        with log.open("wb") as out:
            process = subprocess.Popen([*command, *options], env=os.environ | (env or {}), stdout=out, stderr=out)
        try:
            yield _when_ready(process, state / "dev.env", log)
            _stop(process)
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def _when_ready(process: subprocess.Popen[bytes], file: Path, log: Path) -> dict[str, str]:
    deadline = time.monotonic() + READY_S
    while not file.exists():
        assert process.poll() is None, f"it ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"it was not ready after {READY_S:g} s:\n{log.read_text()}"
        time.sleep(0.05)  # the file is what another process tells it by
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line)


def _stop(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    _, alive = psutil.wait_procs(family, 10)
    assert not alive
