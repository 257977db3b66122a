"""/v1/files: the official SDKs, whose a file is, and forms of every kind of wrong."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conftest import database
from tests.contract import tenants
from tests.contract.tenants import Tenant, ok, refused, stranger, until
from tests.edge import Edge, edge_in_thread

PATH = "/v1/files"
LINE = b'{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {}}\n'
BOUNDARY = "cut-here"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
LINES, LINE_BYTES, FILE_BYTES, QUOTA = 20, 1000, 200_000, 500_000


@pytest.fixture
def sdk(edge: Edge, tenant: Tenant) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=tenant.key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def small(postgres_url: str, redis_url: str, folder: Path) -> Iterator[Edge]:
    """An edge with little patience and little room, whose files are in a folder."""
    limits = {"file_max_lines": LINES, "file_max_line_bytes": LINE_BYTES, "file_max_bytes": FILE_BYTES}
    others = {"files_quota_bytes": QUOTA, "files_url": str(folder), "body_timeout_s": 2.0}
    with database(postgres_url) as url, edge_in_thread(url, redis_url, **limits, **others) as running:
        yield running


@pytest.fixture
def room(small: Edge, folder: Path) -> Iterator[Tenant]:
    """A project of that edge. What it leaves behind are the files it lists, and nothing else."""
    with tenants.client(small, small.admin_key) as admin, tenants.tenant(small, admin) as made:
        yield made
        stored = {path.name for path in (folder / made.project).rglob("*")}
        assert stored == {file["id"] for file in ok(made.http.get(PATH))["data"]}
        rows = small.sql("SELECT id FROM files WHERE project_id = $1 AND state <> 'removed'", made.project)
        assert stored == {row["id"] for row in rows}


def upload(http: httpx.Client, content: bytes = LINE, purpose: str = "batch", **headers: str) -> httpx.Response:
    return http.post(PATH, data={"purpose": purpose}, files={"file": ("in.jsonl", content)}, headers=headers)


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
PURPOSE, FILE = part("purpose", b"batch"), part("file", LINE, "in.jsonl")


def form(http: httpx.Client, *parts: bytes, **headers: str) -> httpx.Response:
    return http.post(PATH, content=b"".join(parts), headers=FORM | headers)


# ---------------------------------------------------------------- the SDKs


@pytest.mark.parametrize("kind", ["bytes", "path", "tuple", "handle"])
def test_what_is_uploaded_is_downloaded(sdk: OpenAI, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(LINE * 3)
    with path.open("rb") as handle:
        given: Any = {"bytes": LINE * 3, "path": path, "tuple": ("ün.jsonl", LINE * 3), "handle": handle}[kind]
        file = sdk.files.create(file=given, purpose="batch")
    names = {"bytes": "upload", "path": "input.jsonl", "tuple": "ün.jsonl", "handle": "input.jsonl"}
    assert (file.object, file.filename, file.purpose) == ("file", names[kind], "batch")
    assert (file.bytes, file.status) == (len(LINE) * 3, "processed")
    assert file.expires_at == file.created_at + 30 * 24 * 3600
    assert sdk.files.retrieve(file.id) == file
    assert sdk.files.wait_for_processing(file.id) == file
    assert sdk.files.content(file.id).read() == LINE * 3
    assert sdk.files.delete(file.id).deleted
    for use in (sdk.files.retrieve, sdk.files.content, sdk.files.delete):
        with pytest.raises(openai.NotFoundError):
            use(file.id)
    assert list(sdk.files.list()) == []


async def test_the_asynchronous_sdk(edge: Edge, tenant: Tenant) -> None:
    async with AsyncOpenAI(base_url=f"{edge.url}/v1", api_key=tenant.key, max_retries=0, timeout=10) as sdk:
        file = await sdk.files.create(
            file=("a.txt", b"anything"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        assert file.expires_at == file.created_at + 3600
        assert await (await sdk.files.content(file.id)).aread() == b"anything"
        assert [each.id async for each in sdk.files.list()] == [file.id]
        assert (await sdk.files.delete(file.id)).deleted


def test_only_inputs_of_batches_expire_by_themselves(sdk: OpenAI) -> None:
    assert sdk.files.create(file=b"x", purpose="user_data").expires_at is None


def test_large_content_arrives_as_it_was(sdk: OpenAI) -> None:
    content = os.urandom(11 << 20)
    file = sdk.files.create(file=content, purpose="user_data")
    assert file.bytes == len(content)
    assert sdk.files.content(file.id).read() == content
    parts = [len(piece) for piece in sdk.files.with_streaming_response.content(file.id).__enter__().iter_bytes()]
    assert sum(parts) == len(content)


def test_pages(sdk: OpenAI) -> None:
    purposes = ["batch", "user_data"]
    made = [sdk.files.create(file=LINE, purpose=purposes[i % 2]).id for i in range(5)]  # type: ignore[arg-type]
    assert [file.id for file in sdk.files.list()] == made[::-1]
    assert [file.id for file in sdk.files.list(limit=2)] == made[::-1]
    assert [file.id for file in sdk.files.list(limit=1, order="asc")] == made
    assert [file.id for file in sdk.files.list(purpose="batch", limit=2, order="asc")] == made[::2]
    page = sdk.files.list(limit=2, after=made[3])
    assert [file.id for file in page.data] == [made[2], made[1]] and page.has_more
    # A file that is deleted while its page is read is still where the next page begins.
    for file in sdk.files.list(limit=2):
        sdk.files.delete(file.id)
    assert list(sdk.files.list()) == []


def test_headers_of_a_download(tenant: Tenant) -> None:
    file = ok(tenant.http.post(PATH, data={"purpose": "user_data"}, files={"file": ('../a b"ö\n.txt', b"<script>")}))
    answer = tenant.http.get(f"{PATH}/{file['id']}/content", headers={"accept": "application/binary"})
    assert answer.content == b"<script>"
    assert answer.headers["content-length"] == "8"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''a%20b")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\in.jsonl", "in.jsonl"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("..", "upload"),
        ("", "upload"),
        ("x" * 300, "x" * 255),
        ("日本語.jsonl", "日本語.jsonl"),
    ],
)
def test_names_are_kept_without_folders(tenant: Tenant, given: str, kept: str) -> None:
    assert ok(form(tenant.http, PURPOSE, part("file", LINE, given), END))["filename"] == kept


# ---------------------------------------------------------------- whose it is


def test_files_of_others_do_not_exist(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    """Another project of the same organisation and another organisation see what somebody sees who made the id up."""
    mine = ok(upload(tenant.http))["id"]
    unknown = "file-" + "0" * 32
    with stranger(edge) as foreign, tenants.tenant(edge, admin) as other:
        for http in (foreign.http, other.http):
            for method, path in (("GET", "/{}"), ("GET", "/{}/content"), ("DELETE", "/{}"), ("GET", "?after={}")):
                seen = [http.request(method, PATH + path.format(name)) for name in (mine, unknown)]
                assert seen[0].status_code == seen[1].status_code == (400 if "?" in path else 404)
                assert seen[0].text.replace(mine, "") == seen[1].text.replace(unknown, "")
            assert ok(http.get(PATH))["data"] == []
    assert ok(tenant.http.get(f"{PATH}/{mine}"))["id"] == mine


@pytest.mark.parametrize("file_id", ["..%2F..%2Fetc", "file-x/../y", "%00", "x" * 200, "file-'; DROP TABLE files"])
def test_ids_are_looked_up_and_nothing_else(tenant: Tenant, file_id: str) -> None:
    assert tenant.http.get(f"{PATH}/{file_id}/content").status_code in (400, 404)


def test_files_need_a_scope(edge: Edge, admin: httpx.Client, tenant: Tenant) -> None:
    with tenants.tenant(edge, admin, tenant.project, scopes=["usage"]) as blind:
        refused(upload(blind.http), 403, "missing_scope")
        refused(blind.http.get(PATH), 403, "missing_scope")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LINE * 2 + b"{nonsense}\n" + LINE, "Line 3 is not a JSON object"),
        (LINE + b"\n\n" + b"[1]", "Line 4 is not a JSON object"),
        (b'{"a": "\xff"}', "Line 1 is not a JSON object"),
        (LINE * LINES + b"\n \n" + LINE, f"Line {LINES + 3}: a batch has at most"),
        (b"", "The file has no lines"),
        (b"\n \r\n", "The file has no lines"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_inputs_of_batches_are_looked_at(room: Tenant, content: bytes, said: str, late: bool) -> None:
    """The same is said when the purpose comes after the file."""
    parts = (PURPOSE, part("file", content, "x"))
    file = ok(form(room.http, *(parts[::-1] if late else parts), END))
    assert file["status"] == "error" and file["status_details"].startswith(said)
    assert ok(room.http.get(f"{PATH}/{file['id']}")) == file


@pytest.mark.parametrize("end", [b'{"a": "' + b"x" * LINE_BYTES + b'"}', b"x" * LINE_BYTES * 50])
@pytest.mark.parametrize("late", [False, True])
def test_lines_that_are_too_long_are_refused(room: Tenant, end: bytes, late: bool) -> None:
    parts = (PURPOSE, part("file", LINE + end, "x"))
    error = refused(form(room.http, *(parts[::-1] if late else parts), END), 400, "line_too_long")
    assert error["param"] == "file" and "Line 2 " in error["message"]


def test_what_is_no_input_of_a_batch_may_be_anything(room: Tenant) -> None:
    file = ok(form(room.http, part("purpose", b"user_data"), part("file", b"\xff" * 2 * LINE_BYTES, "x"), END))
    assert file["status"] == "processed" and file["status_details"] is None


def test_a_byte_order_mark_and_windows_lines_are_no_harm(room: Tenant) -> None:
    ok(upload(room.http, b"\xef\xbb\xbf" + LINE.replace(b"\n", b"\r\n") * 3))


@pytest.mark.parametrize(
    ("parts", "code", "param"),
    [
        ((PURPOSE, END), "missing_required_parameter", "file"),
        ((FILE, END), "missing_required_parameter", "purpose"),
        ((PURPOSE, FILE, FILE, END), None, "file"),
        ((PURPOSE, PURPOSE, FILE, END), None, "purpose"),
        ((part("purpose", b"fine-tune"), FILE, END), "invalid_value", "purpose"),
        ((part("purpose", b"\xff"), FILE, END), "invalid_value", "purpose"),
        ((part("purpose", b"x" * 2000), FILE, END), None, "purpose"),
        ((PURPOSE, part("expires_after[seconds]", b"60"), FILE, END), "invalid_value", "expires_after[seconds]"),
        ((PURPOSE, part("expires_after[seconds]", b"x"), FILE, END), "invalid_value", "expires_after[seconds]"),
        ((PURPOSE, part("expires_after[anchor]", b"now"), FILE, END), "invalid_value", "expires_after[anchor]"),
        (
            (PURPOSE, part("expires_after[anchor]", b"created_at"), FILE, END),
            "missing_required_parameter",
            "expires_after[seconds]",
        ),
        ((PURPOSE, FILE, *[part("x", b"y")] * 40, END), "invalid_multipart", None),
        ((PURPOSE, FILE), "invalid_multipart", None),
        ((PURPOSE, FILE[:-20]), "invalid_multipart", None),
        ((PURPOSE, FILE.replace(b"form-data", b"attachment"), END), "invalid_multipart", None),
        ((PURPOSE, FILE.replace(b'name="file"', b""), END), "invalid_multipart", None),
        ((PURPOSE, FILE.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 5000 + b"\r\n\r\n"), END), "invalid_multipart", None),
        (
            (PURPOSE, FILE.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"), END),
            "invalid_multipart",
            None,
        ),
        ((b"something else",), "invalid_multipart", None),
        ((), "invalid_multipart", None),
        ((PURPOSE.replace(BOUNDARY.encode(), b"another"), END), "invalid_multipart", None),
    ],
)
def test_forms_that_are_none(room: Tenant, parts: tuple[bytes, ...], code: str | None, param: str | None) -> None:
    error = refused(form(room.http, *parts), 400)
    assert (error["code"], error["param"]) == (code, param), error


def test_a_form_cut_anywhere_is_refused_and_leaves_nothing(room: Tenant) -> None:
    whole = PURPOSE + FILE + END
    for cut in range(0, len(whole) - 4, 7):
        refused(form(room.http, whole[:cut]), 400)
    ok(form(room.http, whole))


def test_a_form_in_pieces_of_every_size_is_the_same_form(room: Tenant) -> None:
    whole = PURPOSE + part("file", LINE * 3, "x") + END
    for size in (1, 2, 3, 7, 64):
        pieces = (whole[at : at + size] for at in range(0, len(whole), size))
        file = ok(room.http.post(PATH, content=pieces, headers=FORM))
        assert room.http.get(f"{PATH}/{file['id']}/content").content == LINE * 3


def test_unknown_fields_are_named(room: Tenant) -> None:
    answer = form(room.http, part("colour", b"red"), PURPOSE, FILE, END)
    assert ok(answer) and answer.headers["x-novai-ignored-params"] == "colour"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed; boundary=x", "", "text/plain"])
def test_other_types_are_415(room: Tenant, content_type: str) -> None:
    answer = room.http.post(PATH, content=b"{}", headers={"content-type": content_type})
    assert "multipart/form-data" in refused(answer, 415, "unsupported_content_type")["message"]


def test_a_boundary_must_be_named_and_short(room: Tenant) -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 300):
        answer = room.http.post(PATH, content=FILE, headers={"content-type": content_type})
        refused(answer, 400, "invalid_multipart")


def test_a_file_has_a_largest_size(room: Tenant) -> None:
    def chunked(size: int) -> Iterator[bytes]:
        yield part("purpose", b"user_data") + part("file", b"x" * size, "x") + END

    ok(upload(room.http, b"x" * FILE_BYTES, "user_data"))
    refused(upload(room.http, b"x" * (FILE_BYTES + 1), "user_data"), 413, "request_too_large")
    refused(upload(room.http, b"x" * (FILE_BYTES * 10), "user_data"), 413, "request_too_large")
    refused(room.http.post(PATH, content=chunked(FILE_BYTES + 1), headers=FORM), 413, "request_too_large")
    refused(room.http.post(PATH, content=chunked(FILE_BYTES * 10), headers=FORM), 413, "request_too_large")


def test_other_paths_keep_their_limit(small: Edge, room: Tenant) -> None:
    assert room.http.post("/v1/embeddings", content=b"x" * (small.settings.max_body_bytes + 1)).status_code == 413


def test_a_project_has_a_quota(room: Tenant) -> None:
    files = [ok(upload(room.http, b"x" * 150_000, "user_data"))["id"] for _ in range(3)]
    answer = upload(room.http, b"x" * 100_000, "user_data")
    assert "450000" in refused(answer, 429, "storage_quota_exceeded")["message"]
    assert answer.headers["x-should-retry"] == "false"
    ok(room.http.delete(f"{PATH}/{files[0]}"))
    ok(upload(room.http, b"x" * 100_000, "user_data"))


def test_inputs_of_batches_are_files_too(room: Tenant) -> None:
    """Neither the quota nor what may wait to be looked at is got round by them. No worker looks at anything here."""
    files = [ok(upload(room.http, b"x" * 150_000, "user_data"))["id"] for _ in range(3)]
    body = {"inputs": [{"model": "m", "input": "x" * 100_000}], "endpoint": "/v1/embeddings"}
    assert room.http.post("/v1/batches", json=body).status_code == 202  # it was not beyond it yet
    refused(room.http.post("/v1/batches", json=body), 429, "storage_quota_exceeded")
    for file in files:
        ok(room.http.delete(f"{PATH}/{file}"))
    assert room.http.post("/v1/batches", json=body).status_code == 202
    answer = room.http.post("/v1/batches", json=body)
    assert "looked at" in refused(answer, 429, "token_limit_exceeded")["message"]
    assert int(answer.headers["retry-after"]) > 0
    ok(room.http.post(f"/v1/batches/{ok(room.http.get('/v1/batches'))['data'][0]['id']}/cancel"))
    assert room.http.post("/v1/batches", json=body).status_code == 202


def raw(small: Edge, room: Tenant, *headers: str) -> socket.socket:
    host, _, port = small.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = (f"POST {PATH} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {room.key}", *headers)
    connection.sendall("\r\n".join((*head, "", "")).encode())
    return connection


def test_an_upload_that_stalls_is_408(small: Edge, room: Tenant) -> None:
    with raw(small, room, f"Content-Type: {FORM['content-type']}", "Content-Length: 5000") as connection:
        connection.sendall(PURPOSE + FILE)
        assert b" 408 " in connection.recv(4096).partition(b"\r\n")[0]


def test_a_client_that_leaves_leaves_nothing(small: Edge, room: Tenant, folder: Path) -> None:
    with raw(small, room, f"Content-Type: {FORM['content-type']}", "Content-Length: 150000") as connection:
        connection.sendall(PURPOSE + FILE)
        until(lambda: bool(small.sql("SELECT 1 FROM files WHERE project_id = $1", room.project)))
    until(lambda: not small.sql("SELECT 1 FROM files WHERE project_id = $1", room.project))


# ---------------------------------------------------------------- Idempotency-Key


def test_the_same_key_is_the_same_file(room: Tenant) -> None:
    """A retry makes another boundary, and so another body."""
    first, second = (upload(room.http, **{"idempotency-key": "k"}) for _ in range(2))
    assert first.request.headers["content-type"] != second.request.headers["content-type"]
    assert ok(first) == ok(second)
    assert second.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    refused(upload(room.http, LINE * 2, **{"idempotency-key": "k"}), 400, "idempotency_key_reused")
    refused(upload(room.http, purpose="user_data", **{"idempotency-key": "k"}), 400, "idempotency_key_reused")
    refused(upload(room.http, **{"idempotency-key": ""}), 400, "invalid_idempotency_key")
    assert len(ok(room.http.get(PATH))["data"]) == 1


def test_a_refused_upload_does_not_use_the_key(room: Tenant) -> None:
    refused(upload(room.http, b"x" * 2 * LINE_BYTES, **{"idempotency-key": "k"}), 400, "line_too_long")
    audio = form(room.http, part("audio", b"x"), PURPOSE, FILE, END, **{"idempotency-key": "k"})
    refused(audio, 400, "unsupported_parameter")
    ok(upload(room.http, **{"idempotency-key": "k"}))


# ---------------------------------------------------------------- its end


def test_what_has_expired_is_not_there(small: Edge, room: Tenant, folder: Path) -> None:
    file = ok(upload(room.http))
    small.sql("UPDATE files SET expires_at = now() WHERE id = $1", file["id"])
    for path in (file["id"], f"{file['id']}/content"):
        refused(room.http.get(f"{PATH}/{path}"), 404)
    assert ok(room.http.get(PATH))["data"] == []
    assert (folder / room.project / file["id"]).exists()
    small.run(small.state.files.sweep())
    assert not (folder / room.project / file["id"]).exists()
    assert small.sql("SELECT 1 FROM files WHERE id = $1", file["id"]) == []


def test_bytes_that_are_lost_are_no_200(small: Edge, room: Tenant, folder: Path) -> None:
    file = ok(upload(room.http))
    (folder / room.project / file["id"]).unlink()
    refused(room.http.get(f"{PATH}/{file['id']}/content"), 503, "storage_unavailable")
    assert json.loads(room.http.delete(f"{PATH}/{file['id']}").content)["deleted"]


def test_a_storage_that_fails_is_503(small: Edge, room: Tenant, folder: Path) -> None:
    (folder / room.project).write_bytes(b"in the way")
    refused(upload(room.http), 503, "storage_unavailable")
    (folder / room.project).unlink()
