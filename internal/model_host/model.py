"""One model of a host, from its file to its workers: unloaded, downloading, loading, ready, draining, asleep, failed.

What happens to a single process is `life.py`'s; here is what an operator sees of all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from gen import model_host_pb2 as pb

from internal.config import ModelConfig
from internal.model_host.life import Phase, Report
from internal.model_host.memory import needed_bytes, size_bytes
from internal.model_host.worker import KINDS, Worker

# Of several replicas the one that is furthest says how the model is.
FURTHEST = (pb.READY, pb.LOADING, pb.ERROR, pb.DRAINING, pb.FAILED)
BROKEN = (Phase.ERROR, Phase.FAILED)


@dataclass
class Transfer:
    """A download under way."""

    done_bytes: int = 0
    total_bytes: int = 0  # 0: unknown
    task: asyncio.Task[None] | None = None

    def told(self) -> pb.Transfer:
        return pb.Transfer(done_bytes=self.done_bytes, total_bytes=self.total_bytes)


@dataclass(eq=False)
class Model:
    row: ModelConfig  # as configured, or as found
    on_demand: bool = False  # when it is not loaded, the next request loads it
    pinned: bool = False
    idle_ttl_s: float = 0.0
    optional: bool = False  # was loaded later than at the start
    error: str = ""
    workers: Sequence[Worker] = ()
    transfer: Transfer | None = None
    stopping: bool = False
    report: Report | None = None  # the last one
    config: ModelConfig = field(init=False)  # as it is loaded, or was last
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # no worker, no download
    needs_bytes: int = field(init=False)
    _size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.pinned, self.idle_ttl_s = self.row.pinned, self.row.idle_ttl_s
        self.gone.set()
        self.configure(self.row)

    def configure(self, config: ModelConfig) -> None:
        """How it is loaded from now on."""
        self.config = config
        self.needs_bytes = needed_bytes(config) * config.replicas
        self._size_bytes = size_bytes(config.path)

    @property
    def state(self) -> pb.State.ValueType:
        if self.transfer is not None:
            return pb.DOWNLOADING
        if self.workers:
            states = {worker.state_now for worker in self.workers}
            return pb.DRAINING if self.stopping else next(state for state in FURTHEST if state in states)
        if self.error:
            return pb.FAILED
        return pb.ASLEEP if self.on_demand else pb.UNLOADED

    @property
    def idle_since_s(self) -> float:
        """Monotonic; infinity while it is used, or is not ready to be."""
        if self.stopping or any(worker.life.phase is not Phase.READY or worker.busy for worker in self.workers):
            return float("inf")
        return max((worker.used_s for worker in self.workers), default=float("inf"))

    @property
    def sleepy(self) -> bool:
        """Nobody has asked for it for longer than it is kept."""
        return bool(self.idle_ttl_s) and not self.pinned and time.monotonic() - self.idle_since_s >= self.idle_ttl_s

    def begin(self, workers: Sequence[Worker]) -> None:
        self.workers, self.error, self.stopping = workers, "", False
        self.gone.clear()

    def stop(self, *, on_demand: bool, optional: bool) -> None:
        """Ends the workers; `gone` follows. `on_demand`: until the next request. `optional`: nobody misses it."""
        self.stopping, self.on_demand = True, on_demand
        for worker in self.workers:
            worker.optional |= optional
            worker.stop()

    def ended(self) -> None:
        """The workers are gone, as they were told to or because they could not be loaded."""
        failures = [worker.life.error for worker in self.workers if worker.life.phase is Phase.FAILED]
        self.error = "" if self.stopping or not failures else failures[0]
        self.workers, self.stopping = (), False
        self.gone.set()

    def told(self) -> pb.Model:
        """How the host describes it."""
        self.report = next((w.life.report for w in self.workers if w.life.report is not None), self.report)
        report = self.report or Report(port=0)
        return pb.Model(
            model=self.row.name,
            kind=KINDS[self.row.kind],
            state=self.state,
            backend=self.row.backend,
            path=self.row.path,
            error=self.error or next((w.life.error for w in self.workers if w.life.phase in BROKEN), ""),
            size_bytes=self._size_bytes,
            needs_bytes=self.needs_bytes,
            pinned=self.pinned,
            idle_ttl_s=self.idle_ttl_s,
            on_demand=self.on_demand,
            transfer=self.transfer.told() if self.transfer is not None else None,
            free=self.row.free,
            owned_by=self.row.owned_by,
            created=self.row.created or report.created,
            context_length=report.context_length,
            dimensions=report.dimensions,
            image_tokens=report.image_tokens,
        )


def to_make_room(models: Sequence[Model], missing_bytes: int) -> list[Model]:
    """Those that have been idle for longest, as few as give so much memory back; none when all together do not."""
    idle = [model for model in models if model.idle_since_s < float("inf") and not model.pinned and model.needs_bytes]
    chosen: list[Model] = []
    for model in sorted(idle, key=lambda model: model.idle_since_s):
        if missing_bytes <= 0:
            break
        chosen.append(model)
        missing_bytes -= model.needs_bytes
    return chosen if missing_bytes <= 0 else []
