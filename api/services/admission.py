"""Admission takes what is scarce before a request runs, and gives it back exactly once when the request is over.

What is scarce today is room in this process. A rate-limit grant and a hold on money have their place here, between
`admit` and `Ticket.close`; both are taken before the worker hears of the request and settled by whoever owns the
ticket, the stream.
"""

from __future__ import annotations

from api.domain import Principal
from api.errors import OverloadedError


class Ticket:
    """One admitted request. Closed exactly once; closing again changes nothing."""

    __slots__ = ("_admission", "_open", "principal")

    def __init__(self, admission: Admission, principal: Principal) -> None:
        self._admission = admission
        self._open = True
        self.principal = principal

    def close(self) -> None:
        if self._open:
            self._open = False
            self._admission.running -= 1


class Admission:
    """Bounds what runs in this process at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.running = 0

    def admit(self, principal: Principal) -> Ticket:
        """A ticket for one request. Raises OverloadedError when this process is full."""
        if self.running >= self._limit:
            raise OverloadedError(
                f"This server already runs {self._limit} requests. Please try again in 1s.", retry_after_ms=1000
            )
        self.running += 1
        return Ticket(self, principal)
