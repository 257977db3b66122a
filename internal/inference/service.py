"""InferenceService: the ways to reach one backend.

`Session` is the edge's way: any number of generations on one stream, one frame per engine step. The other calls are
the same engine for other callers. What the service adds to a backend: who gets which events, cancellation when a
caller is gone, receipts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from gen import inference_pb2 as pb
from gen import inference_pb2_grpc

from internal.announce import Activity
from internal.errors import InvalidRequestError, ModelNotFoundError, UnavailableError, WorkerError
from internal.inference.backends.base import Backend, Generation
from internal.inference.receipts import Receipts

log = logging.getLogger("novai.inference")

# Frames keep a distance that grows with the requests that run. A frame costs a wake-up here, one at the edge, and a
# socket write for every stream in it, much more than the tokens themselves. First tokens and ends do not wait, and
# steps that take longer than the distance are never held back.
FRAME_PER_REQUEST_S = 0.0004
FRAME_MOST_S = 0.012
MOST_CHOICES, MOST_RECEIPTS = 1024, 10_000  # the edge asks for fewer

# Failure → status of a unary call, from the error tree itself.
STATUSES = {kind.code: kind.status for kind in WorkerError.__subclasses__()}

Context = grpc.aio.ServicerContext[Any, Any]


class Outbox:
    """Events on their way to one caller: filled by the backend, emptied by the call that reads them.

    When a caller reads slower than the engine writes, its steps pile up here and leave as one frame. The bound is the
    sum of what its requests may generate.
    """

    def __init__(self) -> None:
        self.running: dict[int, Generation] = {}
        self.closed = False
        self._events: list[pb.Event] = []
        self._silent: set[int] = set()  # handles that have generated nothing yet
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()

    def opened(self, generation: Generation) -> None:
        self.running[generation.handle] = generation
        self._silent.add(generation.handle)

    def ended(self, generation: Generation) -> bool:
        """False when it was over before."""
        self._silent.discard(generation.handle)
        return self.running.pop(generation.handle, None) is not None

    def put(self, event: pb.Event, kind: str | None) -> None:
        """A caller waits for the first token and for the end; the tokens between them are in no hurry."""
        self._events.append(event)
        self._filled.set()
        if kind == "delta":
            if event.handle not in self._silent:
                return
            self._silent.discard(event.handle)
        elif kind == "accepted":
            return
        self._urgent.set()

    async def take(self) -> list[pb.Event]:
        """Waits for events and returns all there are. Empty only when the outbox was closed."""
        while not self._events and not self.closed:
            self._filled.clear()
            await self._filled.wait()
            await asyncio.sleep(0)  # what the same turn of the loop still brings goes along
        events, self._events = self._events, []
        self._urgent.clear()
        return events

    async def rest(self, pause_s: float) -> None:
        """Lets events gather for so long, or until one comes that is urgent."""
        timer = asyncio.get_running_loop().call_later(pause_s, self._urgent.set)
        try:
            await self._urgent.wait()
        finally:
            timer.cancel()

    def close(self) -> None:
        self.closed = True
        self._filled.set()
        self._urgent.set()


class InferenceService(inference_pb2_grpc.InferenceServiceServicer):
    """Serves one loaded backend. `draining` refuses new generations and lets running ones end."""

    def __init__(self, backend: Backend, receipts: Receipts, activity: Activity | None = None) -> None:
        self._backend = backend
        self._receipts = receipts
        self._activity = activity or Activity()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    def publish(self, events: Sequence[tuple[Generation, pb.Event]]) -> None:
        """Hands the events of one step to the callers they belong to. Passed to `Backend.start`."""
        for generation, event in events:
            outbox = generation.owner
            assert isinstance(outbox, Outbox)
            event.handle = generation.handle
            kind = event.WhichOneof("kind")
            if kind in ("finished", "failed"):
                self._ended(outbox, generation, event)
            if not outbox.closed:
                outbox.put(event, kind)

    @property
    def running(self) -> int:
        return self._activity.running

    async def idle(self) -> None:
        """Returns when nothing runs."""
        await self._idle.wait()

    # ------------------------------------------------------------------ the calls

    # Session and StreamComplete write to the context instead of yielding: a generator that waits in `yield` when the
    # caller goes is not closed at once, and what it had started would run on.
    async def Session(  # type: ignore[override]  # noqa: N802 (named by the proto)
        self, request_iterator: AsyncIterator[pb.SessionRequest], context: Context
    ) -> None:
        await context.send_initial_metadata(())  # the caller waits for it to know that the session stands
        outbox = Outbox()
        reader = asyncio.create_task(self._read_session(request_iterator, outbox))
        try:
            while events := await outbox.take():
                await context.write(pb.SessionFrame(events=events))
                await outbox.rest(min(len(outbox.running) * FRAME_PER_REQUEST_S, FRAME_MOST_S))
        finally:
            self._abandon(outbox)
            reader.cancel()

    async def Complete(self, request: pb.CompleteRequest, context: Context) -> pb.Completion:  # noqa: N802
        completion = pb.Completion()
        async with aclosing(self._events(request, context)) as events:
            async for event in events:
                if event.HasField("delta"):
                    while event.delta.choice >= len(completion.choices):
                        completion.choices.add()
                    collect(completion.choices[event.delta.choice], event.delta)
                elif event.HasField("finished"):
                    completion.usage.CopyFrom(event.finished.usage)
                    completion.timings.CopyFrom(event.finished.timings)
        return completion

    async def StreamComplete(self, request: pb.CompleteRequest, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        async with aclosing(self._events(request, context)) as events:
            async for event in events:
                await context.write(event)

    async def CountTokens(  # noqa: N802
        self, request: pb.CountTokensRequest, context: Context
    ) -> pb.CountTokensResponse:
        async with refusals(context):
            self._check(request.request.model)
            tokens = await self._backend.count_tokens(request.request)
        return pb.CountTokensResponse(prompt_tokens=tokens)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:  # noqa: N802
        async with refusals(context):
            self._check(request.model)
            tokens = await self._backend.tokenize(request)
            pieces = await self._backend.pieces(tokens) if request.with_pieces else []
        return pb.TokenizeResponse(tokens=tokens, pieces=pieces)

    async def Detokenize(self, request: pb.DetokenizeRequest, context: Context) -> pb.DetokenizeResponse:  # noqa: N802
        async with refusals(context):
            self._check(request.model)
            pieces = await self._backend.pieces(request.tokens)
        return pb.DetokenizeResponse(text=b"".join(pieces).decode("utf-8", "replace"))

    async def GetReceipts(  # noqa: N802
        self, request: pb.GetReceiptsRequest, context: Context
    ) -> pb.GetReceiptsResponse:
        async with refusals(context):
            if len(request.request_ids) > MOST_RECEIPTS:
                raise InvalidRequestError(f"at most {MOST_RECEIPTS} receipts are found at once", "request_ids")
        return pb.GetReceiptsResponse(receipts=self._receipts.find(request.request_ids))

    # ------------------------------------------------------------------ inside

    async def _read_session(self, requests: AsyncIterator[pb.SessionRequest], outbox: Outbox) -> None:
        try:
            async for message in requests:
                for start in message.start:
                    self._start(outbox, start.handle, start.request_id, start.request)
                for handle in message.cancel:
                    if (generation := outbox.running.get(handle)) is not None:
                        self._backend.cancel(generation)
        finally:
            outbox.close()

    def _start(self, outbox: Outbox, handle: int, request_id: str, request: pb.GenerateRequest) -> None:
        try:
            self._check(request.model)
            check_choices(request)
            if handle in outbox.running:
                raise WorkerError(f"handle {handle} is already in use on this session")
        except WorkerError as error:
            refusal = error.event()
            refusal.handle = handle
            outbox.put(refusal, "failed")
            return
        generation = Generation(request_id=request_id, request=request, owner=outbox, handle=handle)
        outbox.opened(generation)
        self._activity.begin()
        self._idle.clear()
        self._receipts.opened(generation)
        self._backend.submit(generation)

    def _check(self, model: str) -> None:
        if self.draining:
            raise UnavailableError("this worker is shutting down; another replica can take the request")
        name = self._backend.info.name
        if model not in ("", name):
            raise ModelNotFoundError(f"this worker serves {name!r}, not {model!r}", "model")

    def _ended(self, outbox: Outbox, generation: Generation, event: pb.Event) -> None:
        if not outbox.ended(generation):
            return
        self._activity.end()
        if not self._activity.running:
            self._idle.set()
        self._receipts.closed(generation, event)

    def _abandon(self, outbox: Outbox) -> None:
        """The caller is gone: nothing it started may go on."""
        outbox.close()
        for generation in list(outbox.running.values()):
            generation.abandoned = True
            self._backend.cancel(generation)

    async def _events(self, call: pb.CompleteRequest, context: Context) -> AsyncGenerator[pb.Event]:
        """The events of one unary generation. A failure aborts the call with the status of its cause."""
        outbox = Outbox()
        try:
            self._start(outbox, 0, call.request_id, call.request)
            while True:
                for event in await outbox.take():
                    if event.HasField("failed"):
                        await context.abort(STATUSES[event.failed.code], event.failed.message)
                    yield event
                    if event.HasField("finished"):
                        return
        finally:
            self._abandon(outbox)


def check_choices(request: pb.GenerateRequest) -> None:
    """Raises InvalidRequestError for more choices than can be made while others wait: all of them begin at once."""
    if max(1, request.n) * max(1, len(request.prompts.items)) > MOST_CHOICES:
        raise InvalidRequestError(f"one request has at most {MOST_CHOICES} choices, of all its prompts together", "n")


@asynccontextmanager
async def refusals(context: Context) -> AsyncGenerator[None]:
    """Ends a unary call with the error that is raised. The edge splits the parameter at fault off the message."""
    try:
        yield
    except WorkerError as error:
        await context.abort(error.status, f"{error.param}: {error.message}" if error.param else error.message)


def collect(choice: pb.Choice, delta: pb.Delta) -> None:
    """Adds one delta to the choice it belongs to."""
    choice.text += delta.text
    choice.reasoning += delta.reasoning
    choice.logprobs.extend(delta.logprobs)
    for call in delta.tool_calls:
        if call.index == len(choice.tool_calls):
            choice.tool_calls.add(id=call.id, name=call.name)
        choice.tool_calls[call.index].arguments += call.arguments
    if delta.finish:
        choice.finish = delta.finish
        choice.stop_sequence = delta.stop_sequence
