"""The jobs of batches, and the worker that takes them from the queue.

What a job is called and given is in `storage/batches.py`, which puts it into the queue. Every job can be run again at
any time: it looks what is left to do. One that fails is tried again until it does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from psycopg import OperationalError

from api.auth.keys import holder
from api.batches.endpoints import ENDPOINTS
from api.batches.files import finalize
from api.batches.lines import lines_in
from api.batches.shards import WAITS, Shards
from api.batches.slots import Slots, most_lines
from api.batches.validation import Validation
from api.config import Settings
from api.domain import Principal
from api.errors import ApiError, NotFoundError, PermissionDeniedError
from api.regularly import Regularly
from api.state import AppState
from api.storage import batches as rows
from api.storage import jobs
from api.storage.batches import EXPIRE, FINALIZE, RUN, VALIDATE, Batch
from api.storage.session import describe

log = logging.getLogger("novai.batches")

JOBS_AT_ONCE = 8
HEARTBEAT_S = 2.0
SILENT_S = 10.0  # then a worker is dead, and what it was at is done by others
LOOK_S = 1.0
LONGEST_PAUSE_S = 30
RECONNECT_S = 1.0


class Again(BaseRetryStrategy):
    """For ever: soon when only something has to come back, else after ever longer pauses."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        pause_s = RECONNECT_S if isinstance(exception, WAITS) else min(2 ** min(job.attempts, 10), LONGEST_PAUSE_S)
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=pause_s))


class QueueWorker(Worker):
    """Ends when its heartbeats or its ear fail. procrastinate's own looks after those only until the first of what runs
    beside it returns, and what defers periodic tasks returns at once when there are none."""

    async def _periodic_deferrer(self) -> None:
        await asyncio.Event().wait()

    async def _persist_job_status(self, *args: Any, **outcome: Any) -> None:
        """Said again when the connection breaks: a job whose end nobody has heard of is this worker's for as long as it
        lives, and no other of the same lock begins. A worker that ends leaves its jobs to others anyway."""
        while True:
            try:
                await super()._persist_job_status(*args, **outcome)
                return
            except ConnectorException as error:
                if self._stop_event.is_set() or not isinstance(error.__cause__, OperationalError):
                    raise  # the latter when it was heard, or others have the job by now
            await asyncio.sleep(RECONNECT_S)


