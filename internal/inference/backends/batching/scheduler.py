"""Who runs, and what the next step computes. State in, plan out: no model, no clock, no threads.

The rules:

- Interactive before batch, first come first served within a class. While anyone interactive is there, batch runs in one
  step of `BATCH_STEPS` only: every sequence makes a step longer. What it has computed stays where it is meanwhile. Nor
  does it run while someone waits for a first token, unless that has been so for `PATIENCE_STEPS`.
- Every step carries one token of every stream that decodes, and prefill up to a budget.
- Where there is a prefiller (`plan_aside`), prompts are computed by it as long as someone reads along, and no crowd
  waits.
- A prompt is computed once: a request that shares a prefix with one which is being computed right now waits for it.
- When cells run out, what nobody runs on is evicted; then the youngest gives way and is computed again later.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from internal.inference.backends.batching.kv_cache import Cache, Lease, common_prefix

# Tokens that must be shared with a running prefill to be worth waiting for it.
WORTH_WAITING = 16
LONG_PREFIX = 256  # tokens: those who continue it are computed faster together
# Free cells for each running task when another one is admitted, so that it is not thrown out a moment later.
HEADROOM = 16
TIDY_STEPS = 8
# Tokens of output from which on someone reads along.
BEGINNING = 16
# Of the steps that prefill, every fourth begins with the oldest prompt, so that short ones do not starve it. All of a
# step rather than a part of each: prompts that are computed side by side cost more than one after another.
OLDEST_STEPS = 4
LEAST_FOR_PART = 0.5  # of a step's prefill
INTERACTIVE = 0  # of the priorities: someone waits
# So few longer steps that 19 of 20 gaps between tokens, and waits for the first, are as they would be without batches.
BATCH_STEPS = 40
PATIENCE_STEPS = 4 * BATCH_STEPS  # where there is always someone who waits for a first token
# So many steps batch goes on without prompts when the last one interactive has left: often the next one comes at once.
LULL_STEPS = 8
# Of prompts in a step of batch alone, which whoever arrives has to wait for; more would be hardly faster.
BATCH_PREFILL = 256


class Task:
    """One output to generate: all that scheduling needs to know of it. Identity is the object."""

    def __init__(self, priority: int, arrival: int, salt: str, tokens: list[int]) -> None:
        self.priority = priority  # smaller is more urgent
        self.arrival = arrival
        self.salt = salt
        self.tokens = tokens  # prompt, then output; grows by one for every token sampled
        self.settled_at = len(tokens) + BEGINNING
        self.lease: Lease | None = None
        self.leader: Task | None = None  # computes a prefix that this task waits for …
        self.until = 0  # … up to here
        self.reused = 0  # tokens found computed when it last started
        self.aside = False  # a part of it is being computed by the prefiller

    @property
    def movable(self) -> bool:
        """Whether it can be computed elsewhere than where its sequence is."""
        return True

    @property
    def computed(self) -> int:
        return self.lease.length if self.lease else 0

    @property
    def remaining(self) -> int:
        """Tokens to compute until the next one can be sampled."""
        return len(self.tokens) - self.computed

    def extent(self, count: int) -> int:
        """Tokens to compute next instead of so many, where they may not be cut anywhere: fewer, or more if it must
        be."""
        return count

    def order(self) -> tuple[int, int]:
        return self.priority, self.arrival


@dataclass(frozen=True, slots=True)
class Work:
    """A part of the next step: `count` tokens of a task from position `start` on. `samples`: its next token follows."""

    task: Task
    start: int
    count: int
    samples: bool

    @property
    def sequence(self) -> int:
        """Of a task that has one."""
        assert self.task.lease is not None
        sequence: int = self.task.lease.sequence
        return sequence


class Scheduler:
    """See the module. Changes of the KV cache go through `cache`, at once."""

    def __init__(self, cache: Cache[Any], slots: int) -> None:
        self._cache = cache
        self._slots = slots
        # Of prompts of which more than so many tokens are to be computed, somebody asks with `plan_aside`.
        self.aside_from: int | None = None
        self._asides = 0  # that it had
        self._steps = 0
        self._prefills = 0  # steps that did
        self._batch_runs = True  # in this step
        self._batch_ran = 0  # the last step in which it did
        self._lull = 0  # steps of it that are left
        self.waiting: list[Task] = []  # in order
        self.running: list[Task] = []
        self.preemptions = 0

    @property
    def idle_slots(self) -> int:
        return self._slots - len(self.running)

    @property
    def deserted(self) -> bool:
        """Whether the last one interactive has left since the last step, and batch would go on now."""
        tasks = bool(self.running or self.waiting)
        return tasks and self._lull == LULL_STEPS and not self._someone_waits()

    @property
    def gathers(self) -> bool:
        """Whether to wait for those who come in a moment: the next step would compute what continues a long prefix,
        which is faster for many together (`suffixes.py`), and nobody reads along yet."""
        return not self._readers()[0] and any(map(self._continues, (*self.running, *self.waiting[: self.idle_slots])))

    def add(self, task: Task) -> None:
        insort(self.waiting, task, key=Task.order)

    def remove(self, task: Task, *, keep: bool = True) -> None:
        """The task is over. `keep`: what it computed stays for others."""
        if task in self.running:
            self.running.remove(task)
            # Outputs of batches are read from a file: nobody goes on with them, and many of them would push out chats.
            self._release(task, partial(self._cache.close, keep=keep, likely=task.priority == INTERACTIVE))
        elif task in self.waiting:
            self.waiting.remove(task)

    def restart(self, task: Task) -> None:
        """Nobody knows what the sequence of a running task holds: it is computed again."""
        self._pause(task, partial(self._cache.close, keep=False))

    def decoding(self) -> list[Task]:
        """Running tasks that need one token computed."""
        return [task for task in self.running if task.lease is not None and task.remaining == 1]

    def plan(self, prefill_budget: Callable[[int, int, int], int]) -> list[Work]:
        """The next step, with its cells reserved; empty when there is nothing to do.

        `prefill_budget`: tokens of prefill at most, in a step in which so many streams decode, so many of them are past
        their beginning, and so many others run. Those of batches count only when they are alone, and
        then as others: nobody reads them.
        """
        self._take_turns()
        if self.waiting:
            self._admit()
        for task in self.running:
            if task.lease is None:
                self._start(task)
        singles = self._reserve_singles()
        work = [Work(task, len(task.tokens) - 1, 1, True) for task in singles]
        if len(self.running) > len(singles):
            work += self._prefill(len(singles), self._budget(singles, prefill_budget))
        return work

    def plan_aside(self) -> Work | None:
        """What the prefiller computes next, after a `plan`. None: nothing. `landed` ends it."""
        tasks = [task for task in self._for_prefiller() if task.lease is not None]
        if not tasks:
            return None
        self._asides += 1
        task = _in_turn(tasks, oldest_first=self._asides % OLDEST_STEPS == 0)[0]
        task.aside = True
        return Work(task, task.computed, task.remaining, samples=True)

    def hurries(self, task: Task) -> bool:
        """Whether the prefiller is to end with what it has of a task: nobody wants it there any more, or someone waits
        for it, or for the prefiller."""
        gone = task.lease is None or not self._reads_along()
        return gone or bool(self._for_prefiller()) or any(other.leader is task for other in self.running)

    def landed(self, work: Work, count: int) -> None:
        """The prefiller has ended what `plan_aside` gave, and so many tokens of it are in their sequence. If those are
        all, the next one is sampled before another step is planned."""
        work.task.aside = False
        if count:
            self._append(replace(work, count=count))

    def commit(self, work: Sequence[Work]) -> None:
        """A part of the step was computed."""
        for part in work:
            self._append(part)
        self._cache.decoded(sum(part.count == 1 for part in work))

    def step_done(self) -> None:
        """All of it was."""
        self._steps += 1
        if self._steps % TIDY_STEPS == 0:
            self._cache.tidy()

    def give_way(self) -> bool:
        """Preempts the youngest task; False when no other one is running."""
        if len(self.running) < 2:
            return False
        self._preempt(max(self.running, key=Task.order))
        return True

    def _append(self, part: Work) -> None:
        assert part.task.lease is not None
        self._cache.append(part.task.lease, part.task.tokens[part.start : part.start + part.count])

    # ------------------------------------------------------------------ admission

    def _take_turns(self) -> None:
        present = self._someone_waits()
        self._lull = LULL_STEPS if present else max(self._lull - 1, 0)
        self._batch_runs = not present or self._is_turn_of_batch()
        if self._batch_runs:
            self._batch_ran = self._steps
        else:
            for task in [task for task in self.running if task.priority != INTERACTIVE]:
                self._pause(task)

    def _is_turn_of_batch(self) -> bool:
        waited = self._steps - self._batch_ran
        if waited < BATCH_STEPS:
            return False
        return waited >= PATIENCE_STEPS or all(task.remaining == 1 for task in self._interactive())

    def _someone_waits(self) -> bool:
        return any(True for _ in self._interactive())

    def _interactive(self) -> Iterator[Task]:
        """Those that run, and the one that is next: it is behind batches only where there is none."""
        return (task for task in (*self.running, *self.waiting[:1]) if task.priority == INTERACTIVE)

    def _admit(self) -> None:
        while self.waiting:
            task = self.waiting[0]
            if task.priority != INTERACTIVE and not self._batch_runs:
                return
            while not self._has_room(task):
                victim = max(self.running, key=Task.order)
                if victim.priority <= task.priority:
                    return
                self._preempt(victim)
            self.running.append(self.waiting.pop(0))
            self._start(task)

    def _has_room(self, task: Task) -> bool:
        if not self.running:
            return True
        if len(self.running) >= self._slots:
            return False
        promised = sum(len(other.tokens) - (other.until if other.leader else other.computed) for other in self.running)
        wanted = len(task.tokens) + HEADROOM * (len(self.running) + 1)
        room = self._cache.available - promised - wanted
        return room >= 0 or room + self._spared(task) >= 0

    def _spared(self, task: Task) -> int:
        """Cells that a task will not need, because it shares them."""
        leader, shared = self._leader(task)
        if leader is None:
            shared, unpinned = self._cache.match(task.salt, task.tokens, len(task.tokens) - 1)
            shared -= unpinned  # those cells are available only until the task uses them
        return shared

    def _start(self, task: Task) -> None:
        """Gives a task its sequence, unless it does better to wait for another one's prefix."""
        leader = task.leader
        if leader is not None and leader.lease is not None and leader.computed < task.until:
            return
        task.leader, task.until = self._leader(task)
        if task.leader is None:
            task.lease = self._cache.open(task.salt, task.tokens, len(task.tokens) - 1)
            task.reused = task.lease.length

    def _leader(self, task: Task) -> tuple[Task | None, int]:
        """The task that is computing the longest prefix of this one, and its length."""
        if not self._cache.shares:
            return None, 0
        limit = len(task.tokens) - 1  # the last token is computed by everyone: its logits are wanted
        prompt = task.tokens[:limit]
        best: Task | None = None
        length = WORTH_WAITING - 1
        for other in self.running:
            if other.lease is None or other.remaining == 1 or other.salt != task.salt or other.priority > task.priority:
                continue
            next_one = slice(other.computed, other.computed + 1)
            if prompt[next_one] != other.tokens[next_one]:
                continue  # shares nothing that is still to come
            shared = common_prefix(other.tokens, prompt)
            if shared > max(length, other.computed):
                best, length = other, shared
        if best is None or length < self._cache.match(task.salt, prompt, limit)[0] + WORTH_WAITING:
            return None, 0
        return best, length

    # ------------------------------------------------------------------ the step

    def _reserve_singles(self) -> list[Task]:
        singles = self.decoding()
        while not self._cache.reserve(len(singles)) and self.give_way():
            singles = self.decoding()
        return singles

    def _readers(self) -> tuple[int, int]:
        """Those interactive that are past their beginning, and the others that run."""
        readers = [task for task in self.running if task.priority == INTERACTIVE]
        settled = sum(len(task.tokens) >= task.settled_at for task in readers if task.remaining == 1)
        return settled, len(readers) - settled

    def _for_prefiller(self) -> list[Task]:
        """Those whose prompts are not computed in steps, but for the one that is with the prefiller already.

        Of a crowd they are: beside few readers, the prefiller's part of the machine is too little for it.
        """
        if self.aside_from is None:
            return []
        tasks = [
            task
            for task in self.running
            if task.priority == INTERACTIVE and task.movable and not task.aside and task.remaining - 1 > self.aside_from
        ]
        return tasks if tasks and self._reads_along() else []

    def _reads_along(self) -> bool:
        """Whether prompts are the prefiller's at all."""
        settled, new = self._readers()
        return 0 < settled >= new

    def _continues(self, task: Task) -> bool:
        """A long prefix that is there, with more than one token."""
        if task.priority != INTERACTIVE or task.remaining == 1:
            return False
        computed = task.computed or self._cache.match(task.salt, task.tokens, len(task.tokens) - 1)[0]
        return computed >= LONG_PREFIX

    def _budget(self, singles: Sequence[Task], prefill_budget: Callable[[int, int, int], int]) -> int:
        settled, new = self._readers()
        if settled + new:
            return prefill_budget(len(singles), settled, new)
        if self._lull and singles:
            return 0
        return min(prefill_budget(len(singles), 0, len(self.running)), BATCH_PREFILL)

    def _prefill(self, singles: int, budget: int) -> list[Work]:
        elsewhere = set(self._for_prefiller())
        while True:
            room = min(budget, self._cache.available - singles)
            tasks = [
                task
                for task in self.running
                if task.lease is not None and task.remaining > 1 and not task.aside and task not in elsewhere
            ]
            if room > 0 or singles or not tasks or not self.give_way():
                break
        counts = _share(tasks, room, oldest_first=self._prefills % OLDEST_STEPS == 0)
        self._prefills += bool(counts)
        self._cache.reserve(singles + sum(counts.values()))
        return [
            Work(task, task.computed, count, samples=count == task.remaining) for task, count in counts.items() if count
        ]

    def _preempt(self, task: Task) -> None:
        self._pause(task)
        self.preemptions += 1

    def _pause(self, task: Task, let_go: Callable[[Any], None] | None = None) -> None:
        self.running.remove(task)
        self._release(task, let_go or self._cache.pause)
        self.add(task)

    def _release(self, task: Task, let_go: Callable[[Any], None]) -> None:
        task.leader = None
        if task.lease is not None:
            let_go(task.lease)
            task.lease = None


def _in_turn(tasks: Sequence[Task], *, oldest_first: bool) -> list[Task]:
    """The shortest first, but for the oldest, if it is to be before all."""
    oldest = min(tasks, key=Task.order, default=None) if oldest_first else None
    return sorted(tasks, key=lambda task: (task is not oldest, task.priority, task.remaining, task.arrival))


def _share(tasks: Sequence[Task], budget: int, *, oldest_first: bool) -> dict[Task, int]:
    """Divides a budget of prefill: whole prompts while there is room, the shortest first, then a part of the next.

    No part where whole prompts fill most of the budget: each other length in a step is a pass over the weights.
    """
    counts: dict[Task, int] = {}
    left = budget
    for task in _in_turn(tasks, oldest_first=oldest_first):
        if left > 0 and (task.remaining <= left or left >= budget * LEAST_FOR_PART):
            counts[task] = task.extent(min(task.remaining, left))
            left -= counts[task]
    return counts
