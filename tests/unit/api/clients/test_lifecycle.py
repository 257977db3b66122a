"""Waiting for a model that sleeps, against a host that says what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from gen import model_host_pb2 as pb

from api.clients.hosts import Hosts
from api.clients.lifecycle import HostCommands
from api.errors import OverloadedError
from tests.workers import MODEL, FakeHost, host, ready, worker

ASLEEP = pb.Model(model=MODEL, state=pb.ASLEEP, on_demand=True)


@asynccontextmanager
async def watching(addresses: list[str]) -> AsyncIterator[tuple[Hosts, HostCommands]]:
    """Hosts of which each has a model."""
    hosts = Hosts(addresses)
    await hosts.start()
    try:
        while len([known for told in hosts.known().values() for known in told]) < len(addresses):
            await hosts.news.wait()
        yield hosts, HostCommands(hosts)
    finally:
        await hosts.aclose()


def taking(fake: FakeHost, taken: list[pb.LoadRequest], answer: pb.Model) -> None:
    async def load(request: pb.LoadRequest, _context: Any) -> pb.Model:
        taken.append(request)
        return answer

    fake.load = load


async def test_it_is_loaded_once_and_waited_for() -> None:
    taken: list[pb.LoadRequest] = []
    async with host() as (fake, address), worker() as running:
        taking(fake, taken, pb.Model(model=MODEL, state=pb.LOADING, on_demand=True))
        await fake.set(known=[ASLEEP])
        async with watching([address]) as (hosts, commands):
            waiting = [asyncio.create_task(commands.wake(MODEL, 20)) for _ in range(5)]
            while not taken:
                await asyncio.sleep(0.01)
            await fake.set(ready(running), known=[pb.Model(model=MODEL, state=pb.READY, on_demand=True)])
            await asyncio.gather(*waiting)
            assert hosts.pick(MODEL).usable
    assert taken[0].on_demand and len(taken) <= len(waiting)


async def test_who_waited_too_long_is_told_when_to_come_back() -> None:
    async with host() as (fake, address):
        taking(fake, [], pb.Model(model=MODEL, state=pb.LOADING, on_demand=True))
        await fake.set(known=[ASLEEP])
        async with watching([address]) as (_, commands):
            with pytest.raises(OverloadedError, match="is being loaded") as refusal:
                await commands.wake(MODEL, 0.1)
            assert refusal.value.headers()["retry-after"] == "5"


async def test_another_host_loads_it_when_one_cannot() -> None:
    taken: list[pb.LoadRequest] = []
    async with host() as (full, first), host() as (free, second):
        taking(free, taken, pb.Model(model=MODEL, state=pb.LOADING, on_demand=True))
        for fake in (full, free):  # the full one refuses
            await fake.set(known=[ASLEEP])
        async with watching([first, second]) as (_, commands):
            with pytest.raises(OverloadedError):
                await commands.wake(MODEL, 0.2)
    assert taken


async def test_when_none_can_nobody_waits() -> None:
    async with host() as (fake, address):
        await fake.set(known=[ASLEEP])
        async with watching([address]) as (_, commands):
            with pytest.raises(OverloadedError, match="cannot be loaded now"):
                await commands.wake(MODEL, 60)
