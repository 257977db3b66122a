"""How much memory there is for this process: of the machine, and of the container that it may be in (cgroup v2)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
FILES = "inactive_file", "active_file"  # of memory.stat: pages that the kernel takes back where they are needed


def free_bytes() -> int:
    """What nobody uses, and what the kernel would give back."""
    free = psutil.virtual_memory().available
    limit = container_limit_bytes()
    return min(free, max(limit - _used_by_container(), 0)) if limit else free


def container_limit_bytes() -> int:
    """0: none."""
    return _number("memory.max")  # or "max"


def _used_by_container() -> int:
    files = 0
    with suppress(OSError, ValueError):
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        files = sum(int(stat.get(name, 0)) for name in FILES)
    return _number("memory.current") - files


def _number(name: str) -> int:
    try:
        return int((CGROUP / name).read_text())
    except (OSError, ValueError):
        return 0