class BatchWorker:
    """One per process. `run` works until it is cancelled."""

    def __init__(self, app: AppState) -> None:
        self._app = app
        self._processes = 1
        self._told = ""  # of the queue, since it was there
        self._slots = Slots(lambda model: most_lines(app.hosts, model, self._processes))
        self._shards = Shards(app, self._slots)
        self._queue = queue(app.settings)
        self._worker: QueueWorker | None = None  # that takes from it now
        run: dict[str, Callable[..., Awaitable[None]]] = {
            VALIDATE: self.validate,
            RUN: self.run_shard,
            FINALIZE: self.finalize,
            EXPIRE: self.expire,
        }
        for name, job in run.items():
            self._queue.task(name=name, queue=jobs.QUEUE, retry=Again())(job)

    async def run(self) -> None:
        """Whatever becomes of PostgreSQL, it goes on when that is back. When it is cancelled, jobs have the drain's
        seconds to end; others take what is left."""
        looking = Regularly("batches-look", self._look_after, LOOK_S)
        await looking.start()
        try:
            while not was_cancelled():
                await self._work()
                await asyncio.sleep(RECONNECT_S)
        finally:
            await looking.aclose()
            await self._shards.aclose()

    async def _work(self) -> None:
        """Returns when PostgreSQL goes away: procrastinate ends by itself then, with or without an error."""
        try:
            async with opened(self._queue):
                self._worker = QueueWorker(
                    self._queue,
                    queues=[jobs.QUEUE],
                    concurrency=JOBS_AT_ONCE,
                    delete_jobs="successful",
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=SILENT_S,
                    shutdown_graceful_timeout=self._app.settings.drain_s,
                    install_signal_handlers=False,
                )
                await run_until_cancelled(self._worker)
        except (ConnectorException, OperationalError) as error:
            self._tell_once(f"the queue is away: {describe(error.__cause__ or error).splitlines()[0]}")

    def _tell_once(self, line: str) -> None:
        if line != self._told:
            self._told = line
            log.error(line)

    # ------------------------------------------------------------------ jobs

    async def validate(self, batch_id: str) -> None:
        batch = await rows.read(self._app.database, batch_id)
        if batch is None or batch.status != "validating":
            return
        try:
            await self._begin(batch, await holder(self._app.database, batch.key_id))
        except (NotFoundError, PermissionDeniedError) as error:
            await rows.fail(self._app.database, batch.id, [told(error)])

    async def run_shard(self, batch_id: str, number: int) -> None:
        await self._shards.run(batch_id, number)

    async def finalize(self, batch_id: str) -> None:
        await finalize(self._app, batch_id)

    async def expire(self, batch_id: str) -> None:
        await rows.expire(self._app.database, batch_id)

    async def _begin(self, batch: Batch, principal: Principal) -> None:
        """Looks at every line. Raises NotFoundError when the file is not there any more, OverloadedError while nobody
        knows of a model whose host is away."""
        app, kind = self._app, ENDPOINTS[batch.endpoint].kind
        file = await app.files.get(batch.project_id, batch.input_file_id)
        check = Validation(
            batch.endpoint, lambda model: app.catalog.resolve(model, kind, principal), app.settings.file_max_lines
        )
        async for line in lines_in(app.files.read(file)):
            if not check.take(line):
                break
        check.end()
        if check.errors:
            await rows.fail(app.database, batch.id, check.errors)
            return
        quota = app.settings.batch_queue_tokens
        queued = await rows.begin(app.database, batch, check.shards, check.model, check.tokens, quota)
        if queued is not None:
            message = (
                f"The batches of this project have {queued} tokens queued, and these {check.tokens} would be more than "
                f"its {quota}. Try again when one of them is over."
            )
            await rows.fail(app.database, batch.id, [told(ApiError(message, code="token_limit_exceeded"))])

    # ------------------------------------------------------------------ beside them

    async def _look_after(self) -> None:
        """Takes back what dead workers were at, and counts the living."""
        self._slots.look()
        worker_id = self._worker.worker_id if self._worker is not None else None
        if taken := await jobs.take_back(self._app.database, SILENT_S, worker_id):
            log.warning("%d jobs of workers that are gone are due again", taken)
        self._processes = max(1, await jobs.workers(self._app.database, SILENT_S))
        self._told = ""


@asynccontextmanager
async def opened(lines: App) -> AsyncIterator[None]:
    """Closed even if it was cancelled while it opened: the tasks of psycopg's pool survive being cancelled while they
    connect, and the process would wait for them for ever."""
    try:
        await lines.open_async()
        yield
    finally:
        await lines.close_async()


async def run_until_cancelled(worker: QueueWorker) -> None:
    """What opens and reads connections below may swallow a cancellation that meets its answer: `asyncio.wait_for` does,
    before Python 3.12. So this looks whether there was one, and tells the worker in words that cannot be lost."""
    if was_cancelled():
        return
    running = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        worker.stop()  # type: ignore[no-untyped-call]
        await running
        raise


def was_cancelled() -> bool:
    """Whether the task that asks is to end, be it that the error which said so got lost."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def queue(settings: Settings) -> App:
    """procrastinate's, on connections of its own."""
    options = {"options": f"-c search_path={jobs.SCHEMA}", "application_name": "novai-worker"}
    return App(
        connector=PsycopgConnector(conninfo=settings.database_url, kwargs=options, min_size=1, max_size=JOBS_AT_ONCE)
    )


def told(error: ApiError) -> dict[str, Any]:
    """An error of the whole file."""
    return {"code": error.code or error.type, "message": error.message, "param": error.param, "line": None}
