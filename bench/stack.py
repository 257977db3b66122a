"""Brings up the whole system for a benchmark, as `novai dev` does, in a state folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from internal.dev.processes import free_port

READY_S = 120.0


@dataclass(frozen=True)
class Stack:
    """A running system: where it is, a key, and the process at its root."""

    url: str  # ends with /v1
    key: str
    admin_key: str
    process: psutil.Process
    admin: dict[str, str]  # the environment of `novai` words
    ready_s: float  # from the start to everything ready

    def find(self, module: str) -> list[psutil.Process]:
        """Its processes that run `python -m module`."""
        found = []
        for process in self.process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended while it was looked at
                if module in process.cmdline():
                    found.append(process)
        return found

    def send(self, signal_: signal.Signals, word: str) -> psutil.Process | None:
        """To one process with a word in its command line, which is returned; None when there is none at the moment."""
        for process in self.process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(word in part for part in process.cmdline()):
                    process.send_signal(signal_)
                    return process
        return None

    def kill(self, word: str) -> bool:
        """-9, as `send`."""
        return self.send(signal.SIGKILL, word) is not None

    def rss_mb(self, module: str) -> float:
        """Resident memory of the processes of a module, in MB."""
        return float(round(sum(p.memory_info().rss for p in self.find(module)) / 1e6, 1))


@contextlib.contextmanager
def running(
    models: Path | None = None, model: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[Stack]:
    """`novai dev` until the block ends. `models` is a models.yaml, `model` a single GGUF or folder."""
    with tempfile.TemporaryDirectory(prefix="novai-bench-") as folder:
        Path(folder).chmod(0o755)
        state, port = Path(folder) / "state", free_port()
        command = [sys.executable, "-m", "internal.cli", "dev", "--port", str(port), "--state", str(state)]
        command += ["--models", str(models.resolve())] if models else []
        command += ["--model", str(model.resolve())] if model else []
        log = (Path(folder) / "log").open("wb")
        started = time.monotonic()
        child = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | (env or {}))
        try:
            values = wait_ready(child, state / "dev.env", Path(folder) / "log")
            ready_s = round(time.monotonic() - started, 2)
            admin = read_env(state / "admin.env")
            keys = values["NOVAI_API_KEY"], values["NOVAI_ADMIN_KEY"]
            yield Stack(values["NOVAI_BASE_URL"], *keys, psutil.Process(child.pid), admin, ready_s)
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(60)
            log.close()


def wait_ready(child: subprocess.Popen[bytes], env_file: Path, log: Path) -> dict[str, str]:
    """The lines of dev.env, which is written when everything is ready."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise SystemExit(f"novai dev ended:\n{log.read_text()[-4000:]}")
        with contextlib.suppress(FileNotFoundError):
            return read_env(env_file)
        time.sleep(0.02)
    raise SystemExit(f"novai dev was not ready after {READY_S:g} s:\n{log.read_text()[-4000:]}")


def read_env(file: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in file.read_text().splitlines() if line]
    return {name: value for name, _, value in lines}
