"""InferenceService over real gRPC, with the scripted backend behind it."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from gen import inference_pb2 as pb
from grpc_health.v1 import health_pb2, health_pb2_grpc

from internal.inference.backends.base import Generation
from internal.inference.service import MOST_CHOICES, MOST_RECEIPTS, Outbox, check_choices
from tests.workers import say, stub, worker

pytestmark = pytest.mark.timeout(60)


async def test_complete_collects_what_stream_complete_says() -> None:
    async with worker() as w, stub(w.target) as s:
        call = pb.CompleteRequest(request_id="a", request=say('script:[{"think": "hm"}, {"say": "one two three"}]'))
        whole = await s.Complete(call)
        events = [event async for event in s.StreamComplete(call)]
    assert (whole.choices[0].reasoning, whole.choices[0].text) == ("hm", "one two three")
    assert whole.choices[0].finish == pb.STOP
    assert (whole.usage.completion_tokens, whole.usage.reasoning_tokens) == (4, 1)
    assert "".join(e.delta.text for e in events if e.HasField("delta")) == "one two three"
    assert [e.WhichOneof("kind") for e in events] == ["accepted", *["delta"] * 5, "finished"]


async def test_complete_has_all_that_was_said() -> None:
    calls = '{"call": {"name": "f", "arguments": {"n": 1}}}, {"call": {"name": "g", "arguments": {}}}'
    request = say(f'script:[{{"think": "Hm. "}}, {{"say": "So "}}, {calls}]')
    for name in ("f", "g"):
        request.chat.tools.add(name=name)
    async with worker() as w, stub(w.target) as s:
        [choice] = (await s.Complete(pb.CompleteRequest(request_id="a", request=request))).choices
    assert (choice.reasoning, choice.text, choice.finish) == ("Hm. ", "So ", pb.TOOL_CALLS)
    assert [(bool(call.id), call.name, call.arguments) for call in choice.tool_calls] == [
        (True, "f", '{"n":1}'),
        (True, "g", "{}"),
    ]


async def test_a_first_token_and_an_end_do_not_wait_for_the_tokens_of_others() -> None:
    outbox = Outbox()
    outbox.opened(Generation("r", say("x"), owner=outbox, handle=1))
    for kind, urgent in (("accepted", False), ("delta", True), ("delta", False), ("finished", True)):
        resting = asyncio.create_task(outbox.rest(60.0))
        await asyncio.sleep(0)
        outbox.put(pb.Event(handle=1), kind)
        await asyncio.sleep(0)
        assert resting.done() is urgent
        resting.cancel()
        assert len(await outbox.take()) == 1


async def test_complete_has_room_for_the_choices_of_all_prompts() -> None:
    prompts = pb.Prompts(items=[pb.Prompt(text="a"), pb.Prompt(text="b")])
    request = pb.GenerateRequest(prompts=prompts, max_tokens=2, n=2)
    async with worker() as w, stub(w.target) as s:
        whole = await s.Complete(pb.CompleteRequest(request_id="a", request=request))
    assert [bool(choice.text) for choice in whole.choices] == [True] * 4


@pytest.mark.parametrize(("n", "prompts"), [(4_000_000_000, 0), (1000, 1000)])
async def test_choices_without_end_are_refused_and_nobody_waits_for_them(n: int, prompts: int) -> None:
    request = say("Hi", n=n)
    for _ in range(prompts):
        request.prompts.items.add(text="Hi")
    async with worker() as w, stub(w.target) as s:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await s.Complete(pb.CompleteRequest(request=request))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    check_choices(say("Hi", n=MOST_CHOICES))


async def test_a_session_carries_many_requests_and_each_ends_once() -> None:
    async with worker() as w, stub(w.target) as s:
        session = s.Session()
        for handle in range(1, 21):
            start = pb.Start(handle=handle, request_id=f"r{handle}", request=say(f'script:[{{"say": "n{handle}"}}]'))
            await session.write(pb.SessionRequest(start=[start]))
        texts: dict[int, str] = {}
        ended: list[int] = []
        while len(ended) < 20:
            frame = await session.read()
            for event in frame.events:
                if event.HasField("delta"):
                    texts[event.handle] = texts.get(event.handle, "") + event.delta.text
                elif event.HasField("finished"):
                    ended.append(event.handle)
        session.cancel()
    assert texts == {handle: f"n{handle}" for handle in range(1, 21)}
    assert sorted(ended) == list(range(1, 21))


async def test_cancel_finishes_the_request_with_what_was_generated() -> None:
    async with worker() as w, stub(w.target) as s:
        session = s.Session()
        script = say('script:[{"say": "a b c"}, {"hang": true}]')
        await session.write(pb.SessionRequest(start=[pb.Start(handle=7, request_id="r", request=script)]))
        tokens = 0
        while tokens < 3:
            tokens += sum(event.delta.tokens for event in (await session.read()).events)
        await session.write(pb.SessionRequest(cancel=[7]))
        last = (await session.read()).events[-1]
        session.cancel()
        receipts = await s.GetReceipts(pb.GetReceiptsRequest(request_ids=["r", "unknown"]))
    assert last.finished.cancelled
    assert last.finished.usage.completion_tokens == 3
    assert [(r.request_id, r.state, r.usage.completion_tokens) for r in receipts.receipts] == [
        ("r", pb.Receipt.CANCELLED, 3)
    ]


@pytest.mark.parametrize("how", ["session", "stream", "complete"])
async def test_a_caller_that_goes_away_leaves_nothing_running(how: str) -> None:
    async with worker() as w, stub(w.target) as s:
        request = pb.CompleteRequest(request_id="r", request=say('script:[{"say": "a"}, {"hang": true}]'))
        if how == "session":
            session = s.Session()
            start = pb.Start(handle=1, request_id="r", request=request.request)
            await session.write(pb.SessionRequest(start=[start]))
            await session.read()
            session.cancel()
        elif how == "stream":
            stream = s.StreamComplete(request)
            await stream.read()
            stream.cancel()
        else:
            task = asyncio.ensure_future(s.Complete(request))
            await w.published.wait()
            task.cancel()
        await asyncio.wait_for(w.service.idle(), 5)
        (receipt,) = (await s.GetReceipts(pb.GetReceiptsRequest(request_ids=["r"]))).receipts
    assert receipt.state == pb.Receipt.ABANDONED
    assert w.service.running == 0


async def test_refusals_are_statuses_for_unary_callers_and_events_on_a_session() -> None:
    async with worker(context_length=10) as w, stub(w.target) as s:
        too_long = say("word " * 20)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await s.Complete(pb.CompleteRequest(request_id="r", request=too_long))
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await s.CountTokens(pb.CountTokensRequest(request=say("x", model="other")))
        session = s.Session()
        await session.write(pb.SessionRequest(start=[pb.Start(handle=1, request_id="r", request=too_long)]))
        event = (await session.read()).events[0]
        session.cancel()
    assert refused.value.code() == grpc.StatusCode.OUT_OF_RANGE
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
    assert event.failed.code == pb.CONTEXT_LENGTH_EXCEEDED
    assert "context_length_exceeded" in event.failed.message


async def test_tokens_over_the_wire_and_what_is_at_fault() -> None:
    async with worker() as w, stub(w.target) as s:
        found = await s.Tokenize(pb.TokenizeRequest(text="hé", with_pieces=True))
        back = await s.Detokenize(pb.DetokenizeRequest(tokens=found.tokens))
        half = await s.Detokenize(pb.DetokenizeRequest(tokens=found.tokens[:2]))
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await s.Tokenize(pb.TokenizeRequest(model="other", text="x"))
        with pytest.raises(grpc.aio.AioRpcError) as outside:
            await s.Detokenize(pb.DetokenizeRequest(tokens=[256]))
        with pytest.raises(grpc.aio.AioRpcError) as unknown_too:
            await s.Detokenize(pb.DetokenizeRequest(model="other", tokens=[1]))
        with pytest.raises(grpc.aio.AioRpcError) as too_many:
            await s.GetReceipts(pb.GetReceiptsRequest(request_ids=["r"] * (MOST_RECEIPTS + 1)))
    assert (list(found.tokens), list(found.pieces)) == ([0x68, 0xC3, 0xA9], [b"h", b"\xc3", b"\xa9"])
    assert (back.text, half.text) == ("hé", "h\ufffd")
    assert unknown.value.code() == unknown_too.value.code() == grpc.StatusCode.NOT_FOUND
    assert outside.value.code() == too_many.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert str(outside.value.details()).startswith("tokens: ")


async def test_a_session_ends_when_its_caller_has_said_all() -> None:
    async with worker() as w, stub(w.target) as s:
        session = s.Session()
        await session.write(pb.SessionRequest(start=[pb.Start(handle=1, request=say('script:[{"hang": true}]'))]))
        await session.read()
        await session.done_writing()
        async with asyncio.timeout(10):
            assert await session.code() is grpc.StatusCode.OK
            await w.service.idle()


async def test_a_handle_is_one_request_at_a_time() -> None:
    async with worker() as w, stub(w.target) as s:
        session = s.Session()
        starts = [pb.Start(handle=1, request_id=name, request=say('script:[{"hang": true}]')) for name in ("a", "b")]
        await session.write(pb.SessionRequest(start=starts))
        events: list[pb.Event] = []
        while not any(event.HasField("failed") for event in events):
            events += (await session.read()).events
        assert w.service.running == 1
        session.cancel()
    assert "in use" in next(event.failed.message for event in events if event.HasField("failed"))


async def test_so_many_receipts_are_not_looked_for_at_once() -> None:
    async with worker() as w, stub(w.target) as s:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await s.GetReceipts(pb.GetReceiptsRequest(request_ids=["r"] * (MOST_RECEIPTS + 1)))
        assert not (await s.GetReceipts(pb.GetReceiptsRequest(request_ids=["r"] * MOST_RECEIPTS))).receipts
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_full_queue_refuses_at_once() -> None:
    async with worker(slots=1, queue_limit=1) as w, stub(w.target) as s:
        session = s.Session()
        hang = say('script:[{"hang": true}]')
        for handle in (1, 2, 3, 4):
            start = pb.Start(handle=handle, request_id=f"r{handle}", request=hang)
            await session.write(pb.SessionRequest(start=[start]))
        failed: list[pb.Event] = []
        while not failed:
            failed = [event for event in (await session.read()).events if event.HasField("failed")]
        session.cancel()
    assert failed[0].failed.code == pb.OVERLOADED
    assert failed[0].failed.retry_after_ms > 0


async def test_the_token_is_asked_for_and_health_is_open() -> None:
    async with worker(token="secret") as w:
        async with grpc.aio.insecure_channel(w.target) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest(service=""))
        async with stub(w.target) as s:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await s.CountTokens(pb.CountTokensRequest(request=say("one two")))
            # A stream that says nothing is not waited for.
            session_code = await asyncio.wait_for(s.Session().code(), 10)
            counted = await s.CountTokens(
                pb.CountTokensRequest(request=say("one two")), metadata=(("authorization", "Bearer secret"),)
            )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert refused.value.code() == session_code == grpc.StatusCode.UNAUTHENTICATED
    assert counted.prompt_tokens == 2


async def test_a_draining_worker_refuses_new_work_and_ends_what_runs() -> None:
    async with worker() as w, stub(w.target) as s:
        w.service.draining = True
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await s.Complete(pb.CompleteRequest(request_id="r", request=say("hello")))
        await asyncio.wait_for(w.service.idle(), 5)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
