"""How far a batch is: one line that moves in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

from internal.batch.client import Batch

WIDTH = 30
QUIET_S = 10.0  # between two lines, where they stay
CLEAR = "\r\x1b[K"


class Progress:
    """`live`: whether `out` can draw over its last line."""

    def __init__(self, out: TextIO, live: bool) -> None:
        self._out = out
        self._live = live
        self._began: tuple[float, int] | None = None  # when lines were first seen to be over, and how many
        self._said: tuple[float, str] = (0.0, "")  # when, and which status

    def say(self, text: str) -> None:
        self._out.write((CLEAR if self._live else "") + text + "\n")
        self._out.flush()

    def show(self, batch: Batch) -> None:
        now_s = time.monotonic()
        if self._live:
            self._out.write(CLEAR + self._line(batch, now_s))
            self._out.flush()
        elif batch.status != self._said[1] or now_s - self._said[0] >= QUIET_S:
            self._said = (now_s, batch.status)
            self.say(self._line(batch, now_s))

    def _line(self, batch: Batch, now_s: float) -> str:
        counts = batch.request_counts
        if not counts.total:
            return batch.status
        if self._began is None and counts.over:
            self._began = (now_s, counts.over)
        filled = WIDTH * counts.over // counts.total
        parts = [f"{batch.status} [{'#' * filled}{'.' * (WIDTH - filled)}] {counts.over}/{counts.total}"]
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
