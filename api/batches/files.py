"""What a batch comes to: the file of its answers and the file of what failed or did not run, then its end.

Nothing is answered any more when this begins: the shards are sealed first. Whatever interrupts it, it can begin anew,
and finds the files that it had made.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from api.batches.lines import lines_in, read_request, unanswered_line
from api.domain import BatchStatus
from api.errors import NotFoundError
from api.services.files import BATCH_KEPT_S
from api.state import AppState
from api.storage import batches as rows
from api.storage.batches import Batch, Shard

log = logging.getLogger("novai.batches")

PURPOSE = "batch_output"
# Why lines did not run, by what their batch becomes.
UNANSWERED: dict[BatchStatus, tuple[str, str]] = {
    "expired": ("batch_expired", "This request was not run before the batch's completion window ended."),
    "cancelled": ("batch_cancelled", "This request was not run: the batch was cancelled."),
}


# JSON may have these as they are, and some readers end a line at them: Python's `splitlines`, `iter_lines` of httpx.
_BREAKS = {text.encode(): f"\\u{ord(text):04x}".encode() for text in "\u0085\u2028\u2029"}


@dataclass
class Report:
    """Writes the files of a batch that takes no more answers."""

    app: AppState
    batch: Batch
    shards: list[Shard]
    outcome: BatchStatus
    counts: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})  # lines, by whether they failed

    async def write(self, failed: bool) -> str | None:
        """The id of the file with those lines; None when there are none."""
        batch = self.batch
        kept = sum(shard.failed if failed else shard.completed for shard in self.shards)
        missing = sum(shard.lines - len(shard.answered) for shard in self.shards) if failed else 0
        self.counts[failed] = kept + missing
        if not self.counts[failed]:
            return None
        filename = f"{batch.id}_{'error' if failed else 'output'}.jsonl"
        if (written := await rows.written(self.app.database, batch.project_id, filename)) is not None:
            return written
        whose = batch.organisation_id, batch.project_id
        kept_s = batch.output_expires_after_s or BATCH_KEPT_S
        file = await self.app.files.write(*whose, filename, PURPOSE, self._lines(failed), kept_s)
        return file.id

    async def _lines(self, failed: bool) -> AsyncIterator[bytes]:
        for shard in self.shards:
            lines = await rows.answers(self.app.database, shard.id, failed)
            if failed and len(shard.answered) < shard.lines:
                lines += [line async for line in self._unanswered(shard)]
            if lines:
                yield _one_each(b"\n".join(lines)) + b"\n"

    async def _unanswered(self, shard: Shard) -> AsyncIterator[bytes]:
        """Of an input that is not there any more they are only counted: what was answered is not held back for that."""
        batch = self.batch
        code, message = UNANSWERED[self.outcome]
        try:
            file = await self.app.files.get(batch.project_id, batch.input_file_id)
        except NotFoundError:
            log.warning("%s is gone: what did not run of %s has no names", batch.input_file_id, batch.id)
            return
        chunks = self.app.files.read(file, shard.start_byte, shard.end_byte)
        async for line in lines_in(chunks, shard.first_line, shard.start_byte):
            if line.number not in shard.answered:
                custom_id = read_request(line.text).custom_id
                yield unanswered_line(batch.id, line.number, custom_id, code, message)


async def finalize(app: AppState, batch_id: str) -> None:
    """Raises ApiError when PostgreSQL or the storage is away: to be tried again."""
    batch = await rows.read(app.database, batch_id)
    if batch is None or batch.status not in ("finalizing", "cancelling"):
        return
    shards = await rows.seal(app.database, batch_id)
    report = Report(app, batch, shards, outcome_of(batch, shards))
    output, errors = await report.write(failed=False), await report.write(failed=True)
    used = await rows.usage(app.database, batch_id)
    await rows.end(
        app.database, batch_id, report.outcome, output, errors, report.counts[False], report.counts[True], used
    )


def outcome_of(batch: Batch, shards: list[Shard]) -> BatchStatus:
    if batch.status == "cancelling":
        return "cancelled"
    return "expired" if any(len(shard.answered) < shard.lines for shard in shards) else "completed"


def _one_each(lines: bytes) -> bytes:
    """The same lines, whoever splits them."""
    for found, escaped in _BREAKS.items():
        lines = lines.replace(found, escaped)
    return lines
