"""The workers that a generation is handed to, over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from api.clients.hosts import Hosts
from api.errors import OverloadedError
from api.services.attempts import Attempts
from api.services.quarantine import Quarantine
from tests.workers import MODEL, host, ready, say, usable, worker

pytestmark = pytest.mark.timeout(60)

REFUSED = OverloadedError("the first refusal")


@asynccontextmanager
async def workers(count: int) -> AsyncIterator[Hosts]:
    """So many of one model, connected to."""
    async with worker() as one, worker() as other, host() as (service, address):
        await service.set(*map(ready, [one, other][:count]))
        async with aclosing(Hosts([address])) as hosts:
            await hosts.start()
            await usable(hosts, count)
            yield hosts


def attempts(hosts: Hosts, script: str = '[{"say": "hello"}]') -> Attempts:
    return Attempts(hosts, Quarantine(hosts), "req_1", say(f"script:{script}", model=MODEL))


async def finished(asked: Attempts) -> bool:
    """Waits for the end; whether it was cancelled."""
    assert asked.call is not None
    while True:
        for event in await asked.call.next():
            if event.HasField("finished"):
                return event.finished.cancelled


async def test_each_worker_is_tried_once_and_two_at_most() -> None:
    async with workers(2) as hosts:
        asked = attempts(hosts)
        await asked.submit()
        first = asked.replica
        await asked.elsewhere(REFUSED)
        assert asked.replica is not first
        assert (first.outstanding, asked.replica.outstanding) == (0, 1)
        with pytest.raises(OverloadedError, match="the first refusal"):
            await asked.elsewhere(REFUSED)
        assert not await finished(asked)
        asked.close()
        assert not any(replica.outstanding for replica in hosts.replicas())


async def test_without_another_worker_the_first_refusal_is_told() -> None:
    async with workers(1) as hosts:
        asked = attempts(hosts)
        await asked.submit()
        with pytest.raises(OverloadedError, match="the first refusal"):
            await asked.elsewhere(REFUSED)
        asked.close()


async def test_what_was_cancelled_before_it_ran_ends_at_once() -> None:
    async with workers(1) as hosts:
        asked = attempts(hosts, '[{"wait_ms": 20000}]')
        asked.cancel()
        await asked.submit()
        assert await finished(asked)
        asked.close()


async def test_it_can_be_counted_and_be_closed_without_ever_having_run() -> None:
    async with workers(1) as hosts:
        asked = attempts(hosts)
        assert await asked.count_tokens() > 0
        asked.close()
        assert not any(replica.outstanding for replica in hosts.replicas())
