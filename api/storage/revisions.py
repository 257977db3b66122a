"""Which tables this program was written for."""

from __future__ import annotations

from pathlib import Path

# Old code runs on newer tables, not the other way round. Revisions are numbers of four digits.
NEWEST = max(path.name[:4] for path in (Path(__file__).parent / "migrations/versions").glob("[0-9]*.py"))
