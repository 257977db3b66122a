"""What this worker did, by request id: the second witness when a settlement is in doubt.

Kept for 15 minutes after a request ended, and bounded in number. What ended is also in a journal, which a worker that
is killed leaves to its successor; what was running then has no witness, and its caller is not charged.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
from gen import inference_pb2 as pb

from internal.inference.backends.base import Generation

log = logging.getLogger("novai.receipts")

KEPT_S = 15 * 60.0
KEPT_AT_MOST = 200_000


class Receipts:
    """Receipts of running and recently ended generations. `journal`: None keeps them in memory only."""

    def __init__(self, journal: Journal | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._journal = journal
        self._unwritten = 0  # of the latest receipts: the journal could not take them
        self._running: dict[str, Generation] = {}
        self._ended: OrderedDict[str, Entry] = OrderedDict()
        if journal is not None:
            for entry in journal.read():
                self._ended[pb.Receipt.FromString(entry.receipt).request_id] = entry
            self._forget(clock())

    def opened(self, generation: Generation) -> None:
        self._running[generation.request_id] = generation

    def closed(self, generation: Generation, event: pb.Event) -> None:
        """Files the receipt of a generation whose last event is `event`."""
        self._running.pop(generation.request_id, None)
        usage = event.failed.usage if event.HasField("failed") else event.finished.usage
        receipt = pb.Receipt(request_id=generation.request_id, state=state_of(generation, event), usage=usage)
        entry = self._ended[generation.request_id] = Entry(self._clock(), receipt.SerializeToString())
        self._write(entry)
        self._forget(entry.at_s)

    def find(self, request_ids: Iterable[str]) -> list[pb.Receipt]:
        """The receipts that are known; unknown ids are left out."""
        found = []
        for request_id in request_ids:
            if (running := self._running.get(request_id)) is not None:
                found.append(pb.Receipt(request_id=request_id, state=pb.Receipt.RUNNING, usage=running.usage))
            elif (ended := self._ended.get(request_id)) is not None:
                found.append(pb.Receipt.FromString(ended.receipt))
        return found

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _write(self, entry: Entry) -> None:
        """A disk that is full is nobody's failed answer: this process still knows what ended."""
        if self._journal is None:
            return
        try:
            self._journal.append(entry)
        except OSError as error:
            if not self._unwritten:
                log.error("receipts cannot be written, and would be lost with this process: %s", error)
            self._unwritten += 1
        else:
            if self._unwritten:
                log.warning("receipts are written again; %d are kept in memory only", self._unwritten)
            self._unwritten = 0

    def _forget(self, now_s: float) -> None:
        while self._ended:
            request_id, oldest = next(iter(self._ended.items()))
            if now_s - oldest.at_s < KEPT_S and len(self._ended) <= KEPT_AT_MOST:
                return
            del self._ended[request_id]


def state_of(generation: Generation, last: pb.Event) -> pb.Receipt.State.ValueType:
    if generation.abandoned:
        return pb.Receipt.ABANDONED
    if last.HasField("failed"):
        return pb.Receipt.FAILED
    return pb.Receipt.CANCELLED if last.finished.cancelled else pb.Receipt.FINISHED


class Entry(msgspec.Struct, array_like=True, gc=False):
    """What ended. A line of the journal."""

    at_s: float  # unix time
    receipt: bytes  # a message takes ten times the memory


class Journal:
    """Receipts on disk, a line each, written at once: they survive the process, not the machine.

    Two files that take turns, so that what is old goes by itself: the one that is full becomes the former one. A line
    begins with its line break, so one that was torn (by a kill, or a full disk) spoils no other.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._former = path.with_name(f"{path.name}.former")
        self._encode = msgspec.json.Encoder().encode
        self._file = self._open()

    def read(self) -> Iterator[Entry]:
        """What is there, oldest first. A torn line is left out."""
        decoder = msgspec.json.Decoder(Entry)
        for path in (self._former, self._path):
            for line in path.read_bytes().splitlines() if path.exists() else ():
                with contextlib.suppress(msgspec.MsgspecError):
                    yield decoder.decode(line)

    def append(self, entry: Entry) -> None:
        """Raises OSError."""
        if self._lines >= KEPT_AT_MOST or entry.at_s - self._since_s >= KEPT_S:
            with contextlib.suppress(FileNotFoundError):  # the last try ended before there was a new one
                self._path.replace(self._former)
            full, self._file = self._file, self._open()
            os.close(full)
        line = b"\n" + self._encode(entry)
        while line:  # a disk that is nearly full takes a part of it, and says no to the rest
            line = line[os.write(self._file, line) :]
        self._lines += 1

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> int:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lines, self._since_s = 0, self._clock()
        return file
