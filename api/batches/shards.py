"""Runs the lines of a shard until each has an answer.

What can be tried again is: as long as the batch lives when nobody is at fault (no room, PostgreSQL away), `TRIES` times
when something broke. A line whose worker died is tried again alone, so that it is found out whether it was the one
that broke it, and those beside it do not suffer; two deaths are its answer.

Any number of processes may run the same shard: of several answers to a line the first is kept and charged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import msgspec

from api.auth.keys import holder
from api.batches.endpoints import ENDPOINTS, Asked
from api.batches.lines import Line, Request, lines_in, read_request, refusal
from api.batches.slots import Slots
from api.domain import UNLIMITED, Principal, new_request_id
from api.errors import (
    ApiError,
    InternalError,
    LedgerUnavailableError,
    OverloadedError,
    PermissionDeniedError,
    PoisonRequestError,
    QuotaHeldError,
    UpstreamError,
    WorkerDiedError,
)
from api.ledger.group_commit import GroupCommit
from api.state import AppState
from api.storage import batches as rows
from api.storage import line_answers
from api.storage.batches import Batch, Shard
from api.storage.line_answers import Answered

log = logging.getLogger("novai.batches")

# Nobody's fault: tried again for as long as the batch lives.
WAITS = OverloadedError, LedgerUnavailableError, QuotaHeldError
DIED = WorkerDiedError, UpstreamError
TRIES = 3  # of what broke
PAUSE_S, LONGEST_PAUSE_S = 0.2, 20.0
LOOK_S = 1.0  # how soon lines stop whose batch is cancelled, or out of time, or whose key is not in force any more


class Model(msgspec.Struct):
    model: str


read_model = msgspec.json.Decoder(Model).decode


class Shards:
    """One per process."""

    def __init__(self, app: AppState, slots: Slots) -> None:
        self._app = app
        self._slots = slots
        self._alone = asyncio.Lock()  # held by the line whose worker died, while it is tried again
        self._refusals: GroupCommit[Answered, None] = GroupCommit(self._keep)

    async def run(self, batch_id: str, number: int) -> None:
        """Returns when every line has an answer, or the batch is not in progress any more. Raises ApiError when lines
        cannot be read, or answers not be kept, at the moment."""
        database = self._app.database
        batch = await rows.read(database, batch_id)
        if batch is None or batch.status != "in_progress":
            return
        while (shard := await rows.read_shard(database, batch_id, number)) is not None and shard.unanswered:
            if not await self._pass(batch, shard):
                return
        await rows.follow(database, batch_id, number)

    async def aclose(self) -> None:
        await self._refusals.aclose()

    async def _pass(self, batch: Batch, shard: Shard) -> bool:
        """Runs the lines that have no answer yet; when their key is not in force any more, the next pass refuses what
        is left. False when the batch stopped meanwhile."""
        whose = await self._principal(batch)
        unanswered = [line async for line in self._lines(batch, shard)]
        # Nothing that may fail comes between these and the end that they are given.
        over = asyncio.create_task(self._over(batch, whose))
        lines = {asyncio.create_task(self._answer(batch, shard, line, whose)) for line in unanswered}
        try:
            waiting: set[asyncio.Task[bool | None]] = {*lines}
            while waiting and not over.done():
                done, left = await asyncio.wait({*waiting, over}, return_when=asyncio.FIRST_COMPLETED)
                waiting = left - {over}
                for task in done:
                    task.result()
            return not (over.done() and over.result())
        finally:
            for task in (*lines, over):
                task.cancel()
            await asyncio.gather(*lines, over, return_exceptions=True)

    async def _over(self, batch: Batch, whose: Principal | PermissionDeniedError) -> bool:
        """Returns when lines are to stop: True when the batch is not in progress any more, False when the key is not in
        force any more."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(LedgerUnavailableError):
                if await rows.status(self._app.database, batch.id) != "in_progress":
                    return True
                if isinstance(whose, Principal) and isinstance(await self._principal(batch), PermissionDeniedError):
                    return False

    async def _principal(self, batch: Batch) -> Principal | PermissionDeniedError:
        """Whose lines these are, without rate limits; or why none of them may run."""
        try:
            return replace(await holder(self._app.database, batch.key_id), limits=UNLIMITED)
        except PermissionDeniedError as error:
            return error

    async def _lines(self, batch: Batch, shard: Shard) -> AsyncIterator[Line]:
        """Those without an answer."""
        file = await self._app.files.get(batch.project_id, batch.input_file_id)
        chunks = self._app.files.read(file, shard.start_byte, shard.end_byte)
        async for line in lines_in(chunks, shard.first_line, shard.start_byte):
            if line.number not in shard.answered:
                yield line

    async def _answer(self, batch: Batch, shard: Shard, line: Line, whose: Principal | PermissionDeniedError) -> None:
        """Until the line has an answer. Raises LedgerUnavailableError when a refusal cannot be kept."""
        request = read_request(line.text)
        broken, pause_s = 0, PAUSE_S
        died = False
        while True:
            request_id = new_request_id()
            try:
                if isinstance(whose, PermissionDeniedError):
                    raise whose
                asked = Asked(
                    batch.id, shard.id, line.number, request.custom_id, request_id, whose, bytes(request.body)
                )
                async with self._alone if died else contextlib.nullcontext():
                    await self._try(batch.endpoint, asked, request)
                return
            except ApiError as error:
                refused = error
            except Exception as error:
                log.exception("line %d of %s cannot be run", line.number, batch.id)
                refused = InternalError(f"This line cannot be run: {type(error).__name__}.")
            died |= isinstance(refused, DIED)  # for good: until the worker is back, others may be in its way
            if not isinstance(refused, WAITS):
                broken += 1
                if refused.status < 500 or isinstance(refused, PoisonRequestError) or broken == TRIES:
                    answer = refusal(batch.id, shard.id, line.number, request.custom_id, request_id, refused)
                    await self._refusals.submit((request_id, answer))
                    return
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (so that they do not come together)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _try(self, endpoint: str, asked: Asked, request: Request) -> None:
        """Raises what the endpoint does."""
        model = self._app.catalog.find(read_model(request.body).model, asked.principal).id
        async with self._slots.taken(model):
            try:
                await ENDPOINTS[endpoint].run(self._app, asked)
            except OverloadedError as error:
                if not isinstance(error, WorkerDiedError):
                    self._slots.refused(model)
                raise
            self._slots.answered(model)

    async def _keep(self, answers: Sequence[Answered]) -> Sequence[None]:
        await line_answers.keep(self._app.database, answers)
        return [None] * len(answers)
