"""Use is told when it begins, and when it has been over for a while."""

from __future__ import annotations

import asyncio

from internal.announce import Activity


async def test_requests_that_follow_one_another_are_told_once() -> None:
    told: list[bool] = []
    quiet = asyncio.Event()

    def tell(busy: bool) -> None:
        told.append(busy)
        if not busy:
            quiet.set()

    activity = Activity(tell, quiet_s=0.1)
    for _ in range(3):
        activity.begin()
        activity.begin()
        activity.end()
        await asyncio.sleep(0)
        activity.end()
    assert (told, activity.running) == ([True], 0)
    await quiet.wait()
    activity.begin()
    assert told == [True, False, True]
