"""A child process on the event loop: its lines and its end as callbacks, its whole family gone with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from typing import cast

from internal import child

MAX_LINE = 1 << 14  # a longer line is cut into pieces
LAST_OUTPUT_S = 0.5  # how long output may trail behind the exit (a grandchild may hold the pipe for ever)

OnLine = Callable[[int, str], None]  # file descriptor (1 stdout, 2 stderr), line without its end
OnExit = Callable[[int], None]  # return code; -9 means killed by signal 9


class Process(asyncio.SubprocessProtocol):
    """Started with `Process.start`, ended by its exit. It dies with this process, even when that is killed."""

    def __init__(self, on_line: OnLine, on_exit: OnExit) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self._on_line = on_line
        self._on_exit = on_exit
        self._rests = {1: b"", 2: b""}
        self._open = {1, 2}
        self._transport: asyncio.SubprocessTransport | None = None
        self._straggler: asyncio.TimerHandle | None = None
        self._finished = False

    @staticmethod
    async def start(argv: list[str], env: Mapping[str, str], on_line: OnLine, on_exit: OnExit) -> Process:
        """Call it on the main thread: the kernel ties the child's life to the thread. Raises OSError.

        `on_exit` is called once, after the last line.
        """
        process = Process(on_line, on_exit)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: process,
            *child.command(argv),
            stdin=asyncio.subprocess.DEVNULL,
            env=dict(env),
            start_new_session=True,  # Ctrl-C at the terminal is for us; we stop our children in our order
        )
        return process

    def signal(self, number: signal.Signals) -> None:
        """Does nothing when the process has ended."""
        if self._transport is not None and self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._transport.send_signal(number)

    # ------------------------------------------------- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if self._finished:  # a grandchild talks on
            return
        *lines, rest = (self._rests[fd] + data).split(b"\n")
        for line in lines:
            self._on_line(fd, line.decode(errors="replace").rstrip("\r"))
        if len(rest) > MAX_LINE:
            self._on_line(fd, rest.decode(errors="replace"))
            rest = b""
        self._rests[fd] = rest

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open and self._straggler is not None:
            self._finish()

    def process_exited(self) -> None:
        assert self._transport is not None
        self.returncode = self._transport.get_returncode()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what it started and left
        self._straggler = asyncio.get_running_loop().call_later(LAST_OUTPUT_S if self._open else 0, self._finish)

    def _finish(self) -> None:
        assert self._straggler is not None and self._transport is not None and self.returncode is not None
        self._straggler.cancel()
        if self._finished:
            return
        self._finished = True
        for fd, rest in self._rests.items():
            if rest:
                self._on_line(fd, rest.decode(errors="replace"))
        self._transport.close()
        self._on_exit(self.returncode)


def ending(returncode: int) -> str:
    """How a process ended, in words."""
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
