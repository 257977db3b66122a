"""A system of its own for one batch: `novai dev` in a folder beside the output, which is removed when all is done."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from internal import child
from internal.dev.processes import StartError, free_port, stop
from internal.dev.state import locked

READY_S = 900.0  # a large model from a slow disk
STOP_S = 60.0
FAILED = "✗"  # how `novai dev` begins to say what failed


class OfflineError(Exception):
    """The system did not start. The message is what it said."""


@contextlib.contextmanager
def offline(folder: Path, model: Path | None) -> Iterator[tuple[str, str]]:
    """Base URL and key. What the batch knows is in the folder: it stays when the block raises. Raises OfflineError."""
    folder.mkdir(parents=True, exist_ok=True)
    state, log = folder / "state", folder / "log"
    command = [sys.executable, "-m", "internal.cli", "dev", "--state", str(state), "--port", str(free_port())]
    command += ["--model", str(model.absolute())] if model else []
    wait_until_free(state)
    with log.open("wb") as out:
        # In a session of its own: Ctrl-C is for us, and it is stopped in order, however we end.
        stack = subprocess.Popen(
            child.command(command, death_signal=signal.SIGTERM),
            stdout=out,
            stderr=out,
            env=own(os.environ),
            start_new_session=True,
        )
    try:
        told = when_ready(stack, state / "dev.env", log)
        yield told["NOVAI_BASE_URL"], told["NOVAI_API_KEY"]
    finally:
        stop(stack, signal.SIGTERM, STOP_S)
    shutil.rmtree(folder)


def wait_until_free(state: Path) -> None:
    """Waits for the system of a call that was killed, which stops then. Nothing in the folder names its port any more.
    Raises OfflineError."""
    patient_until_s = time.monotonic() + STOP_S
    while True:
        try:
            with locked(state):
                return
        except StartError as error:
            if time.monotonic() > patient_until_s:
                raise OfflineError(str(error)) from None
        time.sleep(0.1)


def own(env: os._Environ[str]) -> dict[str, str]:
    """Without the servers of another system."""
    return {name: value for name, value in env.items() if name not in ("DATABASE_URL", "REDIS_URL")}


def when_ready(stack: subprocess.Popen[bytes], file: Path, log: Path) -> dict[str, str]:
    patient_until_s = time.monotonic() + READY_S
    while not file.exists():
        if stack.poll() is not None or time.monotonic() > patient_until_s:
            said = log.read_text(errors="replace")
            raise OfflineError(f"the system did not start:\n{said[max(0, said.find(FAILED)) :]}")
        time.sleep(0.05)
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line)
