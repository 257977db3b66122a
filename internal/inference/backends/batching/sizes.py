"""How large things are where nobody says it: by the model, and by what this machine has."""

from __future__ import annotations

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
