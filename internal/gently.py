"""Work that gives way to whoever serves already: what a worker does before it is of use to anybody."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

NICENESS = 15


async def gently(work: Callable[[], T]) -> T:
    """On a thread of its own, with a lower priority. The process keeps its own: to raise it again takes rights that a
    worker does not have. Threads that `work` starts have the lower one for ever."""
    with ThreadPoolExecutor(1, "gently", initializer=give_way) as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, work)


def give_way() -> None:
    """Only this thread: on Linux niceness is a thread's."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
