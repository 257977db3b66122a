"""Cursors and amounts: whatever comes in, what goes out is exact or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import InvalidRequestError
from api.services.administration import nusd
from api.services.usage import _cursor, _place, explanation, groups, payer
from api.storage.bills import Bill, EventPart, HoldPart, PricePart, UsedPart
from api.storage.usage_queries import Group

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
hours = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
UNITS: dict[Group, st.SearchStrategy[Any]] = {
    "day": hours,
    "hour": hours,
    "model": names,
    "key": names,
    "project": names,
}


@given(st.data(), st.lists(st.sampled_from(["model", "key", "project"]), unique=True), st.sampled_from(["day", "hour"]))
def test_a_cursor_names_the_group_that_a_page_ended_with(data: st.DataObject, by: list[Group], time: Group) -> None:
    by = [time, *by]
    group = [data.draw(UNITS[unit]) for unit in by]
    cursor = _cursor(by, group)
    assert cursor.isascii() and "=" not in cursor
    assert _place(cursor, by) == group
    with pytest.raises(InvalidRequestError):
        _place(cursor, [*by, "model"] if "model" not in by else by[:-1])


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="after"):
        _place(text, ["day", "model"])


@given(st.permutations(["day", "model", "key", "project"]))
def test_groups_keep_their_order(by: list[Group]) -> None:
    assert groups(",".join(by)) == tuple(by)


@given(st.integers(0, 10**15))
def test_amounts_in_bodies_are_exact_to_the_nano_dollar(amount: int) -> None:
    assert nusd(amount / 10**9, "limit_usd") == amount


@pytest.mark.parametrize("amount", [1e-10, 0.1234567891, -1.0, float("nan"), float("inf"), 1e300])
def test_amounts_that_are_none(amount: float) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        nusd(amount, "limit_usd")
    assert caught.value.param == "limit_usd"


# ---------------------------------------------------------------- bills

NOW = datetime(2026, 1, 31, tzinfo=UTC)
USED = UsedPart("r", "finished", "stop", "engine", 10, 4, 7, 0, 200, True, 1.0, 2.0, 5_400)
BROKE = replace(USED, outcome="upstream_broke", cost_nusd=0)


def bill(**fields: Any) -> Bill:
    """A request that was finished and is on account; each keyword replaces a field."""
    defaults: dict[str, Any] = {
        "debit": "receivable",
        "outage_nusd": 0,
        "hold": HoldPart("settled", 10_000, "receivable", NOW, NOW, [], []),
        "price": PricePart(1, 150_000_000, 75_000_000, 600_000_000, 100),
        "used": USED,
        "events": (),
    }
    return Bill("req_1", "org_1", "proj_1", "key_1", "createChatCompletion", "tiny", NOW, **(defaults | fields))


@pytest.mark.parametrize(
    ("found", "paid_by", "said"),
    [
        (bill(), "account", "(10 - 4) input tokens at $0.15, 4 cached at $0.075 and 7 output at $0.60 a million"),
        (bill(), "account", "cost $0.0000054."),
        (bill(debit="credits"), "credits", "cost $0.0000054."),
        (bill(hold=None), "account", "cost $0.0000054."),  # holds are not kept for ever
        (bill(debit=None, hold=None, price=None), "nobody", "The model is free."),
        (
            bill(debit=None, hold=HoldPart("open", 1_000, "credits", NOW, None, [], []), used=None),
            None,
            "$0.000001 is set aside",
        ),
        (bill(debit=None, hold=HoldPart("released", 1, "credits", NOW, NOW, [], []), used=None), "nobody", "never ran"),
        (
            bill(debit=None, hold=None, price=PricePart(2, 0, 0, 0, 100), used=replace(USED, cost_nusd=0)),
            "nobody",
            "at $0.00 a million, rounded up once to a nano-USD, cost $0.00.",
        ),
        (bill(debit=None, outage_nusd=5_400, used=BROKE), "operator", "cost $0.0000054, which the operator pays"),
        (bill(events=(EventPart("overrun", 600),)), "account", "cost $0.000006. Only $0.0000054 of it was held"),
    ],
)
def test_a_bill_says_who_paid_and_why(found: Bill, paid_by: str | None, said: str) -> None:
    assert payer(found) == paid_by
    assert said in explanation(found)
