"""Requests whose workers die. What was running on two that died is not sent to a third.

Nobody knows which of its requests broke a worker, so each of them is suspect until it is answered once. A retry is the
same request under another id: requests are told apart by what they ask for, which includes the organisation that asks.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from api.clients.session import GenerateRequest
from api.errors import PoisonRequestError

CRASHES = 2  # of different processes: a worker that is started again has another address
KEPT_S = 60.0  # then it may try again: longer than retries of clients take
KEPT_AT_MOST = 10_000


class Quarantine:
    """One per process; bounded, and in memory only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._suspects: OrderedDict[bytes, tuple[float, frozenset[str]]] = OrderedDict()  # since when, on which

    def check(self, request: GenerateRequest) -> None:
        """Raises PoisonRequestError."""
        if self._suspects and len(self._crashes(digest(request))) >= CRASHES:
            raise poison()

    def crashed(self, request: GenerateRequest, worker: str) -> PoisonRequestError | None:
        """The worker died while it ran this; what to say if it was not the first."""
        name = digest(request)
        crashes = self._crashes(name) | {worker}
        self._suspects.pop(name, None)
        self._suspects[name] = (self._clock(), crashes)
        if len(self._suspects) > KEPT_AT_MOST:
            self._suspects.popitem(last=False)
        return poison() if len(crashes) >= CRASHES else None

    def answered(self, request: GenerateRequest) -> None:
        """It was not this one."""
        if self._suspects:
            self._suspects.pop(digest(request), None)

    def _crashes(self, name: bytes) -> frozenset[str]:
        since_s, crashes = self._suspects.get(name, (0.0, frozenset[str]()))
        return crashes if self._clock() - since_s < KEPT_S else frozenset()


def digest(request: GenerateRequest) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def poison() -> PoisonRequestError:
    return PoisonRequestError(
        "Two workers stopped while they ran this request, so it is not run again for a minute; nothing is charged. "
        "Change the request, or send it again later.",
        retryable=False,
    )
