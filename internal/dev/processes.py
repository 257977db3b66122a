"""Small facts about processes and ports that the embedded servers and the supervisor share."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
from collections import deque
from pathlib import Path

PORTS = range(20000, 32000)
ATTEMPTS = 100
CLAIMS = 64  # of the latest ports, which nobody else is given
_claims: deque[int] = deque()  # file descriptors


class StartError(Exception):
    """A process did not come up. The message holds its last words and what to do."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at this moment; whoever uses it must be ready to lose the race.

    Not one of those the kernel gives to outgoing connections, nor one that was given to somebody else: such a port may
    be taken before a server that needs seconds to start gets there.
    """
    for _ in range(ATTEMPTS):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            # A name in Linux's abstract namespace is one process's until it ends, and leaves no file.
            claim = stack.enter_context(socket.socket(socket.AF_UNIX))
            claim.bind(f"\0novai-port-{port}")
            stack.enter_context(socket.socket()).bind((host, port))
            _claims.append(claim.detach())
            while len(_claims) > CLAIMS:
                os.close(_claims.popleft())
            return port
    raise StartError(f"no free port in {PORTS.start}-{PORTS.stop - 1}")


def last_lines(log: Path, count: int = 12) -> str:
    with contextlib.suppress(OSError), log.open(errors="replace") as lines:
        return "".join(deque(lines, maxlen=count)).rstrip()
    return "(it wrote nothing)"


def stop(process: subprocess.Popen[bytes], ask: signal.Signals, patience_s: float) -> None:
    """Asks, waits, then kills. The process is gone and reaped afterwards."""
    if process.poll() is not None:
        return
    process.send_signal(ask)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
