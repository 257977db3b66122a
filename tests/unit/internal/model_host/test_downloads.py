"""Downloads from a real server that cuts connections, changes its files, and lies."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from gen import model_host_pb2 as pb

from tests.unit.internal.model_host.file_server import Files, serving
from tests.unit.internal.model_host.test_host import Running, model, running
from tests.unit.internal.model_host.test_models import load, status_of, unload, until, until_is

BODY = b"GGUF" + secrets.token_bytes(3 << 20)
SHA = hashlib.sha256(BODY).hexdigest()


@asynccontextmanager
async def downloading(folder: Path, files: Files, **settings: Any) -> AsyncIterator[Running]:
    async with serving(files):
        given = {"model_dir": folder, "download_hosts": f"{files.url}, models.test", "hf_endpoint": files.url}
        async with running(model("other"), **given | settings) as run:
            yield run


async def ask(run: Running, source: str, **fields: Any) -> pb.Model:
    return await run.stub.Download(pb.DownloadRequest(source=source, **fields), metadata=run.metadata)


async def test_a_file_whose_connections_break_arrives_whole(tmp_path: Path) -> None:
    files = Files({"/x/tiny.gguf": BODY}, cuts=[None, 1_000_000, 0, 500_000])  # the first is that of the look
    async with downloading(tmp_path, files) as run:
        begun = await ask(run, f"{files.url}/x/tiny.gguf", sha256=SHA)
        assert (begun.model, begun.state, begun.transfer.total_bytes) == ("tiny", pb.DOWNLOADING, len(BODY))
        done = await until_is(run, pb.UNLOADED, "tiny")
        assert done.size_bytes == len(BODY)
        assert files.ranges("/x/tiny.gguf") == ["", "", "bytes=1000000-", "bytes=1000000-", "bytes=1500000-"]
        assert (tmp_path / "tiny.gguf").read_bytes() == BODY
        assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]
        assert (await load(run, "tiny")).state == pb.LOADING


async def test_a_file_that_changes_meanwhile_begins_anew(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, cuts=[None, 1_000_000], replacement=BODY[::-1])
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        await until_is(run, pb.UNLOADED, "tiny")
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY[::-1]


async def test_what_broke_off_goes_on_when_it_is_asked_for_again(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, cuts=[None, 1_000_000, 0])
    async with downloading(tmp_path, files, download_patience_s=0.0) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        failed = await until_is(run, pb.FAILED, "tiny")
        assert "broke off again and again" in failed.error
        assert not (tmp_path / "tiny.gguf").exists()
        files.cuts, files.asked = [], []
        begun = await ask(run, f"{files.url}/tiny.gguf")
        assert begun.state == pb.DOWNLOADING
        await until_is(run, pb.UNLOADED, "tiny")
    assert files.ranges("/tiny.gguf") == ["", "bytes=1000000-"]
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY


async def test_a_token_is_told_to_the_repository_and_to_nobody_it_leads_to(tmp_path: Path) -> None:
    elsewhere = Files({"/large": BODY})
    files = Files()
    files.repository("owner/gated", {"tiny.gguf": BODY})
    async with serving(elsewhere):
        files.moved["/owner/gated/resolve/main/tiny.gguf"] = f"{elsewhere.url}/large"
        async with serving(files):
            hosts = f"{files.url}, {elsewhere.url}"
            given = {"model_dir": tmp_path, "download_hosts": hosts, "hf_endpoint": files.url, "hf_token": "hf_x"}
            async with running(model("other"), **given) as run:
                await ask(run, "owner/gated")
                await until_is(run, pb.UNLOADED, "tiny")
    assert {headers.get("authorization") for _, headers in files.asked} == {"Bearer hf_x"}
    assert {headers.get("authorization") for _, headers in elsewhere.asked} == {None}


async def test_a_server_that_leads_in_a_circle_cannot_be_reached(tmp_path: Path) -> None:
    files = Files(moved={"/tiny.gguf": "/tiny.gguf"})
    async with downloading(tmp_path, files) as run:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(run, f"{files.url}/tiny.gguf")
    assert "cannot be reached" in status_of(refusal)[1]


async def test_servers_that_have_no_time_are_asked_again_and_others_believed(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, statuses=[200, 503, 410])
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        assert "answered 410" in (await until_is(run, pb.FAILED, "tiny")).error


async def test_a_file_that_has_another_size_by_now_is_asked_for_again(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, cuts=[None, 1_000_000], replacement=BODY[:2_000_000])
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        assert "another size" in (await until_is(run, pb.FAILED, "tiny")).error
        await ask(run, f"{files.url}/tiny.gguf")
        await until_is(run, pb.UNLOADED, "tiny")
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY[:2_000_000]


async def test_a_file_of_unknown_length_ends_where_it_ends(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, says_length=False)
    async with downloading(tmp_path, files) as run:
        assert (await ask(run, f"{files.url}/tiny.gguf")).transfer.total_bytes == 0
        await until_is(run, pb.UNLOADED, "tiny")
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY


async def test_a_file_of_unknown_length_that_is_there_but_for_its_end_begins_anew(tmp_path: Path) -> None:
    """All of it had come when its host was killed: of more than all there is, a server has nothing to give."""
    files = Files({"/tiny.gguf": BODY}, says_length=False)
    place = tmp_path / ".tiny.part"
    place.mkdir()
    (place / "tiny.gguf").write_bytes(BODY)
    (place / "tiny.gguf.from").write_text(json.dumps({"validator": files.etag, "total": 0}))
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        await until_is(run, pb.UNLOADED, "tiny")
    assert files.ranges("/tiny.gguf") == ["", f"bytes={len(BODY)}-", ""]
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY


async def test_a_file_that_comes_packed_is_not_taken_for_one(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, packed=True)
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        assert "comes packed" in (await until_is(run, pb.FAILED, "tiny")).error
    assert not (tmp_path / "tiny.gguf").exists()


async def test_the_rest_of_a_file_may_come_without_its_length(tmp_path: Path) -> None:
    files = Files(cuts=[None, 1_000_000], says_length=False)
    files.repository("org/tiny", {"tiny.gguf": BODY})
    async with downloading(tmp_path, files) as run:
        await ask(run, "org/tiny")
        await until_is(run, pb.UNLOADED, "tiny")
    assert files.ranges("/org/tiny/resolve/main/tiny.gguf") == ["", "bytes=1000000-"]
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY


async def test_a_wrong_checksum_leaves_nothing(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY})
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf", sha256="0" * 64)
        assert "SHA-256" in (await until_is(run, pb.FAILED, "tiny")).error
        assert not list(tmp_path.rglob("*.gguf*"))


async def test_unloading_ends_a_download_and_keeps_what_there_is(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY}, gate=asyncio.Event())
    async with downloading(tmp_path, files) as run:
        await ask(run, f"{files.url}/tiny.gguf")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run, "tiny")
        assert "being downloaded" in status_of(refusal)[1]
        await unload(run, "tiny")
        await until(run, lambda known: known["tiny"].state == pb.UNLOADED)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await load(run, "tiny")
        assert status_of(refusal)[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert files.gate is not None
        files.gate.set()
        await ask(run, f"{files.url}/tiny.gguf")
        await until_is(run, pb.UNLOADED, "tiny")
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY


# ---------------------------------------------------------------- repositories


async def test_the_only_gguf_file_of_a_repository(tmp_path: Path) -> None:
    files = Files()
    files.repository("me/Tiny-GGUF", {"README.md": b"x", "Tiny.Q8_0.gguf": BODY})
    async with downloading(tmp_path, files) as run:
        assert (await ask(run, "me/Tiny-GGUF")).model == "Tiny.Q8_0"
        await until_is(run, pb.UNLOADED, "Tiny.Q8_0")
    assert (tmp_path / "Tiny.Q8_0.gguf").read_bytes() == BODY


async def test_a_folder_for_transformers_has_no_code_and_no_pickles(tmp_path: Path) -> None:
    kept = {"config.json": b"{}", "model.safetensors": BODY, "modules.json": b"[]", "1_Pooling/config.json": b"{}"}
    kept["merges.txt"] = b""
    others = {"model.bin": b"pickle", "modeling.py": b"code", "../../escape.json": b"{}", "/etc/x.json": b"{}"}
    files = Files()
    files.repository("me/vectors", kept | others | {"a/../b.json": b"{}", ".git/config.json": b"{}"})
    left = tmp_path / "models/.mine.part"
    left.mkdir(parents=True)
    (left / "of-an-earlier-try.json").write_bytes(b"{}")
    async with downloading(tmp_path / "models", files) as run:
        begun = await ask(run, "me/vectors", name="mine")
        assert (begun.model, begun.backend) == ("mine", "transformers")
        assert (await until_is(run, pb.UNLOADED, "mine")).kind == pb.EMBEDDING
    found = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {Path("models/mine", path): body for path, body in kept.items()}


async def test_what_an_earlier_try_left_whole_is_believed_by_its_checksum_only(tmp_path: Path) -> None:
    """The repository has changed since then, and its files are as long as they were."""
    files = Files()
    files.repository("me/t", {"config.json": b'{"a": 2}', "same.safetensors": b"same", "model.safetensors": BODY})
    rows = json.loads(files.bodies["/api/models/me/t/tree/main"])
    del rows[0]["lfs"]
    files.bodies["/api/models/me/t/tree/main"] = json.dumps(rows).encode()
    left = tmp_path / ".t.part"
    left.mkdir()
    (left / "config.json").write_bytes(b'{"a": 1}')
    (left / "same.safetensors").write_bytes(b"same")
    (left / "model.safetensors").write_bytes(BODY[::-1])
    async with downloading(tmp_path, files) as run:
        await ask(run, "me/t")
        await until_is(run, pb.UNLOADED, "t")
    assert (tmp_path / "t/config.json").read_bytes() == b'{"a": 2}'
    assert (tmp_path / "t/model.safetensors").read_bytes() == BODY
    assert not files.ranges("/me/t/resolve/main/same.safetensors")


async def test_a_file_of_a_repository_must_be_what_the_repository_says(tmp_path: Path) -> None:
    files = Files()
    files.repository("me/t", {"t.gguf": BODY}, said={"t.gguf": "0" * 64})
    async with downloading(tmp_path, files) as run:
        await ask(run, "me/t")
        assert "SHA-256" in (await until_is(run, pb.FAILED, "t")).error


# ---------------------------------------------------------------- what is refused before it begins

REFUSED = [
    ({"source": "me/many"}, grpc.StatusCode.INVALID_ARGUMENT, "file: name one of: a.gguf, b.gguf"),
    ({"source": "me/many", "file": "../a.gguf"}, grpc.StatusCode.INVALID_ARGUMENT, "file: name one of"),
    ({"source": "me/many", "file": "a.gguf", "name": "../x"}, grpc.StatusCode.INVALID_ARGUMENT, "name: "),
    ({"source": "me/empty"}, grpc.StatusCode.INVALID_ARGUMENT, "source: the repository has no GGUF"),
    ({"source": "me/none"}, grpc.StatusCode.NOT_FOUND, "source: me/none is not there"),
    ({"source": "https://elsewhere.test/x.gguf"}, grpc.StatusCode.INVALID_ARGUMENT, "source: that host is none of"),
    ({"source": "http://127.0.0.1:1/x.gguf"}, grpc.StatusCode.INVALID_ARGUMENT, "source: expected OWNER"),
    ({"source": "file:///etc/x.gguf"}, grpc.StatusCode.INVALID_ARGUMENT, "source: expected OWNER"),
    ({"source": "URL/..%2fx.gguf"}, grpc.StatusCode.INVALID_ARGUMENT, "source: "),
    ({"source": "URL/moved.gguf"}, grpc.StatusCode.INVALID_ARGUMENT, "source: expected OWNER"),
    ({"source": "me/many", "file": "a.gguf", "name": "other"}, grpc.StatusCode.FAILED_PRECONDITION, "name: there is"),
    ({"source": "me/many", "file": "a.gguf", "name": "there"}, grpc.StatusCode.FAILED_PRECONDITION, "name: the model"),
    ({"source": "me/huge"}, grpc.StatusCode.RESOURCE_EXHAUSTED, "source: 'huge' needs"),
]


async def test_what_cannot_be_downloaded_is_refused_with_the_reason(tmp_path: Path) -> None:
    files = Files({"/moved.gguf": b""}, moved={"/moved.gguf": "http://127.0.0.1:1/x.gguf"})
    files.repository("me/many", {"a.gguf": b"GGUF", "b.gguf": b"GGUF"})
    files.repository("me/empty", {"README.md": b"x", "model.bin": b"x"})
    files.repository("me/huge", {"huge.gguf": b"GGUF"})
    listing = "/api/models/me/huge/tree/main"
    files.bodies[listing] = files.bodies[listing].replace(b'"size": 4', b'"size": 4000000000000000')
    async with downloading(tmp_path, files) as run:
        (tmp_path / "there.gguf").write_bytes(b"GGUF")
        for fields, code, said in REFUSED:
            asked = fields | {"source": fields["source"].replace("URL", files.url)}
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await ask(run, **asked)
            assert status_of(refusal)[0] == code and status_of(refusal)[1].startswith(said), (fields, refusal.value)
        assert {path.name for path in tmp_path.iterdir()} == {"there.gguf"}


async def test_sizes_that_no_file_has_are_no_listing(tmp_path: Path) -> None:
    files = Files({"/api/models/a/b/tree/main": b'[{"type": "file", "path": "tiny.gguf", "size": -5}]'})
    async with downloading(tmp_path, files) as run:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(run, "a/b")
        assert status_of(refusal)[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert (await until(run, lambda known: True)).keys() == {"other"}


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    async with downloading(tmp_path / "file" / "models", Files({"/tiny.gguf": BODY})) as run:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(run, "a/b")
        code, told = status_of(refusal)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "MODEL_DIR" in told and "Not a directory" in told


async def test_another_process_that_is_at_it_is_left_alone(tmp_path: Path) -> None:
    files = Files({"/tiny.gguf": BODY})
    async with downloading(tmp_path, files) as run:
        place = tmp_path / ".tiny.part"
        place.mkdir()
        with (place / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            await ask(run, f"{files.url}/tiny.gguf")
            assert "another process" in (await until_is(run, pb.FAILED, "tiny")).error
