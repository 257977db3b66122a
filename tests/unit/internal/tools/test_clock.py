from __future__ import annotations

from datetime import UTC, datetime

import pytest

from internal.tools.base import ToolError
from internal.tools.clock import call, told

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)


def test_an_instant_in_time_zones() -> None:
    assert told(NOW, "UTC") == "2026-03-29T00:59:59+00:00 (Sunday, UTC)"
    assert told(NOW, "Europe/Berlin") == "2026-03-29T01:59:59+01:00 (Sunday, Europe/Berlin)"
    assert told(NOW, "America/New_York") == "2026-03-28T20:59:59-04:00 (Saturday, America/New_York)"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "Europe", "../../etc/passwd", "/etc/passwd", "a" * 5000, "x\0y"])
def test_zones_that_there_are_not(zone: str) -> None:
    with pytest.raises(ToolError, match="no time zone"):
        told(NOW, zone)


async def test_it_is_now() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    said = datetime.fromisoformat((await call({"timezone": "Asia/Tokyo"})).partition(" ")[0])
    assert before <= said <= datetime.now(UTC)
