from __future__ import annotations

from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain import Limit, LimitName
from api.limits.dimensions import DIMENSIONS, Row, estimate_tokens, plan
from tests.unit.api.limits.conftest import limit, someone

RATES = [name for name, row in DIMENSIONS.items() if row.window_s]


def test_every_limit_that_can_be_said_is_a_row_of_the_table() -> None:
    assert set(DIMENSIONS) == set(get_args(LimitName))
    assert all(name == row.name for name, row in DIMENSIONS.items())
    assert len({row.short for row in DIMENSIONS.values()}) == len(DIMENSIONS)


@pytest.mark.parametrize(
    ("name", "amount", "burst"),
    [
        ("requests_per_minute", 600, 100),
        ("requests_per_minute", 3, 1),
        ("tokens_per_minute", 600, 600),
        ("requests_per_day", 600, 600),
        ("tokens_per_day", 600, 600),
    ],
)
def test_the_burst_that_nobody_gave(name: LimitName, amount: int, burst: int) -> None:
    assert row(limit(name, amount)).burst == burst
    assert row(limit(name, amount, 7)).burst == 7


@given(
    name=st.sampled_from(RATES),
    amount=st.integers(1, 10**9),
    burst=st.none() | st.integers(1, 10**9),
    tokens=st.lists(st.integers(0, 10**6), min_size=1, max_size=20),
)
def test_rounding_never_admits_more(name: LimitName, amount: int, burst: int | None, tokens: list[int]) -> None:
    """Costs are not less than exact, capacities not more, by less than a nanosecond for each request."""
    found = row(limit(name, amount, burst))
    exact_ns = Fraction(found.dimension.window_s * 10**9, amount)
    cost_ns = sum(map(found.cost_ns, tokens))
    used = sum(map(found.requested, tokens))
    assert 0 <= cost_ns - used * exact_ns < len(tokens) or found.burst in tokens
    if found.dimension.unit == "tokens":
        assert 0 <= found.burst * exact_ns - found.capacity_ns < 1
    else:
        assert found.capacity_ns == found.burst * found.request_ns


@given(name=st.sampled_from(RATES), amount=st.integers(1, 10**9), burst=st.integers(1, 10**6))
def test_a_whole_burst_fits_an_unused_bucket(name: LimitName, amount: int, burst: int) -> None:
    found = row(limit(name, amount, burst))
    assert found.cost_ns(burst) <= found.capacity_ns
    assert found.remaining(0) <= burst <= found.remaining(0) + 1
    assert found.remaining(found.capacity_ns) == found.remaining(found.capacity_ns + 10**18) == 0


@given(
    name=st.sampled_from(RATES),
    amount=st.integers(1, 10**9),
    owed=st.lists(st.integers(0, 10**14), min_size=2, max_size=2),
)
def test_what_remains_falls_as_more_is_owed(name: LimitName, amount: int, owed: list[int]) -> None:
    found = row(limit(name, amount))
    less, more = sorted(owed)
    assert found.burst >= found.remaining(less) >= found.remaining(more) >= 0


def test_what_can_never_fit() -> None:
    assert row(limit("tokens_per_minute", 100)).fits(100)
    assert not row(limit("tokens_per_minute", 100)).fits(101)
    assert row(limit("requests_per_minute", 1)).fits(10**9)
    assert not row(limit("requests_per_minute", 0)).fits(1)
    assert not row(limit("concurrent_requests", 0)).fits(0)


def test_a_request_meets_its_key_its_project_and_its_model() -> None:
    principal = someone(
        limit("requests_per_minute", 1),
        key=(limit("tokens_per_day", 2), limit("concurrent_requests", 3)),
        models=(("*", (limit("concurrent_requests", 4),)), ("tiny", (limit("requests_per_day", 5),))),
    )
    found = plan(principal, "tiny")
    assert [(each.scope, each.amount) for each in found.rates] == [("key", 2), ("project", 1), ("model", 5)]
    assert [(each.scope, each.amount) for each in found.leases] == [("key", 3)]
    assert [each.amount for each in plan(principal, "other").leases] == [3, 4]
    keys = {*found.keys, *plan(principal, "other").keys, *plan(principal, "third").keys}
    assert len(keys) == 6
    assert {key.split(b"{")[1].split(b"}")[0].decode() for key in keys} == {principal.organisation_id}


def test_an_estimate_is_the_body_and_all_that_may_be_written() -> None:
    assert estimate_tokens(4000, 256) == 1256
    assert estimate_tokens(3, 0) == 0


def row(rule: Limit) -> Row:
    return Row(rule, "project", "project p", "org", "p")
