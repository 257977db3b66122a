"""Wrong keys are counted by address, in the same memory whoever calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.guard import BURST, INTERVAL_S, PLACES, Guard, network_of

HERE, THERE = "203.0.113.7", "198.51.100.9"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def fail(guard: Guard, address: str) -> bool:
    """Presents a wrong key, if one may be tried."""
    if guard.wait_s(address):
        return False
    guard.failed(address)
    return True


def test_twenty_at_once_then_one_every_three_seconds() -> None:
    guard = Guard(clock := Clock())
    assert [fail(guard, HERE) for _ in range(BURST + 5)] == [True] * BURST + [False] * 5
    assert guard.wait_s(HERE) == pytest.approx(INTERVAL_S)
    clock.now_s += INTERVAL_S
    assert [fail(guard, HERE) for _ in range(3)] == [True, False, False]
    clock.now_s += 3600
    assert [fail(guard, HERE) for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_others_are_not_affected() -> None:
    guard = Guard(Clock())
    while fail(guard, HERE):
        pass
    assert not guard.wait_s(THERE)
    assert fail(guard, THERE)


@given(st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=300))
def test_in_any_time_no_more_than_the_burst_and_the_rate(moments: list[tuple[float, bool]]) -> None:
    guard = Guard(clock := Clock())
    began_s = clock.now_s
    tried = 0
    for pause_s, long in moments:
        clock.now_s += pause_s if long else pause_s / 1000
        tried += fail(guard, HERE)
        assert tried <= BURST + (clock.now_s - began_s) / INTERVAL_S + 1e-6


def test_memory_is_the_same_however_many_call() -> None:
    guard = Guard(Clock())
    for number in range(2 * PLACES):
        guard.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guard._clear_at) == PLACES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("unknown:1:x", "unknown:2:x", False),
        ("", "", True),
    ],
)
def test_who_is_one_caller(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same
