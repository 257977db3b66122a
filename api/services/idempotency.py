"""Requests that must not happen twice: one answer under one key, for a day.

The first request with a key takes its place in the table and runs; its answer is kept before the client has seen the
end of it. The next one with the same key and body gets that answer; with another body it is refused; while the first
still runs it is told to wait. A request with a key runs to its end also when its client leaves: a retry finds the whole
answer, and one charge. What a process leaves behind when it dies is free again when its lease has passed, unless it
died between charging and keeping: then the key stays used.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Sequence

import msgspec

from api.errors import ConflictError, IdempotencyKeyReusedError, InvalidRequestError, LedgerUnavailableError
from api.regularly import Regularly
from api.storage import idempotency as rows
from api.storage.idempotency import Kept, Place
from api.storage.session import Database

log = logging.getLogger("novai.idempotency")

KEPT_S = 24 * 3600.0
LEASE_S = 10.0
RENEW_S = 3.0
EXPIRE_S = 600.0
MAX_BODY_BYTES = 1 << 20
MAX_KEY_CHARS = 255
# Refused before anything ran, or broken by us and so free: the same key may be tried again.
NOT_KEPT = frozenset({400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 429, 500, 502, 503, 504, 529})

Headers = list[tuple[bytes, bytes]]


class Answer(msgspec.Struct, frozen=True):
    """An answer as it was given."""

    status: int
    headers: Headers
    body: bytes


class Claim:
    """A place that a running request holds. Ends with `keep` or `drop`."""

    def __init__(self, owner: Idempotency, place: Place, request_id: str) -> None:
        self._owner = owner
        self._place = place
        self._request_id = request_id

    async def keep(self, status: int, headers: Headers, body: bytes | None) -> None:
        """`body` None: too large to keep. Never raises: an answer that cannot be kept is still an answer."""
        if status in NOT_KEPT:
            await self.drop()
            return
        encoded = msgspec.msgpack.encode(headers)
        await self._end(rows.finish(self._owner.database, self._place, self._request_id, status, encoded, body))

    async def drop(self) -> None:
        """Nothing ran. Never raises."""
        await self._end(rows.drop(self._owner.database, self._place, self._request_id))

    async def _end(self, statement: Awaitable[None]) -> None:
        try:
            await statement
        except LedgerUnavailableError:
            log.warning("the answer of %s is not kept: PostgreSQL is away", self._request_id)
        finally:
            self._owner.running.pop(self._request_id, None)  # until then its place is renewed


class Idempotency:
    """One per process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.running: dict[str, Place] = {}  # by request id
        self._care = (
            Regularly("idempotency-renew", self._renew, RENEW_S, pause_first=True),
            Regularly("idempotency-expire", self._expire, EXPIRE_S, pause_first=True),
        )

    async def start(self) -> None:
        for each in self._care:
            await each.start()

    async def aclose(self) -> None:
        for each in self._care:
            await each.aclose()

    async def claim(
        self, project_id: str, route: str, keys: Sequence[bytes], body: bytes, request_id: str
    ) -> Claim | Answer:
        """The place of this request, or the answer that was given under its key.

        Raises InvalidRequestError (the key itself), IdempotencyKeyReusedError (another body), ConflictError (still
        running, or without an answer that could be kept), LedgerUnavailableError.
        """
        place = Place(project_id, route, checked(keys))
        digest = hashlib.sha256(body).digest()
        kept = await rows.claim(self.database, place, digest, request_id, LEASE_S, KEPT_S)
        if kept is None:
            self.running[request_id] = place
            return Claim(self, place, request_id)
        return replayed(kept, digest, place.key)

    async def _renew(self) -> None:
        if self.running:
            await rows.renew(self.database, self.running, LEASE_S)

    async def _expire(self) -> None:
        while await rows.expire(self.database, KEPT_S):
            pass


def checked(keys: Sequence[bytes]) -> str:
    """The key of the header's values. Raises InvalidRequestError."""
    key = keys[0].decode("latin-1")
    if len(keys) > 1 or not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequestError(
            f"The header Idempotency-Key must come once, with 1 to {MAX_KEY_CHARS} printable ASCII characters, for "
            "example a random UUID.",
            code="invalid_idempotency_key",
        )
    return key


def replayed(kept: Kept, digest: bytes, key: str) -> Answer:
    """The kept answer. Raises IdempotencyKeyReusedError, ConflictError."""
    if kept.body_digest != digest:
        raise IdempotencyKeyReusedError(
            f"The Idempotency-Key {key!r} was used before, with another request body. Use a new key for a new request."
        )
    if kept.status is None:
        raise ConflictError(
            f"A request with the Idempotency-Key {key!r} is still running. Please try again in 1s.",
            code="idempotency_in_progress",
            retry_after_ms=1000,
        )
    if kept.body is None:
        raise ConflictError(
            f"The request with the Idempotency-Key {key!r} was answered and charged once, but its answer could not "
            "be kept. Use a new key to run it again.",
            code="idempotency_answer_not_kept",
            retryable=False,
        )
    headers = msgspec.msgpack.decode(kept.headers or b"\x90", type=Headers)
    return Answer(kept.status, headers, kept.body)
