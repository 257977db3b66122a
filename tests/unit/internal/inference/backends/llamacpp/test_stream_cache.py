"""What is lent holds the right tokens, whatever happens, and those that run stand side by side."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internal.inference.backends.llamacpp.prompt_cache import WIDTH, WORTH_COPYING, WORTH_KEEPING, PromptCache, pack
from internal.inference.backends.llamacpp.stream_cache import MOST_BRIDGED, Stream, StreamCache
from tests.unit.internal.inference.backends.batching.cells import Streams

LONG = WORTH_KEEPING + 10


@dataclass
class Run:
    lease: Stream
    tokens: list[int]
    salt: str


class House:
    """A cache over lists, used the way the scheduler uses it."""

    def __init__(self, sequences: int = 12, length: int = 1000, saved: int = 10_000) -> None:
        """`saved`: tokens that may be kept of what streams lose."""
        self.memory = Streams(length, sequences)
        self.prompts = PromptCache(self.memory, lambda _held: saved * WIDTH, takes=saved > 0)
        self.cache = StreamCache(self.memory, length, sequences, self.prompts)
        self.runs: list[Run] = []

    def start(self, tokens: list[int], salt: str = "a") -> Run:
        found, _ = self.cache.match(salt, tokens, len(tokens) - 1)
        lease = self.cache.open(salt, tokens, len(tokens) - 1)
        assert lease.length <= found < lease.length + WORTH_COPYING
        self.runs.append(Run(lease, list(tokens), salt))
        return self.runs[-1]

    def compute(self, run: Run, count: int | None = None) -> None:
        part = run.tokens[run.lease.length :][:count]
        if part:
            self.memory.write(run.lease.sequence, run.lease.length, part, run.salt)
            self.cache.append(run.lease, part)

    def bridge(self) -> None:
        """As in a step: what a bridge computes is gone afterwards."""
        numbers = self.numbers()
        bridges = self.cache.bridges(numbers) if numbers else []
        assert not {sequence for sequence, _ in bridges} & set(numbers)
        for sequence, length in bridges:
            self.memory.pass_through(sequence, length)

    def end(self, run: Run, *, keep: bool = True, likely: bool = True) -> None:
        self.runs.remove(run)
        self.cache.close(run.lease, keep=keep, likely=likely)

    def ran(self, tokens: list[int], salt: str = "a") -> Run:
        """A request that is over."""
        run = self.start(tokens, salt)
        self.compute(run)
        self.end(run)
        return run

    def knows(self, tokens: list[int], salt: str = "a") -> int:
        return self.cache.match(salt, tokens, len(tokens))[0]

    def numbers(self) -> list[int]:
        return sorted(run.lease.sequence for run in self.runs)

    def side_by_side(self) -> bool:
        numbers = self.numbers()
        return not numbers or numbers[-1] - numbers[0] + 1 == len(numbers)

    def check(self) -> None:
        streams = self.cache._streams
        assert sorted(stream.sequence for stream in streams) == list(range(len(streams)))
        assert {stream for stream in streams if stream.running} == {run.lease for run in self.runs}
        for stream in streams:
            assert self.memory.tokens(stream.sequence) == stream.tokens
            assert self.memory.salts(stream.sequence) <= {stream.salt}
        for run in self.runs:
            assert run.lease.tokens == run.tokens[: run.lease.length]
            assert run.lease.salt == run.salt


def distinct(number: int, length: int = LONG) -> list[int]:
    """Tokens that share nothing with those of another number."""
    return [number] * length


# ------------------------------------------------------------------ prefixes


def test_a_prefix_is_computed_once() -> None:
    house = House()
    house.compute(house.start([1] * 30 + [0]))
    second = house.start([1] * 30 + [2, 2])
    assert second.lease.length == 30
    house.compute(second)
    assert house.memory.computed == 31 + 2
    house.check()


def test_the_last_token_is_computed_again_because_its_logits_are_wanted() -> None:
    house = House()
    house.compute(house.start([1] * 20))
    assert house.start([1] * 20).lease.length == 19
    house.check()


def test_a_finished_sequence_goes_on_in_place() -> None:
    house = House()
    run = house.ran([1, 2, 0])
    again = house.start([1, 2, 0, 1, 1])
    assert again.lease is run.lease
    assert again.lease.length == 3
    assert house.memory.copies == 0


def test_few_tokens_are_not_worth_a_copy() -> None:
    house = House()
    house.compute(house.start([1] * (WORTH_COPYING - 1) + [0]))
    assert house.start([1] * 100).lease.length == 0
    assert house.memory.copies == 0


def test_salts_share_nothing() -> None:
    house = House()
    house.compute(house.start([1] * 100, "a"))
    assert house.start([1] * 100, "b").lease.length == 0
    house.ran([1] * 100, "c")
    assert house.start([1] * 100, "d").lease.length == 0
    house.check()


def test_a_dropped_sequence_leaves_nothing() -> None:
    house = House()
    run = house.start([1] * 100)
    house.compute(run)
    house.end(run, keep=False)
    assert house.knows([1] * 100) == 0
    house.check()


# ------------------------------------------------------------------ what is kept


def test_a_conversation_survives_many_short_requests() -> None:
    house = House(sequences=4)
    house.ran(distinct(1))
    for number in range(20):
        house.ran([100 + number] * 50)
    assert house.knows(distinct(1)) == LONG


def test_what_is_overwritten_is_saved() -> None:
    house = House(sequences=6)
    house.ran(distinct(1))  # at 0
    for number in range(2, 8):  # all at once, so that 0 is wanted as well
        house.compute(house.start([number] * 50))
        if len(house.runs) == 5:
            break
    house.check()
    assert house.knows(distinct(1)) == LONG
    assert house.side_by_side()


def test_more_chats_than_streams_go_on_where_they_were() -> None:
    house = House(sequences=2)
    chats = [distinct(number) for number in range(8)]
    for turn in range(3):
        for chat in chats:
            run = house.start([*chat, 77])
            assert run.lease.length == (len(chat) if turn else 0)
            house.end(run)
            chat.extend(distinct(100 + turn))
            house.ran(chat)
            house.check()
    assert house.memory.computed == sum(map(len, chats))


def test_what_comes_back_is_cut_to_what_is_shared() -> None:
    house = House(sequences=1)
    house.ran([*distinct(1), *distinct(2)])
    house.ran(distinct(3))
    run = house.start([*distinct(1), *distinct(4)])
    assert run.lease.length == LONG
    house.compute(run)
    house.check()
    assert house.knows([*distinct(1), *distinct(2)]) == 2 * LONG


def test_what_is_there_is_not_brought_back() -> None:
    house = House(sequences=2)
    for number in (1, 2, 3, 1):
        house.ran(distinct(number))
    house.memory.breaks.add("restore")
    assert house.start([*distinct(1), 5]).lease.length == LONG


def test_few_tokens_are_not_worth_saving() -> None:
    house, few = House(sequences=1), WORTH_KEEPING - 1
    for number in range(3):
        house.ran(distinct(number, few))
    assert [house.knows(distinct(number, few)) for number in range(3)] == [0, 0, few]


def test_outputs_that_nobody_goes_on_with_are_not_saved_but_what_they_share_is() -> None:
    house = House(sequences=1)
    system = distinct(9)
    for number in range(3):
        run = house.start([*system, *distinct(number)])
        house.compute(run)
        house.end(run, likely=False)
    house.ran(distinct(4))
    assert [house.knows([*system, *distinct(number)]) for number in range(3)] == [LONG, LONG, 2 * LONG]
    run = house.start(distinct(5))
    house.compute(run)
    house.end(run, likely=False)
    house.ran(distinct(6))
    assert house.knows(distinct(5)) == 0
    house.check()


def test_no_more_is_saved_than_there_is_room_for() -> None:
    house = House(sequences=1, saved=2 * LONG)
    for number in range(5):
        house.ran(distinct(number))
    assert [house.knows(distinct(number)) for number in range(5)] == [0, 0, LONG, LONG, LONG]


def test_what_is_paused_comes_back_whatever_its_length() -> None:
    house = House(sequences=1)
    paused = house.start([1] * 40)
    house.compute(paused)
    house.runs.remove(paused)
    house.cache.pause(paused.lease)
    house.ran(distinct(2))
    assert house.start([*[1] * 40, 5]).lease.length == 40
    house.check()


def test_what_comes_back_stays_saved_before_what_was_used_longer_ago() -> None:
    house = House(sequences=1, saved=2 * LONG)
    for number in (1, 2, 3, 1):
        house.ran(distinct(number))
    assert [house.prompts.holds("a", pack(distinct(number))) for number in (1, 2, 3)] == [True, False, True]


def test_what_cannot_be_saved_is_lost() -> None:
    house = House(sequences=1)
    house.memory.breaks.add("save")
    house.ran(distinct(1))
    house.ran(distinct(2))
    house.memory.breaks.clear()
    house.ran(distinct(3))
    assert [house.knows(distinct(number)) for number in (1, 2, 3)] == [0, 0, LONG]
    house.check()


def test_what_cannot_be_brought_back_is_computed() -> None:
    house = House(sequences=1)
    house.ran(distinct(1))
    house.ran(distinct(2))
    house.memory.breaks.add("restore")
    cache, tokens = house.cache, distinct(1)
    lease = cache.open("a", tokens, LONG - 1)
    assert lease.length == 0
    cache.close(lease)
    house.check()
    house.ran(tokens)
    assert house.knows(tokens) == LONG
    house.check()


def test_the_least_recently_used_goes_first() -> None:
    house = House(sequences=3, saved=0)
    for number in (1, 2, 3):
        house.ran(distinct(number))
    house.ran(distinct(4))
    assert [house.knows(distinct(number)) for number in (1, 2, 3, 4)] == [0, LONG, LONG, LONG]


def test_what_ran_until_now_is_the_latest() -> None:
    house = House(sequences=3, saved=0)
    first = house.start(distinct(1))
    house.compute(first)
    for number in (2, 3):
        house.ran(distinct(number))
    house.end(first)
    house.ran(distinct(4))
    assert [house.knows(distinct(number)) for number in (1, 2, 3, 4)] == [LONG, 0, LONG, LONG]


def test_what_was_copied_is_used() -> None:
    house = House(sequences=3, saved=0)
    copied = [*distinct(1), *distinct(5)]
    for tokens in (copied, distinct(2), [*distinct(1), *distinct(6)], distinct(3)):
        house.ran(tokens)
    assert (house.knows(copied), house.knows(distinct(2))) == (2 * LONG, 0)


def test_what_is_about_to_be_read_is_not_overwritten_by_what_is_saved() -> None:
    house = House(sequences=3)
    for number in range(3):
        house.compute(house.start(distinct(number)))
    source = house.runs[2]
    house.end(source)
    house.end(house.runs[1])  # lies beside what runs, is worth keeping, and was used later than the source
    assert house.start([*source.tokens, 5]).lease.length == LONG
    assert house.side_by_side()
    house.check()


def test_a_system_prompt_outlives_those_who_shared_it() -> None:
    """Each holds it and has little of its own: any may go, but not the last one."""
    house = House(sequences=4)
    system = distinct(1)
    for number in range(6):
        house.ran([*system, 50 + number])
    for number in range(20):
        house.ran([100 + number] * 50)
    assert house.knows(system) == LONG


def test_a_short_prefix_that_was_wanted_is_worth_keeping() -> None:
    house = House(sequences=3)
    system = [1] * 40
    for number in range(2):
        house.ran([*system, number])
    for number in range(20):
        house.ran([100 + number] * 50)
    assert house.knows(system) == 40


def test_a_short_prefix_counts_as_wanted_when_it_was_copied() -> None:
    house = House(sequences=3)
    system = [1] * 40
    first = house.start([*system, 5])
    house.compute(first)
    house.end(house.start([*system, 6]), keep=False)
    house.end(first)
    for number in range(20):
        house.ran([100 + number] * 50)
    assert house.knows(system) == 40


def test_a_single_stream_serves_one_after_another() -> None:
    house = House(sequences=1)
    house.ran(distinct(1))
    house.ran(distinct(2))
    assert house.start([*distinct(2), 5]).lease.length == LONG
    house.check()


def test_clear_forgets_all_but_what_runs() -> None:
    house = House()
    house.ran(distinct(1))
    run = house.start(distinct(2))
    house.compute(run)
    house.cache.clear()
    assert (house.knows(distinct(1)), house.knows(distinct(2))) == (0, LONG)
    house.check()


# ------------------------------------------------------------------ side by side


def test_those_that_start_stand_side_by_side() -> None:
    house = House(sequences=20)
    for number in range(16):
        house.compute(house.start([number] * 50))
        assert house.side_by_side()
    assert house.numbers() == list(range(16))


def test_a_hole_is_filled_first() -> None:
    house = House(sequences=20)
    for number in range(16):
        house.compute(house.start([number] * 50))
    hole = house.runs[5]
    house.end(hole)
    assert house.start([77] * 50).lease.sequence == 5


def test_a_conversation_comes_to_where_others_run() -> None:
    house = House(sequences=20)
    for number in range(10):
        house.compute(house.start(distinct(number)))
    last = house.runs[9]
    for run in house.runs[2:]:
        house.end(run)
    again = house.start([*last.tokens, 5, 5])
    assert again.lease.length == LONG
    assert house.side_by_side()
    house.check()
    assert [house.knows(distinct(number)) for number in range(10)] == [LONG] * 10


@pytest.mark.parametrize(
    ("running", "bridged"),
    [
        ([0, 1, 2], []),
        ([3], []),
        ([0, 2], [1]),
        ([0, 1 + MOST_BRIDGED], list(range(1, 1 + MOST_BRIDGED))),
        ([0, 2 + MOST_BRIDGED], []),
        ([0, 2, 5 + MOST_BRIDGED], [1]),
    ],
)
def test_short_gaps_are_bridged(running: list[int], bridged: list[int]) -> None:
    house = House(sequences=12)
    for number in range(12):
        house.compute(house.start([number] * 50))
    for run in [run for run in house.runs if run.lease.sequence not in running]:
        house.end(run)
    assert house.cache.bridges(running) == [(sequence, 50) for sequence in bridged]
    house.bridge()
    house.check()


def test_no_bridge_over_what_is_longer_than_all_that_run_or_full() -> None:
    house = House(sequences=3, length=60)
    for length in (50, 51, 50):
        house.compute(house.start([length + len(house.runs)] * length))
    house.end(house.runs[1])
    assert house.cache.bridges([0, 2]) == []
    full = House(sequences=3, length=50)
    for number in range(3):
        full.compute(full.start([number] * 50))
    full.end(full.runs[1])
    assert full.cache.bridges([0, 2]) == []


@pytest.mark.parametrize("sequences", [16, 20])
def test_a_gap_that_stays_is_closed(sequences: int) -> None:
    house = House(sequences)
    for number in range(16):
        house.compute(house.start(distinct(number)))
    for run in house.runs[1:-1]:
        house.end(run)
    assert house.numbers() == [0, 15]
    house.cache.tidy()
    assert house.side_by_side()
    house.check()
    assert [house.knows(distinct(number)) for number in range(16)] == [LONG] * 16
    copies = house.memory.copies
    house.cache.tidy()
    assert house.memory.copies == copies


# ------------------------------------------------------------------ anything


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_the_cache_mirrors_the_streams(rng: random.Random) -> None:
    live_through_anything(rng)


def test_the_cache_mirrors_the_streams_a_thousand_times() -> None:
    for seed in range(1000):
        live_through_anything(random.Random(seed))


def live_through_anything(rng: random.Random) -> None:
    slots = rng.randint(1, 6)
    house = House(slots + rng.randint(0, 6), length=600, saved=rng.choice([0, 500, 2000, 100_000]))
    begins = [rng.choices(range(3), k=rng.choice([5, 30, 300])) for _ in range(4)]
    for _ in range(rng.randint(1, 40)):
        act = rng.choice(["start", "start", "compute", "compute", "grow", "end", "drop", "tidy", "bridge"])
        if act == "start" and len(house.runs) < slots:
            was_side_by_side = house.side_by_side()
            house.start(rng.choice(begins) + some_tokens(rng), rng.choice("ab"))
            assert house.side_by_side() or not was_side_by_side
        elif act == "tidy":
            house.cache.tidy()
        elif act == "bridge":
            house.bridge()
        elif house.runs:
            run = rng.choice(house.runs)
            if act == "grow":
                run.tokens += some_tokens(rng)[: 600 - len(run.tokens)]
            elif act == "compute":
                house.compute(run, rng.choice([1, 20, 400]))
            elif act in ("end", "drop"):
                house.end(run, keep=act == "end")
        house.check()
    for _ in range(2 * slots):
        house.cache.tidy()
    house.check()
    assert house.side_by_side()
    for run in list(house.runs):
        house.end(run)
    house.cache.clear()
    house.check()
    assert all(not house.memory.tokens(stream.sequence) for stream in house.cache._streams)


def some_tokens(rng: random.Random) -> list[int]:
    return rng.choices(range(3), k=rng.randint(1, 40))
