"""/v1/files: what batches read and write."""

from __future__ import annotations

from typing import Literal, cast
from urllib.parse import quote

from fastapi import Request, Response

from api.dependencies import answer_headers, encode, ignore, principal_of
from api.generated import schemas as s
from api.generated.routes import FilesApi
from api.routers.times import seconds
from api.routers.upload import Upload
from api.services.files import Arrived
from api.services.idempotency import Answer, Claim
from api.state import AppState
from api.storage.files import File
from api.streaming import ByteStream

PATH = "/v1/files"
JSON = "application/json"
Purpose = Literal["batch", "batch_output", "user_data"]


class Files(FilesApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def create_file(self, request: Request) -> Response:
        upload = Upload(request)
        await upload.begin()
        principal, files = principal_of(request), self._state.files
        announced = request.headers.get("content-length")
        most_bytes = None if announced is None else int(announced)
        async with files.receive(principal.organisation_id, principal.project_id, upload, most_bytes) as arrived:
            claim = await self._claim(request, upload, arrived)
            if isinstance(claim, Answer):
                return Response(claim.body, claim.status, {"idempotent-replayed": "true"}, JSON)
            try:
                ignore(request, upload.ignored)
                body = encode(shown(await files.keep(arrived, upload)))
            except BaseException:
                if claim is not None:
                    await claim.drop()
                raise
        if claim is not None:
            await claim.keep(200, [(b"content-type", JSON.encode())], body)
        return Response(body, headers=answer_headers(request), media_type=JSON)

    async def list_files(
        self,
        request: Request,
        purpose: Purpose | None = None,
        limit: int = 10000,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> s.FileList:
        project_id = principal_of(request).project_id
        page = await self._state.files.page(project_id, purpose, after, order == "asc", limit)
        return s.FileList(
            object="list",
            data=[shown(file) for file in page.files],
            first_id=page.files[0].id if page.files else None,
            last_id=page.files[-1].id if page.files else None,
            has_more=page.more,
        )

    async def retrieve_file(self, request: Request, file_id: str) -> s.File:
        return shown(await self._state.files.get(principal_of(request).project_id, file_id))

    async def delete_file(self, request: Request, file_id: str) -> s.FileDeleted:
        await self._state.files.delete(principal_of(request).project_id, file_id)
        return s.FileDeleted(id=file_id, object="file", deleted=True)

    async def download_file(self, request: Request, file_id: str) -> Response:
        file = await self._state.files.get(principal_of(request).project_id, file_id)
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
            "x-content-type-options": "nosniff",
        }
        return ByteStream(self._state.files.read(file), file.size, headers, self._state.settings)

    async def _claim(self, request: Request, upload: Upload, arrived: Arrived) -> Claim | Answer | None:
        """Of the request's Idempotency-Key, if it has one: the same file is the same content, and not the same body,
        whose boundary is another one with each try."""
        keys = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
        if not keys:
            return None
        what = encode([upload.purpose, upload.filename, upload.expires_after_s, arrived.digest])
        request_id = request.scope["state"]["request_id"]
        project_id = principal_of(request).project_id
        return await self._state.idempotency.claim(project_id, PATH, keys, what, request_id)


def shown(file: File) -> s.File:
    return s.File(
        id=file.id,
        object="file",
        bytes=file.size,
        created_at=int(file.created_at.timestamp()),
        expires_at=seconds(file.expires_at),
        filename=file.filename,
        purpose=cast(Purpose, file.purpose),
        status="processed" if file.fault is None else "error",
        status_details=file.fault,
    )
