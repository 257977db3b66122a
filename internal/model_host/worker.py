"""One model, one process at a time: what happens to the process becomes events of its life, actions become deeds.

Everything runs on one event loop; `run()` returns when the process is gone for good.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

import grpc
import grpc.aio
import msgspec
from gen import model_host_pb2 as pb
from grpc_health.v1 import health_pb2, health_pb2_grpc

from internal.config import ModelConfig
from internal.gently import hold_back
from internal.model_host.life import (
    OVER,
    Action,
    Event,
    Exited,
    Kill,
    Life,
    Phase,
    Probed,
    Report,
    Reported,
    Spawn,
    Start,
    StartLater,
    Stop,
    Terminate,
    TookTooLong,
    step,
)
from internal.model_host.ports import NoFreePortError, Ports
from internal.model_host.settings import HostSettings
from internal.process import Process, ending
from internal.serving import KEEPALIVE

log = logging.getLogger("novai.host")

# kind in models.yaml → program that serves it
MODULES: Mapping[str, str] = {"chat": "internal.inference_server", "embedding": "internal.embedding_server"}
PROBE_PERIOD_S = 2.0
PROBE_DEADLINE_S = 1.0
KILL_GRACE_S = 2.0  # a worker that cuts its last requests at the drain deadline still needs a moment to leave
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)

STATES: Mapping[Phase, pb.State.ValueType] = {
    Phase.LOADING: pb.LOADING,
    Phase.READY: pb.READY,
    Phase.ERROR: pb.ERROR,
    Phase.DRAINING: pb.DRAINING,
    Phase.STOPPED: pb.DRAINING,
    Phase.FAILED: pb.FAILED,
}
KINDS: Mapping[str, pb.Kind.ValueType] = {"chat": pb.CHAT, "embedding": pb.EMBEDDING}


class Said(Report, frozen=True, kw_only=True):
    """Any line of `announce.py`: the report, or one of the two others."""

    port: int = 0
    progress: float | None = None
    busy: bool | None = None


class Worker:
    """`receipts`: the file that each process of this replica leaves to the next. `changed` is called on the loop after
    every change of state. `attempts` to load, before it has ever been ready; 0: no end of them. `gently`: until then it
    gives way to whoever serves."""

    def __init__(
        self,
        model: ModelConfig,
        module: str,
        settings: HostSettings,
        ports: Ports,
        receipts: Path,
        changed: Callable[[], None],
        attempts: int = 0,
        optional: bool = False,
        gently: bool = False,
    ) -> None:
        self.model = model
        self.life = Life(attempts)
        self.busy = False
        self.used_s = 0.0  # monotonic: when it was ready, or its last request was over
        self.optional = optional
        self._gently = gently
        self.progress = 0.0
        self._module = module
        self._settings = settings
        self._ports = ports
        self._receipts = receipts
        self._changed = changed
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._process: Process | None = None
        self._of_use = asyncio.Event()  # it has been ready
        self._last_words = ""
        self._timers: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Drain and end; `run()` returns when it is done."""
        self._events.put_nowait(Stop())

    async def run(self) -> None:
        self._events.put_nowait(Start())
        try:
            while self.life.phase not in OVER:
                event = await self._events.get()
                before = self.life
                self.life, actions = step(self.life, event, time.monotonic())
                for action in actions:
                    await self._do(action)
                if self.life != before:
                    self._tell(before)
        finally:
            for timer in self._timers:
                timer.cancel()
            if self._process is not None:
                self._process.signal(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Of its process, or of its last one; 0 before."""
        return self._process.pid if self._process is not None else 0

    @property
    def state_now(self) -> pb.State.ValueType:
        """One that has not been started yet is about to be."""
        return STATES[self.life.phase] if self.life.process else pb.LOADING

    def state(self) -> pb.ModelState:
        report = self.life.report or Report(port=0)
        return pb.ModelState(
            model=self.model.name,
            kind=KINDS[self.model.kind],
            state=self.state_now,
            endpoint=self._endpoint(report.port),
            device=report.device,
            context_length=report.context_length,
            slots=report.slots,
            memory_bytes=memory_bytes(self._process.pid) if self._process is not None and self.life.alive else 0,
            error=self.life.error if self.state_now in (pb.ERROR, pb.FAILED) else "",
            restarts=self.life.restarts,
            dimensions=report.dimensions,
            created=self.model.created or report.created,
            backend=report.backend or self.model.backend,
            owned_by=self.model.owned_by,
            free=self.model.free,
            vocabulary_size=report.vocabulary_size,
            truncatable_dimensions=bool(report.matryoshka),
            image_tokens=report.image_tokens,
            gpu_layers=report.gpu_layers,
            progress=1.0 if self.life.phase in (Phase.READY, Phase.DRAINING) else self.progress,
            optional=self.optional,
        )

    def _endpoint(self, port: int) -> str:
        """Without a host part when workers bind every address: whoever watches uses the one it reached the host by."""
        if self.life.phase not in (Phase.READY, Phase.DRAINING) or not port:
            return ""
        return f":{port}" if self._settings.worker_host in ANY_ADDRESS else f"{self._settings.worker_host}:{port}"

    def _tell(self, before: Life) -> None:
        life = self.life
        if life.phase is not before.phase or life.restarts != before.restarts:
            broken = life.phase in (Phase.ERROR, Phase.FAILED)
            level = logging.WARNING if broken else logging.INFO
            log.log(level, "%s %s%s", self.model.name, life.phase.value, f": {life.error}" * broken)
        self._changed()

    # ------------------------------------------------------------------ deeds

    async def _do(self, action: Action) -> None:
        match action:
            case Spawn(process):
                await self._spawn(process)
            case Terminate():
                self._signal(signal.SIGTERM)
                deadline_s = self._settings.drain_s + KILL_GRACE_S
                self._later(deadline_s, TookTooLong(self.life.process, Phase.DRAINING))
            case Kill():
                self._signal(signal.SIGKILL)
            case StartLater(process, delay_s):
                self._later(delay_s, Start(process))

    async def _spawn(self, number: int) -> None:
        self._cancel_timers()
        self._last_words, self.progress, self.busy = "", 0.0, False
        try:
            env = self._environment(self._ports.take())
            self._process = await Process.start(
                [sys.executable, "-m", self._module],
                env,
                lambda fd, line: self._heard(number, fd, line),
                lambda code: self._ended(number, code),
            )
        except (OSError, NoFreePortError) as error:
            self._events.put_nowait(Exited(number, str(error)))
            return
        self._later(self._settings.load_timeout_s, TookTooLong(number, Phase.LOADING))
        if self._gently and not self.life.proven:
            self._background(hold_back(self._process.pid, self._of_use))

    def _environment(self, port: int) -> dict[str, str]:
        return os.environ | {
            "NOVAI_MODEL": self.model.encode(),
            "NOVAI_LISTEN": f"{self._settings.worker_host}:{port}",
            "NOVAI_GRPC_TOKEN": self._settings.grpc_token,
            "NOVAI_DRAIN_S": str(self._settings.drain_s),
            "NOVAI_RECEIPTS": str(self._receipts),
        }

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.signal(number)

    def _heard(self, number: int, fd: int, line: str) -> None:
        if fd == 1 and line.startswith("{"):
            with contextlib.suppress(msgspec.MsgspecError):
                if self._told(number, msgspec.json.decode(line, type=Said)):
                    return
        if line.strip():
            self._last_words = line
        print(f"[{self.model.name}] {line}", file=sys.stderr, flush=True)

    def _told(self, number: int, said: Said) -> bool:
        """Whether it is a line of `announce.py`; then it is taken."""
        if said.busy is not None:
            self.busy, self.used_s = said.busy, time.monotonic()
        elif said.progress is not None:
            self.progress = said.progress
        elif said.port and self.life.phase is Phase.LOADING:
            self.used_s = time.monotonic()
            self._of_use.set()
            self._events.put_nowait(Reported(number, said))
            self._background(self._probe(number, said.port))
        else:
            return False
        self._changed()
        return True

    def _ended(self, number: int, code: int) -> None:
        reason = f"{ending(code)}: {self._last_words}" if self._last_words and code > 0 else ending(code)
        self._events.put_nowait(Exited(number, reason))

    async def _probe(self, number: int, port: int) -> None:
        """Asks for health until the process is replaced. Any answer counts: a busy or draining worker is not hung."""
        host = "127.0.0.1" if self._settings.worker_host in ANY_ADDRESS else self._settings.worker_host
        async with grpc.aio.insecure_channel(f"{host}:{port}", options=KEEPALIVE) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                await asyncio.sleep(PROBE_PERIOD_S)
                try:
                    await stub.Check(health_pb2.HealthCheckRequest(), timeout=PROBE_DEADLINE_S)
                except grpc.aio.AioRpcError as error:
                    answered = error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
                else:
                    answered = True
                self._events.put_nowait(Probed(number, answered))

    # ------------------------------------------------------------------ timers

    def _later(self, delay_s: float, event: Event) -> None:
        async def fire() -> None:
            await asyncio.sleep(delay_s)
            self._events.put_nowait(event)

        self._background(fire())

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()


def memory_bytes(pid: int) -> int:
    """Resident set of a process; 0 when it is gone or the system has no /proc."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0
