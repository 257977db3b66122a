"""The rules of the scheduler, and what holds under any schedule: nothing leaks, nothing starves, prefixes are right."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internal.inference.backends.batching.scheduler import (
    BATCH_STEPS,
    LONG_PREFIX,
    LULL_STEPS,
    PATIENCE_STEPS,
    Work,
)
from tests.unit.internal.inference.backends.batching.cells import Cells
from tests.unit.internal.inference.backends.batching.rooms import (
    BATCH,
    INTERACTIVE,
    ROOMS,
    Fixed,
    Room,
    RoomWithPrefiller,
    UnsharedRoom,
)

in_both_layouts = pytest.mark.parametrize("house", ROOMS)
in_any_layout = pytest.mark.parametrize("house", [*ROOMS, UnsharedRoom])


def test_one_step_computes_a_prompt_and_samples() -> None:
    room = Room()
    task = room.add([1, 2, 3])
    (part,) = room.step()
    assert part == Work(task, 0, 3, samples=True)
    assert room.step() == [Work(task, 3, 1, samples=True)]


def test_a_long_prompt_comes_in_chunks_between_the_tokens_of_running_streams() -> None:
    room = Room()
    stream = room.add([1, 2, 3], wanted=50)
    room.step()
    long = room.add([7] * 200)
    for start in range(0, 192, 16):
        work = room.step(budget=16)
        assert [part.task for part in work] == [stream, long]
        assert work[1].start == start


def test_beside_a_stream_a_prompt_is_computed_aside_and_sampled_from_there() -> None:
    room = RoomWithPrefiller()
    (stream,) = room.settle()
    long = room.add([7] * 100)
    steps = [room.step()]
    while not long.computed:
        steps.append(room.step())
    assert len(steps) > 10 and all([part.task for part in step] == [stream] for step in steps[:-1])
    assert [(part.task, part.start, part.count) for part in steps[-1]][1:] == [(long, 100, 1)]
    room.finish()


def test_a_prompt_of_few_tokens_stays_in_the_steps() -> None:
    room = RoomWithPrefiller()
    room.settle()
    short = room.add([7] * 5)
    room.step()
    assert short.remaining == 1 and room.asides == 0
    room.finish()


def test_a_prompt_that_cannot_be_moved_stays_in_the_steps() -> None:
    room = RoomWithPrefiller()
    room.settle()
    room.add([7] * 100, kind=Fixed)
    room.finish()
    assert room.asides == 0


def test_nobody_reads_along_so_prompts_have_all_of_the_machine() -> None:
    room = RoomWithPrefiller()
    tasks = [room.add([number] * 50) for number in range(3)]
    room.finish()
    assert room.asides == 0 and all(task.lease is None for task in tasks)


def test_a_crowd_does_not_queue_for_the_prefiller() -> None:
    room = RoomWithPrefiller(slots=8, cells=400)
    room.settle()
    crowd = [room.add([10 + number] * 50, wanted=20) for number in range(3)]
    room.step()
    assert room.asides == 0 and any(task.computed for task in crowd)
    room.finish()


def test_when_its_readers_have_left_a_prompt_goes_on_in_the_steps() -> None:
    room = RoomWithPrefiller()
    (stream,) = room.settle()
    long = room.add([7] * 100)
    room.step()
    assert long.aside
    room.cancel(stream)
    room.step(budget=10)
    assert not long.aside and 0 < long.computed < 99
    room.finish()
    assert room.asides == 1


def test_prompts_take_turns_with_the_prefiller() -> None:
    room = RoomWithPrefiller(slots=8, cells=1000)
    room.settle(3)
    long = room.add([7] * 400, wanted=1)
    room.step()
    short = room.add([8] * 20, wanted=1)
    while short in room.wanted:
        room.step()
    assert long in room.wanted and 0 < long.computed < 399
    room.finish()


def test_nobody_waits_for_a_prefix_that_could_not_be_used() -> None:
    room = UnsharedRoom()
    tasks = [room.add([*range(100, 140), last]) for last in (1, 2, 3)]
    assert [part.task for part in room.step(budget=128)] == tasks
    room.finish()


def test_who_waits_for_a_prefix_has_it_before_its_leader_is_done() -> None:
    room = RoomWithPrefiller(slots=8, cells=1000)
    room.settle(3)
    leader = room.add([5] * 40 + [1] * 400, wanted=1)
    room.step()
    follower = room.add([5] * 40 + [2] * 20, wanted=1)
    while follower in room.wanted:
        room.step()
    assert leader in room.wanted
    assert follower.reused == 40
    room.finish()


def test_a_short_prompt_overtakes_a_long_one_that_still_moves() -> None:
    room = Room()
    long = room.add([7] * 200)
    room.step(budget=16)
    short = room.add([8] * 12)
    counts = {part.task: part.count for part in room.step(budget=30)}
    assert counts == {short: 12, long: 18}


def test_prompts_are_finished_one_after_another() -> None:
    room = Room(slots=4, cells=1000)
    tasks = [room.add([number] * 20) for number in range(4)]
    for pair in (tasks[:2], tasks[2:]):  # a part of a third would be a pass over the weights for little
        work = [part for part in room.step(budget=45) if part.count > 1]
        assert [(part.task, part.count) for part in work] == [(task, 20) for task in pair]


@in_both_layouts
def test_a_shared_prompt_is_computed_once_by_those_that_come_together(house: type[Room]) -> None:
    room = house(slots=16, cells=2000, sequences=40)
    system = [5] * 300
    for number in range(16):
        room.add([*system, 100 + number, 1], wanted=4)
    room.finish()
    assert room.memory.computed == 300 + 16 * 2 + 16 * 3


@in_both_layouts
def test_n_choices_compute_the_prompt_once(house: type[Room]) -> None:
    room = house()
    for _ in range(3):
        room.add([5] * 100, wanted=2)
    room.finish()
    assert room.memory.computed == 100 + 2 * 1 + 3 * 1


def test_who_shares_a_prefix_needs_no_room_for_it() -> None:
    room = Room(slots=4, cells=200)
    tasks = [room.add([5] * 100 + [number]) for number in range(4)]
    room.step()
    assert room.scheduler.running == tasks
    room.finish()
    assert not room.scheduler.preemptions


@in_both_layouts
def test_who_waits_for_a_prefix_goes_on_alone_when_its_leader_is_gone(house: type[Room]) -> None:
    room = house()
    leader = room.add([5] * 100 + [1])
    room.step(budget=10)
    follower = room.add([5] * 100 + [2])
    room.step(budget=10)
    assert follower.lease is None
    room.cancel(leader)
    room.step(budget=10)
    assert follower.lease is not None
    assert follower.reused == 20
    room.finish()


def test_a_small_shared_part_is_not_waited_for() -> None:
    room = Room()
    room.add([5] * 10 + [1] * 90)
    room.step(budget=5)
    other = room.add([5] * 10 + [2] * 90)
    room.step(budget=5)
    assert other.lease is not None


def test_interactive_first_then_in_order() -> None:
    room = Room(slots=1)
    room.add([9, 9], wanted=1)
    room.step()
    batch = room.add([1, 1], priority=BATCH)
    first, second = room.add([2, 2]), room.add([3, 3])
    assert room.scheduler.waiting == [first, second, batch]


@in_any_layout
def test_batch_gives_its_slot_to_interactive_and_goes_on_afterwards(house: type[Room]) -> None:
    room = house(slots=1)
    batch = room.add([1] * 40, wanted=10, priority=BATCH)
    room.step()
    room.step()
    urgent = room.add([2] * 10, wanted=2)
    room.step()
    assert room.scheduler.running == [urgent]
    room.step()
    computed = room.memory.computed
    room.step()
    assert room.scheduler.running == [batch]
    assert room.memory.computed - computed == 1  # what it had computed is still there
    room.finish()


@in_any_layout
def test_batch_stands_aside_while_anyone_reads(house: type[Room]) -> None:
    """It runs in few steps then, with all it has, and computes nothing twice."""
    room = house(slots=8, cells=2000)
    batch = [room.add([number] * 40, wanted=60, priority=BATCH) for number in range(4)]
    for _ in range(10):
        room.step()
    urgent = room.add([9] * 10, wanted=2 * BATCH_STEPS)
    seen = []
    while urgent in room.wanted:
        seen.append({part.task for part in room.step()} - {urgent})
    shared = [tasks for tasks in seen if tasks]
    assert len(shared) == 2 and all(tasks == set(batch) for tasks in shared)
    room.finish()
    assert room.memory.computed <= 4 * (40 + 60) + 10 + 2 * BATCH_STEPS


@in_any_layout
def test_batch_stands_aside_for_first_tokens_but_not_for_ever(house: type[Room]) -> None:
    room = house(slots=8, cells=2000)
    batch = room.add([1] * 10, wanted=200, priority=BATCH)
    room.step()
    urgent = room.add([9] * (2 * PATIENCE_STEPS + 2 * BATCH_STEPS), wanted=2)
    turns = [batch in {part.task for part in room.step(budget=2)} for _ in range(PATIENCE_STEPS + BATCH_STEPS)]
    assert urgent in room.wanted and turns.index(True) == PATIENCE_STEPS - 1 and turns.count(True) == 1
    room.finish()


@in_any_layout
def test_prompts_of_batch_wait_for_a_lull_to_last(house: type[Room]) -> None:
    """Who comes next waits for no prompt; who is decoding goes on."""
    room = house(slots=8, cells=2000)
    batch = room.add([1] * 10, wanted=200, priority=BATCH)
    room.step()
    urgent = room.add([9] * 10, wanted=2)
    late = room.add([2] * 10, wanted=2, priority=BATCH)
    while urgent in room.wanted:
        room.step()
    for _ in range(LULL_STEPS - 1):
        assert [part.task for part in room.step()] == [batch]
    assert {part.task for part in room.step()} == {batch, late}
    room.finish()


def test_it_is_deserted_once_when_only_batch_is_left() -> None:
    room = Room(slots=8, cells=2000)
    urgent = room.add([9] * 10, wanted=2)
    while urgent in room.wanted:
        room.step()
    assert not room.scheduler.deserted  # nobody at all is left
    room.add([1] * 10, wanted=20, priority=BATCH)
    assert room.scheduler.deserted
    room.step()
    assert not room.scheduler.deserted
    urgent = room.add([8] * 10, wanted=2)
    while urgent in room.wanted:
        assert not room.scheduler.deserted
        room.step()
    assert room.scheduler.deserted
    room.add([7] * 10, wanted=2)
    assert not room.scheduler.deserted
    room.finish()


@in_both_layouts
def test_those_who_continue_a_long_prefix_gather_until_someone_reads_along(house: type[Room]) -> None:
    room = house(slots=4, cells=2000)
    prefix = [7] * LONG_PREFIX
    room.add([9] * LONG_PREFIX)
    assert not room.scheduler.gathers  # nothing of it is there
    room.add([*prefix, 1])
    room.finish(budget=2000)
    assert not room.scheduler.gathers  # nobody is there
    room.add([*prefix[1:], 2, 3])
    room.add([*prefix, 2, 3], priority=BATCH)
    assert not room.scheduler.gathers
    reader = room.add([*prefix, 4, 5], wanted=40)
    assert room.scheduler.gathers
    while len(reader.tokens) < reader.settled_at:
        room.step(budget=2000)
    room.add([*prefix, 5, 6])
    assert not room.scheduler.gathers
    room.finish(budget=2000)


def test_batch_never_displaces_anyone() -> None:
    room = Room(slots=1)
    room.add([1] * 10, wanted=3)
    room.step()
    batch = room.add([2] * 10, priority=BATCH)
    room.step()
    assert room.scheduler.waiting == [batch]


def test_when_cells_run_out_the_youngest_gives_way() -> None:
    room = Room(slots=3, cells=200)
    tasks = [room.add([number] * 30, wanted=100) for number in range(3)]
    while not room.scheduler.preemptions:
        room.step()
    assert tasks[0] in room.scheduler.running
    assert tasks[2] in room.scheduler.waiting
    room.finish()


def test_the_oldest_prompt_is_never_starved_by_short_ones() -> None:
    room = Room(slots=4, cells=1000)
    long = room.add([7] * 200, wanted=1)
    steps = 0
    while long in room.wanted:
        for number in range(3):
            if len(room.wanted) < 4:
                room.add([100 + steps * 3 + number] * 20, wanted=1)
        room.step(budget=16)
        steps += 1
    assert steps <= 200 // 4 + 1


@in_both_layouts
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_salts_do_not_wait_for_each_other(house: type[Room], order: tuple[int, int]) -> None:
    room = house()
    for salt in order:
        room.add([5] * 100, salt=str(salt))
    room.finish()
    assert room.memory.computed == 2 * (100 + 2)


@in_any_layout
@settings(max_examples=50)
@given(rng=st.randoms(use_true_random=False))
def test_any_schedule_ends_and_leaves_nothing(house: type[Room], rng: random.Random) -> None:
    live_through_anything(house, rng)


@in_any_layout
def test_any_schedule_ends_and_leaves_nothing_a_thousand_times(house: type[Room]) -> None:
    for seed in range(1000):
        live_through_anything(house, random.Random(seed))


def live_through_anything(house: type[Room], rng: random.Random) -> None:
    slots = rng.randint(1, 5)
    # One request always fits: 40 tokens of prompt and 15 of output.
    room = house(slots, cells=rng.randint(60, 300), sequences=slots + rng.randint(1, 8))
    prefixes = [rng.choices(range(3), k=rng.randint(1, 25)) for _ in range(rng.randint(1, 3))]
    budget = rng.randint(1, 40)
    for _ in range(rng.randint(1, 40)):
        act = rng.choice(["add", "add", "step", "step", "step", "cancel", "lose"])
        if act == "add":
            room.add(
                rng.choice(prefixes) + rng.choices(range(3), k=rng.randint(0, 15)),
                wanted=rng.randint(1, 15),
                priority=rng.choice([INTERACTIVE, BATCH]),
                salt=rng.choice(["", "other"]),
            )
        elif act == "cancel" and room.wanted:
            room.cancel(rng.choice(list(room.wanted)))
        elif act == "lose" and (prefilling := room.prefilling()):
            room.lose(rng.choice(prefilling))
        else:
            room.step(budget)
    room.finish(budget)
    assert not room.scheduler.running
    assert not room.scheduler.waiting
    room.cache.clear()
    assert not any(room.memory.tokens(sequence) for sequence in range(slots + 1))
    if isinstance(room.memory, Cells):
        assert room.memory.used == 0
        assert room.memory.sequences_in_use == 0
