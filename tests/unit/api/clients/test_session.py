"""The multiplexed session and the hosts that own it, over real gRPC."""

from __future__ import annotations

import asyncio
import time

import pytest
from gen import inference_pb2 as pb
from gen import model_host_pb2 as host_pb

from api.clients.hosts import Hosts, target_of
from api.clients.session import PARCEL_BYTES, Call, Delta, Session, parcels
from api.errors import OverloadedError, UpstreamError
from tests.unit.api.tcp_proxy import proxied
from tests.workers import MODEL, host, ready, say, usable, worker

pytestmark = pytest.mark.timeout(60)


async def read(call: Call) -> tuple[str, bool]:
    """The text of a call and whether it finished."""
    text, finished = "", False
    while not call.ended:
        for event in await call.next():
            text += event.delta.text
            finished = finished or event.HasField("finished")
    return text, finished


async def test_many_calls_share_one_stream() -> None:
    async with worker() as w:
        session = Session(w.target, MODEL)
        await session.open()
        calls = [session.start(f"r{i}", say(f'script:[{{"say": "hello {i}"}}]')) for i in range(50)]
        results = await asyncio.gather(*map(read, calls))
        assert not session.calls
        await session.aclose()
    assert results == [(f"hello {i}", True) for i in range(50)]


async def test_a_reader_that_lags_finds_all_steps_at_once() -> None:
    async with worker(tokens=40) as w:
        session = Session(w.target, MODEL)
        await session.open()
        call = session.start("r", say("x"))
        while not call.ended:
            await asyncio.sleep(0)
        events = await call.next()
        await session.aclose()
    assert sum(event.delta.tokens for event in events) == 40


async def test_cancel_frees_the_slot_and_still_reports_usage() -> None:
    async with worker() as w:
        session = Session(w.target, MODEL)
        await session.open()
        call = session.start("r", say('script:[{"say": "a b"}, {"hang": true}]'))
        deltas: list[Delta] = []
        while sum(delta.tokens for delta in deltas) < 2:
            deltas += [event.delta for event in await call.next() if event.HasField("delta")]
        call.cancel()
        *_, last = await call.next()
        await w.service.idle()
        await session.aclose()
    assert last.finished.cancelled
    assert last.finished.usage.completion_tokens == 2


async def test_a_broken_session_ends_every_call_with_an_error() -> None:
    async with worker() as w:
        session = Session(w.target, MODEL)
        await session.open()
        calls = [session.start(f"r{i}", say('script:[{"hang": true}]')) for i in range(3)]
        for call in calls:
            await call.next()  # accepted
        await w.server.server.stop(0)
        for call in calls:
            with pytest.raises(UpstreamError):
                while True:
                    await call.next()
        assert not session.alive
        with pytest.raises(UpstreamError):
            session.start("late", say("x"))
        await session.aclose()


async def test_opening_a_session_to_nobody_fails_in_time() -> None:
    session = Session("127.0.0.1:1", MODEL)
    with pytest.raises(ConnectionError):
        await session.open(timeout_s=0.5)


async def test_hosts_find_models_and_balance_by_outstanding_requests() -> None:
    async with host() as (fake, address), worker() as one, worker() as two:
        hosts = Hosts([address])
        await hosts.start()
        await fake.set(ready(one), ready(two))
        first, second = await usable(hosts, 2)
        first.outstanding = 3
        assert hosts.pick(MODEL) is second
        assert hosts.pick(MODEL, exclude=[second]) is first
        assert hosts.unready() == {}
        await fake.set(ready(two))
        (left,) = await usable(hosts, 1)
        assert left.target == two.target
        with pytest.raises(OverloadedError) as refused:
            hosts.pick("unknown")
        assert refused.value.retry_after_ms
        await hosts.aclose()


async def test_a_model_exists_while_its_only_worker_is_replaced() -> None:
    async with host() as (fake, address), worker() as former, worker() as present:
        hosts = Hosts([address])
        await hosts.start()
        await fake.set(ready(former))
        await usable(hosts)
        await fake.set(ready(present))
        while [replica.target for replica in hosts.replicas() if replica.usable] != [present.target]:
            assert MODEL in hosts.models()
            await asyncio.sleep(0)
        await hosts.aclose()


