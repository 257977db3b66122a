"""Against guessing keys: who presented many wrong ones waits, before anyone is asked about the next.

`BURST` wrong keys from one address, then one every `INTERVAL_S` (a GCRA). Keys that were good before are not looked at
here, so that nobody can lock a tenant out, whatever comes from the tenant's address. Counted in this process, in the
same memory whoever calls: addresses share a table of places, by a hash that nobody outside can foresee, and a flood
from everywhere fills it, which refuses unknown keys and no others. Nothing else is needed for it to work.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from ipaddress import IPv6Address

BURST = 20
INTERVAL_S = 3.0
PLACES = 1 << 16


class Guard:
    """`clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clear_at = array("d", bytes(8 * PLACES))  # when all that failed from there is forgotten

    def wait_s(self, address: str) -> float:
        """How long no unknown key from there is looked at; 0: one may be tried."""
        owed_s = self._clear_at[place_of(address)] - self._clock()
        return max(0.0, owed_s - (BURST - 1) * INTERVAL_S)

    def failed(self, address: str) -> None:
        """A wrong key came from there."""
        place = place_of(address)
        self._clear_at[place] = max(self._clear_at[place], self._clock()) + INTERVAL_S


def place_of(address: str) -> int:
    """Hashes of texts are keyed with a secret of the process."""
    return hash(network_of(address)) % PLACES


def network_of(address: str) -> str:
    """An IPv4 address is one caller; who has one IPv6 address has the 2^64 of its network."""
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or int(found) >> 64)
