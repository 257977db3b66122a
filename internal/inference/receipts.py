"""What this worker did, by request id: the second witness when a settlement is in doubt.

Kept in memory for 15 minutes after a request ended, and bounded in number. A worker that dies takes its receipts
along; the sweeper then knows that nobody can say, and the caller is not charged.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from gen import inference_pb2 as pb

from internal.inference.backends.base import Generation

KEPT_S = 15 * 60.0
KEPT_AT_MOST = 200_000


class Receipts:
    """Receipts of running and recently ended generations."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: dict[str, Generation] = {}
        self._ended: OrderedDict[str, tuple[float, pb.Receipt]] = OrderedDict()

    def opened(self, generation: Generation) -> None:
        self._running[generation.request_id] = generation

    def closed(self, generation: Generation, event: pb.Event) -> None:
        """Files the receipt of a generation whose last event is `event`."""
        self._running.pop(generation.request_id, None)
        failed = event.HasField("failed")
        state = (
            pb.Receipt.FAILED if failed else pb.Receipt.CANCELLED if event.finished.cancelled else pb.Receipt.FINISHED
        )
        if generation.abandoned:
            state = pb.Receipt.ABANDONED
        usage = event.failed.usage if failed else event.finished.usage
        now = self._clock()
        self._ended[generation.request_id] = (
            now,
            pb.Receipt(request_id=generation.request_id, state=state, usage=usage),
        )
        self._forget(now)

    def find(self, request_ids: Iterable[str]) -> list[pb.Receipt]:
        """The receipts that are known; unknown ids are left out."""
        found = []
        for request_id in request_ids:
            if (running := self._running.get(request_id)) is not None:
                found.append(pb.Receipt(request_id=request_id, state=pb.Receipt.RUNNING, usage=running.usage))
            elif request_id in self._ended:
                found.append(self._ended[request_id][1])
        return found

    def _forget(self, now: float) -> None:
        while self._ended:
            request_id, (ended_at, _) = next(iter(self._ended.items()))
            if now - ended_at < KEPT_S and len(self._ended) <= KEPT_AT_MOST:
                return
            del self._ended[request_id]
