"""Several model hosts: whom a change reaches, and what it is when one of them refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from gen import model_host_pb2 as pb

from api.clients.lifecycle import DownloadRequest, LoadRequest
from api.errors import ConflictError, InvalidRequestError, ModelNotFoundError
from api.services.lifecycle import Lifecycle, furthest
from api.storage import audit
from api.storage.session import Database
from tests.unit.api.clients.test_lifecycle import ASLEEP, taking, watching
from tests.workers import MODEL, FakeHost, host

LOADING = pb.Model(model=MODEL, state=pb.LOADING)


@dataclass
class Two:
    """Hosts that both have the model, and what each was asked to load."""

    lifecycle: Lifecycle
    hosts: list[tuple[FakeHost, str]]
    taken: list[list[pb.LoadRequest]]


@asynccontextmanager
async def two(store: Database) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(host()) for _ in range(2)]
        taken: list[list[pb.LoadRequest]] = [[], []]
        for (fake, _), asked in zip(hosts, taken, strict=True):
            taking(fake, asked, LOADING)
            await fake.set(known=[ASLEEP])
        seen, commands = await stack.enter_async_context(watching([address for _, address in hosts]))
        yield Two(Lifecycle(store, seen, commands), hosts, taken)


async def test_a_load_reaches_every_host_that_has_the_model(store: Database) -> None:
    async with two(store) as both:
        await both.lifecycle.load("key_1", LoadRequest(model=MODEL, slots=2), None, {"slots": 2})
        assert [[request.slots for request in asked] for asked in both.taken] == [[2], [2]]
        assert furthest(both.lifecycle.find(MODEL)) == "loading"
        [entry] = await audit.page(store, "anyone", None, 10)
        assert (entry.actor, entry.action, entry.target, entry.details) == ("key_1", "model.load", MODEL, {"slots": 2})


async def test_or_the_one_that_is_named(store: Database) -> None:
    async with two(store) as both:
        _, second = both.hosts[1]
        await both.lifecycle.load("key_1", LoadRequest(model=MODEL), second, {})
        assert [len(asked) for asked in both.taken] == [0, 1]
        with pytest.raises(ModelNotFoundError, match="on the host nowhere:1"):
            await both.lifecycle.load("key_1", LoadRequest(model=MODEL), "nowhere:1", {})


async def test_one_that_accepts_is_enough(store: Database) -> None:
    async with two(store) as both:
        full, _ = both.hosts[0]
        full.load = None
        await both.lifecycle.load("key_1", LoadRequest(model=MODEL), None, {})
        both.hosts[1][0].load = None
        with pytest.raises(ConflictError, match="no room"):
            await both.lifecycle.load("key_1", LoadRequest(model=MODEL), None, {})


async def test_a_download_is_of_one_host(store: Database) -> None:
    async with two(store) as both:
        with pytest.raises(InvalidRequestError, match=both.hosts[0][1]) as refusal:
            await both.lifecycle.download("key_1", DownloadRequest(source="a/b"), None)
        assert refusal.value.param == "host"
        with pytest.raises(InvalidRequestError, match="downloads nothing") as refusal:
            await both.lifecycle.download("key_1", DownloadRequest(source="a/b"), both.hosts[0][1])
        assert refusal.value.param == "source"
