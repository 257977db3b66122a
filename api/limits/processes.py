"""How many processes share the limits. From PostgreSQL, since it matters when Redis is away; without PostgreSQL too
the last count holds. Counted every few seconds, and at once when Redis goes away: processes may just have come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import NoReturn

from api.errors import LedgerUnavailableError
from api.storage import processes as rows
from api.storage.session import Database

logger = logging.getLogger(__name__)

COUNT_S = 5.0


class LiveProcesses:
    """`start()` begins to count, `aclose()` ends it."""

    def __init__(self, database: Database, every_s: float = COUNT_S) -> None:
        self.count = 1
        self._database = database
        self._every_s = every_s
        self._due = asyncio.Event()
        self._task: asyncio.Task[NoReturn] | None = None

    def recount(self) -> None:
        """Now. Does not wait for it."""
        self._due.set()

    async def start(self) -> None:
        """Does not wait for PostgreSQL."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_counting(), name="live-processes")

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep_counting(self) -> NoReturn:
        while True:
            self._due.clear()
            try:
                self.count = max(1, await rows.living(self._database))
            except LedgerUnavailableError:
                logger.debug("Processes cannot be counted; there were %d.", self.count)
            except Exception:
                logger.exception("Processes cannot be counted")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._due.wait()
