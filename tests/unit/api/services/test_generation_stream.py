"""One generation whose reader gives up waiting and comes back. Whole streams: tests/contract, tests/faults."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gen import inference_pb2 as pb

from api.domain import Principal
from api.errors import OverloadedError, UpstreamTimeoutError
from api.ledger.holds import Ledger
from api.ledger.price_book import PriceBook
from api.ledger.pricing import free_price
from api.limits.limiter import Limiter
from api.services.admission import Admission, Quote, Ticket
from api.services.answering import Endings
from api.services.attempts import Attempts
from api.services.generation_stream import Deadlines, GenerationStream
from api.services.quarantine import Quarantine
from api.storage.session import Database
from tests.unit.api.services.test_attempts import workers
from tests.workers import MODEL, say

pytestmark = pytest.mark.timeout(60)


NOBODY = Principal("o", "p", "k", frozenset())
QUOTE = Quote("req_1", "createChatCompletion", 0.0, prompt_tokens=0, completion_tokens=0, estimated_tokens=0)


def ticket() -> Ticket:
    """Of a model that is free: nothing is held."""
    nowhere = cast(Any, None)
    return Ticket(Admission(1, nowhere, Ledger(nowhere), nowhere), NOBODY, free_price(MODEL), QUOTE, nowhere)


async def test_what_it_took_is_given_back_once_however_often_it_is_closed(store: Database) -> None:
    request = say('script:[{"say": "hello"}, {"hang": true}]', model=MODEL)
    async with workers(1) as hosts, aclosing(Ledger(store)) as ledger:
        admission = Admission(1, Limiter("redis://nowhere"), ledger, PriceBook(store))
        taken = await admission.admit(NOBODY, cast(Any, SimpleNamespace(id=MODEL, free=True)), QUOTE)
        asked = Attempts(hosts, Quarantine(hosts), "req_1", request)
        stream = GenerationStream(request, taken, asked, Deadlines(60, 60), Endings(), MODEL, streamed=True)
        await stream.start()
        assert (admission.running, asked.replica.outstanding) == (1, 1)
        await asyncio.gather(stream.aclose(), stream.aclose())
        await stream.aclose()
        assert (admission.running, asked.replica.outstanding) == (0, 0)


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


async def test_what_no_worker_can_do_is_asked_of_no_other() -> None:
    """An upstream has tried every way already."""
    request = say('script:[{"hang": true}]', model=MODEL)
    async with workers(2) as hosts:
        asked = Attempts(hosts, Quarantine(hosts), "req_1", request)
        stream = GenerationStream(request, ticket(), asked, Deadlines(60, 60), Endings(), MODEL, streamed=True)
        await stream.start()
        refused = asked.call
        assert refused is not None
        refused.put(pb.Event(failed=pb.Failed(code=pb.OVERLOADED, message="Full.", exhausted=True)))
        refused.wake()
        with pytest.raises(OverloadedError, match="Full"):
            await stream.next()
        assert asked.call is refused
        asked.close()


async def test_silence_within_its_deadline_is_no_stall() -> None:
    request = say('script:[{"hang": true}]', model=MODEL)
    async with workers(1) as hosts:
        for first_token_s in (60, 0):
            asked = Attempts(hosts, Quarantine(hosts), "req_1", request)
            deadlines = Deadlines(first_token_s, 60)
            stream = GenerationStream(request, ticket(), asked, deadlines, Endings(), MODEL, streamed=True)
            await stream.start()
            assert asked.call is not None
            asyncio.get_running_loop().call_soon(asked.call.wake)  # as its session does after a second
            with nullcontext() if first_token_s else pytest.raises(UpstreamTimeoutError):
                assert await stream.next() == []
            asked.close()
