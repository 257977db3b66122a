from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from api.errors import LedgerUnavailableError
from api.regularly import Regularly

pytestmark = pytest.mark.timeout(30)


class Counted:
    """Fails as it is told, then no more."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.times = 0
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.times += 1
        if self._failures:
            raise self._failures.pop(0)
        self.done.set()


async def test_it_begins_at_once_or_with_a_pause_and_goes_on_when_asked() -> None:
    eager, patient = Counted(), Counted()
    async with (
        aclosing(Regularly("eager", eager, 600)) as first,
        aclosing(Regularly("patient", patient, 600, pause_first=True)) as second,
    ):
        await first.start()
        await second.start()
        await second.start()  # changes nothing
        await eager.done.wait()
        assert (eager.times, patient.times) == (1, 0)
        second.now()
        await patient.done.wait()
        assert (eager.times, patient.times) == (1, 1)


async def test_whatever_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """An outage sooner, and without a word; what is no outage is in the log."""
    away = Counted(LedgerUnavailableError("away"))
    async with aclosing(Regularly("soon", away, 600, retry_s=0.01)) as soon:
        await soon.start()
        await away.done.wait()
    assert not caplog.records
    broken = Counted(ValueError("a fault of ours"))
    async with aclosing(Regularly("the counting", broken, 0.01)) as again:
        await again.start()
        await broken.done.wait()
    [record] = caplog.records
    assert "the counting failed" in record.message and record.exc_info
