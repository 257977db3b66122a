"""What a models.yaml would serve, and whether its files are there: what can be said without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from internal.config import load_models


def described(path: Path, backend: str) -> Iterator[str]:
    """Line by line. `backend`: see `load_models`. Raises ConfigError."""
    file = load_models(path, backend)
    for row in file.models:
        where = row.path or "-"
        missing = "" if not row.path or Path(row.path).exists() else "  (not there)"
        yield f"{row.name:<28} {row.kind:<10} {row.backend:<18} {where}{missing}"
    for alias, target in file.aliases.items():
        yield f"{alias:<28} {'alias':<10} {target}"
