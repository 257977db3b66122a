"""The folder `.novai`: one running stack at a time, secrets made once, the file that says where the stack is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from internal.dev.processes import StartError

MOST_PORT = 65_535
HERE = Path(".novai")  # the folder of `novai dev` unless it is told another one
ENV, ADMIN_ENV = "dev.env", "admin.env"
TRIES, TRY_AGAIN_S = 10, 0.02  # to have the folder
ADMIN_NEEDS = ("DATABASE_URL", "KEY_PEPPER")


@dataclass(frozen=True, slots=True)
class Secrets:
    key_pepper: str
    grpc_token: str


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder is ours meanwhile. Raises StartError when another stack runs on it, or it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a+")
    except OSError as error:
        raise StartError(f"{folder} cannot be written: {error.strerror}. Name another: --state FOLDER") from None
    with opened as lock:
        if not taken(lock):
            lock.seek(0)
            raise StartError(
                f"`novai dev` is already running on {folder} (pid {lock.read().strip() or 'unknown'}).\n"
                "Stop that one with Ctrl-C, or run a second one beside it: --state OTHER_FOLDER --port OTHER_PORT"
            )
        with contextlib.suppress(OSError):  # the pid is for people; a full disk is told of by what needs it
            os.truncate(lock.fileno(), 0)
            os.write(lock.fileno(), str(os.getpid()).encode())
        for name in (ENV, ADMIN_ENV):
            (folder / name).unlink(missing_ok=True)  # of one that was killed
        yield


def taken(lock: TextIO) -> bool:
    """False when another stack has it. Who only looks whether one runs has it for less than a moment."""
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go by the kernel, however we end
            return True
        time.sleep(TRY_AGAIN_S)
    return False


def read_env(folder: Path, name: str) -> dict[str, str] | None:
    """That file of the stack that runs on the folder; None where none is ready. What a killed one left says nothing."""
    with contextlib.suppress(OSError):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # one runs
            return dict(line.split("=", 1) for line in (folder / name).read_text().splitlines())
    return None


def load_secrets(folder: Path) -> Secrets:
    """Made at the first start: keys stay valid from one start to the next. Raises StartError."""
    path = folder / "secrets.json"
    try:
        return Secrets(**json.loads(path.read_text()))
    except FileNotFoundError:
        made = Secrets(key_pepper=secrets.token_hex(32), grpc_token=secrets.token_hex(32))
        write_private(path, json.dumps(asdict(made)))
        return made
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}. Name another folder: --state FOLDER") from None
    except (TypeError, ValueError):
        raise StartError(
            f"{path} is damaged. Restore it, or delete it: every key is void then, and new ones are made"
        ) from None


def password(folder: Path) -> str:
    """Of the server whose folder it is; made on first use."""
    path = folder / "password"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(24))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Complete or not at all, and readable by its owner only from the first byte. Raises StartError."""
    unfinished = path.with_suffix(".unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(text)
        unfinished.replace(path)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}. Name another folder: --state FOLDER") from None


@contextlib.contextmanager
def dev_env(folder: Path, base_url: str, edge: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """`dev.env` exists while the stack is ready: `set -a; . .novai/dev.env` and every client finds it.

    `admin.env` beside it is for `novai keys` and its like, which read it by themselves: what they need of the edge's
    environment. Not in `dev.env`, or a shell that sourced it would start the next stack on a database that is gone.
    """
    keys = json.loads((folder / "seed.json").read_text())
    told = {"NOVAI_BASE_URL": base_url, "NOVAI_API_KEY": keys["api_key"], "NOVAI_ADMIN_KEY": keys["admin_key"]}
    path, admin = folder / ENV, folder / ADMIN_ENV
    write_private(admin, "".join(f"{name}={edge[name]}\n" for name in ADMIN_NEEDS if name in edge))
    write_private(path, "".join(f"{name}={value}\n" for name, value in told.items()))  # last: it says that all is ready
    try:
        yield told
    finally:
        path.unlink(missing_ok=True)
        admin.unlink(missing_ok=True)


def check_port(host: str, port: int) -> None:
    """Raises StartError before anything is started, rather than after everything is."""
    if not 1 <= port <= MOST_PORT:
        raise StartError(f"--port {port}: ports are numbers from 1 to {MOST_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise StartError(f"--host {host}: {error.strerror}") from None
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            other = port + 1 if port < MOST_PORT else port - 1
            raise StartError(
                f"cannot listen on {host}:{port}: {error.strerror}. Choose another port, e.g. --port {other}"
            ) from None
