"""Which parts of a step are computed together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from internal.inference.backends.batching.scheduler import LONG_PREFIX, Task, Work
from internal.inference.backends.batching.side import TILE
from internal.inference.backends.batching.suffixes import LEAST_SUFFIX, together
from tests.unit.internal.inference.backends.batching.rooms import Fixed

PROMPTS = [[number] * 300 for number in (1, 2)]


def part(count: int, prompt: int = 0, start: int = 280, salt: str = "", kind: type[Task] = Task) -> Work:
    return Work(kind(0, 1, salt, [*PROMPTS[prompt][:start], *[7] * count]), start, count, True)


def test_suffixes_of_one_prefix() -> None:
    work = [part(30) for _ in range(3)]
    assert together(work, 16, 512) == (work, [])


def test_none_where_it_does_not_pay() -> None:
    assert together([], 16, 512) == ([], [])
    assert together([part(63)], 16, 512) == ([], [])  # nobody to share with
    assert together([part(30), part(30)], 16, 512) == ([], [])  # not one tile
    assert together([part(1) for _ in range(100)], 16, 512) == ([], [])  # streams
    assert together([part(TILE), part(TILE)], 16, 512) == ([], [])  # fast where they are
    assert together([part(40, start=LONG_PREFIX - 1) for _ in range(3)], 16, 512) == ([], [])
    assert together([part(40, kind=Fixed) for _ in range(3)], 16, 512) == ([], [])
    assert together([part(40, salt=salt) for salt in "abc"], 16, 512) == ([], [])
    assert together([part(40, prompt=0), part(40, prompt=1)], 16, 512) == ([], [])


def test_of_two_prefixes_the_one_with_more_to_compute() -> None:
    few, many = [part(40), part(40)], [part(40, prompt=1) for _ in range(3)]
    assert together([few[0], *many, few[1]], 16, 512) == (many, [])


def test_those_that_are_too_many_come_later() -> None:
    work = [part(40) for _ in range(10)]
    assert together(work, 4, 512) == (work[:4], work[4:])
    assert together(work, 16, 100) == (work[:2], work[2:])


def test_all_continue_what_the_one_with_the_least_has() -> None:
    work = [part(40, start=280), part(40, start=290), part(40, start=270)]
    assert together(work, 16, 512) == (work, [])
    assert together(work, 16, 130) == (work[:2], work[2:])  # 50 and 60 tokens from there on
    other = part(40, start=300)
    other.task.tokens[265] = 99  # begins alike, but not up to there
    assert together([*work, other], 16, 512) == (work, [])
    assert together([*work, other], 16, 130) == (work[:2], work[2:])


@given(
    parts=st.lists(
        st.tuples(st.integers(1, 80), st.integers(0, 1), st.integers(200, 300), st.sampled_from(["", "a"])), max_size=20
    ),
    most_parts=st.integers(1, 17),
    most_tokens=st.integers(1, 600),
)
def test_what_is_found_can_be_computed(
    parts: list[tuple[int, int, int, str]], most_parts: int, most_tokens: int
) -> None:
    work = [part(*each) for each in parts]
    found, later = together(work, most_parts, most_tokens)
    assert len(found) <= most_parts
    assert len({id(each) for each in [*found, *later]}) == len(found) + len(later)
    assert all(any(each is given for given in work) for each in [*found, *later])
    assert found or not later
    if found:
        start = min(each.start for each in [*found, *later])
        tokens = [each.start + each.count - start for each in found]
        assert start >= LONG_PREFIX and len(found) > 1
        assert TILE <= sum(tokens) <= most_tokens
        assert all(LEAST_SUFFIX <= each.count < TILE for each in found)
        assert len({(each.task.salt, tuple(each.task.tokens[:start])) for each in [*found, *later]}) == 1
