"""Work that gives way to whoever serves already: what a worker does before it is of use to anybody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NICENESS = 10  # a tenth of a core that somebody else wants as well
SLIGHTLY = 5  # a third
AGAIN_S = 0.1  # the kernel takes one change of a session's niceness in so long from those who are not root


async def gently(work: Callable[[], T]) -> T:
    """On a thread of its own, with a lower priority. The process keeps its own: to raise it again takes rights that a
    worker does not have. Threads that `work` starts have the lower one for ever."""
    with ThreadPoolExecutor(1, "gently", initializer=give_way) as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, work)


def give_way(niceness: int = NICENESS) -> None:
    """Only this thread and what it starts, as on Linux niceness is a thread's; elsewhere it would be the process's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + niceness)


async def hold_back(pid: int, until: asyncio.Event) -> None:
    """All of the session that a process leads, until the event.

    Where Linux shares the processors among sessions first (autogroup, see sched(7)), the niceness of a thread counts
    only within its own, and a session has one of its own, which anybody may raise again. Elsewhere nothing happens.
    """
    session = Path(f"/proc/{pid}/autogroup")
    with contextlib.suppress(OSError):  # there is no such thing here, or the process is gone
        await _set_niceness(session, NICENESS)
        await until.wait()
        await _set_niceness(session, 0)


async def _set_niceness(session: Path, niceness: int) -> None:
    while True:
        try:
            session.write_text(str(niceness))
        except BlockingIOError:
            await asyncio.sleep(AGAIN_S)
        else:
            return
