"""GET /v1/usage and /v1/usage/requests/{request_id}."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal

from fastapi import Request, Response

from api.dependencies import encode, principal_of
from api.domain import Principal
from api.generated import schemas as s
from api.generated.routes import UsageApi
from api.ledger.holds import PAYS
from api.ledger.pricing import NUSD, usd
from api.services import usage
from api.services.usage import UsageQuery
from api.state import AppState
from api.storage.bills import Bill
from api.storage.usage_queries import Group, UsageRow
from api.streaming import ByteStream

# What a group is called in a row.
NAMES: dict[Group, str] = {"day": "date", "hour": "hour", "project": "project_id", "key": "key_id", "model": "model"}
SUMS = (
    *("requests", "errors", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "total_tokens"),
    *("cost_usd", "cost_nusd"),
)
CSV = "text/csv; charset=utf-8"
CSV_ROWS = 1000  # read at a time


class Usage(UsageApi):
    def __init__(self, state: AppState) -> None:
        self._state = state

    async def list_usage(
        self,
        request: Request,
        start_date: date | None = None,
        end_date: date | None = None,
        group_by: str = "day,model",
        model: str | None = None,
        key_id: str | None = None,
        project_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Response:
        by = usage.groups(group_by)
        query = UsageQuery(by, start_date, end_date, model, key_id, project_id, limit, after)
        csv_wanted = "text/csv" in request.headers.get("accept", "")
        if csv_wanted and "limit" not in request.query_params:
            pages = self._csv_pages(principal_of(request), query)
            return ByteStream(pages, None, {"content-type": CSV}, self._state.settings)
        rows, next_after = await usage.page(self._state.database, principal_of(request), query)
        shown = [_shown(by, row) for row in rows]
        headers = {} if next_after is None else {"x-novai-next-after": next_after}
        if csv_wanted:
            return Response(_csv(by, shown), headers=headers, media_type=CSV)
        page = {"object": "list", "data": shown, "has_more": next_after is not None, "next_after": next_after}
        return Response(encode(page), headers=headers, media_type="application/json")

    async def _csv_pages(self, principal: Principal, query: UsageQuery) -> AsyncIterator[bytes]:
        """All of them: who adds a column up does not look whether there are more rows."""
        after, head = query.after, True
        while head or after is not None:
            query = replace(query, limit=CSV_ROWS, after=after)
            rows, after = await usage.page(self._state.database, principal, query)
            yield _csv(query.by, [_shown(query.by, row) for row in rows], head=head).encode()
            head = False

    async def retrieve_request_usage(self, request: Request, request_id: str) -> s.RequestUsage:
        return _bill(await usage.bill(self._state.database, principal_of(request), request_id))


def _shown(by: tuple[Group, ...], row: UsageRow) -> dict[str, Any]:
    """What was grouped by first: people read it, too."""
    return {NAMES[unit]: _said(unit, value) for unit, value in zip(by, row.group, strict=True)} | {
        "requests": row.requests,
        "errors": row.broken,
        "input_tokens": row.prompt_tokens,
        "cached_tokens": row.cached_tokens,
        "output_tokens": row.completion_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "total_tokens": row.prompt_tokens + row.completion_tokens,
        "cost_usd": row.cost_nusd / NUSD,
        "cost_nusd": row.cost_nusd,
    }


def _said(unit: Group, value: datetime | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:%Y-%m-%d}" if unit == "day" else f"{value:%Y-%m-%dT%H:%M:%SZ}"


def _csv(by: tuple[Group, ...], rows: Sequence[dict[str, Any]], head: bool = True) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*(NAMES[unit] for unit in by), *SUMS], lineterminator="\n")
    if head:
        writer.writeheader()
    writer.writerows(row | {"cost_usd": usd(row["cost_nusd"]).removeprefix("$")} for row in rows)
    return text.getvalue()


# ---------------------------------------------------------------- one request


def _bill(bill: Bill) -> s.RequestUsage:
    return s.RequestUsage(
        object="usage.request",
        request_id=bill.request_id,
        state=_state(bill),
        project_id=bill.project_id,
        key_id=bill.key_id,
        operation=bill.operation,
        model=bill.model,
        started_at=bill.started_at.timestamp(),
        explanation=usage.explanation(bill),
        hold=_hold(bill),
        price=_price(bill),
        used=_used(bill),
        paid=_paid(bill),
        events=[s.RequestEvent(kind=event.kind, amount_nusd=event.amount_nusd) for event in bill.events],
    )


def _state(bill: Bill) -> Literal["running", "settled", "released"]:
    if bill.hold is not None and bill.hold.state == "open":
        return "running"
    return "released" if bill.used is None or not PAYS[bill.used.outcome] else "settled"


def _hold(bill: Bill) -> s.RequestHold | None:
    hold = bill.hold
    if hold is None:
        return None
    return s.RequestHold(
        state=hold.state,
        amount_nusd=hold.amount_nusd,
        account=hold.account,
        held_at=hold.created_at.timestamp(),
        closed_at=None if hold.closed_at is None else hold.closed_at.timestamp(),
        extensions=[
            s.HoldExtension(amount_nusd=amount_nusd, extended_at=at.timestamp())
            for amount_nusd, at in zip(hold.extensions_nusd, hold.extended_at, strict=True)
        ],
    )


def _price(bill: Bill) -> s.RequestPrice | None:
    price = bill.price
    if price is None:
        return None
    return s.RequestPrice(
        version=price.version,
        input_nusd_per_mtok=price.input_nusd_per_mtok,
        cached_nusd_per_mtok=price.cached_nusd_per_mtok,
        output_nusd_per_mtok=price.output_nusd_per_mtok,
        percent=price.percent,
    )


def _used(bill: Bill) -> s.RequestUsed | None:
    used = bill.used
    if used is None:
        return None
    return s.RequestUsed(
        provenance=used.provenance,
        input_tokens=used.prompt_tokens,
        cached_tokens=used.cached_tokens,
        output_tokens=used.completion_tokens,
        reasoning_tokens=used.reasoning_tokens,
        total_tokens=used.prompt_tokens + used.completion_tokens,
        outcome=used.outcome,
        finish_reason=used.finish_reason,
        status=used.status,
        streamed=used.streamed,
        replica=used.replica,
        ttft_ms=used.ttft_ms,
        duration_ms=used.duration_ms,
    )


def _paid(bill: Bill) -> s.RequestPaid | None:
    by = usage.payer(bill)
    if by is None:
        return None
    cost_nusd = bill.used.cost_nusd if bill.used else 0
    return s.RequestPaid(by=by, cost_usd=cost_nusd / NUSD, cost_nusd=cost_nusd, outage_nusd=bill.outage_nusd)
