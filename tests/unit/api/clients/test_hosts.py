"""Model hosts that an edge is configured with. What becomes of their workers: tests/faults."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from api.clients.hosts import Hosts
from tests.workers import host

pytestmark = pytest.mark.timeout(60)


async def test_a_host_whose_name_can_be_none_keeps_no_other_away() -> None:
    async with host() as (_, address), aclosing(Hosts(["no..name:50051", address])) as hosts:
        await hosts.start()
        async with asyncio.timeout(10):
            while not hosts.seen():
                await hosts.news.wait()
        assert [seen.address for seen in hosts.seen()] == [address]
