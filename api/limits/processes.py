"""How many processes share the limits. From PostgreSQL, since it matters when Redis is away; without PostgreSQL too
the last count holds. Counted every few seconds, and at once when Redis goes away: processes may just have come."""

from __future__ import annotations

from api.regularly import Regularly
from api.storage import processes as rows
from api.storage.session import Database

COUNT_S = 5.0


class LiveProcesses(Regularly):
    """`start()` begins to count, `now()` counts anew without waiting for it, `aclose()` ends that."""

    def __init__(self, database: Database, every_s: float = COUNT_S) -> None:
        super().__init__("live-processes", self._count, every_s)
        self.count = 1
        self._database = database

    async def _count(self) -> None:
        self.count = max(1, await rows.living(self._database))
