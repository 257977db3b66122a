"""API keys: how they look, how they are made, and whom a presented one stands for.

`sk-novai-<id>-<secret><checksum>`: the id names the key to people, the secret is 256 random bits, the checksum lets
scanners and this module tell a mistyped key without asking anyone. Stored is only HMAC-SHA256(pepper, whole key).

When PostgreSQL is away: keys verified in the last `MAX_STALE_S` seconds go on working, others get
LedgerUnavailableError (503), never 401. When only the notices are away (no LISTEN connection), what was verified is
believed for `_UNHEARD_TTL_S`, so that a revocation is in force within a second all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import math
import re
import secrets
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from api.domain import Principal
from api.errors import AuthenticationError, LedgerUnavailableError, PermissionDeniedError
from api.storage import keys as rows
from api.storage.keys import KeyRecord
from api.storage.session import Database, unavailable

logger = logging.getLogger(__name__)
_V = TypeVar("_V")

PREFIX = "sk-novai-"
SCOPES = ("inference", "usage", "admin", "models")
# Everyone, where no keys are asked for.
LOCAL = Principal(organisation_id="local", project_id="local", key_id="local", scopes=frozenset(SCOPES))
MAX_STALE_S = 300.0  # an outage of PostgreSQL that known keys survive
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS, _SECRET_CHARS, _CHECKSUM_CHARS = 16, 43, 6  # 62**43 > 2**256, 62**6 > 2**32
_CHARS = len(PREFIX) + _ID_CHARS + 1 + _SECRET_CHARS + _CHECKSUM_CHARS
_SHAPE = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_ID_CHARS}}})-[0-9A-Za-z]{{{_SECRET_CHARS + _CHECKSUM_CHARS}}}")
_UNHEARD_TTL_S = 0.5
_LOOKUP_TIMEOUT_S = 1.0
_STALE_WAIT_S = 0.2  # how long a key that was good when last seen waits for a server that does not answer
_MAX_LOOKUP = 256  # digests of one query
_TELL_OF_PEPPER_S = 60.0
_MAX_WAITING = 4096  # keys whose lookup has not begun
_MAX_KNOWN = 50_000  # an entry takes some 600 bytes
_MAX_UNKNOWN = 10_000


def mint(
    pepper: str,
    project_id: str,
    name: str,
    *,
    scopes: Iterable[str] = ("inference", "usage"),
    models: Iterable[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, KeyRecord]:
    """A new key in plain text, to be shown once, and the row to store."""
    key_id = _random(_ID_CHARS)
    unsigned = f"{PREFIX}{key_id}-{_random(_SECRET_CHARS)}"
    plain = unsigned + _checksum(unsigned)
    return plain, KeyRecord(
        id=key_id,
        project_id=project_id,
        digest=digest(pepper, plain),
        last4=plain[-4:],
        name=name,
        scopes=tuple(scopes),
        models=None if models is None else tuple(models),
        expires_at=expires_at,
    )


def digest(pepper: str, plain: str) -> bytes:
    """32 bytes."""
    return hmac.digest(pepper.encode(), plain.encode(errors="surrogatepass"), "sha256")


def is_well_formed(presented: str) -> bool:
    """Whether it can be one of our keys at all: right shape, right checksum."""
    if _SHAPE.fullmatch(presented) is None:
        return False
    return presented.endswith(_checksum(presented[:-_CHECKSUM_CHARS]))


def masked(presented: str) -> str:
    """What may be shown and logged of a key: `sk-novai…abcd`. Short or foreign secrets show less."""
    if len(presented) < 20 or not (presented.isascii() and presented.isprintable()):
        return "…"
    head = PREFIX[:-1] if presented.startswith(PREFIX) else presented[:3]
    return f"{head}…{presented[-4:]}"


def incorrect_key(presented: str) -> AuthenticationError:
    return AuthenticationError(
        f"Incorrect API key provided: {masked(presented)}. `novai keys list` shows the keys there are, and "
        "`novai keys create` makes a new one."
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What PostgreSQL said of a key. Believed for a while, and as long as the ring's epoch is that of the reading."""

    principal: Principal
    masked: str
    expires_at_s: float  # unix seconds; inf: never
    checked_at_s: float  # monotonic
    epoch: int


