"""Bills of requests, whichever parts of them there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from api.domain import UsageRecord
from api.storage import bills, prices, settlements
from api.storage.bills import Bill, EventPart, PricePart
from api.storage.session import Database
from api.storage.settlements import Settlement

HOLD = """
INSERT INTO holds (request_id, organisation_id, project_id, key_id, operation, model, price_version, price_percent,
    amount_nusd, account, budget_ids, month, owner, started_at)
VALUES ($1, 'org_1', 'proj_1', 'key_1', 'createChatCompletion', 'tiny', 2, 50, 900, 'receivable', '{}',
    date_trunc('month', now()), 'me', $2)
"""


async def test_a_bill_is_the_same_whichever_parts_of_it_are_there(
    store: Database, usage_record: Callable[..., UsageRecord]
) -> None:
    """While it runs there is what is held, for a while both, and in the end what was used. Another one paid nothing."""
    for model in ("other", "tiny"):
        for version in range(3):
            await prices.add(store, model, 100 * version, version, 10 * version)
    at = datetime.fromtimestamp(int(time.time()), UTC)
    for request_id in ("req_1", "req_2"):
        await store.execute(HOLD, request_id, at)

    async def found(request_id: str) -> Bill:
        bill = await bills.find(store, request_id)
        assert bill is not None
        return bill

    running = await found("req_1")
    assert running.hold is not None and (running.hold.state, running.hold.amount_nusd) == ("open", 900)
    assert running == Bill(
        "req_1", "org_1", "proj_1", "key_1", "createChatCompletion", "tiny", at, None, 0, running.hold,
        PricePart(2, 100, 1, 10, 50), None, (),
    )  # fmt: skip
    ended = [
        Settlement(usage_record(request_id=request_id, started_at_s=at.timestamp()), 2, cost, pays, True, 50)
        for request_id, cost, pays in (("req_1", 1000, True), ("req_2", 700, False))
    ]
    await settlements.settle(store, "me", ended)
    paid, lost = await found("req_1"), await found("req_2")
    assert paid.used is not None and (paid.used.cost_nusd, paid.used.prompt_tokens) == (900, 10)
    assert paid.hold is not None and paid.hold.state == "settled"
    assert paid == replace(
        running, debit="receivable", hold=paid.hold, used=paid.used, events=(EventPart("overrun", 100),)
    )
    assert (lost.debit, lost.outage_nusd, lost.events) == (None, 700, ())
    async with store.transaction() as change:
        await change.execute("SET LOCAL session_replication_role = replica")
        await change.execute("DELETE FROM holds")
    assert await found("req_1") == replace(paid, hold=None)
    assert await bills.find(store, "req_3") is None
    free = Settlement(usage_record(request_id="req_3"), 0, 0, pays=False, held=False)
    await settlements.settle(store, "me", [free])
    bill = await found("req_3")
    assert (bill.model, bill.hold, bill.price) == ("tiny", None, None) and bill.used is not None
