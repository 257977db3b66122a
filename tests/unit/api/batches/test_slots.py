"""Places of lines: as many as are wanted, in turn, none lost, fewer after a refusal."""

from __future__ import annotations

import asyncio

from api.batches.slots import Slots


class Lines:
    """Lines that run until they are told to end."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.running: list[int] = []
        self.ends = [asyncio.Event() for _ in range(20)]
        self.tasks = [asyncio.create_task(self._run(number)) for number in range(20)]

    async def _run(self, number: int) -> None:
        async with self._slots.taken("tiny"):
            self.running.append(number)
            await self.ends[number].wait()
            self.running.remove(number)

    async def settle(self) -> list[int]:
        """Who runs, when everybody has had a turn of the loop."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.running

    async def aclose(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_in_turn_and_none_is_lost() -> None:
    lines = Lines(Slots(lambda _model: 4))
    assert await lines.settle() == [0, 1, 2, 3]
    lines.ends[1].set()
    assert await lines.settle() == [0, 2, 3, 4]
    lines.tasks[0].cancel()  # it runs
    lines.tasks[6].cancel()  # it waits
    assert await lines.settle() == [0, 2, 3, 4, 5]
    lines.running.remove(0)
    for number in (2, 3, 4, 5):
        lines.ends[number].set()
    assert await lines.settle() == [7, 8, 9, 10]
    await lines.aclose()


async def test_a_place_that_came_as_its_line_left_goes_to_the_next() -> None:
    lines = Lines(Slots(lambda _model: 1))
    await lines.settle()
    lines.ends[0].set()
    while not lines.tasks[0].done():
        await asyncio.sleep(0)
    lines.tasks[1].cancel()
    assert await lines.settle() in ([2], [1, 2])
    await lines.aclose()


async def test_replicas_come_and_go() -> None:
    most = 0
    slots = Slots(lambda _model: most)
    lines = Lines(slots)
    assert await lines.settle() == [0]  # one may wait for a model that is away
    most = 3
    slots.look()
    assert await lines.settle() == [0, 1, 2]
    await lines.aclose()


async def test_after_a_refusal_half_as_many() -> None:
    slots = Slots(lambda _model: 8)
    lines = Lines(slots)
    assert len(await lines.settle()) == 8
    slots.refused("tiny")
    assert slots.room("tiny") == 4
    for _ in range(4):  # and one more when as many were answered
        slots.answered("tiny")
        assert slots.room("tiny") == 4
    slots.answered("tiny")
    assert slots.room("tiny") == 5
    for _ in range(60):
        slots.answered("tiny")
    assert slots.room("tiny") == 8
    await lines.aclose()
