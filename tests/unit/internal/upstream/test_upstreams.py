"""Who is asked, how often and for how long: with attempts that end as the test wants."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest
from gen import inference_pb2 as pb

from internal.errors import WorkerError
from internal.upstream import faults
from internal.upstream.chain import Upstream
from internal.upstream.faults import AttemptError, Blame
from internal.upstream.http import BrokenError
from internal.upstream.options import FallbackOptions, bearer
from internal.upstream.upstreams import ChainOptions, Upstreams, Way

UNWELL = AttemptError(Blame.UPSTREAM, faults.broken("m"), "HTTP 500")
WRONG_KEY = faults.of_answer(401, {}, b"", "m")
LATER = faults.of_answer(429, {"retry-after": "20"}, b"", "m")
BAD = faults.of_answer(400, {}, b'{"error": {"message": "odd"}}', "m")
Attempt = Callable[[Way, Upstream[Way], float], Awaitable[str]]


def upstreams(*fallbacks: str, attempts: int = 3, deadline_s: float = 110.0, first_s: float = 40.0) -> Upstreams:
    options = ChainOptions(
        base_url="http://first/v1",
        model="m",
        attempts=attempts,
        deadline_s=deadline_s,
        first_token_timeout_s=first_s,
        fallbacks=tuple(
            FallbackOptions(base_url=f"http://{name}/v1", model="m", backend="openai_compatible") for name in fallbacks
        ),
    )
    return Upstreams("m", "openai_compatible", options, {"openai_compatible": bearer})


def ending(asked: list[str], *ends: Exception | None) -> Attempt:
    """Each attempt ends as the next of `ends`."""
    left = iter(ends)

    async def attempt(way: Way, upstream: Upstream[Way], _limit_s: float) -> str:
        asked.append(upstream.name)
        if error := next(left):
            raise error
        return way.label

    return attempt


async def test_who_fails_is_followed_by_the_next_one() -> None:
    chain, asked = upstreams("second", "third"), list[str]()
    assert await chain.answered(ending(asked, UNWELL, BrokenError("cut"), None)) == "third"
    assert asked == ["first", "second", "third"]
    assert await chain.answered(ending(asked, None)) == "first"


@pytest.mark.parametrize(
    ("attempts", "ends", "code"),
    [
        (3, [UNWELL, UNWELL, BrokenError("cut")], pb.INTERNAL),
        (2, [UNWELL, TimeoutError()], pb.TIMEOUT),
        (1, [LATER], pb.OVERLOADED),
        (3, [BAD], pb.INVALID_REQUEST),
        (3, [UNWELL, BAD], pb.INVALID_REQUEST),
    ],
)
async def test_after_so_many_attempts_the_last_fault_is_told(
    attempts: int, ends: list[Exception], code: pb.ErrorCode.ValueType
) -> None:
    asked: list[str] = []
    with pytest.raises(WorkerError) as caught:
        await upstreams("second", "third", "fourth", attempts=attempts).answered(ending(asked, *ends))
    assert caught.value.code == code
    assert len(asked) == len(ends)


async def test_who_has_begun_to_answer_is_the_last() -> None:
    asked: list[str] = []
    with pytest.raises(WorkerError, match="failed"):
        await upstreams("second").answered(ending(asked, UNWELL), lambda: True)
    assert asked == ["first"]


async def test_who_is_the_only_one_is_asked_again_after_a_pause() -> None:
    asked: list[str] = []
    began_s = time.monotonic()
    assert await upstreams().answered(ending(asked, UNWELL, None)) == "first"
    assert time.monotonic() - began_s >= 0.1
    assert asked == ["first", "first"]


@pytest.mark.parametrize(("deadline_s", "first_s", "most_s"), [(110.0, 2.0, 2.0), (1.0, 40.0, 1.0)])
async def test_an_attempt_has_its_time_and_no_more_than_is_left(
    deadline_s: float, first_s: float, most_s: float
) -> None:
    async def attempt(_way: Way, _upstream: Upstream[Way], limit_s: float) -> float:
        return limit_s

    limit_s = await upstreams(deadline_s=deadline_s, first_s=first_s).answered(attempt)
    assert 0 < most_s - 0.5 < limit_s <= most_s


async def test_after_the_deadline_nobody_is_asked() -> None:
    asked: list[str] = []
    with pytest.raises(WorkerError, match="said nothing for too long"):
        await upstreams("second", deadline_s=0.0).answered(ending(asked, TimeoutError()))
    assert asked == ["first"]


@pytest.mark.parametrize(("fault", "said"), [(WRONG_KEY, "does not accept our key"), (LATER, "no more requests now")])
async def test_where_nobody_may_be_asked_soon_nobody_is(fault: AttemptError, said: str) -> None:
    chain = upstreams("second", attempts=2)
    with pytest.raises(WorkerError):
        await chain.answered(ending([], fault, fault))
    with pytest.raises(WorkerError, match=said) as caught:
        await chain.answered(ending([]))
    assert fault is WRONG_KEY or 15_000 < caught.value.retry_after_ms <= 20_000
