"""One generation whose reader gives up waiting and comes back. Whole streams: tests/contract, tests/faults."""

from __future__ import annotations

from typing import Any, cast

import pytest
from gen import inference_pb2 as pb

from api.domain import Principal
from api.ledger.holds import Ledger
from api.ledger.pricing import free_price
from api.services.admission import Admission, Quote, Ticket
from api.services.answering import Endings
from api.services.attempts import Attempts
from api.services.generation_stream import Deadlines, GenerationStream
from api.services.quarantine import Quarantine
from tests.unit.api.services.test_attempts import workers
from tests.workers import MODEL, say

pytestmark = pytest.mark.timeout(60)


def ticket() -> Ticket:
    """Of a model that is free: nothing is held."""
    nowhere = cast(Any, None)
    nobody = Principal("o", "p", "k", frozenset())
    quote = Quote("req_1", "createChatCompletion", 0.0, prompt_tokens=0, completion_tokens=0, estimated_tokens=0)
    return Ticket(Admission(1, nowhere, Ledger(nowhere), nowhere), nobody, free_price(MODEL), quote, nowhere)


async def test_a_refusal_is_not_forgotten_when_its_reader_stops_waiting_for_another_worker() -> None:
    """The other worker has to wait, because a request like this one is suspected to break workers, and runs alone."""
    request = say('script:[{"wait_ms": 300}, {"say": "hello"}]', model=MODEL)
    async with workers(2) as hosts:
        quarantine = Quarantine(hosts)
        asked = Attempts(hosts, quarantine, "req_1", request)
        stream = GenerationStream(request, ticket(), asked, Deadlines(60, 60), Endings(), MODEL, streamed=True)
        await stream.start()
        await quarantine.crashed(lambda: request.SerializeToString(deterministic=True), "elsewhere:1")
        turn = await quarantine.turn(MODEL, lambda: request.SerializeToString(deterministic=True))
        refused = asked.call
        assert turn is not None and refused is not None
        refused.forget()  # as its session does: nothing comes behind a failure
        refused.put(pb.Event(handle=refused.handle, failed=pb.Failed(code=pb.OVERLOADED, message="Full.")))
        refused.wake()
        assert await stream.first(0.05) == []
        turn.over()
        assert [delta.text for delta in await stream.first(10)][:1] == ["hello"]
        assert asked.call is not refused
        asked.close()
