"""The life of one process of the stack as a pure function: an event in, the next state and what to do out.

    WAITING ─► STARTING ─► READY (or DONE, for a program that runs once) ─► STOPPING ─► STOPPED
                 │  ▲        │ exit
                 │  └ RESTARTING
                 └─ first start failed ─► FAILED: the stack does not come up

Processes are numbered; news of one that is no longer the current one changes nothing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 5.0
HEALTHY_S = 30.0


class State(enum.Enum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


UP = (State.READY, State.DONE)


@dataclass(frozen=True, slots=True)
class Life:
    once: bool  # runs to its end, with code 0
    state: State = State.WAITING
    alive: bool = False
    process: int = 0  # number of the current or last process
    was_ready: bool = False
    ready_since_s: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    error: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """What it depends on is ready, or the restart is due."""

    process: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """The readiness probe did."""

    process: int


@dataclass(frozen=True, slots=True)
class Exited:
    process: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class TookTooLong:
    process: int
    state: State


@dataclass(frozen=True, slots=True)
class Stop:
    pass


Event = Start | Answered | Exited | TookTooLong | Stop


@dataclass(frozen=True, slots=True)
class Spawn:
    process: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the stop signal; TookTooLong follows when patience ends."""


@dataclass(frozen=True, slots=True)
class Kill:
    pass


@dataclass(frozen=True, slots=True)
class StartLater:
    process: int
    delay_s: float


Action = Spawn | Ask | Kill | StartLater


def step(life: Life, event: Event, now_s: float) -> tuple[Life, list[Action]]:
    """What `event` changes. `now_s` is monotonic time."""
    match event:
        case Stop():
            return _stop(life)
        case Start(process) if process == life.process and life.state in (State.WAITING, State.RESTARTING):
            number = life.process + 1
            return replace(life, state=State.STARTING, alive=True, process=number), [Spawn(number)]
        case Answered(process) if process == life.process and life.state is State.STARTING:
            return replace(life, state=State.READY, was_ready=True, ready_since_s=now_s, error=""), []
        case TookTooLong(process, state) if process == life.process and life.state is state and life.alive:
            return _too_long(life)
        case Exited(process) if process == life.process and life.alive:
            return _exited(life, event, now_s)
    return life, []


def _stop(life: Life) -> tuple[Life, list[Action]]:
    if life.state in (State.STOPPING, State.STOPPED):
        return life, []
    if not life.alive:
        return replace(life, state=State.STOPPED), []
    return replace(life, state=State.STOPPING), [Ask()]


def _too_long(life: Life) -> tuple[Life, list[Action]]:
    if life.state is State.STARTING and not life.was_ready:
        return replace(life, state=State.FAILED, error="did not become ready in time"), [Kill()]
    return life, [Kill()]


def _exited(life: Life, event: Exited, now_s: float) -> tuple[Life, list[Action]]:
    ended = replace(life, alive=False)
    if life.state is State.STOPPING:
        return replace(ended, state=State.STOPPED), []
    if life.state is State.FAILED:
        return ended, []
    if life.once and event.code == 0:
        return replace(ended, state=State.DONE), []
    if not life.was_ready:
        return replace(ended, state=State.FAILED, error=event.reason), []
    healthy = life.state is State.READY and now_s - life.ready_since_s >= HEALTHY_S
    delay_s = FIRST_BACKOFF_S if healthy else life.backoff_s
    again = replace(ended, state=State.RESTARTING, error=event.reason, backoff_s=min(delay_s * 2, LAST_BACKOFF_S))
    return again, [StartLater(life.process, delay_s)]