class KeyRing:
    """Whom a presented key stands for; every key of the database, as far as it was asked for.

    `start()` begins to listen for changes, `aclose()` ends that. Memory is bounded whatever is presented.
    """

    def __init__(self, database: Database, pepper: str, ttl_s: float = 5.0) -> None:
        self._database = database
        self._pepper = pepper
        self._ttl_s = ttl_s
        self._known: dict[bytes, _Known] = {}
        # OpenSSL's HMAC costs more than all else of an authentication: the digests of known keys, by a hash of the
        # key under a secret of this process.
        self._digests: dict[bytes, bytes] = {}
        self._secret = secrets.token_bytes(32)
        self._unknown: dict[bytes, tuple[float, str]] = {}  # digest → believed until (monotonic), what to answer
        self._waiting: dict[bytes, asyncio.Future[KeyRecord | None]] = {}  # lookups not begun yet
        self._changes = 0  # notices seen: what was read while one arrived may be from before it
        self._epoch = 0  # moves when notices may have been missed
        self._listening = False
        self._tell_of_pepper_at_s = 0.0
        self._listen_task: asyncio.Task[None] | None = None
        self._lookup_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Does not wait for PostgreSQL."""
        if self._listen_task is None:
            listening = self._database.listen(rows.CHANNEL, self._on_notice, self._on_listening)
            self._listen_task = asyncio.create_task(listening, name="key-ring-listen")

    async def aclose(self) -> None:
        tasks = [task for task in (self._listen_task, self._lookup_task) if task is not None]
        self._listen_task = self._lookup_task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._waiting:
            _fail(self._waiting.popitem()[1], LedgerUnavailableError("The service is shutting down."))

    def knows(self, presented: str) -> bool:
        """Whether it was good when it came before, lately enough to be remembered."""
        return self._fingerprint(presented) in self._digests

    async def authenticate(self, presented: str) -> Principal:
        """Raises AuthenticationError (401), or LedgerUnavailableError (503) when nobody can tell."""
        if len(presented) != _CHARS:
            raise incorrect_key(presented)
        fingerprint = self._fingerprint(presented)
        key_digest = self._digests.get(fingerprint) or digest(self._pepper, presented)
        known = self._known.get(key_digest)
        if known is None or not self._is_fresh(known):
            if not is_well_formed(presented):
                raise incorrect_key(presented)
            known = await self._ask(key_digest, presented, known)
            _put(self._digests, fingerprint, key_digest, _MAX_KNOWN)
        if known.expires_at_s <= self._database.now_s():
            raise _expired(known)
        return known.principal

    def _fingerprint(self, presented: str) -> bytes:
        return hashlib.blake2b(presented.encode(errors="surrogatepass"), digest_size=16, key=self._secret).digest()

    def _is_fresh(self, known: _Known) -> bool:
        ttl_s = self._ttl_s if self._listening else min(self._ttl_s, _UNHEARD_TTL_S)
        return known.epoch == self._epoch and time.monotonic() - known.checked_at_s < ttl_s

    async def _ask(self, key_digest: bytes, presented: str, stale: _Known | None) -> _Known:
        now_s = time.monotonic()
        until_s, answer = self._unknown.get(key_digest, (0.0, ""))
        if now_s < until_s:
            raise AuthenticationError(answer)
        changes, epoch = self._changes, self._epoch
        usable = stale is not None and now_s - stale.checked_at_s < MAX_STALE_S
        try:
            async with asyncio.timeout(_STALE_WAIT_S if usable else None):
                record = await self._lookup(key_digest)
        except (LedgerUnavailableError, TimeoutError):
            # A notice meanwhile may have been about this key.
            if not usable or stale is None or changes != self._changes:
                raise unavailable() from None
            return stale
        heard_nothing = changes == self._changes
        if record is None and now_s >= self._tell_of_pepper_at_s:
            await self._look_at_pepper(presented)
        if (answer := _refusal(record, presented, key_digest)) or record is None:
            self._known.pop(key_digest, None)
            if heard_nothing:
                _put(self._unknown, key_digest, (now_s + self._ttl_s, answer), _MAX_UNKNOWN)
            raise AuthenticationError(answer)
        known = _Known(
            principal_of(record),
            masked(presented),
            math.inf if record.expires_at is None else record.expires_at.timestamp(),
            now_s,
            epoch,
        )
        if heard_nothing:
            _put(self._known, key_digest, known, _MAX_KNOWN)
        return known

    async def _look_at_pepper(self, presented: str) -> None:
        """Once in a while: a key of which the id is right, and the rest is well formed and wrong, nobody mistyped."""
        self._tell_of_pepper_at_s = time.monotonic() + _TELL_OF_PEPPER_S
        key_id = presented.removeprefix(PREFIX)[:_ID_CHARS]
        with contextlib.suppress(LedgerUnavailableError):
            if await rows.find(self._database, key_id):
                logger.error("The key %s is there, with another digest: is KEY_PEPPER what it was made with?", key_id)

    async def _lookup(self, key_digest: bytes) -> KeyRecord | None:
        """The row, read after this call began. Calls share queries, one at a time: a flood of keys takes one
        connection, not the pool."""
        future = self._waiting.get(key_digest)
        if future is None:
            if len(self._waiting) >= _MAX_WAITING:
                raise LedgerUnavailableError(
                    "Too many unknown API keys at once. Please try again.", retry_after_ms=1000
                )
            future = self._waiting[key_digest] = asyncio.get_running_loop().create_future()
            if self._lookup_task is None or self._lookup_task.done():
                self._lookup_task = asyncio.create_task(self._run_lookups(), name="key-ring-lookup")
        return await asyncio.shield(future)  # a caller that leaves must not take the others' answer along

    async def _run_lookups(self) -> None:
        while self._waiting:
            batch = {d: self._waiting.pop(d) for d in list(self._waiting)[:_MAX_LOOKUP]}
            try:
                found = await rows.by_digest(self._database, list(batch), timeout_s=_LOOKUP_TIMEOUT_S)
            except BaseException as error:  # whatever it is, somebody waits for each of them
                if not isinstance(error, LedgerUnavailableError | asyncio.CancelledError):
                    logger.exception("API keys cannot be looked up")
                for future in batch.values():
                    _fail(future, error if isinstance(error, LedgerUnavailableError) else unavailable())
                if isinstance(error, asyncio.CancelledError):
                    raise
                continue
            for key_digest, future in batch.items():
                if not future.done():
                    future.set_result(found.get(key_digest))

    def _on_notice(self, payload: str) -> None:
        """A key, or with `*` any number of them, is not what it was."""
        self._changes += 1
        if payload == "*":
            self._known.clear()
            self._unknown.clear()
        else:
            key_digest = bytes.fromhex(payload)
            self._known.pop(key_digest, None)
            self._unknown.pop(key_digest, None)

    def _on_listening(self, listening: bool) -> None:
        self._listening = listening
        self._epoch += 1
        self._unknown.clear()


def principal_of(record: KeyRecord) -> Principal:
    return Principal(
        organisation_id=record.organisation_id,
        project_id=record.project_id,
        key_id=record.id,
        scopes=frozenset(record.scopes),
        models=None if record.models is None else frozenset(record.models),
        limits=record.limits,
        first_key_id=record.first_id,
    )


async def holder(database: Database, key_id: str) -> Principal:
    """Whom a key stands for that was presented earlier: the newest in force of those it was rotated into, and of those
    that were rotated into it. Raises PermissionDeniedError when it was revoked or none is in force any more,
    LedgerUnavailableError."""
    if key_id == LOCAL.key_id:
        return LOCAL
    record = await rows.newest_in_force(database, key_id)
    if record is None:
        raise PermissionDeniedError("The API key that asked for this is not in force any more. Ask again with another.")
    return principal_of(record)


def _refusal(record: KeyRecord | None, presented: str, key_digest: bytes) -> str:
    """Why the key is not good, or an empty string. Expiry is judged at each use."""
    if record is None or not hmac.compare_digest(record.digest, key_digest):
        return incorrect_key(presented).message
    if record.revoked_at is not None:
        return f"The API key {masked(presented)} was revoked. Use another one, or make one with `novai keys create`."
    if record.archived:
        return f"The API key {masked(presented)} belongs to a project that is archived."
    return ""


def _expired(known: _Known) -> AuthenticationError:
    when = datetime.fromtimestamp(known.expires_at_s, UTC)
    return AuthenticationError(
        f"The API key {known.masked} expired at {when:%Y-%m-%d %H:%M} UTC. Make a new one with `novai keys create`, or "
        "rotate a key before it expires with `novai keys rotate`."
    )


def _put(entries: dict[bytes, _V], key_digest: bytes, value: _V, limit: int) -> None:
    if len(entries) >= limit and key_digest not in entries:
        del entries[next(iter(entries))]  # the oldest
    entries[key_digest] = value


def _fail(future: asyncio.Future[KeyRecord | None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # the one who waited may have left: no complaint about an exception nobody saw


def _random(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _checksum(text: str) -> str:
    """CRC-32 as six base62 characters. Guards against typing errors, not against anyone."""
    crc, characters = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_CHARS):
        crc, index = divmod(crc, 62)
        characters += _BASE62[index]
    return characters
