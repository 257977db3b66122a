"""The multiplexed stream to one worker: every running request of this process shares it.

A frame from the worker holds the events of one engine step for many requests. They are handed out here; whoever reads
slower than the engine writes finds several steps at once, so nothing is ever encoded or awaited per token.

When the stream breaks, every call on it ends with `broken`, and the session is dead: `hosts.py` opens another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import grpc
import grpc.aio
from gen import inference_pb2 as pb
from gen import inference_pb2_grpc

from api.clients.channel import CHANNEL_OPTIONS, bearer
from api.clients.grpc_errors import broken, calling, from_status
from api.domain import Provenance
from api.errors import ApiError

log = logging.getLogger("novai.session")

Chat = pb.Chat
GenerateRequest = pb.GenerateRequest
TokenizeRequest = pb.TokenizeRequest
TokenizeResponse = pb.TokenizeResponse
Delta = pb.Delta
Finished = pb.Finished
Failed = pb.Failed
Called = pb.ToolCall
ToolCallDelta = pb.ToolCallDelta
TokenLogprob = pb.TokenLogprob
Receipt = pb.Receipt
STOP, TOOL_CALLS = pb.STOP, pb.TOOL_CALLS
FINISH_NAMES: Mapping[int, Literal["stop", "length", "tool_calls", "content_filter"]] = {
    pb.STOP: "stop",
    pb.LENGTH: "length",
    pb.TOOL_CALLS: "tool_calls",
    pb.CONTENT_FILTER: "content_filter",
    pb.CANCELLED: "stop",
}
PROVENANCES: Mapping[int, Provenance] = {pb.ENGINE: "engine", pb.PROVIDER: "provider", pb.ESTIMATED: "estimated"}


def yielding(request: GenerateRequest) -> GenerateRequest:
    """At batch priority: others go first."""
    request.priority = pb.BATCH
    return request


def length(choice: int) -> Delta:
    """The end of a choice that may not go on."""
    return pb.Delta(choice=choice, finish=pb.LENGTH)


TICK_S = 1.0
PARCEL_BYTES = 4 << 20  # of requests that leave in one message, if there are several


class Call:
    """One request on a session. Read by one task."""

    __slots__ = ("_events", "_session", "_waiter", "ended", "error", "handle", "last_event_s")

    def __init__(self, session: Session, handle: int) -> None:
        self._session = session
        self._events: list[pb.Event] = []
        self._waiter: asyncio.Future[None] | None = None
        self.handle = handle
        self.ended = False  # finished or failed has arrived
        self.error: ApiError | None = None  # the session broke
        self.last_event_s = time.monotonic()

    async def next(self) -> list[pb.Event]:
        """Everything that arrived since the last call, waiting for something to arrive.

        Empty about once a second of silence, so that the reader can look at its deadlines. Raises UpstreamError when
        the session broke before the request ended.
        """
        if not self._events:
            if self.error is not None:
                raise self.error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        events, self._events = self._events, []
        if not events and self.error is not None:
            raise self.error
        return events

    @property
    def last_token_s(self) -> float:
        """When the worker last had a token for any call of the session."""
        return self._session.last_token_s

    def cancel(self) -> None:
        """Tells the worker to stop. `finished` with the exact usage still follows. Idempotent."""
        if not self.ended and self.error is None:
            self._session.cancel(self.handle)

    def forget(self) -> None:
        """Nobody reads this call any more."""
        self._session.forget(self)

    def put(self, event: pb.Event) -> None:
        self._events.append(event)

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Session:
    """One worker's stream. `open` → `start`* → `aclose`. From the moment it breaks `alive` is False, `broken` set."""

    def __init__(self, target: str, model: str, token: str = "") -> None:
        self.target = target
        self.model = model
        self.alive = False
        self.broken = asyncio.Event()
        self.calls: dict[int, Call] = {}
        self.last_token_s = -math.inf  # of any call
        self._metadata = bearer(token)
        self._channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._stub = inference_pb2_grpc.InferenceServiceStub(self._channel)
        self._starts: list[pb.Start] = []
        self._cancels: list[int] = []
        self._to_send = asyncio.Event()
        self._handles = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, timeout_s: float = 5.0) -> None:
        """Connects. Raises ConnectionError when the worker does not answer in time."""
        self._stream = self._stub.Session(metadata=self._metadata)
        try:
            with calling():
                async with asyncio.timeout(timeout_s):  # `wait_for` loses a cancellation that comes with the answer
                    await self._stream.wait_for_connection()
        except (TimeoutError, grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            self._stream.cancel()
            await self._channel.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise ConnectionError(f"worker {self.target} does not answer: {error!r}") from None
        self.alive = True
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        self._tasks.append(asyncio.create_task(self._tick()))

    def start(self, request_id: str, request: pb.GenerateRequest) -> Call:
        """Starts a request; its first event is `accepted` or `failed`. Raises UpstreamError on a dead session."""
        if not self.alive:
            raise broken(f"the worker of {self.model}")
        self._handles = self._handles % 0xFFFFFFF0 + 1
        call = Call(self, self._handles)
        self.calls[call.handle] = call
        self._starts.append(pb.Start(handle=call.handle, request_id=request_id, request=request))
        self._to_send.set()
        return call

    def cancel(self, handle: int) -> None:
        self._cancels.append(handle)
        self._to_send.set()

    def forget(self, call: Call) -> None:
        self.calls.pop(call.handle, None)

    async def receipts(self, request_ids: Sequence[str], timeout_s: float = 1.0) -> Sequence[Receipt]:
        """What the worker knows of these requests. Raises ConnectionError."""
        call = pb.GetReceiptsRequest(request_ids=request_ids)
        try:
            with calling():
                answer = await self._stub.GetReceipts(call, metadata=self._metadata, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(f"worker {self.target}: {error.code().name}") from None
        return answer.receipts

    async def count_tokens(self, request: GenerateRequest, timeout_s: float = 2.0) -> int:
        """Tokens of its prompt. Raises the ApiError that the worker's status stands for."""
        with self._refused():
            call = pb.CountTokensRequest(request=request)
            answer = await self._stub.CountTokens(call, metadata=self._metadata, timeout=timeout_s)
        return int(answer.prompt_tokens)

    async def tokenize(self, request: TokenizeRequest, timeout_s: float) -> TokenizeResponse:
        """Tokens of a text or a conversation. Raises as `count_tokens`."""
        with self._refused():
            return await self._stub.Tokenize(request, metadata=self._metadata, timeout=timeout_s)

    async def detokenize(self, tokens: Sequence[int], timeout_s: float) -> str:
        """The text of tokens. Raises as `count_tokens`."""
        with self._refused():
            call = pb.DetokenizeRequest(tokens=tokens)
            answer = await self._stub.Detokenize(call, metadata=self._metadata, timeout=timeout_s)
        return str(answer.text)

    async def aclose(self) -> None:
        """Cuts the stream; the worker cancels what still runs on it. Idempotent."""
        self._break()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._channel.close()

    # ------------------------------------------------------------------ inside

    @contextlib.contextmanager
    def _refused(self) -> Iterator[None]:
        """A call beside the stream that fails is the ApiError that its status stands for."""
        try:
            with calling():
                yield
        except grpc.aio.AioRpcError as error:
            raise from_status(error, f"the worker of {self.model}") from None

    async def _read(self) -> None:
        calls = self.calls
        try:
            async for frame in self._stream:
                now = time.monotonic()
                woken: dict[int, Call] = {}
                for event in frame.events:
                    call = calls.get(event.handle)
                    if call is None:
                        continue
                    kind = event.WhichOneof("kind")
                    if kind == "delta":
                        if event.delta.tokens:
                            self.last_token_s = now
                    elif kind in ("finished", "failed"):
                        call.ended = True
                        del calls[event.handle]
                    call.put(event)
                    call.last_event_s = now
                    woken[event.handle] = call
                for call in woken.values():
                    call.wake()
        except grpc.aio.AioRpcError as error:
            log.warning("session to %s (%s) broke: %s", self.target, self.model, error.code().name)
        finally:
            self._break()

    async def _write(self) -> None:
        try:
            while True:
                await self._to_send.wait()  # until the next turn of the loop: what this one brings goes along
                self._to_send.clear()
                starts, self._starts = self._starts, []
                cancels, self._cancels = self._cancels, []
                *before, last = parcels(starts)
                for parcel in before:
                    await self._stream.write(pb.SessionRequest(start=parcel))
                await self._stream.write(pb.SessionRequest(start=last, cancel=cancels))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            self._break()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            before = time.monotonic() - TICK_S
            for call in list(self.calls.values()):
                if call.last_event_s < before:
                    call.wake()

    def _break(self) -> None:
        if not self.alive:
            return
        self.alive = False
        self.broken.set()
        self._stream.cancel()
        for call in list(self.calls.values()):
            call.error = broken(f"the worker of {self.model}")
            call.wake()
        self.calls.clear()


def parcels(starts: list[pb.Start]) -> list[list[pb.Start]]:
    """Requests that leave together, one list at least. Large ones, and there may be many, would not fit one message."""
    if len(starts) < 2:
        return [starts]
    made: list[list[pb.Start]] = [[]]
    room = PARCEL_BYTES
    for start in starts:
        size = start.ByteSize()
        if size > room and made[-1]:
            made.append([])
            room = PARCEL_BYTES
        made[-1].append(start)
        room -= size
    return made
