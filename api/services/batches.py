"""Batches of a project: asked for, looked at, cancelled. What they run is with `api/batches`, in worker processes.

A batch that is given as `inputs` becomes one of a file: from there on there is one kind. Without PostgreSQL nothing is
taken or told (503); without the storage no `inputs` are taken (503).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from api.domain import Principal
from api.errors import InvalidRequestError, NotFoundError, QueueFullError
from api.services.files import BATCH, BATCH_KEPT_S, Files, missing
from api.storage import batches as rows
from api.storage.batches import Batch
from api.storage.session import Database

WINDOW_S = 24 * 3600.0
PIECE_LINES = 100

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Page:
    batches: list[Batch]
    more: bool


class Batches:
    """`quota_tokens`: that a project's batches which are not over may have together, estimated. `unseen_bytes`: of
    files whose lines are still to be looked at, after which a project waits."""

    def __init__(self, database: Database, files: Files, quota_tokens: int, unseen_bytes: int) -> None:
        self._database = database
        self._files = files
        self._quota_tokens = quota_tokens
        self._unseen_bytes = unseen_bytes

    async def create(
        self,
        principal: Principal,
        endpoint: str,
        given: str | Sequence[dict[str, Any]],
        metadata: dict[str, str] | None,
        output_expires_after_s: int | None,
        request_id: str,
    ) -> Batch:
        """`given`: the id of a file, or the inputs. Raises InvalidRequestError, NotFoundError, QueueFullError,
        StorageQuotaError, StorageUnavailableError, LedgerUnavailableError."""
        if await rows.queued_tokens(self._database, principal.project_id) >= self._quota_tokens:
            raise QueueFullError(
                f"The batches of this project that are not over have {self._quota_tokens} tokens or more already. "
                "Wait until one of them is over.",
                retryable=False,
            )
        # Looking at a file takes a worker seconds, and asking for it nothing: others would wait behind thousands.
        if await rows.unseen_bytes(self._database, principal.project_id) >= self._unseen_bytes:
            raise QueueFullError(
                f"The batches of this project whose lines are still to be looked at have {self._unseen_bytes} bytes or "
                "more already. Please try again in 2s.",
                retry_after_ms=2000,
            )
        batch_id = rows.id_of(request_id)
        file_id = await self._file(principal, batch_id, endpoint, given)
        whose = principal.organisation_id, principal.project_id, principal.key_id
        kept_s = output_expires_after_s
        if not await rows.add(self._database, batch_id, *whose, endpoint, file_id, metadata, kept_s, WINDOW_S):
            raise missing(file_id, "input_file_id")
        return await self.retrieve(principal.project_id, batch_id)

    async def retrieve(self, project_id: str, batch_id: str) -> Batch:
        """Raises NotFoundError, LedgerUnavailableError."""
        if (batch := await rows.read(self._database, batch_id, project_id)) is None:
            raise NotFoundError(f"No batch found with id '{batch_id}'.", param="batch_id")
        return batch

    async def page(self, project_id: str, after: str | None, limit: int) -> Page:
        """The newest first. Raises InvalidRequestError (`after`), LedgerUnavailableError."""
        begin = None
        if after is not None and (begin := await rows.position(self._database, after, project_id)) is None:
            raise InvalidRequestError(
                "'after' names no batch of this project. Give the `last_id` of the page before.",
                param="after",
                code="invalid_value",
            )
        found = await rows.page(self._database, project_id, begin, limit + 1)
        return Page(found[:limit], len(found) > limit)

    async def cancel(self, project_id: str, batch_id: str) -> Batch:
        """Raises InvalidRequestError when nothing of it runs any more, NotFoundError, LedgerUnavailableError."""
        batch = await self.retrieve(project_id, batch_id)
        if not batch.over:
            await rows.cancel(self._database, batch_id)
            batch = await self.retrieve(project_id, batch_id)
        if batch.status not in ("cancelling", "cancelled"):
            raise InvalidRequestError(
                f"The batch '{batch_id}' is {batch.status}: there is nothing left to cancel.",
                param="batch_id",
                code="batch_not_cancellable",
            )
        return batch

    async def _file(
        self, principal: Principal, batch_id: str, endpoint: str, given: str | Sequence[dict[str, Any]]
    ) -> str:
        if not isinstance(given, str):
            lines = lines_of(given, endpoint)
            whose = principal.organisation_id, principal.project_id
            name = f"{batch_id}_input.jsonl"
            file = await self._files.write(*whose, name, BATCH, lines, BATCH_KEPT_S, len(given), within_quota=True)
            return file.id
        file = await self._files.get(principal.project_id, given, "input_file_id")
        if file.purpose != BATCH:
            raise InvalidRequestError(
                f"The file '{given}' has the purpose '{file.purpose}'. Upload it with the purpose 'batch'.",
                param="input_file_id",
                code="invalid_value",
            )
        return file.id


async def lines_of(inputs: Sequence[dict[str, Any]], endpoint: str) -> AsyncIterator[bytes]:
    """The file that says the same: an input is a body, or an object that has one."""
    for start in range(0, len(inputs), PIECE_LINES):
        piece = inputs[start : start + PIECE_LINES]
        yield b"".join(encode(line_of(item, number, endpoint)) + b"\n" for number, item in enumerate(piece, start + 1))


def line_of(item: dict[str, Any], number: int, endpoint: str) -> dict[str, Any]:
    line = {"custom_id": item.get("custom_id", f"request-{number}"), "method": "POST", "url": endpoint}
    if "body" not in item:  # then all of it is one, but for the name: no endpoint takes that
        item = {"body": {name: value for name, value in item.items() if name != "custom_id"}}
    return line | item
