"""What workers say about requests whose edge process died: the second witness, for the ledger's sweeper."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api.clients.hosts import Hosts
from api.clients.session import PROVENANCES, Session
from api.clients.session import Receipt as WorkerReceipt
from api.domain import TokenUsage
from api.ledger.sweeper import Heard, Receipt, Receipts


def receipts_of(hosts: Hosts) -> Receipts:
    """Asks every replica of a model at once. One that is down is not heard, but may come back with what it had noted;
    neither is a model heard that no host knows of at the moment."""

    async def ask(model: str, request_ids: Sequence[str]) -> Heard:
        sessions = [replica.session for replica in hosts.models().get(model, ())]
        answers = await asyncio.gather(*(_ask_one(session, request_ids) for session in sessions))
        receipts = {name: receipt for answer in answers for name, receipt in answer.receipts.items()}
        running = {name for answer in answers for name in answer.running}
        return Heard(receipts, bool(answers) and all(answer.complete for answer in answers), running)

    return ask


async def _ask_one(session: Session | None, request_ids: Sequence[str]) -> Heard:
    if session is None:
        return Heard({}, complete=False)
    try:
        found = await session.receipts(request_ids)
    except ConnectionError:
        return Heard({}, complete=False)
    ended = {r.request_id: _receipt(session.target, r) for r in found if r.state != WorkerReceipt.RUNNING}
    return Heard(ended, running={r.request_id for r in found} - ended.keys())


def _receipt(replica: str, receipt: WorkerReceipt) -> Receipt:
    usage = receipt.usage
    tokens = TokenUsage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
    left = receipt.state == WorkerReceipt.CANCELLED
    return Receipt(replica, tokens, client_left=left, provenance=PROVENANCES[usage.provenance])
