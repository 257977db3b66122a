"""Whether the ledger is right: its invariants, looked at all the time, and all of them by `novai ledger verify`.

The cheap ones run every minute over what was made in the last minutes, in one process at a time; how many rows break a
rule is the metric `novai_ledger_drift`. It is zero, or somebody has to look, and stays until that was mended.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api import metrics
from api.regularly import Regularly
from api.storage import invariants as rows
from api.storage.invariants import INVARIANTS, Invariant, Offence
from api.storage.session import Database

logger = logging.getLogger(__name__)

CHECK_S = 60.0
WINDOW_S = 300.0  # longer than a check's interval: a row is looked at more than once
TIMEOUT_S = 30.0  # of one check in the background
VERIFY_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant, and the rows that break it: at most a hundred."""

    invariant: Invariant
    offences: Sequence[Offence]


async def verify(database: Database, timeout_s: float = VERIFY_TIMEOUT_S) -> list[Finding]:
    """Every invariant over everything there is. `timeout_s` is for each."""
    return [Finding(i, await rows.offences(database, i, None, timeout_s)) for i in INVARIANTS]


class Reconciler(Regularly):
    """One per process. `start()` begins to check, `aclose()` ends that."""

    def __init__(self, database: Database, *, check_s: float = CHECK_S, window_s: float = WINDOW_S) -> None:
        super().__init__("ledger-reconciler", self.check, check_s, pause_first=True)
        self._database = database
        self._window_s = window_s
        self._broken_since: datetime | None = None  # from when on rows are looked at until none of them breaks a rule

    async def check(self) -> list[Finding]:
        """The cheap invariants over the last minutes. Nothing when another process is at it. Raises
        LedgerUnavailableError."""
        since = self._broken_since or self._database.now() - timedelta(seconds=self._window_s)
        findings: list[Finding] = []
        async with rows.turn(self._database) as ours:
            for invariant in INVARIANTS if ours else ():
                if invariant.cheap:
                    found = await rows.offences(self._database, invariant, since, TIMEOUT_S)
                    findings.append(Finding(invariant, found))
        for finding in findings:
            _report(finding)
        if findings:
            self._broken_since = since if any(finding.offences for finding in findings) else None
        return findings


def _report(finding: Finding) -> None:
    name = finding.invariant.name
    metrics.LEDGER_DRIFT.labels(name).set(len(finding.offences))
    for offence in finding.offences[:3]:
        logger.error("The ledger breaks %s (%s): %s: %s", name, finding.invariant.rule, *offence)
