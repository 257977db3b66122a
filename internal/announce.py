"""What a worker says to its host: lines of JSON on stdout. Everything else that it writes goes to stderr.

{"progress": 0.4}              while it loads, where it can tell
{"port": 50061, "model": …}    once: it can serve
{"busy": true}                 requests run on it, or none has for a second
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import msgspec

QUIET_S = 1.0  # requests that follow one another are not worth a line each


def announce(**facts: Any) -> None:
    """From any thread. Who was not started by a host says nothing."""
    if "NOVAI_MODEL" in os.environ:
        print(json.dumps(facts), flush=True)


def announce_busy(busy: bool) -> None:
    announce(busy=busy)


def announce_progress(done: float) -> None:
    announce(progress=round(done, 2))


def announce_ready(info: object, port: int) -> None:
    """`info`: a ModelInfo, whose fields the host publishes."""
    facts = msgspec.to_builtins(info)
    announce(model=facts.pop("name"), port=port, **facts)


class Activity:
    """Counts what runs, and tells when that begins and when it is over. On one event loop."""

    def __init__(self, tell: Callable[[bool], None] = lambda _busy: None, quiet_s: float = QUIET_S) -> None:
        self.running = 0
        self._tell = tell
        self._quiet_s = quiet_s
        self._told = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.running += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._say(True)

    def end(self) -> None:
        self.running -= 1
        if not self.running:
            self._timer = asyncio.get_running_loop().call_later(self._quiet_s, self._say, False)

    def _say(self, busy: bool) -> None:
        if busy is not self._told:
            self._told = busy
            self._tell(busy)
