"""What the answer to a request is read from: one generation, or rounds of them."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from api.domain import TokenUsage

Said = TypeVar("Said")


class AnswerStream(ABC, Generic[Said]):
    """An admitted answer. Read by one task: `start`, `next` until it is `over`, `aclose`."""

    model: str
    request_id: str
    choices: int
    created_s: int
    exhausted: bool  # ended because the money did

    @abstractmethod
    async def start(self) -> None:
        """Returns when a worker has accepted the request. Raises the ApiError that it is refused with."""

    @abstractmethod
    async def next(self) -> Sequence[Said]:
        """What was said since the last call. Empty about once a second of silence, and at the end.

        Raises the ApiError that ended the answer; after that, and when it is over, it must not be called again.
        """

    @property
    @abstractmethod
    def over(self) -> bool:
        """Everything has been read."""

    @property
    @abstractmethod
    def left(self) -> bool:
        """The client is gone."""

    @abstractmethod
    def leave(self) -> None:
        """The client is gone: everything stops at once. What was used is still settled."""

    @property
    @abstractmethod
    def headers(self) -> dict[str, str]:
        """How the caller's limits stand, and what answers."""

    @property
    @abstractmethod
    def upstream_headers(self) -> dict[str, str]:
        """Which upstream answers, if one does; known when it has started."""

    @abstractmethod
    def usage(self) -> TokenUsage:
        """What is charged."""

    @abstractmethod
    async def aclose(self) -> None:
        """Gives everything back and settles, whatever ended the answer. Idempotent, shielded from cancellation."""

    async def first(self, wait_s: float) -> Sequence[Said]:
        """The first that is said, or nothing after `wait_s`. Raises what ended the answer before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self.over:
                    if said := await self.next():
                        return said
        return []

    async def collect(self, take: Callable[[Said], object]) -> None:
        """Starts, and hands over all that is said. Raises what ended the answer; `aclose` is still the caller's."""
        await self.start()
        while not self.over:
            for said in await self.next():
                take(said)


class Endings:
    """Ends of answers that were left while they ran: tasks of their own, which outlive their readers."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, end: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(end)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def aclose(self) -> None:
        """Waits for every one under way."""
        await asyncio.gather(*self._running, return_exceptions=True)
