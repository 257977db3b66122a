"""Starts a program that dies with its parent: `python child.py PARENT_PID SIGNAL [--ordinary FOLDER] -- program args…`.

The kernel sends SIGNAL to the program when the thread that started it ends, however it ends (kill -9 included), so
nothing is left behind. It is done here, between fork and exec, because `preexec_fn` may deadlock in a process with
threads. The program keeps this pid. Only the standard library is imported: this must start in milliseconds.

`--ordinary FOLDER`: the program refuses to run as root (PostgreSQL). It becomes an ordinary user that owns FOLDER.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def command(
    argv: list[str], *, death_signal: signal.Signals = signal.SIGKILL, owns: Path | None = None, parent: int = 0
) -> list[str]:
    """What to start instead of `argv`, from a thread that lives as long as the program should.

    `parent` is the process to die with, if it is not this one (which will become the program by exec).
    """
    ordinary = ["--ordinary", str(owns)] if owns is not None and os.geteuid() == 0 else []
    launcher = [
        sys.executable,
        "-I",
        "-S",
        __file__,
        str(parent or os.getpid()),
        str(int(death_signal)),
        *ordinary,
        "--",
    ]
    return [*launcher, *argv]


def main() -> None:
    split = sys.argv.index("--")
    parent, number, *ordinary = sys.argv[1:split]
    if ordinary:
        become_ordinary(Path(ordinary[1]))
    if sys.platform == "linux":  # after the change of user, which would clear it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(parent):  # it died before we asked
        sys.exit(1)
    argv = sys.argv[split + 1 :]
    try:
        os.execvp(argv[0], argv)  # noqa: S606 (what to run is the caller's table)
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


def become_ordinary(folder: Path) -> None:
    """Leaves root, keeping access to what root owns where that is possible.

    In a user namespace root's files look like nobody's, so folders that only root may enter stay reachable. Where
    namespaces are forbidden (most containers), `nobody` it is: then the way to the program and to `folder` must be
    open to others.
    """
    uid, gid = os.geteuid(), os.getegid()
    own(folder, uid, gid)  # it may come from a time when namespaces were forbidden
    if sys.platform == "linux" and ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1")
        Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1")
        return
    own(folder, NOBODY, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def own(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid == uid:
        return
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, uid, gid, follow_symlinks=False)


if __name__ == "__main__":
    main()
