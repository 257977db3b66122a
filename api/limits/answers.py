"""What callers are told: how limits stand, in headers, and why a request was refused.

A level is what Redis says of a row: the nanoseconds that a bucket owes, or how many leases there are. Where several
limits apply, headers speak of the one that binds: the one with the least left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.domain import LimitName
from api.errors import RateLimitError
from api.limits.dimensions import Plan, Row, Scope

Header = tuple[str, str]

DEGRADED: Header = ("x-novai-degraded", "rate-limits")
# Nobody knows when a running request ends.
LEASE_WAIT_MS = 1000
# What SDKs wait for; they give up, or wait as they like, when told to wait longer.
MAX_RETRY_AFTER_MS = 60_000


@dataclass(frozen=True, slots=True)
class State:
    """How one limit stands."""

    name: LimitName
    scope: Scope
    subject: str
    limit: int
    burst: int
    used: int  # of the burst
    remaining: int  # what could be used now
    reset_ms: int  # until all of the burst could be


def states(plan: Plan, levels: Sequence[int]) -> list[State]:
    return [_state(row, level) for row, level in zip(plan.rows, levels, strict=True)]


def headers(plan: Plan, levels: Sequence[int]) -> list[Header]:
    """The `x-ratelimit-*` headers, for the limits that bind."""
    told: list[Header] = []
    for unit, rows in plan.by_unit:
        remaining, place = min((plan.rates[i].remaining(levels[i]), i) for i in rows)
        told += (
            (f"x-ratelimit-limit-{unit}", str(plan.rates[place].amount)),
            (f"x-ratelimit-remaining-{unit}", str(remaining)),
            (f"x-ratelimit-reset-{unit}", go_duration(_ms(levels[place]))),
        )
    for name, rows in plan.per_minute:
        remaining, place = min((plan.rates[i].remaining(levels[i]), i) for i in rows)
        told += (
            (f"x-ratelimit-limit-{name}", str(plan.rates[place].amount)),
            (f"x-ratelimit-remaining-{name}", str(remaining)),
        )
    return told


def fits(plan: Plan, levels: Sequence[int], costs_ns: Sequence[int]) -> bool:
    """Whether a request that costs so much fits now."""
    return not _waits(plan, levels, costs_ns)


def refusal(
    plan: Plan, levels: Sequence[int], costs_ns: Sequence[int], tokens: int, also: Sequence[Header] = ()
) -> RateLimitError:
    """Of a request that does not fit now: the row that is in its way for longest says when it would."""
    wait_ms, place = max(_waits(plan, levels, costs_ns))
    row, state = plan.rows[place], _state(plan.rows[place], levels[place])
    resets = f" It is whole again in {_seconds(state.reset_ms)}." if state.reset_ms else ""
    return RateLimitError(
        f"Rate limit reached for {row.subject} on {row.dimension.words}: limit {row.amount}{_at_once(row)}, used "
        f"{state.used}, requested {row.requested(tokens)}. Please try again in {_seconds(wait_ms)}.{resets}",
        unit=_unit(row),
        reason=f"{row.scope}:{row.dimension.name}:reached",
        retry_after_ms=wait_ms,
        retryable=None if wait_ms <= MAX_RETRY_AFTER_MS else False,
        headers=dict([*headers(plan, levels), *also]),
    )


def too_large(row: Row, tokens: int) -> RateLimitError:
    """Of a request that could never fit."""
    advice = "Ask for fewer tokens, or for a higher limit." if row.amount else "Ask for a higher limit."
    return RateLimitError(
        f"Request too large for {row.subject} on {row.dimension.words}: limit {row.amount}{_at_once(row)}, "
        f"requested {row.requested(tokens)}. Waiting does not help. {advice}",
        unit=_unit(row),
        reason=f"{row.scope}:{row.dimension.name}:too_large",
        retryable=False,
    )


def go_duration(ms: int) -> str:
    """As Go writes durations: `12ms`, `1.5s`, `6m0s`, `1h0m0.25s`."""
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return text + f"{rest_ms / 1e3:.3f}".rstrip("0").rstrip(".") + "s"


def _waits(plan: Plan, levels: Sequence[int], costs_ns: Sequence[int]) -> list[tuple[int, int]]:
    """How long each row is in the request's way, in milliseconds, with its place."""
    rates, leases = plan.rates, plan.leases
    owed = [level + cost - row.capacity_ns for row, level, cost in zip(rates, levels, costs_ns, strict=False)]
    waits = [(_ms(ns), i) for i, ns in enumerate(owed) if ns > 0]
    running = enumerate(zip(leases, levels[len(rates) :], strict=True), len(rates))
    return waits + [(LEASE_WAIT_MS, i) for i, (row, level) in running if level >= row.amount]


def _state(row: Row, level: int) -> State:
    if row.dimension.unit == "concurrent":
        return State(
            row.dimension.name, row.scope, row.subject, row.amount, row.amount, level, max(0, row.amount - level), 0
        )
    remaining = row.remaining(level)
    return State(
        row.dimension.name,
        row.scope,
        row.subject,
        row.amount,
        row.burst,
        row.burst - remaining,
        remaining,
        _ms(level),
    )


def _at_once(row: Row) -> str:
    return f" (at most {row.burst} at once)" if row.dimension.window_s and row.burst != row.amount else ""


def _unit(row: Row) -> str:
    return "tokens" if row.dimension.unit == "tokens" else "requests"


def _ms(ns: int) -> int:
    return -(-ns // 1_000_000)


def _seconds(ms: int) -> str:
    return f"{ms / 1e3:.3f}".rstrip("0").rstrip(".") + "s"
