"""How far a batch is."""

from __future__ import annotations

import time
from typing import TextIO

from internal.batch.client import Batch
from internal.progress import Line, bar


class Progress:
    """`live`: whether `out` can draw over its last line."""

    def __init__(self, out: TextIO, live: bool) -> None:
        self._line = Line(out, live)
        self.say = self._line.say
        self._began: tuple[float, int] | None = None  # when lines were first seen to be over, and how many

    def show(self, batch: Batch) -> None:
        self._line.show(self._text(batch, time.monotonic()), batch.status)

    def _text(self, batch: Batch, now_s: float) -> str:
        counts = batch.request_counts
        if not counts.total:
            return batch.status
        if self._began is None and counts.over:
            self._began = (now_s, counts.over)
        parts = [f"{batch.status} {bar(counts.over / counts.total)} {counts.over}/{counts.total}"]
        parts += [f"{counts.failed} failed"] if counts.failed else []
        if (
            not batch.over
            and self._began is not None
            and (seconds := now_s - self._began[0]) >= 1
            and counts.over > self._began[1]
        ):
            rate = (counts.over - self._began[1]) / seconds
            parts += [f"{rate:.1f}/s", f"{(counts.total - counts.over) / rate:.0f} s left"]
        return " · ".join(parts)
