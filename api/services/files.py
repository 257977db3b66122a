"""Files of a project: batches read them and write them. To other projects they do not exist.

Bytes go straight to the storage while they arrive; what is stored of a file that is refused, or whose client leaves, is
removed. A process that dies leaves a row whose lease ends: the sweep of any process then removes the row and its bytes,
as it does with files that have expired. Without PostgreSQL nothing is taken or given (503), without the storage only
what needs no bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakValueDictionary

from api.config import Settings
from api.errors import (
    ApiError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RequestTimeoutError,
    RequestTooLargeError,
    StorageQuotaError,
    StorageUnavailableError,
)
from api.regularly import Regularly
from api.services.lines import Lines
from api.storage import files as rows
from api.storage.files import File
from api.storage.objects import Objects
from api.storage.session import Database

log = logging.getLogger("novai.files")

BATCH = "batch"
BATCH_KEPT_S = 30 * 24 * 3600  # unless the caller says otherwise
LEASE_S = 3600.0  # of bytes that arrive, beside what the slowest upload may take
UPLOADS_AT_ONCE = 16  # in this process, each with some parts of it in memory; others wait
UPLOADS_OF_A_PROJECT = 4
TURN_S = 20.0
RETRY_S = 5.0  # of a sweep, when PostgreSQL or the storage is away
PUT_OFF_S = 3600.0  # a file whose bytes the storage does not remove


class Coming(Protocol):
    """A file on its way. Everything but its chunks may be empty until the last of them has come."""

    @property
    def filename(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def expires_after_s(self) -> int | None: ...
    def chunks(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Arrived:
    """Bytes that are stored, and will be removed again unless they are kept."""

    file_id: str
    size: int
    digest: bytes
    lines: int | None = None
    fault: str | None = None  # what is wrong with them


@dataclass(frozen=True, slots=True)
class Page:
    files: list[File]
    more: bool


class Files:
    """One per process. `start()` begins to sweep, `aclose()` ends that."""

    def __init__(self, database: Database, objects: Objects, settings: Settings) -> None:
        self._database = database
        self._objects = objects
        self._settings = settings
        self._lease_s = LEASE_S + settings.max_upload_s
        self._room = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._rooms: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # of projects
        self._sweeps = (
            Regularly("files-sweep", self.sweep, settings.files_sweep_s, retry_s=RETRY_S),
            Regularly("files-parts", self._sweep_parts, LEASE_S, retry_s=RETRY_S),
        )

    async def start(self) -> None:
        """Does not wait for PostgreSQL or the storage."""
        for each in self._sweeps if self._settings.files_sweep_s else ():
            await each.start()

    async def aclose(self) -> None:
        for each in self._sweeps:
            await each.aclose()

    @contextlib.asynccontextmanager
    async def receive(
        self, organisation_id: str, project_id: str, coming: Coming, most_bytes: int | None
    ) -> AsyncIterator[Arrived]:
        """A caller's file, stored and looked at; `keep` makes it one of the project's, else it goes with the block.

        `most_bytes`: what was announced. Raises InvalidRequestError (a line of a batch's input), RequestTooLargeError,
        StorageQuotaError, OverloadedError, StorageUnavailableError, LedgerUnavailableError, and what `coming` raises.
        """
        largest = self._settings.file_max_bytes
        check = Check(coming, largest, Lines(self._settings.file_max_lines, self._settings.file_max_line_bytes))
        most_bytes = largest if most_bytes is None else min(most_bytes, largest)
        quota = self._settings.files_quota_bytes
        async with (
            self._turn(project_id),
            self._stored(organisation_id, project_id, coming.chunks(), check.see, most_bytes, quota) as arrived,
        ):
            check.end()
            yield replace(arrived, lines=check.lines, fault=check.fault)

    async def keep(self, arrived: Arrived, coming: Coming) -> File:
        """Raises RequestTimeoutError when it took longer than its lease, LedgerUnavailableError."""
        kept_s = BATCH_KEPT_S if coming.purpose == BATCH else None
        return await self._finish(arrived, coming.filename, coming.purpose, coming.expires_after_s or kept_s)

    async def write(
        self,
        organisation_id: str,
        project_id: str,
        filename: str,
        purpose: str,
        chunks: AsyncIterable[bytes],
        expires_after_s: int | None,
        lines: int | None = None,
        within_quota: bool = False,
    ) -> File:
        """A file of our own making: it is there whole, or not at all. `within_quota`: not for a project that is beyond
        its quota already; what has been worked for is given whatever the quota.

        Raises what `chunks` raises, StorageQuotaError, StorageUnavailableError, LedgerUnavailableError.
        """
        quota = self._settings.files_quota_bytes if within_quota else None
        async with self._stored(organisation_id, project_id, chunks, quota=quota) as arrived:
            return await self._finish(replace(arrived, lines=lines), filename, purpose, expires_after_s)

    async def get(self, project_id: str, file_id: str, param: str = "file_id") -> File:
        """`param`: the field that names it. Raises NotFoundError, LedgerUnavailableError."""
        if (file := await rows.read(self._database, project_id, file_id)) is None:
            raise missing(file_id, param)
        return file

    def read(self, file: File, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes from `start` on, up to `end` or all of them, in pieces. Raises StorageUnavailableError."""
        return self._objects.read(file.key, start, file.size if end is None else end)

    async def page(self, project_id: str, purpose: str | None, after: str | None, ascending: bool, limit: int) -> Page:
        """Raises InvalidRequestError (`after`), LedgerUnavailableError."""
        begin = None
        if after is not None and (begin := await rows.position(self._database, project_id, after)) is None:
            raise InvalidRequestError(
                "'after' names no file of this project. Give the `last_id` of the page before.",
                param="after",
                code="invalid_value",
            )
        found = await rows.page(self._database, project_id, purpose, begin, ascending, limit + 1)
        return Page(found[:limit], len(found) > limit)

    async def delete(self, project_id: str, file_id: str) -> None:
        """Raises NotFoundError, InvalidRequestError (a batch reads it), LedgerUnavailableError. Bytes that the storage
        does not remove now, a sweep will."""
        # Removed first, undone when a batch reads it: one that begins at this moment has the row, or waits for it.
        async with self._database.transaction() as change:
            if (file := await rows.remove(change, project_id, file_id)) is None:
                raise missing(file_id)
            if (batch_id := await rows.reader(change, project_id, file_id)) is not None:
                raise InvalidRequestError(
                    f"The batch '{batch_id}' reads this file. Wait until it is over, or cancel it.",
                    param="file_id",
                    code="file_in_use",
                )
        with contextlib.suppress(StorageUnavailableError):
            await self._objects.delete(file.key)

    async def sweep(self) -> None:
        """Once. What the storage does not remove ends it, and is out of the way of the next.

        Raises StorageUnavailableError, LedgerUnavailableError."""
        while over := await rows.over(self._database):
            for file in over:
                try:
                    await self._objects.delete(file.key)
                except StorageUnavailableError:
                    await rows.put_off(self._database, file.id, PUT_OFF_S)
                    raise
            await rows.forget(self._database, [file.id for file in over])

    @contextlib.asynccontextmanager
    async def _turn(self, project_id: str) -> AsyncIterator[None]:
        """Raises OverloadedError. Meanwhile the client's bytes wait with the client."""
        project = self._rooms.setdefault(project_id, asyncio.Semaphore(UPLOADS_OF_A_PROJECT))
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(TURN_S):
                    await stack.enter_async_context(project)
                    await stack.enter_async_context(self._room)
            except TimeoutError:
                raise OverloadedError("Too many files arrive at once. Please try again.", retry_after_ms=5000) from None
            yield

    @contextlib.asynccontextmanager
    async def _stored(
        self,
        organisation_id: str,
        project_id: str,
        chunks: AsyncIterable[bytes],
        see: Callable[[bytes], None] = lambda _chunk: None,
        most_bytes: int = 0,
        quota: int | None = None,
    ) -> AsyncIterator[Arrived]:
        """Bytes with a row that is still to be finished: both go when the block raises, or leaves it so."""
        file_id = "file-" + secrets.token_hex(16)
        used = await rows.begin(self._database, file_id, organisation_id, project_id, most_bytes, self._lease_s, quota)
        if used is not None:
            raise full(used, quota)
        digest = hashlib.sha256()

        async def passing() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                see(chunk)
                digest.update(chunk)
                yield chunk

        try:
            size = await self._objects.put(rows.key(project_id, file_id), passing())
            yield Arrived(file_id, size, digest.digest())
        finally:
            await self._abandon(project_id, file_id)

    async def _finish(self, arrived: Arrived, filename: str, purpose: str, expires_after_s: int | None) -> File:
        file = await rows.finish(
            self._database,
            arrived.file_id,
            purpose=purpose,
            filename=filename,
            size=arrived.size,
            lines=arrived.lines,
            fault=arrived.fault,
            digest=arrived.digest,
            expires_after_s=expires_after_s,
        )
        if file is None:
            raise RequestTimeoutError("The file took too long to arrive. Please send it again.")
        return file

    async def _abandon(self, project_id: str, file_id: str) -> None:
        """Never raises: what cannot be removed now goes when its lease has ended."""
        try:
            if await rows.abandon(self._database, file_id):
                await self._objects.delete(rows.key(project_id, file_id))
                await rows.forget(self._database, [file_id])
        except ApiError as error:
            log.warning("what arrived of %s is not removed yet: %s", file_id, error)

    async def _sweep_parts(self) -> None:
        """More seldom: it looks at every file of a folder."""
        await self._objects.sweep(LEASE_S)


class Check:
    """What arrives may not be too large. What it is for may be known late: until then a line that is too long is only
    noted. `lines` and their `fault` are a batch's."""

    def __init__(self, coming: Coming, most_bytes: int, lines: Lines) -> None:
        self._coming = coming
        self._left = most_bytes
        self._most_bytes = most_bytes
        self._seen = lines
        self._refusal: InvalidRequestError | None = None
        self.lines: int | None = None
        self.fault: str | None = None

    def see(self, chunk: bytes) -> None:
        """Raises RequestTooLargeError, InvalidRequestError."""
        self._left -= len(chunk)
        if self._left < 0:
            raise too_large(self._most_bytes)
        if self._coming.purpose in ("", BATCH) and self._refusal is None:
            try:
                self._seen.feed(chunk)
            except InvalidRequestError as refusal:
                self._refusal = refusal
        self._tell()

    def end(self) -> None:
        """There is no more. Raises InvalidRequestError."""
        if self._coming.purpose == BATCH:
            self._tell()
            self._seen.end()
            self.lines, self.fault = self._seen.count, self._seen.fault

    def _tell(self) -> None:
        if self._refusal is not None and self._coming.purpose == BATCH:
            raise self._refusal


def missing(file_id: str, param: str = "file_id") -> NotFoundError:
    return NotFoundError(f"No such File object: '{file_id}'.", param=param)


def too_large(most_bytes: int) -> RequestTooLargeError:
    return RequestTooLargeError(f"The file is too large: at most {most_bytes} bytes are accepted. Use several files.")


def full(used: int, quota: int | None) -> StorageQuotaError:
    return StorageQuotaError(
        f"The files of this project are {used} bytes, and may be {quota}. Delete files that are no longer needed.",
        retryable=False,
    )
