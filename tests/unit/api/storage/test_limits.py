from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.keys import KeyRing, mint
from api.domain import Limit, Limits
from api.limits.dimensions import DIMENSIONS
from api.storage import keys, limits
from api.storage.limits import Document, Rule, effective
from api.storage.session import Database
from api.storage.tenants import Project
from tests.unit.api.conftest import PEPPER

RULES = st.dictionaries(st.sampled_from(list(DIMENSIONS)), st.builds(Rule, st.none() | st.integers(0, 9)), max_size=3)
DOCUMENTS = st.builds(Document, RULES, RULES, st.dictionaries(st.sampled_from(["*", "a", "b"]), RULES))


def text(document: Document) -> str:
    return msgspec.json.encode(document).decode()


@given(st.lists(DOCUMENTS, min_size=3, max_size=3))
def test_the_last_document_that_speaks_of_a_limit_decides(documents: list[Document]) -> None:
    found = effective(*map(text, documents))
    for name in DIMENSIONS:
        for section, limits_found in (("project", found.project), ("key", found.key)):
            said = [rules[name] for document in documents if name in (rules := getattr(document, section))]
            assert amounts(limits_found).get(name) == (said[-1].limit if said else None)
        for model in ("a", "b", "unknown"):
            said = [
                rules[name]
                for place in ("*", model)  # what is said of the model itself comes last
                for document in documents
                if name in (rules := document.models.get(place, {}))
            ]
            assert amounts(found.of_model(model)).get(name) == (said[-1].limit if said else None)
    assert effective(*map(text, documents)) is found and hash(found)


def amounts(found: tuple[Limit, ...]) -> dict[str, int]:
    assert len({limit.name for limit in found}) == len(found)
    return {limit.name: limit.amount for limit in found}


@pytest.mark.parametrize(
    "wrong", ['{"projects": {}}', '{"project": {"rpm": {"limit": 1}}}', '{"key": {"requests_per_day": {"limit": "1"}}}']
)
def test_a_document_that_nobody_wrote_is_not_guessed_at(wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        effective(wrong)


async def test_changes_are_in_force_within_a_second(store: Database, project: Project) -> None:
    plain, record = mint(PEPPER, project.id, "k")
    await keys.add(store, record)

    def rule(amount: int) -> limits.Rules:
        return {"requests_per_day": Rule(amount)}

    def set_project(document: Document) -> None:
        document.project = rule(2)

    def set_key(document: Document) -> None:
        document.key = rule(3)

    def set_tier(document: Document) -> None:
        document.project = rule(1)

    async def becomes(wanted: Limits) -> None:
        started_s = time.monotonic()
        async with asyncio.timeout(30):
            while (await ring.authenticate(plain)).limits != wanted:
                await asyncio.sleep(0.005)
        assert time.monotonic() - started_s < 1.0

    tier = f"tier {record.id}"
    of_tier, of_project, of_key = (Limit("requests_per_day", n) for n in (1, 2, 3))
    async with contextlib.aclosing(KeyRing(store, PEPPER, ttl_s=600)) as ring:
        await ring.start()
        async with asyncio.timeout(30):
            while not ring._listening:
                await asyncio.sleep(0.01)
        await ring.authenticate(plain)
        await limits.add_tier(store, tier)
        await limits.assign_tier(store, project.id, tier)
        await becomes(Limits())
        await limits.change(store, "tier", tier, set_tier)
        await becomes(Limits(project=(of_tier,)))
        await limits.change(store, "project", project.id, set_project)
        await becomes(Limits(project=(of_project,)))
        await limits.change(store, "key", record.id, set_key)
        await becomes(Limits(project=(of_project,), key=(of_key,)))
        await limits.assign_tier(store, project.id, "default")
        every = (*await default_of(store), of_project)
        await becomes(Limits(project=tuple(sorted(every, key=lambda limit: limit.name)), key=(of_key,)))


async def default_of(store: Database) -> tuple[Limit, ...]:
    return effective(text((await limits.tiers(store))["default"])).project


async def test_two_who_change_at_once_both_have_their_way(store: Database, project: Project) -> None:
    def setting(model: str) -> limits.Callable[[Document], None]:
        def edit(document: Document) -> None:
            document.models[model] = {"requests_per_day": Rule(1)}

        return edit

    await asyncio.gather(*(limits.change(store, "project", project.id, setting(f"m{n}")) for n in range(8)))
    found = await limits.find(store, "project", project.id)
    assert found is not None and len(found.document.models) == 8
    assert await limits.change(store, "project", "nowhere", setting("m")) is None
