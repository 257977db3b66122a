"""What can be limited: a table of dimensions, and what a principal's limits on them amount to for one request.

The published rule of a rate: in any time t at most `burst + amount × t / window`. A bucket counts in nanoseconds: a
request costs the time in which the rate gives back what it takes, and a bucket holds the time in which it gives back
the burst. Costs are rounded up and capacities down, so that rounding never admits more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from api.domain import Limit, LimitName, Principal

Unit = Literal["requests", "tokens", "concurrent"]
Scope = Literal["key", "project", "model"]

MAX_AMOUNT = 10**12
MAX_BURSTS = 10  # a bucket holds so many windows at most: the scripts count to 46 days
PREFIX = "nv:rl:"


@dataclass(frozen=True, slots=True)
class Dimension:
    name: LimitName
    short: str  # in keys, on the command line, and of the headers X-RateLimit-{Limit,Remaining}-…
    words: str
    unit: Unit
    window_s: int  # 0: what counts is how many run at once
    burst: Callable[[int], int]  # of an amount, where nobody said


def _sixth(amount: int) -> int:
    return max(1, amount // 6)


def _whole(amount: int) -> int:
    return amount


DIMENSIONS: dict[LimitName, Dimension] = {
    row.name: row
    for row in (
        Dimension("requests_per_minute", "rpm", "requests per minute (RPM)", "requests", 60, _sixth),
        Dimension("tokens_per_minute", "tpm", "tokens per minute (TPM)", "tokens", 60, _whole),
        Dimension("requests_per_day", "rpd", "requests per day (RPD)", "requests", 86_400, _whole),
        Dimension("tokens_per_day", "tpd", "tokens per day (TPD)", "tokens", 86_400, _whole),
        Dimension("concurrent_requests", "concurrent", "concurrent requests", "concurrent", 0, _whole),
    )
}


class Row:
    """One limit that a request meets: whose it is, where it is counted, and what it holds."""

    __slots__ = ("_window_ns", "amount", "burst", "capacity_ns", "dimension", "key", "request_ns", "scope", "subject")

    def __init__(self, limit: Limit, scope: Scope, subject: str, organisation: str, place: str) -> None:
        self.dimension = dimension = DIMENSIONS[limit.name]
        self.scope = scope
        self.subject = subject  # in messages
        self.amount = limit.amount
        self.burst = dimension.burst(limit.amount) if limit.burst is None else limit.burst
        # All keys of an organisation are in one slot of a cluster, so that one script may use them together.
        self.key = f"{PREFIX}{{{organisation}}}:{dimension.short}:{scope}:{place}".encode()
        self._window_ns = dimension.window_s * 10**9
        self.request_ns = self.capacity_ns = 0
        if self.amount and self._window_ns:
            self.request_ns = -(-self._window_ns // self.amount)
            whole = dimension.unit == "requests"
            self.capacity_ns = (
                self.burst * (self.request_ns if whole else self._window_ns) // (1 if whole else self.amount)
            )

    def cost_ns(self, tokens: int) -> int:
        """Of one request with so many tokens."""
        if self.dimension.unit == "requests":
            return self.request_ns
        cost = -(-tokens * self._window_ns // self.amount)
        return min(cost, self.capacity_ns) if tokens <= self.burst else cost

    def requested(self, tokens: int) -> int:
        return tokens if self.dimension.unit == "tokens" else 1

    def fits(self, tokens: int) -> bool:
        """Whether the request could ever be admitted."""
        return self.amount > 0 and self.requested(tokens) <= self.burst

    def remaining(self, owed_ns: int) -> int:
        free_ns = self.capacity_ns - owed_ns
        if free_ns <= 0:
            return 0
        if self.dimension.unit == "requests":
            return free_ns // self.request_ns
        return free_ns * self.amount // self._window_ns


class Plan:
    """All that a request of one principal for one model has to pass: rates have buckets, leases have places."""

    __slots__ = ("by_unit", "keys", "leases", "organisation", "per_minute", "rates", "rows", "token_rates")

    def __init__(self, organisation: str, rows: list[Row]) -> None:
        self.organisation = organisation
        self.rates = [row for row in rows if row.dimension.window_s]
        self.leases = [row for row in rows if not row.dimension.window_s]
        self.rows = self.rates + self.leases
        self.keys = tuple(row.key for row in self.rows)
        self.token_rates = [row for row in self.rates if row.dimension.unit == "tokens"]
        # Which rates the headers of a name speak of, by their place.
        self.by_unit = _places(self.rates, lambda row: row.dimension.unit)
        self.per_minute = _places(self.rates, lambda row: row.dimension.short if row.dimension.window_s == 60 else "")

    def costs_ns(self, tokens: int) -> list[int]:
        return [row.cost_ns(tokens) for row in self.rates]


def _places(rates: list[Row], name: Callable[[Row], str]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rates):
        if name(row):
            found.setdefault(name(row), []).append(place)
    return list(found.items())


def plan(principal: Principal, model: str) -> Plan:
    limits, project = principal.limits, principal.project_id
    places: tuple[tuple[Scope, tuple[Limit, ...], str, str], ...] = (
        ("key", limits.key, f"API key {principal.key_id}", principal.line_id),
        ("project", limits.project, f"project {project}", project),
        ("model", limits.of_model(model), f"model {model} in project {project}", f"{project}:{model}"),
    )
    return Plan(
        principal.organisation_id,
        [
            Row(limit, scope, subject, principal.organisation_id, place)
            for scope, rules, subject, place in places
            for limit in rules
        ],
    )


def estimate_tokens(body_bytes: int, max_tokens: int) -> int:
    """What a request is charged before it runs: a token has about four bytes, and all that may be written is."""
    return body_bytes // 4 + max_tokens
