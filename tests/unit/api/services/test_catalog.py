"""Which model a name stands for: itself, an alias, the longest wildcard; and when there is none of that name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.clients.hosts import Hosts
from api.clients.lifecycle import HostCommands
from api.domain import Principal
from api.errors import ModelNotFoundError, OverloadedError
from api.services.catalog import Catalog, target_of
from tests.unit.api.clients.test_lifecycle import ASLEEP, watching
from tests.workers import MODEL, host

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
