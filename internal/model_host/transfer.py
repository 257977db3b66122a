"""Fetches files, however often the connection breaks.

Beside a file that is not complete stands what the server called this version of it (`ETag`, else `Last-Modified`). With
that the rest is asked for (`Range`, `If-Range`); a server that has another version by now sends it whole, and it begins
anew. Nobody sees a file before it is complete and its checksum is right.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx
import msgspec

from internal.model_host.errors import HostError
from internal.model_host.source import Item
from internal.model_host.web import Web
from outbound.guard import FAILURES

BLOCK_BYTES = 1 << 20
SPARE_BYTES = 64 << 20  # of the disk, that stay free
OPEN_S, SILENCE_S = 30.0, 30.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 8.0  # between tries that bring nothing
TRANSIENT = {408, 425, 429}


class BrokenError(Exception):
    """The connection broke, or the server had no time: worth another try."""


class Version(msgspec.Struct):
    """What the server called the version of which there is a beginning."""

    validator: str = ""  # of If-Range; empty: the rest cannot be asked for
    total: int = 0


@dataclass
class Part:
    """A file that is being fetched, and its note."""

    path: Path

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".from")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> Version:
        try:
            return msgspec.json.decode(self.note.read_bytes(), type=Version)
        except (OSError, msgspec.MsgspecError):
            return Version()

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


async def fetch(web: Web, item: Item, path: Path, patience_s: float, arrived: Callable[[int], None]) -> None:
    """The file at `path`, complete and checked. It has failed when nothing came for `patience_s`. `arrived` is told of
    bytes that are new, less than none when it begins anew. Raises HostError, and OSError when the disk does not do its
    part."""
    part = Part(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_complete(part, item) and not (item.sha256 and await asyncio.to_thread(sha256_of, part) == item.sha256):
        arrived(-part.size)  # an earlier call left it: it may be of another revision
        part.forget()
    pause_s, came_s = FIRST_PAUSE_S, time.monotonic()
    while not is_complete(part, item):
        before = part.size
        try:
            await _go_on(web, item, part, arrived)
            if not is_complete(part, item):
                raise BrokenError("it ended early")
        except BrokenError as error:
            if part.size > before:
                pause_s, came_s = FIRST_PAUSE_S, time.monotonic()
                continue
            if time.monotonic() - came_s >= patience_s:
                raise HostError(f"{item.url} broke off again and again ({error}). Ask for it again to go on.") from None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
    await asyncio.to_thread(_check, part, item)
    part.note.unlink(missing_ok=True)


def is_complete(part: Part, item: Item) -> bool:
    if not part.path.exists():
        return False
    if item.size is not None:  # some are empty
        return part.size == item.size
    total = part.version().total
    return bool(total) and part.size == total


async def _go_on(web: Web, item: Item, part: Part, arrived: Callable[[int], None]) -> None:
    """One connection. Raises BrokenError, HostError."""
    have, version = part.size, part.version()
    if have and (not version.validator or (item.size is not None and have > item.size)):
        arrived(-have)
        part.forget()
        have = 0
    headers = {"range": f"bytes={have}-", "if-range": version.validator} if have else {}
    try:
        async with asyncio.timeout(OPEN_S) as limit, web.open(item.url, headers) as response:
            if have and response.status_code == 416:  # the end of it is all that was missing, and nobody knew
                arrived(-have)
                part.forget()
                raise BrokenError("it begins anew")
            appends = _check_status(response, item, have)
            if have and not appends:
                arrived(-have)
            length = int(response.headers.get("content-length", "0"))
            total = length + have if appends and length else length  # 0: it does not say
            if item.size is not None and total not in (0, item.size):
                raise HostError(f"{item.url} has another size by now. Ask for it again.")
            part.note.write_bytes(msgspec.json.encode(Version(validator_of(response), total)))
            await _receive(response, part, appends, arrived, limit)
    except FAILURES as error:
        raise BrokenError(str(error) or type(error).__name__) from None
    if not (item.size or part.version().total):  # its end is all there is to go by
        part.note.write_bytes(msgspec.json.encode(Version(total=part.size)))


async def _receive(
    response: httpx.Response, part: Part, appends: bool, arrived: Callable[[int], None], limit: asyncio.Timeout
) -> None:
    loop = asyncio.get_running_loop()
    block = bytearray()
    with part.path.open("ab" if appends else "wb") as file:
        try:
            async for piece in response.aiter_raw():
                limit.reschedule(loop.time() + SILENCE_S)
                block += piece
                if len(block) >= BLOCK_BYTES:
                    check_room(part.path)
                    full, block = block, bytearray()
                    arrived(await asyncio.to_thread(written, file, full))
        finally:
            arrived(written(file, block))


def check_room(path: Path) -> None:
    """A source that does not say how much it has may not fill the disk. Raises HostError."""
    if shutil.disk_usage(path.parent).free < SPARE_BYTES:
        raise HostError("the disk is full.")


def written(file: BinaryIO, block: bytes | bytearray) -> int:
    """How many bytes. Raises HostError."""
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise HostError(f"it cannot be written: {error.strerror}.") from None
    return len(block)


def _check_status(response: httpx.Response, item: Item, have: int) -> bool:
    """Whether what comes is the rest. Raises BrokenError, HostError."""
    status = response.status_code
    if response.headers.get("content-encoding", "identity") != "identity":  # sizes and checksums are of what is inside
        raise HostError(f"{item.url} comes packed, though that was not asked for.")
    if status == 206 and response.headers.get("content-range", "").startswith(f"bytes {have}-"):
        return True
    if status == 200:
        return False
    if status >= 500 or status in TRANSIENT:
        raise BrokenError(f"it answered {status}")
    raise HostError(f"{item.url} answered {status}.")


def _check(part: Part, item: Item) -> None:
    """Raises HostError when it is not what was asked for; then it is gone. It is on the disk afterwards."""
    if item.sha256 and (found := sha256_of(part)) != item.sha256:
        part.forget()
        raise HostError(f"{item.path}: its SHA-256 is {found}, not {item.sha256}. It was deleted.")
    with part.path.open("rb") as file:
        os.fsync(file.fileno())


def sha256_of(part: Part) -> str:
    with part.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def validator_of(response: httpx.Response) -> str:
    """A strong ETag, else the time; a weak one says nothing of bytes."""
    etag: str = response.headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("last-modified", "")
