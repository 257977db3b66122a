from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.domain import Principal, TokenUsage
from api.storage import settlements
from api.storage.session import Database, open_pool
from api.storage.settlements import Settlement
from api.storage.usage_queries import Group, UsageFilter, usage

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=3)
GROUPS: tuple[Group, ...] = ("day", "hour", "project", "key", "model")
PROJECTS, KEYS, MODELS = ("p1", "p2"), ("k1", "k2", "k3"), ("m1", "m2")


@pytest.fixture
async def used(store: Database, usage_record: Any) -> list[Any]:
    """Free usage of every project, key and model, at odd times of three days."""
    records = [
        usage_record(
            principal=Principal("org_" + project, project, key, frozenset()),
            model=model,
            outcome="upstream_broke" if hour % 3 == 0 else "finished",
            tokens=TokenUsage(hour + 1, hour, number, 0),
            started_at_s=(START + timedelta(hours=hour, minutes=number)).timestamp(),
        )
        for number, (project, key, model) in enumerate(itertools.product(PROJECTS, KEYS, MODELS))
        for hour in range(number % 5, 72, 7)
    ]
    paying = [Settlement(r, 0, 0, pays=r.outcome == "finished", held=False) for r in records]
    await settlements.settle(store, "me", paying)
    return records


def expected(records: list[Any], by: tuple[Group, ...], where: UsageFilter) -> dict[tuple[Any, ...], Counter[str]]:
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for r in records:
        at = datetime.fromtimestamp(r.started_at_s, UTC)
        hour = at.replace(minute=0, second=0, microsecond=0)
        is_in = where.start <= hour < where.end and all(
            not wanted or value in wanted
            for wanted, value in (
                (where.projects, r.principal.project_id),
                (where.keys, r.principal.key_id),
                (where.models, r.model),
                ((where.organisation_id,) if where.organisation_id else (), r.principal.organisation_id),
            )
        )
        if is_in:
            values = {
                "hour": hour,
                "day": hour.replace(hour=0),
                "project": r.principal.project_id,
                "key": r.principal.key_id,
                "model": r.model,
            }
            group = sums.setdefault(tuple(values[name] for name in by), Counter())
            group.update(requests=1, broken=r.outcome != "finished", prompt=r.tokens.prompt_tokens)
    return sums


@st.composite
def a_question(draw: st.DrawFn) -> tuple[tuple[Group, ...], UsageFilter]:
    by = draw(st.lists(st.sampled_from(GROUPS), unique=True).filter(lambda by: not {"day", "hour"} <= set(by)))
    start, end = sorted(draw(st.lists(st.integers(0, 72), min_size=2, max_size=2)))
    if draw(st.booleans()):
        start, end = start // 24 * 24, end // 24 * 24
    where = UsageFilter(
        START + timedelta(hours=start),
        START + timedelta(hours=end),
        draw(st.sampled_from((None, "org_p1", "org_x"))),
        draw(st.sampled_from(((), ("p1",), PROJECTS))),
        draw(st.sampled_from(((), ("k1", "k3"), ("x",)))),
        draw(st.sampled_from(((), ("m2",)))),
    )
    return tuple(by), where


def test_any_question_is_answered_as_the_raw_rows_would(migrated_url: str, used: list[Any]) -> None:
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(open_pool(migrated_url, 1))

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(a_question(), st.integers(1, 9))
    def ask(question: tuple[tuple[Group, ...], UsageFilter], limit: int) -> None:
        by, where = question
        found = []
        after = None
        while page := loop.run_until_complete(usage(store, by, where, after, limit)):
            assert len(page) <= limit
            found += page
            after = page[-1].group
            if not by:
                break
        answer = {row.group: (row.requests, row.broken, row.prompt_tokens) for row in found}
        assert len(answer) == len(found) and list(answer) == sorted(answer)
        right = expected(used, by, where)
        assert answer == {group: (s["requests"], s["broken"], s["prompt"]) for group, s in right.items()}

    try:
        ask()
    finally:
        loop.run_until_complete(store.aclose())
        loop.close()


@pytest.mark.parametrize(
    ("by", "minutes", "told"),
    [(("day", "hour"), 0, "by day or by hour"), (("key", "key"), 0, "twice"), ((), 30, "hour")],
)
async def test_what_cannot_be_asked(by: Any, minutes: int, told: str, store: Database) -> None:
    with pytest.raises(ValueError, match=told):
        await usage(store, by, UsageFilter(START + timedelta(minutes=minutes), END))
