"""The same life of an object in every store that is at hand; buckets as far as their URLs go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.errors import StorageUnavailableError
from api.storage.objects import PART_BYTES, PIECE_BYTES, Objects

KEY = "proj_1/file-1"


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return Objects(str(tmp_path) if request.param == "folder" else "memory:///")


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def content(objects: Objects, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in objects.read(KEY, start, end)])


async def test_what_is_put_is_read_in_any_part(objects: Objects) -> None:
    whole = os.urandom(PART_BYTES + 12345)
    assert await objects.put(KEY, pieces(whole[:7], whole[7:])) == len(whole)
    for start, end in ((0, len(whole)), (5, 6), (PIECE_BYTES - 1, PIECE_BYTES * 2 + 1), (len(whole) - 1, len(whole))):
        assert await content(objects, start, end) == whole[start:end]
    assert await content(objects, 3, 3) == b""


async def test_an_object_may_be_empty(objects: Objects) -> None:
    assert await objects.put(KEY, pieces()) == 0
    assert await content(objects, 0, 0) == b""


async def test_what_breaks_off_is_not_stored(objects: Objects) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield bytes(PART_BYTES * 2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await objects.put(KEY, breaks())
    with pytest.raises(StorageUnavailableError):
        await content(objects, 0, 1)


async def test_an_object_is_not_seen_before_it_is_whole(objects: Objects) -> None:
    async def looks() -> AsyncIterator[bytes]:
        yield bytes(PART_BYTES * 2)
        with pytest.raises(StorageUnavailableError):
            await content(objects, 0, 1)
        yield b"end"

    assert await objects.put(KEY, looks()) == PART_BYTES * 2 + 3
    assert await content(objects, PART_BYTES * 2, PART_BYTES * 2 + 3) == b"end"


async def test_deleting_what_is_not_there_is_nothing(objects: Objects) -> None:
    await objects.put(KEY, pieces(b"x"))
    await objects.delete(KEY)
    await objects.delete(KEY)
    with pytest.raises(StorageUnavailableError):
        await content(objects, 0, 1)


async def test_an_object_that_became_shorter_is_no_shorter_answer(objects: Objects) -> None:
    await objects.put(KEY, pieces(b"short"))
    with pytest.raises(StorageUnavailableError):
        await content(objects, 0, 100)


async def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    objects = Objects(str(tmp_path))
    await objects.put(KEY, pieces(b"whole"))
    old, young = tmp_path / "proj_1" / "file-2#1", tmp_path / "proj_1" / "file-3#1"
    for path in (old, young):
        path.write_bytes(b"part")
    os.utime(old, (time.time() - 100, time.time() - 100))
    await objects.sweep(50)
    assert sorted(path.name for path in (tmp_path / "proj_1").iterdir()) == ["file-1", "file-3#1"]


async def test_a_cancelled_put_leaves_nothing(tmp_path: Path) -> None:
    objects, begun, never = Objects(str(tmp_path)), asyncio.Event(), asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield bytes(PART_BYTES * 2)
        begun.set()
        await never.wait()

    task = asyncio.ensure_future(objects.put(KEY, stalls()))
    await begun.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    never.set()
    while [path for path in tmp_path.rglob("*") if path.is_file()]:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("after", ["a piece", "the last piece"])
async def test_nothing_is_stored_once_a_cancelled_put_has_ended(objects: Objects, after: str) -> None:
    """Though what it read ends at the same moment."""
    for _ in range(20):
        begun, ended = asyncio.Event(), asyncio.Event()

        async def ends(begun: asyncio.Event = begun, ended: asyncio.Event = ended) -> AsyncIterator[bytes]:
            yield bytes(PART_BYTES * 2)
            begun.set()
            if after == "a piece":
                await ended.wait()

        task = asyncio.create_task(objects.put(KEY, ends()))
        await begun.wait()
        ended.set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(StorageUnavailableError):
            await content(objects, 0, 1)


async def test_a_cancelled_put_is_cancelled_also_when_the_store_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, synced, go_on = Objects(str(tmp_path)), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow_disk(_path: Path) -> None:
        loop.call_soon_threadsafe(synced.set)
        go_on.wait(30)

    monkeypatch.setattr("api.storage.objects.sync", slow_disk)
    task = asyncio.create_task(objects.put(KEY, pieces(b"whole")))
    await synced.wait()
    task.cancel()
    (tmp_path / KEY).unlink()
    (tmp_path / KEY).mkdir()  # which cannot be removed as a file
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "url", ["s3://bucket/prefix", "gs://bucket", "https://account.blob.core.windows.net/container/prefix"]
)
def test_buckets_are_named_by_url(url: str) -> None:
    Objects(url)


@pytest.mark.parametrize("url", ["nix://bucket", "s3://"])
def test_other_urls_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="FILES_URL"):
        Objects(url)
