"""Which model a name stands for: itself, an alias, the longest wildcard; and when there is none of that name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from gen import model_host_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from api.clients.hosts import Hosts
from api.clients.lifecycle import HostCommands
from api.domain import Principal
from api.errors import ModelNotFoundError, OverloadedError
from api.services import catalog as module
from api.services.catalog import Catalog, target_of
from tests.unit.api.clients.test_lifecycle import ASLEEP, watching
from tests.workers import MODEL, host, ready, worker

# Few letters, so that names often begin alike.
NAMES = st.text("ab-", min_size=1, max_size=6)
ALIASES = st.dictionaries(NAMES | st.text("ab-", max_size=4).map("{}*".format), st.sampled_from(["m", "n", "o"]))


@given(NAMES, ALIASES)
def test_exact_before_the_longest_wildcard_before_the_default(name: str, aliases: dict[str, str]) -> None:
    found = target_of(name, aliases)
    fitting = [f"{name[:length]}*" for length in range(len(name), -1, -1) if f"{name[:length]}*" in aliases]
    best = next((alias for alias in (name, *fitting) if alias in aliases), None)
    assert found == ("" if best is None else aliases[best])


@given(NAMES, ALIASES)
def test_the_order_of_aliases_does_not_matter(name: str, aliases: dict[str, str]) -> None:
    assert target_of(name, aliases) == target_of(name, dict(reversed(aliases.items())))


@given(NAMES, ALIASES)
def test_with_a_default_every_name_stands_for_a_model(name: str, aliases: dict[str, str]) -> None:
    assert target_of(name, {"*": "d"} | aliases)


def test_examples() -> None:
    aliases = {"gpt-4o": "m", "gpt-4*": "n", "gpt-*": "o", "*": "d"}
    asked = ["gpt-4o", "gpt-4o-mini", "gpt-4", "gpt-5", "claude", "gp", "GPT-4o"]
    assert [target_of(name, aliases) for name in asked] == ["m", "n", "n", "o", "d", "d", "d"]
    assert target_of("claude", {"gpt-*": "m"}) == ""


async def test_there_is_no_such_model_when_every_host_has_said_so() -> None:
    principal = Principal(key_id="k", project_id="p", organisation_id="o", scopes=frozenset({"inference"}))
    async with host() as (fake, address):
        await fake.set(known=[ASLEEP])
        async with watching([address]) as (hosts, commands):
            with pytest.raises(ModelNotFoundError):
                Catalog(hosts, commands, 1).find("else", principal)
            for incomplete in (True, False):  # it ends, and begins anew
                await fake.set(incomplete=incomplete)
                while bool(hosts.unsure()) is not incomplete or hosts.known():
                    await hosts.news.wait()
                with pytest.raises(OverloadedError if incomplete else ModelNotFoundError):
                    Catalog(hosts, commands, 1).find(MODEL, principal)
    away = Hosts([address])
    with pytest.raises(OverloadedError, match="host is away"):
        Catalog(away, HostCommands(away), 1).find("else", principal)


async def test_requests_that_wait_for_models_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    principal = Principal(key_id="k", project_id="p", organisation_id="o", scopes=frozenset({"inference"}))
    loading = asyncio.Event()

    async def load(_request: pb.LoadRequest, _context: Any) -> pb.Model:
        loading.set()
        return pb.Model(model=MODEL, state=pb.LOADING, on_demand=True)

    async with host() as (fake, address), worker() as running:
        fake.load = load
        await fake.set(known=[ASLEEP])
        async with watching([address]) as (hosts, commands):
            catalog = Catalog(hosts, commands, 20)
            first = asyncio.create_task(catalog.awake(MODEL, "chat", principal))
            await loading.wait()
            with pytest.raises(OverloadedError, match="Too many requests wait"):
                await catalog.awake(MODEL, "chat", principal)
            first.cancel()  # its client left
            await asyncio.wait({first})
            second = asyncio.create_task(catalog.awake(MODEL, "chat", principal))
            await asyncio.sleep(0)
            await fake.set(ready(running), known=[pb.Model(model=MODEL, state=pb.READY, on_demand=True)])
            assert (await second).replicas == 1
