"""Downloads into MODEL_DIR: one place at a time for a name, nothing visible before it is complete.

What is on its way is in `.NAME.part`, whose lock file keeps other processes away, also those of other hosts that share
the folder. What broke off stays there until somebody asks for it again. The last step is a rename.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from internal.model_host.errors import BusyError, InvalidError, NoRoomError
from internal.model_host.model import Transfer
from internal.model_host.settings import HostSettings
from internal.model_host.source import Plan, Wanted, plan
from internal.model_host.transfer import SPARE_BYTES, Part, fetch
from internal.model_host.web import Web

TELL_EVERY_S = 0.25
GIB = 1 << 30
LOCK = ".lock"


class Downloads:
    """`changed` is called when there is more of something."""

    def __init__(self, settings: HostSettings, changed: Callable[[], None]) -> None:
        self._folder = settings.model_dir
        self._settings = settings
        self._changed = changed

    async def look(self, wanted: Wanted) -> Plan:
        """What would be fetched, if there is room for it. Raises HostError."""
        folder = self.folder()
        async with self._web() as web:
            found = await plan(web, self._settings.hf_endpoint, wanted)
        if self.target(found).exists():
            raise BusyError(f"the model {found.name!r} is there already: {self.target(found)}", "name")
        missing = found.size - sum(Part(self.place(found.name) / item.path).size for item in found.items)
        free = shutil.disk_usage(folder).free - SPARE_BYTES
        if missing > free:
            raise NoRoomError(
                f"{found.name!r} needs {missing / GIB:.2f} GiB more of the disk; {max(free, 0) / GIB:.2f} are free.",
                "source",
            )
        return found

    async def fetch(self, found: Plan, transfer: Transfer) -> None:
        """Until everything is where it belongs. Raises HostError, OSError."""
        place = self.place(found.name)
        transfer.total_bytes = found.size
        told_s = 0.0

        def arrived(count: int) -> None:
            nonlocal told_s
            transfer.done_bytes += count
            if time.monotonic() - told_s >= TELL_EVERY_S:
                told_s = time.monotonic()
                self._changed()

        with alone(place):
            transfer.done_bytes = sum(Part(place / item.path).size for item in found.items)
            async with self._web() as web:
                for item in found.items:
                    await fetch(web, item, place / item.path, self._settings.download_patience_s, arrived)
            self._publish(found, place)

    def folder(self) -> Path:
        """Raises InvalidError when there is none, and none can be made."""
        if self._folder is None:
            raise InvalidError("MODEL_DIR is not set on this host.", "source")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidError(f"MODEL_DIR of this host cannot be made: {error.strerror}.", "source") from None
        return self._folder

    def place(self, name: str) -> Path:
        return self.folder() / f".{name}.part"

    def target(self, found: Plan) -> Path:
        return self.folder() / (found.name if found.is_folder else f"{found.name}.gguf")

    def _web(self) -> Web:
        settings = self._settings
        return Web(settings.download_hosts, settings.hf_endpoint, settings.hf_token)

    def _publish(self, found: Plan, place: Path) -> None:
        target = self.target(found)
        if not found.is_folder:
            (place / found.items[0].path).rename(target)
            shutil.rmtree(place)
            return
        wanted = {place / item.path for item in found.items} | {place / LOCK}
        for path in place.rglob("*"):
            if path.is_file() and path not in wanted:  # of an earlier revision
                path.unlink()
        place.rename(target)
        (target / LOCK).unlink()


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Raises BusyError when another process is at it."""
    place.mkdir(exist_ok=True)
    with (place / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("another process downloads it; ask again when that is over.", "name") from None
        yield
