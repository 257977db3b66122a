"""Model hosts that an edge is configured with. What becomes of their workers: tests/faults."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from api.clients.hosts import Hosts
from internal.serving import GrpcServer
from tests.workers import host

pytestmark = pytest.mark.timeout(60)


async def test_a_host_whose_name_can_be_none_keeps_no_other_away() -> None:
    async with host() as (_, address), aclosing(Hosts(["no..name:50051", address])) as hosts:
        await hosts.start()
        async with asyncio.timeout(10):
            while not hosts.seen():
                await hosts.news.wait()
        assert [seen.address for seen in hosts.seen()] == [address]


async def test_a_host_that_refuses_us_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """As after a restart of one of the two with another NOVAI_GRPC_TOKEN."""
    server = GrpcServer("127.0.0.1:0", [], "secret")
    await server.start()
    address = f"127.0.0.1:{server.port}"
    try:
        async with aclosing(Hosts([address], "wrong")) as hosts:
            await hosts.start()
            async with asyncio.timeout(10):
                while hosts.unready() != {address: "does not answer (UNAUTHENTICATED)"}:
                    await asyncio.sleep(0.005)
    finally:
        await server.drain(0)
    assert "NOVAI_GRPC_TOKEN" in caplog.text
