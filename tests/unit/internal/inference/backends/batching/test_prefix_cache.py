"""The tree must mirror the cells exactly, whatever happens: what it says is free is free, what it lends is right."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from internal.inference.backends.batching import prefix_cache
from internal.inference.backends.batching.kv_cache import common_prefix
from internal.inference.backends.batching.prefix_cache import Lease, PrefixCache, UnsharedCache
from tests.unit.internal.inference.backends.batching.cells import Cells
from tests.unit.internal.inference.backends.batching.rooms import Forgetful

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=40)


@dataclass
class Run:
    lease: Lease
    tokens: list[int]
    salt: str


class House:
    """A cache over lists, used the way the scheduler uses it."""

    def __init__(self, cells: int = 200, sequences: int = 12) -> None:
        self.memory = Cells(cells, sequences)
        self.cache = PrefixCache(self.memory, cells, sequences)
        self.runs: list[Run] = []

    def start(self, tokens: list[int], salt: str = "a") -> Run:
        found, unpinned = self.cache.match(salt, tokens, len(tokens) - 1)
        available = self.cache.available
        lease = self.cache.open(salt, tokens, len(tokens) - 1)
        assert lease.length < found or (lease.length, available - self.cache.available) == (found, unpinned)
        self.runs.append(Run(lease, list(tokens), salt))
        return self.runs[-1]

    def compute(self, run: Run, count: int | None = None) -> bool:
        part = run.tokens[run.lease.length :][:count]
        if not part or not self.cache.reserve(len(part)):
            return False
        self.memory.write(run.lease.sequence, run.lease.length, part, run.salt)
        self.cache.append(run.lease, part)
        return True

    def end(self, run: Run, *, keep: bool = True) -> None:
        self.runs.remove(run)
        self.cache.close(run.lease, keep=keep)

    def check(self) -> None:
        assert self.cache.free == self.memory.size - self.memory.used
        for run in self.runs:
            assert self.memory.tokens(run.lease.sequence) == run.tokens[: run.lease.length]
            assert self.memory.salts(run.lease.sequence) <= {run.salt}
        nodes = list(self.cache.nodes())
        assert all(node.tokens for node in nodes)
        assert all(node.children or node.tails for node in nodes)
        pinned = sum(len(node.tokens) for node in nodes if node.pins)
        assert self.cache.available == self.memory.size - pinned
        tails = [tail for node in nodes for tail in node.tails]
        assert self.memory.sequences_in_use == len(tails)
        assert all(tail.running or (tail.node.tails == [tail] and not tail.node.children) for tail in tails)
        for tail in tails:
            path = [token for node in reversed(list(tail.node.path())) for token in node.tokens]
            assert self.memory.tokens(tail.sequence) == path


def test_a_prefix_is_computed_once() -> None:
    house = House()
    first = house.start([1] * 30 + [0])
    house.compute(first)
    second = house.start([1] * 30 + [2, 2])
    assert second.lease.length == 30
    house.compute(second)
    assert house.memory.computed == 31 + 2
    house.check()


def test_the_last_token_is_computed_again_because_its_logits_are_wanted() -> None:
    house = House()
    prompt = [1] * 10
    house.compute(house.start(prompt))
    assert house.start(prompt).lease.length == 9


def test_a_finished_sequence_goes_on_in_place() -> None:
    house = House()
    run = house.start([1, 2, 0])
    house.compute(run)
    house.end(run)
    again = house.start([1, 2, 0, 1, 1])
    assert again.lease is run.lease
    assert again.lease.length == 3
    house.check()


def test_salts_share_nothing() -> None:
    house = House()
    house.compute(house.start([1] * 10, "a"))
    assert house.start([1] * 10, "b").lease.length == 0


def test_least_recently_used_cells_go_first_and_shared_ones_last() -> None:
    house = House(cells=200)
    for tail in (0, 2):
        run = house.start([1] * 70 + [tail] * 30)
        house.compute(run)
        house.end(run)
    assert house.cache.free == 200 - 70 - 60
    assert house.cache.reserve(100)
    house.check()
    assert house.cache.match("a", [1] * 70 + [0] * 30, 100)[0] == 70
    assert house.cache.match("a", [1] * 70 + [2] * 30, 100)[0] > 70


def test_what_runs_is_never_evicted() -> None:
    house = House(cells=100)
    house.compute(house.start([1] * 60))
    assert not house.cache.reserve(41)
    assert house.cache.reserve(40)
    house.check()


def test_sequences_run_out_before_cells_do() -> None:
    house = House(cells=200, sequences=4)
    for number in range(20):
        run = house.start([number % 3, number // 3, 1])
        house.compute(run)
        house.check()
        house.end(run)
        house.check()


def test_a_dropped_sequence_leaves_no_cells() -> None:
    house = House()
    run = house.start([1] * 10)
    house.compute(run)
    house.end(run, keep=False)
    assert house.memory.used == 0
    house.check()


def test_rent_lets_go_of_what_nobody_wants_and_keeps_what_was_shared() -> None:
    house = House()
    shared = [1] * 40
    for tail in (0, 2):
        run = house.start(shared + [tail] * 10)
        house.compute(run)
        house.end(run)
    house.cache.decoded(prefix_cache.RENT_TOKENS - 1)
    house.cache.tidy()
    assert house.cache.match("a", [*shared, 0, 0], 42)[0] == 40  # found once, so still worth its rent
    assert house.memory.used == 40
    house.cache.decoded(2)
    house.cache.tidy()
    assert house.memory.used == 0
    house.check()


def test_what_is_never_wanted_leaves_ever_sooner_and_what_is_missed_stays_longer() -> None:
    house = House(cells=2000)
    for number in range(100):  # nobody comes twice
        run = house.start([number] * 20)
        house.compute(run)
        house.end(run)
        house.cache.decoded(prefix_cache.RENT_TOKENS)
        house.cache.tidy()
    low = house.cache._chance
    assert low == prefix_cache.LEAST_CHANCE
    for number in range(90, 100):  # now they do
        house.end(house.start([number] * 20))
    assert house.cache._chance > 50 * low


def test_where_a_window_forgot_only_who_was_paused_goes_on_and_is_worth_its_rent() -> None:
    memory = Forgetful(100, 2)
    cache = UnsharedCache(memory, 100, 2)

    def run(tokens: list[int]) -> Lease:
        lease = cache.open("", tokens, len(tokens))
        if not lease.length:
            memory.write(lease.sequence, 0, tokens, "")
            cache.append(lease, tokens)
        return lease

    cache.pause(run([1, 2]))
    first = run([1, 2])
    cache.pause(run([3]))
    other = run([4])  # in place of the one that is paused
    assert [memory.tokens(lease.sequence) for lease in (first, other)] == [[1, 2], [4]]
    cache.close(other)
    cache.pause(first)
    cache.decoded(prefix_cache.RENT_TOKENS)
    cache.tidy()
    assert [cache.open("", tokens, 2).length for tokens in ([4], [1, 2])] == [0, 2]


def test_empty_salts_are_forgotten() -> None:
    house = House()
    for number in range(100):
        run = house.start([1, 2], f"tenant {number}")
        house.compute(run)
        house.end(run, keep=False)
    assert len(house.cache._roots) <= 2


@given(TOKENS, TOKENS)
def test_common_prefix(left: list[int], right: list[int]) -> None:
    expected = next(
        (n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
    )
    assert common_prefix(left, right) == expected


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_the_tree_mirrors_the_cells(rng: random.Random) -> None:
    live_through_anything(rng)


def test_the_tree_mirrors_the_cells_a_thousand_times() -> None:
    for seed in range(1000):
        live_through_anything(random.Random(seed))


def live_through_anything(rng: random.Random, house_of: type[House] = House, most_acts: int = 40) -> None:
    house = house_of(cells=rng.choice([60, 200]), sequences=rng.choice([5, 12]))
    begins = [[], *(rng.choices(range(3), k=rng.choice([10, 30])) for _ in range(2))]
    begins.append(begins[-1] + begins[-2])
    for _ in range(rng.randint(1, most_acts)):
        act = rng.choice(["start", "compute", "compute", "grow", "end", "end", "drop", "tidy", "reserve", "clear"])
        if act == "start" and len(house.runs) < 4:
            house.start(rng.choice(begins) + some_tokens(rng), rng.choice("ab"))
        elif act == "reserve":
            house.cache.reserve(rng.randint(0, 60))
        elif act == "clear":
            house.cache.clear()
        elif act == "tidy":
            house.cache.decoded(3000)
            house.cache.tidy()
        elif house.runs:
            run = rng.choice(house.runs)
            if act == "grow":
                run.tokens += some_tokens(rng)
            elif act == "compute":
                house.compute(run, rng.choice([1, 20, 60]))
            elif act in ("end", "drop"):
                house.end(run, keep=act == "end")
        house.check()
    for run in list(house.runs):
        house.end(run)
    house.cache.clear()
    house.check()
    assert house.memory.used == 0
    assert house.memory.sequences_in_use == 0


def some_tokens(rng: random.Random) -> list[int]:
    return rng.choices(range(3), k=rng.randint(1, 40))
