"""Waiting for what the server does by itself."""

from __future__ import annotations

import time


class Looks:
    """The times to look at a thing: soon at first, then less and less often."""

    def __init__(
        self, thing: str, timeout_s: float | None, *, first_s: float = 1.0, longest_s: float = 30.0, growth: float = 1.5
    ) -> None:
        self._thing, self._wait_s, self._longest_s, self._growth = thing, first_s, longest_s, growth
        self._until = None if timeout_s is None else time.monotonic() + timeout_s

    def next_s(self) -> float:
        """Seconds until the next one. Raises TimeoutError when there is none."""
        left_s = self._wait_s if self._until is None else self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"{self._thing} has not ended yet")
        wait_s, self._wait_s = min(self._wait_s, left_s), min(self._wait_s * self._growth, self._longest_s)
        return wait_s
