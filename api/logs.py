"""Log lines as JSON, one object a line, written by a thread of their own.

Logging never waits: when the lines cannot be written as fast as they come (a full disk, a blocked pipe), they are
dropped and counted, and the first line after that says how many.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

_MAX_LINES = 10_000
_GATHER_S = 0.2  # lines of this long are written together: a thread that wakes for each costs the event loop dearly
_STOP_S = 2.0


class JsonLines(logging.Handler):
    """Hands records to a thread that writes them to a file descriptor. `on_drop(1)` is called for a line without room.

    Writes past Python's own buffers, whose locks a blocked writer would hold against the end of the process.
    """

    def __init__(self, fd: int, on_drop: Callable[[int], None] | None = None, max_lines: int = _MAX_LINES) -> None:
        super().__init__()
        self.dropped = 0
        self._fd = fd
        self._on_drop = on_drop
        self._max_lines = max_lines
        self._records: deque[logging.LogRecord] = deque()
        self._some = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._records) >= self._max_lines:
            self.dropped += 1
            if self._on_drop is not None:
                self._on_drop(1)
            return
        self._records.append(record)
        if not self._some.is_set():
            self._some.set()

    def close(self) -> None:
        """Writes what is there, for at most two seconds."""
        self._stopping.set()
        self._some.set()
        self._thread.join(_STOP_S)
        super().close()

    def _run(self) -> None:
        told = 0
        while not self._stopping.is_set() or self._records:
            self._some.wait()
            self._stopping.wait(_GATHER_S)
            self._some.clear()
            lines = [render(self._records.popleft()) for _ in range(len(self._records))]
            if (dropped := self.dropped) > told:
                lines.append(_dropped(dropped - told))
                told = dropped
            self._write("".join(lines).encode())

    def _write(self, text: bytes) -> None:
        # A full disk or a closed pipe loses the lines, not the writer.
        with contextlib.suppress(OSError):
            while text:
                text = text[os.write(self._fd, text) :]


@contextlib.contextmanager
def json_lines(
    fd: int = 1, level: int = logging.INFO, on_drop: Callable[[int], None] | None = None
) -> Iterator[JsonLines]:
    """Everything that is logged in the block goes to the file descriptor as JSON lines."""
    handler = JsonLines(fd, on_drop)
    root = logging.getLogger()
    before_level, before_handlers = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(level)
    try:
        yield handler
    finally:
        root.handlers[:] = before_handlers
        root.setLevel(before_level)
        handler.close()


def render(record: logging.LogRecord) -> str:
    """One line, newline included. Never raises: what cannot be formatted is said so."""
    entry: dict[str, Any] = {"ts": round(record.created, 3), "level": record.levelname, "logger": record.name}
    try:
        entry["message"] = record.getMessage()
        if record.exc_info:
            entry["trace"] = logging.Formatter().formatException(record.exc_info)
        return _line(entry | getattr(record, "fields", {}))
    except Exception as error:  # noqa: BLE001 — a log line must not break anything
        return _line({**entry, "message": "a log record that cannot be shown", "error": repr(error)[:200]})


def _dropped(number: int) -> str:
    entry = {"ts": round(time.time(), 3), "level": "WARNING", "logger": "novai.logs"}
    return _line({**entry, "message": f"{number} log lines were dropped"})


def _line(entry: dict[str, Any]) -> str:
    text = msgspec.json.encode(entry, enc_hook=str)
    if not text.isascii():
        # Line separators, bidirectional marks and the like, escaped: a line is a line in every viewer.
        return json.dumps(entry, default=str) + "\n"
    return text.decode() + "\n"
