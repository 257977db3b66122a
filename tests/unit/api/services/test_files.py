"""Files whose process dies, whose storage fails, who come all at once."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.config import Settings
from api.errors import (
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RequestTimeoutError,
    StorageQuotaError,
    StorageUnavailableError,
)
from api.services import files as service
from api.services.files import Files
from api.storage import batches
from api.storage import files as rows
from api.storage.files import File
from api.storage.objects import Objects
from api.storage.session import Database

ORG, PROJECT = "org_1", "proj_1"
SETTINGS = Settings(key_pepper="x", file_max_bytes=1000, files_quota_bytes=2500)


class Coming:
    filename, expires_after_s = "in.jsonl", None

    def __init__(self, *pieces: bytes, purpose: str = "user_data", wait: asyncio.Event | None = None) -> None:
        self.purpose = purpose
        self.begun = asyncio.Event()
        self._pieces = pieces
        self._wait = wait

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
            self.begun.set()
            if self._wait is not None:
                await self._wait.wait()


@pytest.fixture
def files(store: Database, tmp_path: Path) -> Files:
    return Files(store, Objects(str(tmp_path)), SETTINGS)


async def keep(files: Files, coming: Coming, project: str = PROJECT) -> File:
    async with files.receive(ORG, project, coming, None) as arrived:
        return await files.keep(arrived, coming)


async def states(store: Database) -> list[str]:
    return [row["state"] for row in await store.fetch("SELECT state FROM files ORDER BY position")]


def stored(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


async def content(files: Files, file: File, start: int = 0) -> bytes:
    return b"".join([piece async for piece in files.read(file, start)])


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_a_file_is_what_came(files: Files) -> None:
    file = await keep(files, Coming(b'{"a":', b"1}\n{}", purpose="batch"))
    assert await files.get(PROJECT, file.id) == file
    assert (file.size, file.lines, file.filename) == (10, 2, "in.jsonl")
    assert file.digest == hashlib.sha256(b'{"a":1}\n{}').digest()
    assert await content(files, file, 3) == b'":1}\n{}'
    with pytest.raises(NotFoundError):
        await files.get("proj_2", file.id)


async def test_what_is_not_kept_goes(files: Files, store: Database, tmp_path: Path) -> None:
    async with files.receive(ORG, PROJECT, Coming(b"x"), None) as arrived:
        assert stored(tmp_path) == [arrived.file_id]
        assert await states(store) == ["arriving"]
    assert (stored(tmp_path), await states(store)) == ([], [])


async def test_a_file_of_our_own_is_there_whole_or_not_at_all(files: Files, tmp_path: Path, store: Database) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await files.write(ORG, PROJECT, "out.jsonl", "batch_output", breaks(), None)
    assert (stored(tmp_path), await states(store)) == ([], [])
    # Larger than a caller's may be, and than the quota: what has been worked for is given.
    file = await files.write(ORG, PROJECT, "out.jsonl", "batch_output", pieces(b"x" * 5000), 3600)
    assert (await files.get(PROJECT, file.id)).size == 5000 and file.expires_at is not None
    with pytest.raises(StorageQuotaError):
        await keep(files, Coming(b"x"))
    with pytest.raises(StorageQuotaError):
        await files.write(ORG, PROJECT, "in.jsonl", "batch", pieces(b"x"), None, within_quota=True)


async def test_a_quota_holds_for_files_that_come_together(files: Files, store: Database) -> None:
    """Each may become 1000 bytes, three of them more than 2500: the third is refused before it has come."""
    go = asyncio.Event()
    coming = [Coming(b"x" * 10, wait=go) for _ in range(3)]
    tasks = [asyncio.create_task(keep(files, each)) for each in coming]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert [type(task.exception()) for task in done] == [StorageQuotaError]
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, File) for result in results) == 2
    assert await rows.used(store, PROJECT) == 20  # those that came are as large as they are


async def test_what_a_dead_process_left_is_swept_when_its_lease_has_ended(
    files: Files, store: Database, tmp_path: Path
) -> None:
    await rows.begin(store, "file-dead", ORG, PROJECT, 10, 1000.0, None)
    await Objects(str(tmp_path)).put(rows.key(PROJECT, "file-dead"), pieces(b"x"))
    await files.sweep()
    assert stored(tmp_path) == ["file-dead"]
    await store.execute("UPDATE files SET expires_at = now()")
    await asyncio.gather(files.sweep(), files.sweep())
    assert (stored(tmp_path), await states(store)) == ([], [])


async def test_a_file_that_outlived_its_lease_is_refused(files: Files, store: Database, tmp_path: Path) -> None:
    coming = Coming(b"x")
    with pytest.raises(RequestTimeoutError):
        async with files.receive(ORG, PROJECT, coming, None) as arrived:
            await store.execute("UPDATE files SET expires_at = now()")
            await files.sweep()
            await files.keep(arrived, coming)
    assert (stored(tmp_path), await states(store)) == ([], [])


async def test_a_file_that_a_sweep_took_is_not_finished_though_its_bytes_are_still_to_go(store: Database) -> None:
    await rows.begin(store, "file-late", ORG, PROJECT, 10, 1000.0, None)
    await rows.put_off(store, "file-late", 3600.0)
    came = {"purpose": "batch", "filename": "", "size": 1, "lines": 1, "fault": None, "digest": b""}
    assert await rows.finish(store, "file-late", **came, expires_after_s=None) is None
    assert await states(store) == ["removed"]


async def test_of_a_file_that_outlives_its_lease_while_it_arrives_nothing_stays(
    files: Files, store: Database, tmp_path: Path
) -> None:
    """The sweep finds its row before there are bytes."""
    go = asyncio.Event()
    coming = Coming(b"x", wait=go)
    keeping = asyncio.create_task(keep(files, coming))
    await coming.begun.wait()
    await store.execute("UPDATE files SET expires_at = now()")
    await files.sweep()
    go.set()
    with pytest.raises(RequestTimeoutError):
        await keeping
    assert (stored(tmp_path), await states(store)) == ([], [])


async def test_files_of_a_project_take_turns(store: Database, tmp_path: Path) -> None:
    files = Files(store, Objects(str(tmp_path)), replace(SETTINGS, files_quota_bytes=1 << 30))
    go = asyncio.Event()
    coming = [Coming(b"x", wait=go) for _ in range(service.UPLOADS_OF_A_PROJECT + 1)]
    tasks = [asyncio.create_task(keep(files, each)) for each in coming]
    for each in coming[:-1]:
        await each.begun.wait()
    await keep(files, Coming(b"x"), "proj_2")  # others do not wait for it
    assert not coming[-1].begun.is_set()
    go.set()
    await asyncio.gather(*tasks)


async def test_who_waits_too_long_for_a_turn_is_told_to_come_back(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(store, Objects(str(tmp_path)), replace(SETTINGS, files_quota_bytes=1 << 30))
    go = asyncio.Event()
    coming = [Coming(b"x", wait=go) for _ in range(service.UPLOADS_OF_A_PROJECT)]
    tasks = [asyncio.create_task(keep(files, each)) for each in coming]
    for each in coming:
        await each.begun.wait()
    monkeypatch.setattr(service, "TURN_S", 0.01)
    with pytest.raises(OverloadedError) as refusal:
        await keep(files, Coming(b"x"))
    assert refusal.value.headers()["retry-after"] == "5"
    go.set()
    await asyncio.gather(*tasks)


async def test_the_sweep_goes_on_by_itself(files: Files, store: Database, tmp_path: Path) -> None:
    """With what uploads left that nobody runs any more."""
    await keep(files, Coming(b"x"))
    await store.execute("UPDATE files SET expires_at = now()")
    part = tmp_path / PROJECT / "file-dead#1"
    part.touch()
    os.utime(part, (0, 0))
    await files.start()
    while stored(tmp_path):
        await asyncio.sleep(0.01)
    await files.aclose()


async def test_what_the_storage_does_not_remove_keeps_nothing_behind_it(
    files: Files, store: Database, tmp_path: Path
) -> None:
    bad = await keep(files, Coming(b"x"), "proj_bad")
    await keep(files, Coming(b"x"))
    (tmp_path / bad.key).unlink()
    (tmp_path / "proj_bad").rmdir()
    (tmp_path / "proj_bad").touch()  # in a file the storage finds no folder
    await store.execute("UPDATE files SET expires_at = now() - interval '1 s' * (project_id = 'proj_bad')::int")
    with pytest.raises(StorageUnavailableError):
        await files.sweep()
    await files.sweep()
    assert (stored(tmp_path), await states(store)) == (["proj_bad"], ["removed"])
    (tmp_path / "proj_bad").unlink()
    await store.execute("UPDATE files SET expires_at = now()")  # its hour is over
    await files.sweep()
    assert await states(store) == []


async def test_a_file_that_a_batch_begins_to_read_is_not_deleted(files: Files, store: Database) -> None:
    """Whichever of the two is first, the other one waits for it and is refused."""
    for number in range(20):
        file = await keep(files, Coming(b"{}", purpose="batch"))
        given = f"batch_{number}", ORG, PROJECT, "key_1", "/v1/chat/completions", file.id, None, None, 3600.0
        begun, deleted = await asyncio.gather(
            batches.add(store, *given), files.delete(PROJECT, file.id), return_exceptions=True
        )
        assert (begun, type(deleted)) in ((True, InvalidRequestError), (False, type(None)))


async def test_a_batch_that_began_after_the_look_for_it_keeps_its_file(files: Files, store: Database) -> None:
    file = await keep(files, Coming(b"{}", purpose="batch"))
    given = "batch_1", ORG, PROJECT, "key_1", "/v1/chat/completions", file.id, None, None, 3600.0
    async with store.transaction() as change:
        assert await batches.add(change, *given)
        deleting = asyncio.create_task(files.delete(PROJECT, file.id))
        while not await store.fetch("SELECT FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
    with pytest.raises(InvalidRequestError):
        await deleting
    assert await files.get(PROJECT, file.id) == file


async def test_a_deleted_file_stays_a_place_in_the_list_for_a_day(files: Files, store: Database) -> None:
    made = [await keep(files, Coming(b"x")) for _ in range(3)]
    await files.delete(PROJECT, made[1].id)
    await files.sweep()
    page = await files.page(PROJECT, None, made[1].id, True, 10)
    assert [file.id for file in page.files] == [made[2].id]
    await store.execute("UPDATE files SET expires_at = now() WHERE state = 'removed'")
    await files.sweep()
    assert await states(store) == ["stored", "stored"]


async def test_a_file_stands_in_the_list_where_it_was_there(files: Files) -> None:
    """Who goes on behind the last file that he knows misses none that took longer to arrive."""
    go = asyncio.Event()
    slow = Coming(b"slow", wait=go)
    arriving = asyncio.create_task(keep(files, slow))
    await slow.begun.wait()
    quick = await keep(files, Coming(b"quick"))
    go.set()
    late = await arriving
    assert [file.id for file in (await files.page(PROJECT, None, quick.id, True, 10)).files] == [late.id]
    assert [file.id for file in (await files.page(PROJECT, None, None, False, 10)).files] == [late.id, quick.id]
