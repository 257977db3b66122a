"""The bytes of files, behind `obstore`: a folder, or a bucket of S3, GCS or Azure.

An object is there whole or not at all. Every method raises StorageUnavailableError when the store does not take or give
it. What a killed process leaves of an upload in a folder ends with `sweep`; buckets want a lifecycle rule that ends
incomplete multipart uploads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from api.errors import StorageUnavailableError

log = logging.getLogger("novai.objects")

PART_BYTES = 5 << 20  # of a multipart upload: the least that S3 takes
PARTS_AT_ONCE = 2  # these, and the one that fills up, are what an upload holds in memory
PIECE_BYTES = 1 << 20  # of a read: a request of its own, so that a slow reader keeps no connection to the store
RETRIES, RETRY_S = 5, 20  # of one request to a bucket
PART_OF_UPLOAD = "*#*"  # how obstore names what it has not put in place yet


class Objects:
    """`url`: a folder, made when it is not there, or s3://BUCKET/PREFIX, gs://…, az://…, whose credentials are where
    their own tools look for them; memory:/// for tests. Raises ValueError for a URL that can never work, OSError for a
    folder that cannot be made."""

    def __init__(self, url: str) -> None:
        try:
            self._store: ObjectStore = bucket(url) if "://" in url else folder(Path(url))
        except BaseError as error:
            raise ValueError(f"FILES_URL={url!r} cannot be used: {first_line(error)}") from None

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> int:
        """Stores what comes, durably, and says how many bytes it was. What `chunks` raises ends it, and is raised:
        nothing is stored then, nor when it is cancelled."""
        counted = _Counted(chunks)
        putting = asyncio.create_task(self._put(key, counted))
        try:
            return await asyncio.shield(putting)
        except asyncio.CancelledError:
            # A store that is cancelled may still put in place what it has, after whoever left has removed it.
            counted.leave()
            await asyncio.wait({putting})
            if not putting.cancelled() and putting.exception() is None:
                with contextlib.suppress(StorageUnavailableError):  # it was told; what ends here is the caller
                    await self.delete(key)
            raise

    async def _put(self, key: str, counted: _Counted) -> int:
        with translated():
            await obstore.put_async(
                self._store, key, counted.chunks(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
            if isinstance(self._store, LocalStore) and self._store.prefix is not None:
                await asyncio.to_thread(sync, self._store.prefix / key)
        return counted.size

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, which is not beyond the object's own."""
        while start < end:
            with translated():
                piece = await obstore.get_range_async(
                    self._store, key, start=start, length=min(PIECE_BYTES, end - start)
                )
            if not piece:
                raise StorageUnavailableError("The file is shorter than it was when it was stored.")
            yield piece.to_bytes()
            start += len(piece)

    async def delete(self, key: str) -> None:
        """It need not be there."""
        with translated(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def sweep(self, older_than_s: float) -> None:
        """Removes what uploads that nobody runs any more have left in a folder."""
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            await asyncio.to_thread(remove_parts, self._store.prefix, time.time() - older_than_s)


class _Counted:
    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self._asking: asyncio.Task[object] | None = None
        self._left = False
        self.size = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        self._asked()
        async for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk
            self._asked()

    def leave(self) -> None:
        """There is no end: whoever asks for more, or waits for it, is cancelled."""
        self._left = True
        if self._asking is not None:
            self._asking.cancel()

    def _asked(self) -> None:
        """The store asks for each chunk in a task of its own."""
        if self._left:
            raise asyncio.CancelledError
        self._asking = asyncio.current_task()


def bucket(url: str) -> ObjectStore:
    return from_url(
        url,
        client_options={"connect_timeout": "5s", "timeout": "30s"},
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
    )


def folder(path: Path) -> LocalStore:
    return LocalStore(path.absolute(), mkdir=True)


def sync(path: Path) -> None:
    """What has its name is on the disk, and so is the name; obstore leaves both to the kernel."""
    for each in (path, path.parent, path.parent.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_parts(root: Path, before_s: float) -> None:
    for path in root.rglob(PART_OF_UPLOAD):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before_s:
                path.unlink()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """What the store says, as an error of ours. Callers are not told names of buckets and folders: the log is."""
    try:
        yield
    except (BaseError, OSError) as error:
        log.error("the store of files fails: %s", first_line(error))
        raise StorageUnavailableError(
            "The file storage does not answer as it should at the moment. Please try again shortly.",
            retry_after_ms=2000,
        ) from error


def first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
