"""What a process does beside its requests, again and again: it renews, sweeps, counts, checks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from api.errors import LedgerUnavailableError, StorageUnavailableError

logger = logging.getLogger(__name__)


class Regularly:
    """Calls `act` every `every_s` seconds. `start()` begins at once, or with a pause (`pause_first`), and waits for
    nothing; `aclose()` ends it.

    While PostgreSQL or the storage is away, which they say themselves, it tries again after `retry_s` if that is
    sooner. Whatever else goes wrong is logged, and tried again when it is due.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], Awaitable[object]],
        every_s: float,
        *,
        retry_s: float | None = None,
        pause_first: bool = False,
    ) -> None:
        self._name = name
        self._act = act
        self._every_s = every_s
        self._retry_s = every_s if retry_s is None else min(retry_s, every_s)
        self._pause_s = every_s if pause_first else 0.0
        self._due = asyncio.Event()
        self._task: asyncio.Task[NoReturn] | None = None

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def now(self) -> None:
        """Without waiting for its time."""
        self._due.set()

    async def _run(self) -> NoReturn:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._due.wait()
            self._due.clear()
            self._pause_s = self._every_s
            try:
                await self._act()
            except (LedgerUnavailableError, StorageUnavailableError):
                self._pause_s = self._retry_s
            except Exception:
                logger.exception("%s failed; it is tried again in %g s", self._name, self._pause_s)
