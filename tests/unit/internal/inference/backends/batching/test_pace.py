"""How long a step may get: with made-up times, so without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internal.inference.backends.batching.pace import (
    FIRST_CHUNK,
    IDLE_STEP_S,
    LEAST_IDLE_TOKENS,
    MOST_PATIENCE,
    STRETCH,
    Pace,
)


def step_s(decoding: int, prefilled: int) -> float:
    """A machine: 20 ms for a step, 1 ms for a stream, 2 ms for a token of prefill."""
    return 0.020 + 0.001 * decoding + 0.002 * prefilled


def learned(decoding: int = 8, batch: int = 512) -> Pace:
    pace = Pace(batch)
    pace.observe(0, 64, step_s(0, 64))
    for _ in range(20):
        pace.observe(decoding, 0, step_s(decoding, 0))
    for _ in range(20):
        prefilled = pace.prefill_budget(decoding, decoding, 1)
        pace.observe(decoding, prefilled, step_s(decoding, prefilled))
    return pace


def test_a_step_with_prefill_is_a_fixed_multiple_of_one_without() -> None:
    with_prefill = step_s(8, learned().prefill_budget(8, 8, 1))
    assert with_prefill / step_s(8, 0) == pytest.approx(STRETCH, rel=0.1)


def test_beside_streams_that_nobody_has_measured_prefill_is_small() -> None:
    pace = Pace(512)
    assert (pace.prefill_budget(1, 0, 2), pace.prefill_budget(0, 0, 1)) == (FIRST_CHUNK, 512)
    pace.observe(0, 64, step_s(0, 64))
    assert pace.prefill_budget(1, 0, 2) == FIRST_CHUNK


def test_when_nobody_decodes_steps_are_larger_but_not_endless() -> None:
    pace = learned()
    for _ in range(20):
        budget = pace.prefill_budget(0, 0, 1)
        pace.observe(0, budget, step_s(0, budget))
    assert step_s(0, pace.prefill_budget(0, 0, 1)) == pytest.approx(
        max(IDLE_STEP_S, step_s(0, LEAST_IDLE_TOKENS)), rel=0.1
    )
    slow = Pace(512)
    slow.observe(0, 64, 60.0)
    assert slow.prefill_budget(0, 0, 1) == LEAST_IDLE_TOKENS


def test_those_who_join_count_as_streams() -> None:
    """Eight streams run and eight prompts arrive: steps as of sixteen streams, not as of eight."""
    pace = learned()
    taken_s = step_s(8, pace.prefill_budget(8, 8, 8))
    assert taken_s > STRETCH * step_s(16, 0) * 0.9
    assert taken_s < STRETCH * (step_s(8, 0) + 8 * 0.002) * 1.1


def test_few_who_are_read_do_not_keep_many_waiting() -> None:
    pace = learned()
    calm_s = step_s(8, pace.prefill_budget(8, 8, 1))
    assert step_s(8, pace.prefill_budget(8, 4, 12)) > 2.5 * calm_s  # four of the eight have just begun
    assert pace.prefill_budget(8, 0, 16) >= pace.prefill_budget(8, 1, 15) > pace.prefill_budget(8, 4, 12)
    assert step_s(8, pace.prefill_budget(8, 0, 16)) < MOST_PATIENCE * 1.1 * step_s(8, pace.prefill_budget(8, 8, 8))


def streams_step_s(decoding: int, prefilled: int) -> float:
    """Weights in 20 ms, twice when streams and a prompt are computed; a token costs 2 ms in large chunks, else 4 ms."""
    if not decoding or not prefilled:
        return 0.020 + 0.001 * decoding + 0.002 * prefilled
    return 0.040 + 0.001 * decoding + 0.004 * prefilled


def test_what_large_chunks_cost_says_little_of_small_ones() -> None:
    pace = Pace(512, two_passes=True)
    pace.observe(0, 64, streams_step_s(0, 64))
    for decoding in (1, 8):
        for _ in range(10):
            pace.observe(decoding, 0, streams_step_s(decoding, 0))
    for _ in range(20):
        pace.observe(0, 40, streams_step_s(0, 40))
        prefilled = pace.prefill_budget(8, 8, 1)
        taken_s = streams_step_s(8, prefilled)
        assert taken_s < (STRETCH + 0.5) * streams_step_s(8, 0)
        pace.observe(8, prefilled, taken_s)
    assert taken_s / streams_step_s(8, 0) == pytest.approx(STRETCH, rel=0.2)


def test_it_begins_with_a_guess() -> None:
    assert 0 < Pace(512).prefill_budget(4, 4, 1) < 512
    assert Pace(512).prefill_budget(0, 0, 1) == 512


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 512), st.floats(1e-6, 10.0)), max_size=50))
def test_the_budget_fits_the_batch_and_never_stops_prefill(steps: list[tuple[int, int, float]]) -> None:
    pace = Pace(32)
    for decoding, prefilled, taken_s in steps:
        pace.observe(decoding, prefilled, taken_s)
    for decoding in range(17):
        for settled in range(decoding + 1):
            assert 1 <= pace.prefill_budget(decoding, settled, 3) <= 32 - decoding
