"""What was used and what it cost, and how the caller's limits and budgets stand."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, cast

import msgspec

from api.domain import Principal
from api.errors import InvalidRequestError, NotFoundError
from api.ledger.holds import PAYS
from api.ledger.pricing import usd
from api.limits.answers import State
from api.limits.limiter import Limiter
from api.storage import bills, budgets
from api.storage import usage_queries as queries
from api.storage.bills import Bill
from api.storage.budgets import Budget
from api.storage.session import Database
from api.storage.usage_queries import Group, UsageFilter, UsageRow

DEFAULT_DAYS = 30
_TIMES: tuple[Group, ...] = ("day", "hour")
Payer = Literal["credits", "account", "operator", "nobody"]


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """`first` and `last` are days, both inclusive, UTC. None: whatever there is."""

    by: tuple[Group, ...]
    first: date | None
    last: date | None
    model: str | None
    key_id: str | None
    project_id: str | None
    limit: int
    after: str | None  # `next_after` of the page before


async def page(database: Database, principal: Principal, query: UsageQuery) -> tuple[list[UsageRow], str | None]:
    """Rows, and where the next page begins; None: this was the last. Raises InvalidRequestError."""
    after = None if query.after is None else _place(query.after, query.by)
    rows = await queries.usage(
        database, query.by, _filter(principal, query, database.now().date()), after, query.limit + 1
    )
    if len(rows) <= query.limit:
        return rows, None
    rows = rows[: query.limit]
    return rows, _cursor(query.by, rows[-1].group)


def groups(text: str) -> tuple[Group, ...]:
    """What `group_by` names. Raises InvalidRequestError."""
    by = cast(tuple[Group, ...], tuple(text.split(",")))
    if len(set(by)) < len(by) or set(_TIMES) <= set(by):
        raise InvalidRequestError(
            "Invalid 'group_by': group by day or by hour, and by nothing twice.",
            param="group_by",
            code="invalid_value",
        )
    return by


def _filter(principal: Principal, query: UsageQuery, today: date) -> UsageFilter:
    """What was asked for, of what the key may see."""
    last = query.last or today
    until = min(last, today)
    first = query.first or until - timedelta(days=min(DEFAULT_DAYS, until.toordinal() - 1))
    if first > last:
        raise InvalidRequestError(
            f"Invalid 'start_date': {first} is after the end, {last}.", param="start_date", code="invalid_value"
        )
    projects = () if query.project_id is None else (query.project_id,)
    if "admin" not in principal.scopes:
        # Nothing is seen of another project, as if it were not there: no id is empty.
        projects = (principal.project_id,) if query.project_id in (None, principal.project_id) else ("",)
    return UsageFilter(
        _midnight(first),
        _midnight(min(last, date.max - timedelta(days=1)) + timedelta(days=1)),
        principal.organisation_id,
        projects,
        () if query.key_id is None else (query.key_id,),
        () if query.model is None else (query.model,),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# ---------------------------------------------------------------- pages


def _cursor(by: Sequence[Group], group: Sequence[datetime | str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([by, group])).decode().rstrip("=")


def _place(cursor: str, by: Sequence[Group]) -> list[datetime | str]:
    """The group that a page ended with. Raises InvalidRequestError for what is no cursor of such a page."""
    try:
        of, group = msgspec.json.decode(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=tuple[list[str], list[str]]
        )
        if of == list(by) and len(group) == len(by) and not any("\0" in text for text in group):
            return [
                msgspec.convert(text, datetime, strict=False).astimezone(UTC) if unit in _TIMES else text
                for unit, text in zip(by, group, strict=True)
            ]
    except (msgspec.MsgspecError, binascii.Error, ValueError, OverflowError):
        pass
    raise InvalidRequestError(
        "Invalid 'after': take it from the page before, with the same 'group_by'.", param="after", code="invalid_value"
    )


# ---------------------------------------------------------------- one request


async def bill(database: Database, principal: Principal, request_id: str) -> Bill:
    """Raises NotFoundError, also for requests of projects that the key cannot see."""
    found = await bills.find(database, request_id)
    if found is None or not _sees(principal, found):
        raise NotFoundError(
            f"No usage of a request {request_id!r}. Requests that were refused before anything was held have none.",
            param="request_id",
        )
    return found


def _sees(principal: Principal, found: Bill) -> bool:
    if "admin" in principal.scopes:
        return found.organisation_id == principal.organisation_id
    return found.project_id == principal.project_id


def payer(found: Bill) -> Payer | None:
    """Who paid. None while the request runs."""
    if found.hold is not None and found.hold.state == "open":
        return None
    if found.debit is not None:
        return "credits" if found.debit == "credits" else "account"
    return "operator" if found.outage_nusd else "nobody"


def explanation(found: Bill) -> str:
    """How the amount comes about, in a sentence."""
    used, price, who = found.used, found.price, payer(found)
    if who is None:
        assert found.hold is not None
        return f"The request runs; {usd(found.hold.amount_nusd)} is set aside for it."
    if used is None:
        return "The request never ran, and cost nothing."
    if price is None:
        return "The model is free."
    sum_of = (
        f"({used.prompt_tokens} - {used.cached_tokens}) input tokens at {usd(price.input_nusd_per_mtok)}, "
        f"{used.cached_tokens} cached at {usd(price.cached_nusd_per_mtok)} and {used.completion_tokens} output at "
        f"{usd(price.output_nusd_per_mtok)} a million"
    )
    if price.percent != 100:
        sum_of = f"{price.percent} % of {sum_of}"
    if not PAYS[used.outcome]:
        return f"{sum_of} cost {usd(found.outage_nusd)}, which the operator pays: the request broke."
    lost_nusd = sum(event.amount_nusd for event in found.events if event.kind == "overrun")
    lost = f" Only {usd(used.cost_nusd)} of it was held, and charged; the operator pays the rest." if lost_nusd else ""
    return f"{sum_of}, rounded up once to a nano-USD, cost {usd(used.cost_nusd + lost_nusd)}.{lost}"


# ---------------------------------------------------------------- what is left


async def standing(
    database: Database, limiter: Limiter, principal: Principal, model: str | None
) -> tuple[list[State], list[Budget]]:
    """How the rate limits and budgets that requests of the key meet stand now. Takes nothing.

    Raises LimiterUnavailableError, LedgerUnavailableError.
    """
    states = await limiter.peek(principal, model or "")
    if model is None:
        states = [state for state in states if state.scope != "model"]
    drawn_on = (principal.project_id, principal.line_id)
    found = await budgets.budgets(database, principal.project_id)
    return states, [budget for budget in found if budget.scope_id in drawn_on]
