"""Schedulers over lists instead of a model, one room for each layout of the KV cache, and one with a prefiller."""

from __future__ import annotations

from typing import Any

from internal.inference.backends.batching.prefix_cache import PrefixCache, UnsharedCache
from internal.inference.backends.batching.scheduler import Scheduler, Task, Work
from internal.inference.backends.llamacpp.prompt_cache import PromptCache
from internal.inference.backends.llamacpp.stream_cache import StreamCache
from tests.unit.internal.inference.backends.batching.cells import Cells, Streams

INTERACTIVE, BATCH = 0, 1


class Fixed(Task):
    """One with a picture in it."""

    movable = False  # type: ignore[assignment]


class Room:
    """A scheduler over lists instead of a model: every sampled token is the position's number."""

    def __init__(self, slots: int = 4, cells: int = 400, sequences: int = 16) -> None:
        self.memory, self.cache = self.layout(cells, sequences)
        self.scheduler = Scheduler(self.cache, slots)
        self.slots = slots
        self.wanted: dict[Task, int] = {}  # tokens still to sample
        self.arrivals = 0

    def layout(self, cells: int, sequences: int) -> tuple[Any, Any]:
        memory = Cells(cells, sequences)
        return memory, PrefixCache(memory, cells, sequences)

    def add(
        self,
        tokens: list[int],
        wanted: int = 3,
        priority: int = INTERACTIVE,
        salt: str = "",
        kind: type[Task] = Task,
    ) -> Task:
        self.arrivals += 1
        task = kind(priority, self.arrivals, salt, list(tokens))
        self.wanted[task] = wanted
        self.scheduler.add(task)
        return task

    def cancel(self, task: Task) -> None:
        del self.wanted[task]
        self.scheduler.remove(task)

    def prefilling(self) -> list[Task]:
        running = self.scheduler.running
        return [task for task in running if task.lease is not None and task.remaining > 1 and not task.aside]

    def lose(self, task: Task) -> None:
        """What its sequence held."""
        assert task.lease is not None
        self.memory.remove(task.lease.sequence, 0)
        self.scheduler.restart(task)

    def step(self, budget: int = 64) -> list[Work]:
        decoding = set(self.scheduler.decoding())
        work = self.scheduler.plan(lambda _decoding, _settled, _joining: budget)
        for part in work:
            assert part.task.lease is not None
            assert part.start == part.task.computed
            tokens = part.task.tokens[part.start : part.start + part.count]
            assert len(tokens) == part.count > 0
            self.memory.write(part.task.lease.sequence, part.start, tokens, part.task.salt)
        self.scheduler.commit(work)
        self.scheduler.step_done()
        self.check(work, decoding, budget)
        for part in work:
            if part.samples:
                self.sample(part.task)
        return work

    def sample(self, task: Task) -> None:
        assert task.remaining == 0
        task.tokens.append(len(task.tokens))
        self.wanted[task] -= 1
        if self.wanted[task] == 0:
            self.cancel(task)

    def check(self, work: list[Work], decoding: set[Task], budget: int) -> None:
        planned = [part.task for part in work]
        assert len(planned) == len(set(planned))
        assert all(part.samples == (part.task.remaining == 0) for part in work)
        assert sum(part.count for part in work if part.count > 1) <= budget
        # Whoever streams gets its token in every step, unless it had to give way.
        assert all(task in planned or task not in self.scheduler.running for task in decoding)
        assert len(self.scheduler.running) <= self.slots
        if isinstance(self.memory, Cells):
            assert self.cache.free == self.memory.size - self.memory.used
        for task in self.scheduler.running:
            if task.lease is not None:
                assert self.memory.tokens(task.lease.sequence) == task.tokens[: task.computed]
                assert self.memory.salts(task.lease.sequence) <= {task.salt}

    def finish(self, budget: int = 64) -> int:
        """Steps until everything is done."""
        steps = 0
        while self.wanted:
            assert self.step(budget), "work is left and none is planned"
            steps += 1
            assert steps < 5000, "it does not end"
        return steps


class Forgetful(Cells):
    """What a window has left is gone: no sequence can be cut, or copied."""

    def copy(self, source: int, target: int, end: int) -> None:
        raise AssertionError("copied")

    def remove(self, sequence: int, start: int) -> None:
        assert start in (0, len(self.tokens(sequence)))
        super().remove(sequence, start)


class UnsharedRoom(Room):
    """Sequences share nothing."""

    def layout(self, cells: int, sequences: int) -> tuple[Any, Any]:
        memory = Forgetful(cells, sequences)
        return memory, UnsharedCache(memory, cells, sequences)


class StreamRoom(Room):
    """Every sequence with cells of its own."""

    def layout(self, cells: int, sequences: int) -> tuple[Any, Any]:
        memory = Streams(cells, sequences)
        return memory, StreamCache(memory, cells, sequences, PromptCache(memory, lambda _held: 4 * cells))


class RoomWithPrefiller(StreamRoom):
    """Prompts of more than a few tokens are computed aside, and land some steps later, or what is there of them."""

    def __init__(self, slots: int = 4, cells: int = 400, sequences: int = 16) -> None:
        super().__init__(slots, cells, sequences)
        self.scheduler.aside_from = 4
        self.aside: tuple[Work, Any, int] | None = None  # where it runs, and the step in which it lands
        self.steps = 0
        self.asides = 0

    def add(
        self,
        tokens: list[int],
        wanted: int = 3,
        priority: int = INTERACTIVE,
        salt: str = "",
        kind: type[Task] = Task,
    ) -> Task:
        task = super().add(tokens, wanted, priority, salt, kind)
        task.settled_at = len(tokens) + 2  # so that there are readers early
        return task

    def step(self, budget: int = 64) -> list[Work]:
        self.steps += 1
        landed = self.aside
        if landed is not None:
            work, _, ready = landed
            if self.steps >= ready:
                self.land(work.count)
            elif self.scheduler.hurries(work.task):
                self.land(min(work.count, self.steps % 7 + 1))
        work_of_step = super().step(budget)
        assert all(not part.task.aside for part in work_of_step)
        if self.aside is None and (part := self.scheduler.plan_aside()):
            assert part.start == part.task.computed
            assert part.samples and part.start + part.count == len(part.task.tokens)
            self.aside = part, part.task.lease, self.steps + 1 + part.count // 4
            self.asides += 1
        return work_of_step or [each[0] for each in (self.aside, landed) if each]

    def land(self, count: int) -> None:
        assert self.aside is not None
        (work, lease, _), self.aside = self.aside, None
        if work.task.lease is not lease:
            self.scheduler.landed(work, 0)
            return
        tokens = work.task.tokens[work.start : work.start + count]
        self.memory.write(lease.sequence, work.start, tokens, work.task.salt)
        self.scheduler.landed(work, count)
        if work.task.remaining == 0:
            self.sample(work.task)

    def settle(self, streams: int = 1) -> list[Task]:
        """Streams that someone reads along."""
        tasks = [self.add([number + 1, 2, 3], wanted=300) for number in range(streams)]
        for _ in range(3 + streams):
            self.step()
        return tasks


ROOMS = [Room, StreamRoom, RoomWithPrefiller]
