"""Starts a table of processes as their dependencies allow, keeps them running, stops them in reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field

from internal.dev.life import (
    UP,
    Action,
    Answered,
    Ask,
    Event,
    Exited,
    Kill,
    Life,
    Spawn,
    Start,
    StartLater,
    State,
    Stop,
    TookTooLong,
    step,
)
from internal.dev.probes import Probe, answered
from internal.process import Process, ending

FIRST_PROBE_S = 0.02
LAST_PROBE_S = 0.3
LAST_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One row of the table: a process and what it needs. Rows come after the rows they depend on."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)  # added to ours
    after: Sequence[str] = ()  # names of rows that must be ready, or done, before
    ready: Probe | None = None  # None: it runs once, and exit code 0 is success
    patience_s: float = 60.0  # for the first answer, or the end of what runs once
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    quiet: bool = False  # its log is for the file, not for the terminal
    advice: str = ""  # what to do when it does not start


class ServiceFailedError(Exception):
    """A process did not come up."""

    def __init__(self, service: Service, reason: str, last_lines: Sequence[str]) -> None:
        super().__init__(f"{service.name}: {reason}")
        self.service = service
        self.reason = reason
        self.last_lines = last_lines


class Supervisor:
    """`changed(name, life)` is called on every change of state, `heard(name, line)` for every line of output."""

    def __init__(
        self,
        services: Sequence[Service],
        changed: Callable[[str, Life], None],
        heard: Callable[[str, str], None],
    ) -> None:
        self._runners = {service.name: _Runner(service, changed, heard) for service in services}
        self._tasks: list[asyncio.Task[None]] = []

    async def up(self) -> None:
        """Returns when everything is ready. Raises ServiceFailedError at the first that fails; `down()` is due then."""
        for runner in self._runners.values():
            before = [self._runners[name] for name in runner.service.after if name in self._runners]
            self._tasks.append(asyncio.create_task(runner.run([other.up for other in before])))
        waiting = [asyncio.create_task(runner.outcome()) for runner in self._runners.values()]
        try:
            for done in asyncio.as_completed(waiting):
                await done
        finally:
            for task in waiting:
                task.cancel()

    async def down(self) -> None:
        """Stops one after the other, dependents first. Returns when all are gone."""
        for runner, task in reversed(list(zip(self._runners.values(), self._tasks, strict=False))):
            runner.stop()
            await task

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash would be: it is restarted."""
        self._runners[name].signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """For someone who will not wait for `down()`."""
        for name in self._runners:
            self.kill(name)

    def pid(self, name: str) -> int:
        """0 when it is not running."""
        return self._runners[name].pid

    def state(self, name: str) -> State:
        return self._runners[name].life.state

    async def until(self, name: str, state: State) -> None:
        """For tests of faults; no deadline of its own."""
        await self._runners[name].reached(state)


class _Runner:
    """One row: its process, its life, its clock."""

    def __init__(
        self, service: Service, changed: Callable[[str, Life], None], heard: Callable[[str, str], None]
    ) -> None:
        self.service = service
        self.life = Life(once=service.ready is None)
        self.up = asyncio.Event()  # ready, or done, for the first time
        self._changed = changed
        self._heard = heard
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._process: Process | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._news = asyncio.Event()  # set, and replaced, at every change

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None and self.life.alive else 0

    def stop(self) -> None:
        self._events.put_nowait(Stop())

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.signal(number)

    async def run(self, before: Sequence[asyncio.Event]) -> None:
        """Until it has been stopped and the process is gone."""
        self._in_background(self._start_after(before))
        try:
            while self.life.state is not State.STOPPED:
                event = await self._events.get()
                earlier = self.life
                self.life, actions = step(self.life, event, time.monotonic())
                for action in actions:
                    await self._do(action)
                if self.life != earlier:
                    self._tell()
        finally:
            self._cancel_background()
            self.signal(signal.SIGKILL)

    async def reached(self, *states: State) -> None:
        while self.life.state not in states:
            await self._news.wait()

    async def outcome(self) -> None:
        """Returns when up. Raises ServiceFailedError when that will not happen."""
        await self.reached(*UP, State.FAILED, State.STOPPED)
        if self.life.state is State.FAILED:
            if self.life.alive:  # being killed; its last words may explain
                await asyncio.sleep(0.1)
            raise ServiceFailedError(self.service, self.life.error, list(self._last_lines))

    def _tell(self) -> None:
        if self.life.state in UP:
            self.up.set()
        self._changed(self.service.name, self.life)
        self._news.set()
        self._news = asyncio.Event()

    async def _start_after(self, before: Sequence[asyncio.Event]) -> None:
        for event in before:
            await event.wait()
        self._events.put_nowait(Start())

    async def _do(self, action: Action) -> None:
        match action:
            case Spawn(process):
                await self._spawn(process)
            case Ask():
                self.signal(self.service.stop_signal)
                self._later(self.service.stop_s, TookTooLong(self.life.process, State.STOPPING))
            case Kill():
                self.signal(signal.SIGKILL)
            case StartLater(process, delay_s):
                self._later(delay_s, Start(process))

    async def _spawn(self, number: int) -> None:
        self._cancel_background()
        try:
            self._process = await Process.start(
                list(self.service.argv),
                os.environ | dict(self.service.env),
                lambda _fd, line: self._hear(line),
                lambda code: self._events.put_nowait(Exited(number, code, ending(code))),
            )
        except OSError as error:
            self._events.put_nowait(Exited(number, 127, str(error)))
            return
        self._later(self.service.patience_s, TookTooLong(number, State.STARTING))
        if self.service.ready is not None:
            self._in_background(self._probe(number, self._process.pid, self.service.ready))

    def _hear(self, line: str) -> None:
        self._last_lines.append(line)
        self._heard(self.service.name, line)

    async def _probe(self, number: int, pid: int, probe: Probe) -> None:
        wait_s = FIRST_PROBE_S
        while not await answered(probe, pid):
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, LAST_PROBE_S)
        self._events.put_nowait(Answered(number))

    def _later(self, delay_s: float, event: Event) -> None:
        async def fire() -> None:
            await asyncio.sleep(delay_s)
            self._events.put_nowait(event)

        self._in_background(fire())

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _cancel_background(self) -> None:
        for task in self._background:
            task.cancel()
