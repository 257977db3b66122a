"""How many threads there may be, and where they run."""

from __future__ import annotations

import ctypes
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
    cores are left alone, because those of all models would be on the same first cores. Call it before the library that
    brings OpenMP is loaded.
    """
    if not isinstance(threads, int) or threads == 0 or threads >= usable_cores():
        os.environ.setdefault("OMP_PROC_BIND", "close")


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
