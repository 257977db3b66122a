"""Times as the public API says them."""

from __future__ import annotations

from datetime import datetime


def seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
