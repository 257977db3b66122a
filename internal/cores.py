"""How many threads there may be, and where they run."""

from __future__ import annotations

import os
from pathlib import Path


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
