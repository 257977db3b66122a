"""Work that gives way has a lower priority, and nothing else has."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from internal.gently import NICENESS, gently, hold_back
from tests.unit.internal.sessions import groups_by_session, until_niceness


async def test_only_the_work_gives_way() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert await gently(niceness) == min(before + NICENESS, 19)
    assert niceness() == before


async def test_what_goes_wrong_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        await gently(lambda: 1 // 0)


@groups_by_session
async def test_a_session_is_held_back_until_it_is_of_use() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    of_use = asyncio.Event()
    own = Path("/proc/self/autogroup")  # may be empty: some sessions are in no group
    before = own.read_text()
    try:
        holding = asyncio.create_task(hold_back(process.pid, of_use))
        await until_niceness(process.pid, NICENESS)
        assert not holding.done()
        of_use.set()
        await holding
        await until_niceness(process.pid, 0)
        assert own.read_text() == before
    finally:
        process.kill()
        await process.wait()


async def test_a_process_that_is_gone_is_nobodys_business() -> None:
    process = await asyncio.create_subprocess_exec("true", start_new_session=True)
    await process.wait()
    await asyncio.wait_for(hold_back(process.pid, asyncio.Event()), timeout=10)
