"""The niceness of sessions, where Linux shares the processors among them first."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

PATIENCE_S = 10.0

groups_by_session = pytest.mark.skipif(
    not os.access("/proc/self/autogroup", os.W_OK), reason="this Linux does not group by session"
)


def niceness_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/autogroup").read_text().rpartition(" ")[2])


async def until_niceness(pid: int, wanted: int) -> None:
    """Of the session that the process leads. The kernel tells nobody when it changes, so it is asked."""
    async with asyncio.timeout(PATIENCE_S):
        while niceness_of(pid) != wanted:
            await asyncio.sleep(0.01)
