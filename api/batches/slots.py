"""How many lines of a model run at once: enough to keep its workers busy, few enough to leave their queues to others.

A model's lines fill the slots that its replicas have, shared among the worker processes that live, and a few more, so
that a slot which falls free is taken in the same step. Batch requests yield to all others in the worker itself. When a
worker refuses a line because its queue is full, half as many run from then on, and one more for each that is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable

from api.clients.hosts import Hosts, Replica

EMBEDDINGS_AT_ONCE = 64  # of a replica: it puts what it has together
MORE = 4  # a replica gets a quarter more lines than it has slots, and so many at least
LOOK_AGAIN_S = 0.5  # replicas come and go


class Slots:
    """One per process. `processes()`: how many share the models."""

    def __init__(self, hosts: Hosts, processes: Callable[[], int]) -> None:
        self._hosts = hosts
        self._processes = processes
        self._running: defaultdict[str, int] = defaultdict(int)
        self._most: dict[str, float] = {}  # after a refusal
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def taken(self, model: str) -> AsyncIterator[None]:
        """Waits for a place among the model's lines, and gives it back."""
        async with self._freed:
            while self._running[model] >= self.room(model):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), LOOK_AGAIN_S)
            self._running[model] += 1
        try:
            yield
        finally:
            self._running[model] -= 1
            async with self._freed:
                self._freed.notify()

    def room(self, model: str) -> int:
        """Lines at once. One at least: it may wait for a model that is away as well as anybody."""
        replicas = [replica for replica in self._hosts.models().get(model, ()) if replica.usable]
        most = -(-sum(map(wanted, replicas)) // max(1, self._processes()))
        return max(1, min(most, int(self._most.get(model, most))))

    def refused(self, model: str) -> None:
        """A worker's queue was full."""
        self._most[model] = max(1.0, self._running[model] / 2)

    def answered(self, model: str) -> None:
        if model in self._most:
            self._most[model] += 1 / self._most[model]


def wanted(replica: Replica) -> int:
    """Lines that keep a replica busy."""
    slots = replica.state.slots
    return slots + max(MORE, slots // 4) if slots else EMBEDDINGS_AT_ONCE
