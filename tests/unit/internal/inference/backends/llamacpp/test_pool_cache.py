"""What a pool of cells loses comes back, and the tree still mirrors the cells."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internal.inference.backends.batching import prefix_cache
from internal.inference.backends.llamacpp import pool_cache, prompt_cache
from internal.inference.backends.llamacpp.pool_cache import PoolCache
from internal.inference.backends.llamacpp.prompt_cache import WIDTH, PromptCache
from tests.unit.internal.inference.backends.batching import test_prefix_cache as pool

LONG = 80


class House(pool.House):
    """With memory for 10 000 tokens."""

    def __init__(self, cells: int = 200, sequences: int = 12) -> None:
        super().__init__(cells, sequences)
        self.prompts = PromptCache(self.memory, lambda _held: 10_000 * WIDTH)
        self.cache = PoolCache(self.memory, cells, sequences, self.prompts)

    def ran(self, tokens: list[int], salt: str = "a", *, likely: bool = True) -> None:
        """A request that is over."""
        run = self.start(tokens, salt)
        assert self.compute(run) or run.lease.length == len(tokens)
        self.runs.remove(run)
        self.cache.close(run.lease, likely=likely)
        self.check()


def chat(number: int, length: int = LONG) -> list[int]:
    return [number] * length


def test_more_chats_than_cells_go_on_where_they_were() -> None:
    house = House(cells=200)
    for number in range(8):
        house.ran(chat(number))
    computed = house.memory.computed
    for number in range(8):
        house.ran([*chat(number), 99])
    assert house.memory.computed == computed + 8
    assert house.memory.used <= 200


def test_salts_share_nothing() -> None:
    house = House(cells=100)
    house.ran(chat(1), "a")
    house.ran(chat(2), "a")
    assert house.start([*chat(1), 5], "b").lease.length == 0


def test_a_prefix_that_others_run_on_is_there_once() -> None:
    house = House(cells=300)
    house.ran(chat(1, 40) + chat(2))
    house.cache.clear()
    runner = house.start(chat(1, 40) + chat(3, 20))
    house.compute(runner)
    assert house.memory.used == 60
    back = house.start([*chat(1, 40), *chat(2), 5])
    assert back.lease.length == 40 + LONG
    assert house.memory.used == 60 + LONG
    house.check()


def test_what_comes_back_is_cut_to_what_is_shared() -> None:
    house = House(cells=300)
    house.ran(chat(1) + chat(2))
    house.cache.clear()
    assert house.start(chat(1) + chat(3)).lease.length == LONG
    house.check()


def test_what_is_there_is_not_brought_back() -> None:
    house = House(cells=300)
    house.ran(chat(1))
    house.cache.clear()
    house.ran([*chat(1), 5])
    house.memory.breaks.add("restore")
    assert house.start([*chat(1), 5, 6]).lease.length == LONG + 1
    assert house.prompts.takes  # nothing has failed


def test_where_there_is_no_room_to_bring_it_back_it_is_computed() -> None:
    house = House(cells=200)
    house.ran(chat(1, 150))
    house.cache.clear()
    house.compute(house.start(chat(2, 100)))
    again = house.start([*chat(1, 60), 5])
    assert again.lease.length == 0
    assert house.compute(again)
    house.check()


def test_what_rent_or_a_busy_pool_drops_is_saved() -> None:
    house = House(cells=600)
    house.ran(chat(1))
    house.cache.decoded(prefix_cache.RENT_TOKENS)
    house.cache.tidy()
    house.cache._chance = prefix_cache.LEAST_CHANCE
    runner = house.start(chat(2))
    house.compute(runner)
    house.ran(chat(3))
    assert house.memory.used == LONG
    for number in (1, 3):
        assert house.start([*chat(number), 5]).lease.length == LONG
    house.check()


def test_what_is_not_worth_it_is_not_saved() -> None:
    house = House(cells=400)
    for number, (length, likely) in enumerate([(prompt_cache.WORTH_KEEPING - 1, True), (LONG, False)]):
        house.ran(chat(number, length), likely=likely)
    run = house.start(chat(5))
    house.compute(run)
    house.end(run, keep=False)
    house.cache.clear()
    assert [house.cache.match("a", chat(number), LONG)[0] for number in (0, 1, 5)] == [0, 0, 0]


@pytest.mark.parametrize("held", [False, True])
def test_what_cannot_be_brought_back_is_computed(held: bool) -> None:
    house = House(cells=400)
    house.ran(chat(1, 40) + chat(2))
    house.cache.clear()
    if held:
        house.compute(house.start(chat(1, 40) + chat(3)))
    house.memory.breaks.add("restore")
    assert house.start(chat(1, 40) + chat(2)).lease.length == (40 if held else 0)
    house.check()


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_the_tree_mirrors_the_cells(rng: random.Random) -> None:
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        pool.live_through_anything(rng, House, most_acts=100)


def test_the_tree_mirrors_the_cells_two_thousand_times(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    for seed in range(2000):
        pool.live_through_anything(random.Random(seed), House, most_acts=200)


def few(patch: pytest.MonkeyPatch) -> None:
    """Of tokens, so that prompts are saved and come back often."""
    patch.setattr(prompt_cache, "BLOCK_BYTES", 2 * WIDTH)
    for name in ("WORTH_KEEPING", "WORTH_COPYING"):
        patch.setattr(pool_cache, name, 2)
