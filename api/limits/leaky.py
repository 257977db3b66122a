"""Buckets in this process, counted as `bucket.lua` counts them: what is owed drains, a nanosecond in each."""

from __future__ import annotations

import time
from collections.abc import Callable


class LeakyBuckets:
    """By key. `clock` is in nanoseconds and never goes back."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._buckets: dict[bytes, tuple[int, int]] = {}  # when it was written, what it owed then

    def __contains__(self, key: bytes) -> bool:
        return key in self._buckets

    def owed_ns(self, key: bytes) -> int:
        at, ns = self._buckets.get(key, (0, 0))
        return max(0, ns - (self._clock() - at))

    def put(self, key: bytes, ns: int) -> None:
        self._buckets[key] = (self._clock(), ns)

    def add(self, key: bytes, ns: int) -> int:
        """What is owed then. Less than nothing is never owed."""
        owed = max(0, self.owed_ns(key) + ns)
        self._buckets[key] = (self._clock(), owed)
        return owed

    def owing(self) -> dict[bytes, int]:
        """What each owes that does; the others are forgotten."""
        now = self._clock()
        self._buckets = {key: (at, ns) for key, (at, ns) in self._buckets.items() if now - at < ns}
        return {key: ns - (now - at) for key, (at, ns) in self._buckets.items()}

    def clear(self) -> None:
        self._buckets.clear()
