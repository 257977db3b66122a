"""The models of a host: which there are, which are loaded, and which have to go when another one needs their memory.

A load is accepted or refused at once, so that two that do not fit together are never both begun: what is accepted
counts as taken. To make room, models that have been idle for longest are drained first; the next request for one of
them loads it again, and so does it after one was idle for its `idle_ttl_s`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from gen import model_host_pb2 as pb

from internal.config import ConfigError, ModelConfig, ModelsFile
from internal.model_host.downloads import Downloads
from internal.model_host.errors import BusyError, HostError, InvalidError, NoRoomError, NoSuchModelError
from internal.model_host.folder import models_in, row_of
from internal.model_host.memory import available_bytes
from internal.model_host.model import Model, Transfer, to_make_room
from internal.model_host.options import Choice, chosen, where_offered
from internal.model_host.ports import Ports
from internal.model_host.settings import HostSettings
from internal.model_host.source import Plan, Wanted
from internal.model_host.worker import Worker

log = logging.getLogger("novai.host")

IDLENESS_EVERY_S = 1.0  # how often models are looked for that nobody asks for any more
FOLDER_EVERY_S = 5.0  # and files that came or went
GIB = 1 << 30


class Models:
    """`changed` is called on the loop after every change. `load`, `unload`, `download` work while `run` does."""

    def __init__(
        self,
        file: ModelsFile,
        settings: HostSettings,
        receipts: Path,
        modules: Mapping[str, str],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._receipts = receipts
        self._modules = modules
        self._changed = changed
        self._downloads = Downloads(settings, changed)
        self._ports = Ports(settings.worker_host, settings.worker_ports)
        self._tasks: asyncio.TaskGroup | None = None
        self.settled = False  # the first models have begun, and no end has
        self._known = {row.name: Model(row, on_demand=not row.preload) for row in file.models}
        self._configured = frozenset(self._known)
        self._look_again()
        self._check_named(settings.default_model, "DEFAULT_MODEL")
        self._check_named(settings.preload_model, "PRELOAD_MODEL")
        self.first = [model for model in self._known.values() if self._is_first(model)]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set and everything is gone."""
        async with asyncio.TaskGroup() as self._tasks:
            for model in self.first:
                self._begin(model, attempts=self._settings.load_attempts)
            self.settled = True
            self._changed()
            watching = [self._tasks.create_task(work) for work in (self._watch_idleness(), self._watch_folder())]
            try:
                await stop.wait()
            finally:
                self.settled = False
                for task in watching:
                    task.cancel()
                for model in self._known.values():
                    self._end(model, on_demand=False, missed=True)

    # ------------------------------------------------------------------ questions

    def all(self) -> list[Model]:
        return list(self._known.values())

    @property
    def workers(self) -> list[Worker]:
        return [worker for model in self._known.values() for worker in model.workers]

    def find(self, name: str) -> Model:
        """Raises NoSuchModelError."""
        if name not in self._known:
            self._look_again()
        try:
            return self._known[name]
        except KeyError:
            raise NoSuchModelError(
                f"this host has no model {name!r}; GET /admin/v1/models lists them.", "model"
            ) from None

    # ------------------------------------------------------------------ what can be asked for

    def load(
        self,
        name: str,
        choices: Mapping[str, Choice],
        pinned: bool | None = None,
        idle_ttl_s: float | None = None,
        on_demand: bool = False,
    ) -> Model:
        """Begins to load it. `on_demand`: only if the next request may. Raises HostError."""
        self._check_settled()
        model = self.find(name)
        if idle_ttl_s is not None and not idle_ttl_s >= 0:  # also NaN
            raise InvalidError("a model is idle for 0 seconds (for ever) or more.", "idle_ttl_s")
        if on_demand:
            if model.workers:
                return model
            if not model.on_demand or model.error:
                raise BusyError(f"the model {name!r} is not loaded for requests: an administrator loads it.", "model")
        config = model.config if on_demand else chosen(model.row, choices)
        self._check_free(model, config, choices)
        if not model.workers:
            self._begin_in_room(model, config, gently=not on_demand)
        if pinned is not None:
            model.pinned = pinned
        if idle_ttl_s is not None:
            model.idle_ttl_s = idle_ttl_s
        self._changed()
        return model

    def unload(self, name: str) -> Model:
        """Ends what it does, for good. Raises NoSuchModelError; BusyError when there is nothing to end."""
        model = self.find(name)
        if not (model.workers or model.transfer or model.on_demand or model.error):
            raise BusyError(f"the model {name!r} is not loaded.", "model")
        model.error = ""
        self._end(model, on_demand=False)
        self._changed()
        return model

    async def download(self, wanted: Wanted) -> Model:
        """Begins to fetch it into MODEL_DIR, when the source has said what it has. Raises HostError."""
        found = await self._downloads.look(wanted)
        self._check_settled()
        if found.name in self._known and not self._is_unfinished(self._known[found.name]):
            raise BusyError(f"there is a model {found.name!r} already. Choose another name.", "name")
        model = self._known[found.name] = Model(row_of(found.name, self._downloads.target(found)))
        model.transfer = Transfer(total_bytes=found.size)
        model.gone.clear()
        model.transfer.task = self._running().create_task(self._fetch(model, found, model.transfer))
        self._changed()
        return model

    # ------------------------------------------------------------------ inside

    def _is_unfinished(self, model: Model) -> bool:
        """A download that failed, or was ended."""
        ours = model.row.name not in self._configured and not Path(model.row.path).exists()
        return ours and model.state in (pb.FAILED, pb.UNLOADED)

    async def _fetch(self, model: Model, found: Plan, transfer: Transfer) -> None:
        try:
            await self._downloads.fetch(found, transfer)
        except (HostError, OSError) as error:
            model.error = str(error)
            log.warning("%s is not downloaded: %s", found.name, error)
        finally:
            model.transfer = None
            model.row = where_offered(row_of(found.name, Path(model.row.path)), self._chosen_for_all())
            model.configure(model.row)
            model.gone.set()
            self._changed()

    def _check_settled(self) -> None:
        """Raises BusyError when nothing can begin yet, or would keep this host from ending."""
        if not self.settled:
            raise BusyError("this host is starting, or shutting down.", "model")

    def _running(self) -> asyncio.TaskGroup:
        assert self._tasks is not None
        return self._tasks

    def _check_free(self, model: Model, config: ModelConfig, choices: Mapping[str, Choice]) -> None:
        """Raises BusyError when it cannot be loaded like this now."""
        name = model.row.name
        if model.transfer is not None:
            raise BusyError(f"the model {name!r} is being downloaded; load it when that is over.", "model")
        if model.stopping:
            raise BusyError(f"the model {name!r} is being unloaded; load it when that is over.", "model")
        if model.workers and choices and config != model.config:
            raise BusyError(f"the model {name!r} is loaded with other options; unload it first.", "model")

    def _begin_in_room(self, model: Model, config: ModelConfig, *, gently: bool) -> None:
        if config.path and not Path(config.path).exists():
            raise InvalidError(f"the files of {config.name!r} are not there: {config.path}", "model")
        before = model.config
        model.configure(config)
        try:
            leaving = self._make_room_for(model)
        except NoRoomError:
            model.configure(before)
            raise
        model.optional = True
        self._begin(model, attempts=1, after=leaving, gently=gently)

    def _make_room_for(self, model: Model) -> Sequence[Model]:
        """Drains what has to go; the models to wait for. Raises NoRoomError when it does not fit even then."""
        loaded = [other for other in self._known.values() if other.workers]
        leaving = [other for other in loaded if other.stopping]
        running = [other for other in loaded if not other.stopping]
        total = available_bytes(self._settings.memory_bytes, [worker.pid for worker in self.workers])
        room = total - sum(other.needs_bytes for other in running)
        if model.needs_bytes <= room - sum(other.needs_bytes for other in leaving) or not model.needs_bytes:
            return ()
        missing = model.needs_bytes - room
        drained = to_make_room(running, missing)
        if missing > 0 and not drained:
            names = ", ".join(other.row.name for other in running) or "none"
            raise NoRoomError(
                f"the model {model.row.name!r} needs {model.needs_bytes / GIB:.2f} GiB of memory and there are "
                f"{max(room, 0) / GIB:.2f}; loaded and in use, or pinned: {names}. Unload one, or choose a shorter "
                "context or fewer slots.",
                "model",
            )
        for other in drained:
            self._end(other, on_demand=True)
        return [*leaving, *drained]

    def _begin(self, model: Model, attempts: int, after: Sequence[Model] = (), gently: bool = False) -> None:
        model.begin([self._worker(model, replica, attempts, gently) for replica in range(model.config.replicas)])
        self._running().create_task(self._serve(model, after))

    def _worker(self, model: Model, replica: int, attempts: int, gently: bool) -> Worker:
        return Worker(
            model.config,
            self._modules[model.config.kind],
            self._settings,
            self._ports,
            self._receipts / f"{quote(model.config.name, '')}.{replica}",
            self._changed,
            attempts,
            model.optional,
            gently,
        )

    async def _serve(self, model: Model, after: Sequence[Model]) -> None:
        """From its beginning to its end."""
        for other in after:
            await other.gone.wait()
        async with asyncio.TaskGroup() as workers:
            for worker in model.workers:
                workers.create_task(worker.run())
        model.ended()
        self._changed()

    def _end(self, model: Model, *, on_demand: bool, missed: bool = False) -> None:
        """Ends what it does. `missed`: it is wanted, but this host goes."""
        if model.transfer is not None and model.transfer.task is not None:
            model.transfer.task.cancel()
        if model.workers:
            model.stop(on_demand=on_demand, optional=not missed)
        else:
            model.on_demand = on_demand

    async def _watch_idleness(self) -> None:
        while True:
            await asyncio.sleep(IDLENESS_EVERY_S)
            for model in self._known.values():
                if model.sleepy:
                    self._end(model, on_demand=True)
                    self._changed()

    async def _watch_folder(self) -> None:
        while self._settings.model_dir is not None:
            await asyncio.sleep(FOLDER_EVERY_S)
            before = set(self._known)
            self._look_again()
            if before != set(self._known):
                self._changed()

    def _check_named(self, name: str, setting: str) -> None:
        if name and name not in self._known:
            raise ConfigError(f"{setting}={name}: there is no such model, only {', '.join(self._known) or 'none'}")

    def _is_first(self, model: Model) -> bool:
        """Whether it is loaded at the start."""
        return model.row.preload or model.row.name == self._settings.preload_model

    def _look_again(self) -> None:
        """For what has come into the folder, and what has left it."""
        found = {row.name: row for row in models_in(self._settings.model_dir)}
        for name, model in list(self._known.items()):
            if name not in self._configured and name not in found and model.state == pb.UNLOADED:
                del self._known[name]
        for name in found.keys() - self._known.keys():
            self._known[name] = Model(where_offered(found[name], self._chosen_for_all()))

    def _chosen_for_all(self) -> dict[str, Choice]:
        """Of models in the folder."""
        settings = self._settings
        chosen = {"context_length": settings.context_size or None, "gpu_layers": settings.gpu_layers}
        return {name: value for name, value in chosen.items() if value is not None}
