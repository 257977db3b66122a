"""What workers say about requests whose edge process died: the second witness, for the ledger's sweeper."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from api.clients.hosts import Hosts
from api.clients.session import Receipt as WorkerReceipt
from api.clients.session import Session
from api.domain import TokenUsage
from api.ledger.sweeper import Receipt, Receipts


def receipts_of(hosts: Hosts) -> Receipts:
    """Asks every replica of a model at once; one that does not answer says nothing."""

    async def ask(model: str, request_ids: Sequence[str]) -> Mapping[str, Receipt]:
        sessions = [replica.session for replica in hosts.models().get(model, ()) if replica.session is not None]
        answers = await asyncio.gather(*(_ask_one(session, request_ids) for session in sessions))
        return {name: receipt for answer in answers for name, receipt in answer.items()}

    return ask


async def _ask_one(session: Session, request_ids: Sequence[str]) -> Mapping[str, Receipt]:
    try:
        found = await session.receipts(request_ids)
    except ConnectionError:
        return {}
    return {r.request_id: _receipt(session.target, r) for r in found if r.state != WorkerReceipt.RUNNING}


def _receipt(replica: str, receipt: WorkerReceipt) -> Receipt:
    usage = receipt.usage
    tokens = TokenUsage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
    return Receipt(replica, tokens, client_left=receipt.state == WorkerReceipt.CANCELLED)