async def test_a_worker_died_when_its_host_saw_it_end() -> None:
    """What went while the host was out of sight went with the host, or its machine."""
    async with (
        host() as (fake, address),
        proxied(f"grpc://{address}") as (wire, _),
        worker() as first,
        worker() as second,
        worker() as third,
    ):
        hosts = Hosts([f"127.0.0.1:{wire.port}"])
        await hosts.start()
        for running in (first, second):
            await fake.set(ready(running))
            while [replica.target for replica in hosts.replicas() if replica.usable] != [running.target]:
                await asyncio.sleep(0.01)
        await hosts.hear_of(first.target, 5.0)
        assert hosts.died(first.target) and not hosts.died(second.target)
        await wire.cut()
        while not hosts.unsure():
            await asyncio.sleep(0.01)
        await fake.set(ready(third))
        await wire.restore()
        while [replica.target for replica in hosts.replicas() if replica.usable] != [third.target]:
            await asyncio.sleep(0.01)
        await hosts.hear_of(second.target, 0.01)
        assert not hosts.died(second.target)
        await hosts.aclose()


async def test_hosts_end_while_they_let_go_of_a_worker() -> None:
    async with host() as (fake, address), worker() as w:
        hosts = Hosts([address])
        await hosts.start()
        await fake.set(ready(w))
        await usable(hosts)
        await fake.set()
        while hosts.replicas():
            await asyncio.sleep(0)
        ended, _ = await asyncio.wait({asyncio.create_task(hosts.aclose())}, timeout=10)
        assert ended


async def test_a_worker_that_is_loading_or_failed_is_not_used_and_readiness_says_why() -> None:
    async with host() as (fake, address), worker() as w:
        hosts = Hosts([address])
        await hosts.start()
        await fake.set(host_pb.ModelState(model="broken", state=host_pb.ERROR, error="no such file"), ready(w))
        await usable(hosts)
        assert hosts.unready() == {"broken": "no such file"}
        await hosts.aclose()


async def test_a_replica_that_keeps_stalling_is_set_aside() -> None:
    async with host() as (fake, address), worker() as w:
        hosts = Hosts([address])
        await hosts.start()
        await fake.set(ready(w))
        (replica,) = await usable(hosts)
        for _ in range(4):
            replica.stalled()
        replica.worked()
        replica.stalled()
        assert replica.usable
        for _ in range(4):
            replica.stalled()
        assert not replica.usable
        first_s = replica.ejected_until_s
        for _ in range(20):
            replica.stalled()
        assert replica.ejected_until_s == first_s  # those ran at the same time
        replica.ejected_until_s = 0.0  # the time is over
        for _ in range(4):
            replica.stalled()
        assert replica.usable
        replica.stalled()
        assert 29 < replica.ejected_until_s - first_s < 59  # for twice as long
        await hosts.aclose()


@pytest.mark.parametrize("answers_only", [False, True])
async def test_a_partition_is_noticed_in_seconds_and_forgotten_at_once(answers_only: bool) -> None:
    async with host() as (fake, address), worker() as w, proxied(f"grpc://{w.target}") as (wire, _):
        hosts = Hosts([address])
        await hosts.start()
        described = ready(w)
        described.endpoint = f"127.0.0.1:{wire.port}"
        await fake.set(described)
        (replica,) = await usable(hosts)
        assert replica.session is not None
        call = replica.session.start("r", say('script:[{"hang": true}]'))
        while not await call.next():
            pass
        wire.silence(answers_only)
        cut_s = time.monotonic()
        with pytest.raises(UpstreamError):
            while True:
                await call.next()
        noticed_s = time.monotonic() - cut_s
        assert not replica.usable and noticed_s < 3.1 + 4.0
        await wire.restore()
        healed_s = time.monotonic()
        await usable(hosts)
        assert time.monotonic() - healed_s < 1.0 + 3.0
        assert await read(replica.session.start("s", say('script:[{"say": "hello"}]'))) == ("hello", True)
        await hosts.aclose()


@pytest.mark.parametrize(
    ("endpoint", "address", "target"),
    [
        (":50061", "10.0.0.7:50051", "10.0.0.7:50061"),
        ("w:1", "h:2", "w:1"),
        ("", "h:2", ""),
        (":5", "[::1]:4", "[::1]:5"),
    ],
)
def test_an_endpoint_without_a_host_is_where_its_model_host_is(endpoint: str, address: str, target: str) -> None:
    assert target_of(endpoint, address) == target


def test_large_requests_leave_in_messages_of_their_own() -> None:
    """Many of them at one moment would not fit one message, and whoever sends it would lose the session."""
    small, large = (pb.Start(request_id="x" * size) for size in (1000, PARCEL_BYTES - 500))
    assert parcels([]) == [[]]
    assert parcels([large]) == [[large]]
    assert parcels([small, small]) == [[small, small]]
    assert parcels([large, large, small]) == [[large], [large], [small]]
    assert parcels([small, large, small]) == [[small], [large], [small]]
