"""How many threads there may be, and where they run."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import platform
import struct
from pathlib import Path

# Of the processor's register MXCSR: results that are denormal become zero, and so do operands.
FLUSH_TO_ZERO, DENORMALS_ARE_ZERO = 1 << 15, 1 << 6
MXCSR_OFFSET, FENV_BYTES = 28, 32  # in glibc's fenv_t for x86-64


def usable_cores() -> int:
    """Cores that this process may use: its affinity and its cgroup's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no quota ("max"), or no cgroup v2
    return cores


def keep_threads_apart(threads: object) -> None:
    """OpenMP's threads each on a core of their own, where they use all cores. `threads`: the option of a model that
    says how many there are to be, not looked at by its backend yet; without it as many as there are cores.

    Otherwise Linux puts two of them on one core as soon as anything else runs, and each waits there for the other at
    every barrier: one busy process beside a model on two cores took 97 % of its speed, 45 % since. Fewer threads than
    cores are left alone, because those of all models would be on the same cores. Call it before the library that
    brings OpenMP is loaded.
    """
    if not isinstance(threads, int) or threads == 0 or threads >= usable_cores():
        os.environ.setdefault("OMP_PROC_BIND", "close")
        if hasattr(os, "sched_getaffinity"):
            os.environ.setdefault("OMP_PLACES", ",".join(f"{{{core}}}" for core in _from_the_last()))


def _from_the_last() -> list[int]:
    """The cores that this process may use, in the order in which they are taken: those that are needed first are the
    last ones, because the first is where Linux and what began with the machine do their housekeeping."""
    return sorted(os.sched_getaffinity(os.getpid()), reverse=True)  # of the first thread, which computes nothing


class Team:
    """The calling thread, and those that OpenMP starts for it, on cores of their own, where `keep_threads_apart` has
    given such to all: `cores` are numbers among those that this process may use, from the last one on.

    OpenMP would begin with number 0 for every thread that calls it. `name`: of all of them, 15 letters at
    most.
    """

    def __init__(self, name: str, cores: range) -> None:
        self._name = name
        self._cores: list[int] = []
        self._placed: set[int] = set()
        if os.environ.get("OMP_PROC_BIND", "false") == "false" or not hasattr(os, "sched_setaffinity"):
            return
        usable = _from_the_last()
        self._cores = [usable[core % len(usable)] for core in cores]
        os.sched_setaffinity(0, self._cores)
        Path("/proc/thread-self/comm").write_text(name)  # OpenMP's threads take the name of who starts them

    def stay(self) -> None:
        """Call it when the team has computed something, and its threads are there."""
        if len(self._cores) < 2:  # OpenMP starts none
            return
        found = set()
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it ended meanwhile
                if (task / "comm").read_text().strip() == self._name:
                    found.add(int(task.name))
        if found != self._placed:
            self._placed = found
            for core, thread in zip(itertools.cycle(self._cores), sorted(found), strict=False):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread, {core})


def flush_denormals() -> None:
    """On this thread, and those that it starts: numbers below 1e-38 are zero.

    A processor takes 100 times as long for them. The weights that attention gives to masked cells pass through them: on
    two cores with AVX2 16 streams of few tokens took a third longer for it.
    """
    if platform.machine() != "x86_64":
        return
    try:
        library = ctypes.CDLL("libm.so.6")
    except OSError:  # another C library, whose fenv_t is not known here
        return
    environment = ctypes.create_string_buffer(FENV_BYTES)
    library.fegetenv(environment)
    (mxcsr,) = struct.unpack_from("I", environment, MXCSR_OFFSET)
    struct.pack_into("I", environment, MXCSR_OFFSET, mxcsr | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO)
    library.fesetenv(environment)
