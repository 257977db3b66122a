"""How many lines of a model run at once: enough to keep its workers busy, few enough to leave their queues to others.

A model's lines fill the slots that its replicas have, shared among the worker processes that live, and a few more, so
that a slot which falls free is taken in the same step. Batch requests yield to all others in the worker itself. When a
worker refuses a line because its queue is full, half as many run from then on, and one more each time that as many as
run have been answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable

from api.clients.hosts import Hosts, Replica

EMBEDDINGS_AT_ONCE = 64  # of a replica: it puts what it has together
MORE = 4  # a replica gets a quarter more lines than it has slots, and so many at least


class Slots:
    """One per process. `most(model)`: lines at once that its workers want at the moment."""

    def __init__(self, most: Callable[[str], int]) -> None:
        self._most = most
        self._running: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._allowed: dict[str, float] = {}  # after a refusal

    @contextlib.asynccontextmanager
    async def taken(self, model: str) -> AsyncIterator[None]:
        """Waits for a place among the model's lines, in turn, and gives it back."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[model].append(turn)
        self._admit(model)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came all the same
                self._leave(model)
            raise
        try:
            yield
        finally:
            self._leave(model)

    def look(self) -> None:
        """Replicas may have come."""
        for model in self._waiting:
            self._admit(model)

    def room(self, model: str) -> int:
        """Lines at once. One at least: it may wait for a model that is away as well as anybody."""
        most = self._most(model)
        return max(1, min(most, int(self._allowed.get(model, most))))

    def refused(self, model: str) -> None:
        """A worker's queue was full."""
        self._allowed[model] = max(1.0, self._running[model] / 2)

    def answered(self, model: str) -> None:
        if model in self._allowed:
            self._allowed[model] += 1 / self._allowed[model]

    def _admit(self, model: str) -> None:
        waiting = self._waiting[model]
        while waiting and self._running[model] < self.room(model):
            turn = waiting.popleft()
            if not turn.done():  # who waited may have gone
                self._running[model] += 1
                turn.set_result(None)

    def _leave(self, model: str) -> None:
        self._running[model] -= 1
        self._admit(model)


def most_lines(hosts: Hosts, model: str, processes: int) -> int:
    """That keep a model's replicas busy, as a share of so many processes. One of a model that sleeps: it wakes it."""
    usable = [replica for replica in hosts.models().get(model, ()) if replica.usable]
    if not usable and hosts.on_demand(model):
        return 1
    return -(-sum(map(_wanted, usable)) // processes)


def _wanted(replica: Replica) -> int:
    slots = replica.state.slots
    return slots + max(MORE, slots // 4) if slots else EMBEDDINGS_AT_ONCE
