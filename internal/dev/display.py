"""What `novai dev` shows: prefixed log lines and, while things start on a terminal, one live line per process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from internal.dev.life import Life, State

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)
MARKS = {State.READY: "✓", State.DONE: "✓", State.FAILED: "✗"}
SHADES = {State.READY: 32, State.DONE: 32, State.FAILED: 31, State.RESTARTING: 33, State.WAITING: 90}
# Worth a line once the stack is up.
NEWS = (State.READY, State.RESTARTING, State.FAILED)
REDRAW_S = 0.1
LOG_BYTES = 16 << 20  # then the log starts again, and the old one is kept once


class Log:
    """A log file of bounded size. What was there before is kept once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._begin()

    def write(self, line: str) -> None:
        """A line that the disk has no room for is lost; the stack goes on."""
        with contextlib.suppress(OSError):
            self._file.write(f"{time.strftime('%H:%M:%S')} {line}\n")
            self._file.flush()
            if self._file.tell() > LOG_BYTES:
                full, self._file = self._file, self._begin()
                full.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _begin(self) -> TextIO:
        if self._path.exists():  # it may tell how the last run ended
            self._path.replace(self._path.with_suffix(".log.1"))
        return self._path.open("w", errors="replace")


class Display:
    """Lines go to `out` and to one file per process under `logs`. Colours and redrawing only where they can be seen."""

    def __init__(self, names: Sequence[str], quiet: Sequence[str], logs: Path, out: TextIO, *, live: bool) -> None:
        self._width = max(map(len, names))
        self._quiet = set(quiet)
        self._out = out
        self._live = live
        self._colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
        self._files = {name: Log(logs / f"{name}.log") for name in names}
        self._states = dict.fromkeys(names, State.WAITING)
        self._began = dict.fromkeys(names, 0.0)
        self._took: dict[str, float] = {}
        self._drawn = 0  # lines of the live block now on the terminal
        self._starting = True

    def changed(self, name: str, life: Life) -> None:
        if life.state is self._states[name]:
            return
        self._states[name] = life.state
        if life.state is State.STARTING:
            self._began[name] = time.monotonic()
        elif self._began[name]:
            self._took[name] = time.monotonic() - self._began[name]
        if self._starting and self._live:
            self._redraw()
        elif self._starting or life.state in NEWS:
            because = f": {life.error}" if life.error else ""
            self.say(f"{self._prefix(name)} {life.state.value}{self._seconds(name)}{because}")

    def heard(self, name: str, line: str) -> None:
        self._files[name].write(line)
        if name not in self._quiet:
            self.say(f"{self._prefix(name)} {line}")

    def say(self, text: str) -> None:
        self._erase()
        self._write(text + "\n")
        if self._starting and self._live:
            self._redraw()

    async def animate(self) -> None:
        """Keeps the seconds running while things start; ends when cancelled."""
        while self._live and self._starting:
            self._redraw()
            await asyncio.sleep(REDRAW_S)

    def started(self) -> None:
        """The live block stays as it is; from here on only news are shown."""
        if self._live:
            self._redraw()
        self._starting, self._drawn = False, 0

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._live else text

    def _prefix(self, name: str) -> str:
        return self.paint(f"{name:<{self._width}} │", self._colours[name])

    def _seconds(self, name: str) -> str:
        state = self._states[name]
        if state is State.WAITING or not self._began[name]:
            return ""
        took_s = self._took.get(name, 0.0) if state is not State.STARTING else time.monotonic() - self._began[name]
        return f" {took_s:.1f} s"

    def _redraw(self) -> None:
        self._erase()
        rows = [self._row(name) for name in self._states]
        self._write("\n".join(rows) + "\n")
        self._drawn = len(rows)

    def _row(self, name: str) -> str:
        state = self._states[name]
        told = f"{MARKS.get(state, '·')} {name:<{self._width}}  {state.value:<10}{self._seconds(name)}"
        return self.paint(told, SHADES.get(state, 0))

    def _erase(self) -> None:
        if self._drawn:
            self._write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _write(self, text: str) -> None:
        # Whoever read it left, or closed the terminal: the stack goes on, or ends in order.
        with contextlib.suppress(OSError):
            self._out.write(text)
            self._out.flush()
