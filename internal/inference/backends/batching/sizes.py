"""How large things are where nobody says it: by the model, and by what this machine has."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_CONTEXT = 4096
CELLS_PER_SLOT = 1024


def context_length_of(given: int | None, trained: int) -> int:
    """Tokens of one request, prompt and output."""
    return given or min(trained or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def pool_cells(given: int | None, slots: int, context_length: int, affordable: int) -> int:
    """Cells of a KV cache that all requests share. One request always fits."""
    return max(given or min(max(slots * CELLS_PER_SLOT, 2 * context_length), affordable), context_length)


def affordable_cells(memory_bytes: float, bytes_per_cell: int) -> int:
    return int(memory_bytes) // max(bytes_per_cell, 1)


def free_memory_bytes() -> int:
    pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024  # counts what the page cache would give back
    except (OSError, StopIteration, ValueError):
        return pages * size
