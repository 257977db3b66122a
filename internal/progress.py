"""How far something is: one line that moves in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import time
from typing import TextIO

WIDTH = 30
QUIET_S = 10.0  # between two lines, where they stay
CLEAR = "\r\x1b[K"


def can_draw(out: TextIO) -> bool:
    """Whether it is a terminal that shows colours and can be drawn over, and nobody minds."""
    return out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "") not in ("", "dumb")


class Line:
    """`live`: whether `out` can draw over its last line."""

    def __init__(self, out: TextIO, live: bool) -> None:
        self._out = out
        self._live = live
        self._said: tuple[float, str] = (0.0, "")  # when, and of which state

    def say(self, text: str) -> None:
        self._out.write((CLEAR if self._live else "") + text + "\n")
        self._out.flush()

    def show(self, text: str, state: str) -> None:
        """Where lines stay, one of a new `state`, or after a while."""
        now_s = time.monotonic()
        if self._live:
            self._out.write(CLEAR + text)
            self._out.flush()
        elif state != self._said[1] or now_s - self._said[0] >= QUIET_S:
            self._said = (now_s, state)
            self.say(text)


def bar(done: float) -> str:
    """From 0 to 1."""
    filled = int(WIDTH * done)
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}]"
