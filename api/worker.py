"""A process that runs batches: the same services as the api, without HTTP. `python -m api.worker`, or `novai worker`.

Any number of them may run, on any number of machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from dataclasses import replace

import uvloop

from api import metrics
from api.batches.tasks import BatchWorker
from api.config import Settings, SettingsError
from api.logs import json_lines
from api.state import check, open_state

# A line may wait for its turn as long as others keep the model busy: a worker that hangs is noticed by its connection.
PATIENCE_S = 3600.0


def main() -> None:
    try:
        settings = Settings.from_env()
        check(settings)
        exposed = metrics.exposed(settings.metrics_host, settings.worker_metrics_port)
    except (SettingsError, OSError) as error:
        sys.exit(f"error: {error}")
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it tells of every job
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # of every attempt to connect
    with json_lines(on_drop=metrics.LOG_LINES_DROPPED.inc), exposed:
        uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    patient = replace(settings, first_token_timeout_s=PATIENCE_S, inter_token_timeout_s=PATIENCE_S)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_state(patient, batch=True) as app:
        working, told = asyncio.create_task(BatchWorker(app).run()), asyncio.create_task(stopped.wait())
        await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
        for task in (working, told):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


if __name__ == "__main__":
    main()
