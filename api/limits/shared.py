"""The buckets that all processes share, in Redis: one call for an admission, one for all that settles at a time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hiredis

from api import metrics
from api.limits.connection import Connection, NotAskedError, Redis, RedisAwayError, Script, Word, seen
from api.limits.dimensions import PREFIX, Plan

logger = logging.getLogger(__name__)

LEASE_S = 30.0  # a lease that nobody renews, because its process died, ends after so long
SETTLE_PATIENCE_S = 60.0  # a settlement that Redis did not take for so long is given up: what was owed has drained
MARK_MS = 600_000
MAX_BATCH = 500
# What a Redis says that cannot write at the moment: a replica, one that loads, one whose memory or disk is full.
CANNOT_WRITE = ("READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "MISCONF", "OOM")

_ACQUIRE, _SETTLE, _RESTORE = Script("acquire"), Script("settle"), Script("restore")


@dataclass(slots=True, eq=False)
class _Batch:
    """What settles together, of one organisation."""

    number: int
    organisation: str
    last_s: float = 0.0  # when the last one came
    charges: dict[bytes, int] = field(default_factory=dict)
    leases: dict[bytes, list[str]] = field(default_factory=dict)
    size: int = 0


class SharedBuckets:
    """`running()`: the leases of this process, by key. `heard()`: what buckets owed when last heard of, by key.

    `on_change(None)` is called when Redis answers, `on_change(error)` when it does not any more.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        running: Callable[[], Mapping[bytes, Sequence[str]]],
        heard: Callable[[], Mapping[bytes, int]],
        on_change: Callable[[Exception | None], None],
    ) -> None:
        self._redis = Redis(url, timeout_s, (_ACQUIRE, _SETTLE, _RESTORE), self._on_up, on_change)
        self._running = running
        self._heard = heard
        self._process = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._open: dict[str, _Batch] = {}  # not sent yet, by organisation
        self._sent: deque[_Batch] = deque()  # not known to be done, oldest first
        self._settled = asyncio.Event()
        self._now = ""  # Redis' own clock; tests give another, in microseconds

    async def start(self) -> None:
        await self._redis.start()

    async def aclose(self, patience_s: float) -> None:
        """Waits until Redis has everything that was settled, for at most `patience_s`."""
        try:
            async with asyncio.timeout(patience_s):
                while self._sent or self._open:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            for batch in (*self._sent, *self._open.values()):
                _give_up(batch, "the process ended before Redis was back")
        await self._redis.aclose()

    async def acquire(
        self, plan: Plan, lease: str, costs_ns: Sequence[int], orphan: Callable[[Sequence[int]], None]
    ) -> list[int]:
        """1 or 0, and the level of each row. An empty lease takes nothing. Raises RedisAwayError.

        A call that is cancelled may be answered later: `orphan` gets the answer.
        """
        connection = self._redis.connection
        if self._open:
            self._flush()  # what was given back before is free for this one
        words = self._acquire_words(plan, lease, costs_ns)
        try:
            try:
                answer: list[int] = await connection.call(b"EVALSHA", _ACQUIRE.sha, *words, orphan=orphan)
            except hiredis.ReplyError as error:
                if not _is_forgotten(error):
                    raise
                self._redis.load(connection)
                answer = await connection.call(b"EVALSHA", _ACQUIRE.sha, *words, orphan=orphan)
        except hiredis.ReplyError as error:
            connection.close(str(error))  # out of memory, read only: as good as away
            raise NotAskedError(str(error)) from error
        return answer

    def settle(
        self, organisation: str, charges: Iterable[tuple[bytes, int]], leases: Iterable[bytes], lease: str
    ) -> None:
        """Takes what more was used, or gives back, and gives the leases back. Leaves at the end of this turn of the
        loop; sent again until Redis has it."""
        batch = self._open.get(organisation)
        if batch is None:
            batch = self._open[organisation] = _Batch(next(self._numbers), organisation)
            asyncio.get_running_loop().call_soon(self._flush)
        for key, ns in charges:
            batch.charges[key] = batch.charges.get(key, 0) + ns
        for key in leases:
            batch.leases.setdefault(key, []).append(lease)
        batch.size += 1
        batch.last_s = time.monotonic()
        if batch.size >= MAX_BATCH:
            self._sent.append(self._open.pop(organisation))
            self._send(batch)

    def renew(self) -> None:
        """The leases of everything that runs here, in one write."""
        try:
            connection = self._redis.connection
        except RedisAwayError:
            return
        remembers = connection.call("PEXPIRE", self._alive_key, MARK_MS)
        remembers.add_done_callback(lambda done: self._on_renewed(connection, done))
        self._restore(connection, {})

    # ---------------------------------------------------------------- settling

    def _flush(self) -> None:
        if self._redis.connected:
            batches, self._open = self._open, {}
            self._sent += batches.values()
            for batch in batches.values():
                self._send(batch)

    def _send(self, batch: _Batch) -> None:
        """On the connection there is. A new one sends again whatever is not known to be done."""
        try:
            connection = self._redis.connection
        except RedisAwayError:
            self._prune()
            return
        self._send_on(connection, batch)

    def _send_on(self, connection: Connection, batch: _Batch) -> None:
        mark = f"{PREFIX}{{{batch.organisation}}}:settled:{self._process}"
        words: list[Word] = [1 + len(batch.charges) + len(batch.leases), mark, *batch.charges, *batch.leases]
        words += (self._now, batch.number, MARK_MS, len(batch.charges), *batch.charges.values())
        for leases in batch.leases.values():
            words += (len(leases), *leases)
        done = connection.call(b"EVALSHA", _SETTLE.sha, *words)
        done.add_done_callback(lambda done: self._on_settled(connection, batch, done))

    def _on_settled(self, connection: Connection, batch: _Batch, done: asyncio.Future[Any]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, RedisAwayError):
            return
        if isinstance(error, hiredis.ReplyError) and _is_forgotten(error):
            self._redis.load(connection)
            self._send_last(connection, batch)
            return
        if isinstance(error, hiredis.ReplyError) and any(word in str(error) for word in CANNOT_WRITE):
            connection.close(str(error))  # sent again on the next one
            return
        if error is not None:
            _give_up(batch, error)
        if batch in self._sent:
            self._sent.remove(batch)  # the first, or gone already after a second sending
        self._settled.set()

    def _send_last(self, connection: Connection, batch: _Batch) -> None:
        """What was not done gets a new number: a later one may have been done meanwhile, and makes the old one void."""
        if batch in self._sent:
            self._sent.remove(batch)
            self._sent.append(batch)
            batch.number = next(self._numbers)
            self._send_on(connection, batch)

    def _resend(self, connection: Connection) -> None:
        """In their order: a later number makes an earlier one void."""
        self._prune()
        for batch in self._sent:
            self._send_on(connection, batch)

    def _prune(self) -> None:
        limit_s = time.monotonic() - SETTLE_PATIENCE_S
        while self._sent and self._sent[0].last_s < limit_s:
            _give_up(self._sent.popleft(), "Redis was away for too long")

    # ---------------------------------------------------------------- after an outage

    async def _on_up(self, connection: Connection) -> None:
        """What Redis has lost it is told again; what settled meanwhile it is told now."""
        remembers = await connection.call("SET", self._alive_key, 1, "PX", MARK_MS, "GET")
        for words in self._restore_words({} if remembers else self._heard()):
            await connection.call(b"EVALSHA", _RESTORE.sha, *words)
        self._sent += self._open.values()
        self._open = {}
        self._resend(connection)

    def _on_renewed(self, connection: Connection, done: asyncio.Future[Any]) -> None:
        """A Redis that was emptied without a break of its connections remembers nothing, as after an outage."""
        if done.cancelled() or done.exception() or done.result():
            return
        self._restore(connection, self._heard())
        connection.call("SET", self._alive_key, 1, "PX", MARK_MS).add_done_callback(seen)

    def _restore(self, connection: Connection, heard: Mapping[bytes, int]) -> None:
        for words in self._restore_words(heard):
            connection.call(b"EVALSHA", _RESTORE.sha, *words).add_done_callback(seen)

    @property
    def _alive_key(self) -> str:
        return f"{PREFIX}alive:{self._process}"

    def _restore_words(self, heard: Mapping[bytes, int]) -> Iterator[tuple[Word, ...]]:
        """Arguments for `restore.lua`, one call for each organisation and `MAX_BATCH` of its entries."""
        for owing in _by_organisation(heard):
            yield (len(owing), *owing, self._now, _LEASE_US, len(owing), *(heard[key] for key in owing))
        for key, leases in self._running().items():
            for i in range(0, len(leases), MAX_BATCH):
                some = leases[i : i + MAX_BATCH]
                yield (1, key, self._now, _LEASE_US, 0, *some)

    def _acquire_words(self, plan: Plan, lease: str, costs_ns: Sequence[int]) -> list[Word]:
        words: list[Word] = [len(plan.keys), *plan.keys, self._now, lease, _LEASE_US, len(plan.rates)]
        for row, cost_ns in zip(plan.rates, costs_ns, strict=True):
            words += (cost_ns, row.capacity_ns)
        words += [row.amount for row in plan.leases]
        return words


_LEASE_US = int(LEASE_S * 1e6)


def _by_organisation(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for key in keys:
        found.setdefault(key[: key.index(b"}")], []).append(key)
    for theirs in found.values():
        for i in range(0, len(theirs), MAX_BATCH):
            yield theirs[i : i + MAX_BATCH]


def _give_up(batch: _Batch, why: object) -> None:
    metrics.RATE_LIMIT_SETTLEMENTS_LOST.inc(batch.size)
    logger.error("%d settlements of rate limits are lost: %s", batch.size, why)


def _is_forgotten(error: Exception) -> bool:
    """Redis has lost the script, e.g. by SCRIPT FLUSH."""
    return str(error).startswith("NOSCRIPT")
