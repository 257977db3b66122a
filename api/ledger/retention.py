"""What raw usage needs over time: a partition for the months to come, and an end for those that are too old. Stored
responses end here, too, when their time has come.

Rollups, transfers and prices are kept for ever. Every process does this, now and then; doing it twice does nothing.
While somebody reads all of `usage`, a dump for example, it waits for its next turn.
"""

from __future__ import annotations

import logging
from datetime import date, datetime

from api.regularly import Regularly
from api.storage import holds, responses, usage_months
from api.storage.session import Database

logger = logging.getLogger(__name__)

INTERVAL_S = 3600.0
RETRY_S = 5.0  # when PostgreSQL is away


class Retention(Regularly):
    """`keep_months`: whole months of raw usage that are kept, the current one not counted; 0: all of them. `start()`
    begins at once, `aclose()` ends that."""

    def __init__(self, database: Database, keep_months: int, *, interval_s: float = INTERVAL_S) -> None:
        super().__init__("usage-retention", self.run, interval_s, retry_s=RETRY_S)
        self._database = database
        self._keep_months = keep_months

    async def run(self) -> list[date]:
        """Once; the months that were dropped. Raises LedgerUnavailableError."""
        await usage_months.add_ahead(self._database)
        await holds.forget_processes(self._database)
        while await responses.expire(self._database):
            pass
        if self._keep_months == 0:
            return []
        dropped = await usage_months.drop_before(self._database, first_kept(self._database.now(), self._keep_months))
        if dropped:
            logger.warning("Dropped the raw usage of %s.", ", ".join(f"{month:%Y-%m}" for month in dropped))
        return dropped


def first_kept(now: datetime, keep_months: int) -> date:
    """The first day of the oldest month that stays."""
    years, month = divmod(now.year * 12 + now.month - 1 - keep_months, 12)
    return date(years, month + 1, 1)
