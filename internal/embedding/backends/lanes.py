"""How the cores of a machine are shared out among batches that are computed at the same time."""

from __future__ import annotations

from internal.cores import usable_cores


def split_threads(threads: int) -> tuple[int, int]:
    """Lanes and threads of each. Threads that share a batch wait for one another; lanes, each with its own, do not.
    `threads`: 0 for all that this process may use."""
    cores = threads or usable_cores()
    per_lane = max(1, cores // 4)
    return cores // per_lane, per_lane
