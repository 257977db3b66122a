"""Texts of many requests, computed together.

`Backlog` is the policy and nothing else: what waits, and what goes into the next batch. `Batcher` is the queue around
it: callers wait for their vectors, `lanes` threads compute. There is no timer: while a batch is computed the next one
gathers by itself, so batches are small when there is time and large when there is not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from internal.embedding.backends.base import Backend, Vectors
from internal.errors import InternalError, OverloadedError, UnavailableError

log = logging.getLogger("novai.embedding")

SHUTTING_DOWN = "this worker is shutting down; another replica can take the request"
Ids = Sequence[int]


@dataclass(eq=False, slots=True)
class Job:
    """The texts of one request. Identity is the object."""

    texts: Sequence[Ids]
    batch_priority: bool = False
    waiting: deque[int] = field(init=False)  # indices of texts not yet taken, neighbours in length side by side

    def __post_init__(self) -> None:
        self.waiting = deque(sorted(range(len(self.texts)), key=lambda index: len(self.texts[index])))


Piece = tuple[Job, int]
"""One text: its job and its index there."""


class Backlog:
    """What waits. Interactive jobs go before batch jobs; jobs of one class take turns, text by text.

    So a request with one text is never behind all of a request with two thousand, and an interactive one waits for
    the batches that are being computed and no longer.
    """

    def __init__(self, limit_tokens: int) -> None:
        self._limit_tokens = limit_tokens
        self._turns: dict[bool, deque[Job]] = {False: deque(), True: deque()}
        self._tokens = {False: 0, True: 0}

    @property
    def tokens(self) -> int:
        """All that wait."""
        return sum(self._tokens.values())

    @property
    def next_tokens(self) -> int:
        """Those of the class whose turn it is."""
        return self._tokens[self._next_class()]

    def check_room(self, batch_priority: bool = False) -> None:
        """Raises OverloadedError when nothing more may be added; batches leave half of the room to others. A job is
        taken whole: the last one may overshoot."""
        if self.tokens >= self._limit_tokens // (2 if batch_priority else 1):
            raise OverloadedError(f"{self.tokens} tokens are waiting to be embedded; try again later")

    def add(self, job: Job) -> None:
        self.check_room(job.batch_priority)
        self._turns[job.batch_priority].append(job)
        self._tokens[job.batch_priority] += sum(len(text) for text in job.texts)

    def discard(self, job: Job) -> None:
        """Forgets what of a job has not been taken yet."""
        if job.waiting:
            self._turns[job.batch_priority].remove(job)
            self._tokens[job.batch_priority] -= sum(len(job.texts[index]) for index in job.waiting)
            job.waiting.clear()

    def take(self, budget_tokens: int) -> list[Piece]:
        """The next batch: at least one text if any waits, else no more than the budget."""
        kind = self._next_class()
        turns = self._turns[kind]
        pieces: list[Piece] = []
        taken = 0
        while turns:
            job = turns[0]
            length = len(job.texts[job.waiting[0]])
            if pieces and taken + length > budget_tokens:
                break
            pieces.append((job, job.waiting.popleft()))
            taken += length
            turns.rotate(-1)
            if not job.waiting:
                turns.pop()
        self._tokens[kind] -= taken
        return pieces

    def jobs(self) -> list[Job]:
        return [job for turns in self._turns.values() for job in turns]

    def _next_class(self) -> bool:
        return not self._turns[False]


@dataclass(eq=False, slots=True)
class Ticket:
    """Where the vectors of one job are gathered."""

    vectors: Vectors
    missing: int
    done: asyncio.Future[None]


class Batcher:
    """Computes jobs on a loaded backend. Belongs to the event loop it is used on."""

    def __init__(self, backend: Backend, limit_tokens: int) -> None:
        self._backend = backend
        self._backlog = Backlog(limit_tokens)
        self._tickets: dict[Job, Ticket] = {}
        self._threads = ThreadPoolExecutor(backend.lanes, "embed")
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def check_room(self) -> None:
        """Raises OverloadedError when the queue is full, so that nobody tokenises in vain."""
        self._backlog.check_room()

    async def embed(self, job: Job) -> Vectors:
        """Vectors of a job's texts. Raises OverloadedError at once, UnavailableError when this worker shuts down,
        InternalError when the model broke.

        When the caller is cancelled, what has not been taken yet is never computed.
        """
        if self._closed:
            raise UnavailableError(SHUTTING_DOWN)
        self._backlog.add(job)
        vectors = np.empty((len(job.texts), self._backend.info.dimensions), np.float32)
        ticket = Ticket(vectors, len(job.texts), asyncio.get_running_loop().create_future())
        self._tickets[job] = ticket
        self._fill_lanes()
        try:
            await ticket.done
        finally:
            self._backlog.discard(job)
            del self._tickets[job]
        return vectors

    async def aclose(self) -> None:
        """Refuses what waits, lets running batches end, stops the threads. Idempotent."""
        self._closed = True
        for job in self._backlog.jobs():
            self._fail([job], UnavailableError(SHUTTING_DOWN))
            self._backlog.discard(job)
        while self._running:
            await asyncio.wait(self._running)
        self._threads.shutdown()

    def _fill_lanes(self) -> None:
        while self._backlog.tokens and (free := self._backend.lanes - len(self._running)) > 0:
            # What waits is shared out among the free lanes, so that one request alone uses all of them.
            share = -(-self._backlog.next_tokens // free)
            task = asyncio.create_task(self._compute(self._backlog.take(min(share, self._backend.batch_tokens))))
            self._running.add(task)
            task.add_done_callback(self._lane_freed)

    def _lane_freed(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._fill_lanes()

    async def _compute(self, pieces: list[Piece]) -> None:
        texts = [job.texts[index] for job, index in pieces]
        loop = asyncio.get_running_loop()
        try:
            vectors = await loop.run_in_executor(self._threads, self._backend.embed, texts)
        except Exception as error:  # whatever broke in the model, its callers must hear of it
            log.exception("a batch of %d texts failed", len(texts))
            self._fail((job for job, _ in pieces), InternalError(f"the model failed: {error}"))
            return
        for (job, index), vector in zip(pieces, vectors, strict=True):
            if ticket := self._tickets.get(job):
                ticket.vectors[index] = vector
                ticket.missing -= 1
                if not ticket.missing and not ticket.done.done():
                    ticket.done.set_result(None)

    def _fail(self, jobs: Iterable[Job], error: Exception) -> None:
        for job in jobs:
            ticket = self._tickets.get(job)
            if ticket and not ticket.done.done():
                ticket.done.set_exception(error)
