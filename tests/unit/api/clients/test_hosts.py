"""Model hosts that an edge is configured with. What becomes of their workers: tests/faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from gen import model_host_pb2 as pb
from gen import model_host_pb2_grpc

from api.clients import hosts as module
from api.clients.hosts import Hosts
from internal.serving import GrpcServer
from tests.workers import MODEL, host, ready, worker

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


class Ending(model_host_pb2_grpc.ModelHostServiceServicer):
    """A host that is stopped as it should be whenever it has said all, and is there again at once."""

    def __init__(self) -> None:
        self.watches = 0

    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.HostState]:  # type: ignore[override]
        self.watches += 1
        yield pb.HostState(host_id="test")


async def test_a_host_that_ended_well_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the pauses between looks at it had become before."""
    monkeypatch.setattr(module, "RECONNECT_FIRST_S", 0.001)
    monkeypatch.setattr(module, "RECONNECT_MOST_S", 60.0)
    service, server = Ending(), GrpcServer("127.0.0.1:0", [])
    model_host_pb2_grpc.add_ModelHostServiceServicer_to_server(service, server.server)
    await server.start()
    try:
        async with aclosing(Hosts([f"127.0.0.1:{server.port}"])) as hosts:
            await hosts.start()
            async with asyncio.timeout(20):
                while service.watches < 16:
                    await hosts.news.wait()
    finally:
        await server.drain(0)


async def test_a_name_that_resolves_elsewhere_has_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not resolve for a moment keeps those it had."""
    async with host() as (first, here), host() as (_, there), worker() as running:
        found, asked = {here}, asyncio.Event()

        async def addresses_of(_name: str) -> set[str]:
            asked.set()
            return set(found)

        monkeypatch.setattr(module, "addresses_of", addresses_of)
        monkeypatch.setattr(module, "RESOLVE_EVERY_S", 0.01)
        await first.set(ready(running))
        async with aclosing(Hosts(["host:50051"])) as hosts, asyncio.timeout(30):
            await hosts.start()
            while not any(replica.usable for replica in hosts.replicas()):
                await hosts.news.wait()
            [replica] = hosts.replicas()
            found.clear()
            for _ in range(2):
                asked.clear()
                await asked.wait()
            assert hosts.pick(MODEL) is replica
            found.add(there)
            while [seen.address for seen in hosts.seen()] != [there]:
                await hosts.news.wait()
            assert not hosts.models()
            while replica.session is not None and replica.session.alive:
                await asyncio.sleep(0.005)
