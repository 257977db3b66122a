"""Work that gives way has a lower priority, and nothing else has."""

from __future__ import annotations

import os
import threading

import pytest

from internal.gently import NICENESS, gently


async def test_only_the_work_gives_way() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert await gently(niceness) == min(before + NICENESS, 19)
    assert niceness() == before


async def test_what_goes_wrong_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        await gently(lambda: 1 // 0)
