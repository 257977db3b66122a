"""Whom to ask next: upstreams in their order, the keys of each in turn, and none that has to be left alone.

Pure: time is passed in, effects are the caller's. A key rests after it was refused (as long as `Retry-After` says), an
upstream after it failed five times in a row (its circuit is open; then one request tries it, and the others wait for
what becomes of that one).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from internal.upstream.faults import AttemptError, Blame

T = TypeVar("T")

KEY_REST_S, KEY_REST_MOST_S = 1.0, 60.0
FAILURES_TO_OPEN = 5
OPEN_S, OPEN_MOST_S = 10.0, 60.0
BACKOFF_S, BACKOFF_MOST_S = 0.2, 2.0
MOST_FAILURES = 100  # are counted


@dataclass(eq=False, slots=True)
class Rest:
    """Something that is left alone after so many failures in a row, each further time for twice as long."""

    first_s: float
    most_s: float
    failures_allowed: int = 0
    failures: int = 0
    until_s: float = 0.0
    on_trial: bool = False

    def failed(self, now_s: float, at_least_s: float = 0.0) -> None:
        """Those that fail together, while it rests already, are one failure."""
        if self.on_trial or now_s >= self.until_s:
            self.failures = min(self.failures + 1, MOST_FAILURES)
            self.on_trial = False
            beyond = self.failures - self.failures_allowed
            own_s = min(self.first_s * 2.0 ** (beyond - 1), self.most_s) if beyond > 0 else 0.0
            self.until_s = now_s + own_s
        self.until_s = max(self.until_s, now_s + at_least_s)

    def worked(self) -> None:
        self.failures = 0
        self.until_s = 0.0
        self.on_trial = False

    def begun(self) -> None:
        """It answers again: nobody waits for the end of that. Until there is one, the next failure is one too many."""
        if self.on_trial:
            self.failures = self.failures_allowed
            self.until_s = 0.0
            self.on_trial = False

    def tried(self, now_s: float) -> None:
        """Somebody finds out whether it works again; until that is known, or for a while, nobody else does."""
        if self.failures > self.failures_allowed:
            self.on_trial = True
            self.until_s = now_s + self.first_s


@dataclass(eq=False, slots=True)
class Target(Generic[T]):
    """One key of one upstream. `of`: whatever the caller needs to ask it."""

    upstream: Upstream[T]
    of: T
    rest: Rest = field(default_factory=lambda: Rest(KEY_REST_S, KEY_REST_MOST_S))
    refused: bool = False  # for a reason that waiting does not mend


@dataclass(eq=False, slots=True)
class Upstream(Generic[T]):
    name: str
    targets: list[Target[T]] = field(default_factory=list)
    circuit: Rest = field(default_factory=lambda: Rest(OPEN_S, OPEN_MOST_S, FAILURES_TO_OPEN - 1))
    turn: int = 0


class Chain(Generic[T]):
    def __init__(self, upstreams: Sequence[Upstream[T]]) -> None:
        self.upstreams = list(upstreams)

    def choose(self, now_s: float, spent: Collection[Target[T]]) -> Target[T] | float:
        """The next to ask, of those not `spent`; else the seconds until one may be asked (infinite: all are spent)."""
        wait_s = float("inf")
        for upstream in self.upstreams:
            for number in range(len(upstream.targets)):
                target = upstream.targets[(upstream.turn + number) % len(upstream.targets)]
                if target in spent:
                    continue
                rest_s = max(target.rest.until_s, upstream.circuit.until_s) - now_s
                if rest_s <= 0:
                    upstream.turn += number + 1
                    upstream.circuit.tried(now_s)
                    return target
                wait_s = min(wait_s, rest_s)
        return wait_s

    @staticmethod
    def worked(target: Target[T], now_s: float) -> None:
        if target.rest.until_s <= now_s:  # else its key was refused to somebody who came later
            target.rest.worked()
            target.refused = False
        target.upstream.circuit.worked()

    @staticmethod
    def failed(target: Target[T], fault: AttemptError, now_s: float) -> list[Target[T]]:
        """Notes it; the targets that this request should not be sent to again while there are others."""
        if fault.blame is Blame.UPSTREAM:
            target.upstream.circuit.failed(now_s, fault.rest_s)
        else:
            target.upstream.circuit.worked()
        if fault.blame is Blame.KEY:
            target.rest.failed(now_s, fault.rest_s)
            target.refused = not fault.error.retry_after_ms
        return list(target.upstream.targets) if fault.blame in (Blame.MODEL, Blame.UPSTREAM) else [target]

    @property
    def refused(self) -> bool:
        """No key is accepted anywhere."""
        return all(target.refused for upstream in self.upstreams for target in upstream.targets)


def backoff_s(failures: int) -> float:
    """Before somebody is asked again who has failed this request: doubles, with jitter."""
    return min(BACKOFF_S * 2.0 ** (failures - 1), BACKOFF_MOST_S) * random.uniform(0.5, 1.5)  # noqa: S311 (spread)
