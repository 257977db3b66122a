"""Requests whose workers die. What was running on two that died is not sent to a third.

Only a worker's host knows that it died: to the edge a machine that is gone, or cannot be reached, looks the same, and
takes along all that run on it at once. Nobody knows which of its requests broke a worker, so each of them is suspect
until it is answered once. A retry is the same request under another id: requests are told apart by what they ask for
(`Asked`), which includes the organisation that asks. Suspects of a model run one after another, or the guilty one would
take those beside it along a second time.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Protocol

from api.clients.grpc_errors import worker_died
from api.errors import PoisonRequestError

Asked = Callable[[], bytes]  # all that a request asks for, and who does; called only while there are suspects

CRASHES = 2  # of different processes: a worker that is started again has another address
KEPT_S = 60.0  # then it may try again: longer than retries of clients take
KEPT_AT_MOST = 10_000
TURN_S = 5.0  # that a suspect runs without another one; who breaks a worker does it at once, most of the time
TURN_WAIT_S = 10.0  # then the client is asked to come again
WORD_S = 1.0  # that a host may take to say that a worker died, when it matters


class Witness(Protocol):
    """`clients.hosts.Hosts`."""

    def died(self, target: str, /) -> bool: ...

    async def hear_of(self, target: str, patience_s: float, /) -> None: ...


class Turn:
    """Of a suspect. It ends when `over` is called, or by itself."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._held = True
        self._timer = asyncio.get_running_loop().call_later(TURN_S, self.over)

    def over(self) -> None:
        """Idempotent."""
        self._timer.cancel()
        if self._held:
            self._held = False
            self._lock.release()


class Quarantine:
    """One per process; bounded, and in memory only."""

    def __init__(self, witness: Witness, clock: Callable[[], float] = time.monotonic) -> None:
        self._witness = witness
        self._clock = clock
        self._suspects: OrderedDict[bytes, tuple[float, frozenset[str]]] = OrderedDict()  # since when, on which
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by model

    async def turn(self, model: str, asked: Asked) -> Turn | None:
        """Before a request runs: at once and None, unless it is suspect. Raises PoisonRequestError, WorkerDiedError."""
        self._forget()
        if not self._suspects or not self._suspicious(name := digest(asked)):
            return None
        lock = self._turns[model]
        try:
            async with asyncio.timeout(TURN_WAIT_S):
                await lock.acquire()
        except TimeoutError:
            raise worker_died(model) from None
        suspicious = False
        try:
            suspicious = self._suspicious(name)  # one like it may have been answered meanwhile, or have died
        finally:
            if not suspicious:
                lock.release()
        return Turn(lock) if suspicious else None

    async def crashed(self, asked: Asked, worker: str) -> PoisonRequestError | None:
        """The worker is gone, and ran this; what to say if it died of it, and was not the first."""
        self._forget()
        name = digest(asked)
        crashes = self._crashes(name) | {worker}
        self._suspects.pop(name, None)
        self._suspects[name] = (self._clock(), crashes)
        if len(self._suspects) > KEPT_AT_MOST:
            self._suspects.popitem(last=False)
        if len(crashes) >= CRASHES:
            await self._witness.hear_of(worker, WORD_S)
        return poison() if self._deaths(crashes) >= CRASHES else None

    def answered(self, asked: Asked) -> None:
        """It was not this one."""
        if self._suspects:
            self._suspects.pop(digest(asked), None)

    def _suspicious(self, name: bytes) -> bool:
        """Raises PoisonRequestError."""
        crashes = self._crashes(name)
        if self._deaths(crashes) >= CRASHES:
            raise poison()
        return bool(crashes)

    def _deaths(self, workers: frozenset[str]) -> int:
        return sum(map(self._witness.died, workers))

    def _crashes(self, name: bytes) -> frozenset[str]:
        _, crashes = self._suspects.get(name, (0.0, frozenset[str]()))
        return crashes

    def _forget(self) -> None:
        """Those of long ago, which come first: while there is any, every request is told apart from them."""
        while self._suspects and self._clock() - next(iter(self._suspects.values()))[0] >= KEPT_S:
            self._suspects.popitem(last=False)


def digest(asked: Asked) -> bytes:
    return hashlib.sha256(asked()).digest()


def poison() -> PoisonRequestError:
    return PoisonRequestError(
        "Two workers stopped while they ran this request, so it is not run again for a minute; nothing is charged. "
        "Change the request, or send it again later.",
        retryable=False,
    )
