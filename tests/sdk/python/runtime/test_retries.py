from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from novai._runtime.retries import can_help, delay_s, retry_after_s

WORTH = [
    (408, {}, True),
    (409, {}, True),
    (429, {}, True),
    (500, {}, True),
    (503, {}, True),
    (400, {}, False),
    (404, {}, False),
    (422, {}, False),
    (429, {"x-should-retry": "false"}, False),
    (400, {"x-should-retry": "true"}, True),
    (500, {"x-should-retry": "perhaps"}, True),
    (429, {"retry-after": "120"}, True),
    (429, {"retry-after": "121"}, False),
    (429, {"retry-after": "121", "x-should-retry": "true"}, False),
    (429, {"retry-after-ms": "120001"}, False),
    (429, {"retry-after": "soon"}, True),
]
AFTER = [
    ({}, None),
    ({"retry-after": "7"}, 7),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
    ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "0"}, 0),
]


@pytest.mark.parametrize(("status", "headers", "worth"), WORTH)
def test_what_is_tried_again(status: int, headers: dict[str, str], worth: bool) -> None:
    assert can_help(status, headers) is worth


@pytest.mark.parametrize(("headers", "seconds"), AFTER)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_a_date() -> None:
    asked = retry_after_s({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert asked is not None
    assert 25 < asked <= 30


@pytest.mark.parametrize(("retry", "longest"), [(0, 0.5), (1, 1), (2, 2), (3, 4), (4, 8), (20, 8)])
def test_delays_double_up_to_eight_seconds_less_a_quarter(retry: int, longest: float) -> None:
    delays = [delay_s(retry) for _ in range(1000)]
    assert 0.75 * longest <= min(delays) < 0.8 * longest
    assert 0.95 * longest < max(delays) <= longest


@pytest.mark.parametrize("asked", ["0", "-3", "121"])
def test_what_cannot_be_waited_for_is_not(asked: str) -> None:
    assert delay_s(0, {"retry-after": asked}) <= 0.5


def test_the_server_says_how_long() -> None:
    assert delay_s(5, {"retry-after": "119"}) == 119
