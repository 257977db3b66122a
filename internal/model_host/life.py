"""The life of one worker as a pure function: an event in, the next state and what to do out.

    LOADING ──ready line──► READY ──┐ exit, or hung: killed
       ▲  └────exit, too slow───────┤
       └──── backoff over ──── ERROR ◄┘            stop, in any phase: DRAINING ──exit──► STOPPED
                                 └── never READY in so many `attempts`: FAILED

Processes are numbered. Events of a process that is no longer the current one change nothing, so that late news (a
probe answered after the restart, a timer that fired while the exit was on its way) can do no harm.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import msgspec

FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 10.0
HEALTHY_S = 60.0  # after so long in READY earlier crashes are forgotten
PROBE_FAILURES = 3


class Phase(enum.Enum):
    LOADING = "loading"
    READY = "ready"
    ERROR = "error"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"


OVER = (Phase.STOPPED, Phase.FAILED)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The line a worker prints when it can serve."""

    port: int
    model: str = ""
    backend: str = ""
    device: str = ""
    context_length: int = 0
    vocabulary_size: int = 0
    slots: int = 0
    dimensions: int = 0
    matryoshka: bool | tuple[int, ...] = False
    created: int = 0
    image_tokens: int = 0
    gpu_layers: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    attempts: int = 0  # to load, before it has ever been ready; 0: no end of them
    phase: Phase = Phase.ERROR
    alive: bool = False  # the current process has not been reaped
    process: int = 0  # number of the current or last process
    report: Report | None = None
    error: str = "not started"
    backoff_s: float = FIRST_BACKOFF_S
    failed_probes: int = 0
    ready_since_s: float = 0.0
    failures: int = 0  # ends in a row that no READY came before
    proven: bool = False  # has been ready

    @property
    def restarts(self) -> int:
        return max(0, self.process - 1)


# ------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Start:
    """The first of all, once; later it is the restart that is due."""

    process: int = 0


@dataclass(frozen=True, slots=True)
class Reported:
    process: int
    report: Report


@dataclass(frozen=True, slots=True)
class Probed:
    process: int
    answered: bool


@dataclass(frozen=True, slots=True)
class TookTooLong:
    """Loading or draining ran into its deadline."""

    process: int
    phase: Phase


@dataclass(frozen=True, slots=True)
class Exited:
    process: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    pass


Event = Start | Reported | Probed | TookTooLong | Exited | Stop


# ------------------------------------------------------------------ actions


@dataclass(frozen=True, slots=True)
class Spawn:
    process: int


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL: even a stopped process obeys."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM; TookTooLong follows when the drain deadline passes."""


@dataclass(frozen=True, slots=True)
class StartLater:
    process: int
    delay_s: float


Action = Spawn | Kill | Terminate | StartLater


def step(life: Life, event: Event, now_s: float) -> tuple[Life, list[Action]]:  # noqa: PLR0911 (one per event)
    """What `event` changes. `now_s` is monotonic time."""
    match event:
        case Stop():
            return _stop(life)
        case Start(process) if process == life.process and life.phase is Phase.ERROR and not life.alive:
            number = life.process + 1
            return replace(life, phase=Phase.LOADING, alive=True, process=number, report=None), [Spawn(number)]
        case Reported(process, report) if process == life.process and life.phase is Phase.LOADING:
            ready = replace(life, phase=Phase.READY, report=report, error="", ready_since_s=now_s)
            return replace(ready, failed_probes=0, proven=True), []
        case Probed(process, answered) if process == life.process and life.phase is Phase.READY:
            return _probed(life, answered)
        case TookTooLong(process, phase) if process == life.process and life.phase is phase and life.alive:
            return _too_long(life)
        case Exited(process, reason) if process == life.process and life.alive:
            return _exited(life, reason, now_s)
    return life, []


def _stop(life: Life) -> tuple[Life, list[Action]]:
    if life.phase in (Phase.DRAINING, *OVER):
        return life, []
    if not life.alive:
        return replace(life, phase=Phase.STOPPED), []
    # What is not ready has no requests to end.
    return replace(life, phase=Phase.DRAINING), [Terminate() if life.phase is Phase.READY else Kill()]


def _probed(life: Life, answered: bool) -> tuple[Life, list[Action]]:
    if answered:
        return replace(life, failed_probes=0), []
    failed = life.failed_probes + 1
    if failed < PROBE_FAILURES:
        return replace(life, failed_probes=failed), []
    # Out of service now; the restart waits for the exit, so that two never run at once.
    error = f"hung: {failed} health checks in a row unanswered, killed"
    return replace(life, phase=Phase.ERROR, error=error), [Kill()]


def _too_long(life: Life) -> tuple[Life, list[Action]]:
    if life.phase is Phase.DRAINING:
        return life, [Kill()]
    return replace(life, phase=Phase.ERROR, error="took too long to load, killed"), [Kill()]


def _exited(life: Life, reason: str, now_s: float) -> tuple[Life, list[Action]]:
    if life.phase is Phase.DRAINING:
        return replace(life, phase=Phase.STOPPED, alive=False), []
    served = life.report is not None
    fresh = served and now_s - life.ready_since_s >= HEALTHY_S
    delay_s = FIRST_BACKOFF_S if fresh else life.backoff_s
    ended = replace(
        life,
        phase=Phase.ERROR,
        alive=False,
        error=life.error if life.phase is Phase.ERROR else reason,  # killed by us: the cause is known better
        backoff_s=min(delay_s * 2, LAST_BACKOFF_S),
        failures=0 if served else life.failures + 1,
    )
    if life.attempts and not life.proven and ended.failures >= life.attempts:
        return replace(ended, phase=Phase.FAILED), []
    return ended, [StartLater(life.process, delay_s)]
