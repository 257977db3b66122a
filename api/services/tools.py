"""Answers with tools of the server: model, tools, model, until it answers. Each round is a generation of its own.

So every round is admitted, held, limited and settled like a request (the n-th under the request's id and `-n`), and
what is running is one round or some tools, never both: while tools run, nothing is held. A round that is refused ends
the answer with that error; a tool that fails does not, the model is told.

The last round that is allowed, by number, time or calls, is without the server's tools, so that the model answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from api import metrics
from api.clients.session import TOOL_CALLS, Called, Delta, GenerateRequest, length
from api.clients.tools import Round, ToolServer, withdraw
from api.domain import Principal, TokenUsage, ToolCall, ToolResult, ToolRun, WantedTool
from api.services.answering import AnswerStream, Endings
from api.services.generation import GenerationService
from api.services.generation_stream import GenerationStream

MOST_CALLS = 64  # of one answer
TICK_S = 1.0

Said = Delta | ToolRun


class ToolService:
    """Opens answers with tools."""

    def __init__(
        self, generation: GenerationService, server: ToolServer, rounds: int, call_timeout_s: float, timeout_s: float
    ) -> None:
        self.generation = generation
        self.server = server
        self.rounds = rounds
        self.call_timeout_s = call_timeout_s
        self.timeout_s = timeout_s
        self.endings = Endings()

    async def admit(
        self,
        request: GenerateRequest,
        asked: Sequence[WantedTool],
        most_calls: int | None,
        principal: Principal,
        request_id: str,
        operation: str,
        streamed: bool,
    ) -> ToolLoop:
        """An answer whose first round is admitted. Raises as `GenerationService.admit`, and InvalidRequestError for
        tools that there are not."""
        servers = self.server.offer(request.chat, asked)
        most_calls = min(most_calls or MOST_CALLS, MOST_CALLS)
        loop = ToolLoop(self, request, servers, most_calls, principal, request_id, operation, streamed)
        await loop.admit()
        return loop

    async def aclose(self) -> None:
        """Waits for every answer that is being ended."""
        await self.endings.aclose()


class ToolLoop(AnswerStream[Said]):
    """The rounds of one answer. A task makes them, so that whoever waits for `next` may give up waiting."""

    def __init__(
        self,
        service: ToolService,
        request: GenerateRequest,
        servers: Mapping[str, str],
        most_calls: int,
        principal: Principal,
        request_id: str,
        operation: str,
        streamed: bool,
    ) -> None:
        self.model = request.model
        self.request_id = request_id
        self.choices = 1
        self.created_s = int(time.time())
        self.exhausted = False
        self._service = service
        self._request = request  # of the round that runs
        self._servers = servers  # of the tools, by name
        self._called = 0  # tools, so far
        self._most_calls = most_calls
        self._principal = principal
        self._operation = operation
        self._streamed = streamed
        self._until_s = time.monotonic() + service.timeout_s
        self._streams: list[GenerationStream] = []  # one per round
        self._final = False  # the round that runs may not call the server's tools
        self._left = False
        self._running: list[asyncio.Task[ToolResult]] = []  # tools
        self._said: list[Said] = []
        self._news = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ reading

    async def start(self) -> None:
        """Raises as `GenerationStream.start`."""
        await self._stream.start()
        self._rounds = asyncio.create_task(self._run())
        self._rounds.add_done_callback(self._ended)

    async def next(self) -> Sequence[Said]:
        assert self._rounds is not None
        if not self._said and not self._rounds.done():
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._news.wait()
        said, self._said = self._said, []
        if not said and self._rounds.done():
            self._rounds.result()
        return said

    @property
    def over(self) -> bool:
        rounds = self._rounds
        return rounds is not None and rounds.done() and not self._said and rounds.exception() is None

    @property
    def left(self) -> bool:
        return self._left

    def leave(self) -> None:
        self._left = True
        self._stream.leave()
        for running in self._running:
            running.cancel()

    @property
    def headers(self) -> dict[str, str]:
        """Those of the first round."""
        return self._streams[0].headers

    @property
    def upstream_headers(self) -> dict[str, str]:
        return self._streams[0].upstream_headers

    def usage(self) -> TokenUsage:
        """The sum of the rounds."""
        return sum((stream.usage() for stream in self._streams), TokenUsage())

    async def aclose(self) -> None:
        if self._end is None:
            self._end = self._service.endings.run(self._stop())
        await asyncio.shield(self._end)

    async def _stop(self) -> None:
        """Ends what still runs, and settles the last round. Whoever has not left was cut off, as in one generation."""
        if self._rounds is not None and not self._rounds.done():
            if not self._left:
                self._rounds.cancel()
                for running in self._running:
                    running.cancel()
            await asyncio.wait({self._rounds})
        await self._stream.aclose()

    # ------------------------------------------------------------------ rounds

    async def admit(self) -> None:
        """The next round. Raises as `GenerationService.admit`."""
        number = len(self._streams) + 1
        used_up = number >= self._service.rounds or self._called >= self._most_calls
        self._final = used_up or time.monotonic() >= self._until_s
        if self._final:
            withdraw(self._request.chat, self._servers)
        request_id = self.request_id if number == 1 else f"{self.request_id}-{number}"
        stream = await self._service.generation.admit(
            self._request, self._principal, request_id, self._operation, self._streamed
        )
        self.model = stream.model
        self._streams.append(stream)

    @property
    def _stream(self) -> GenerationStream:
        return self._streams[-1]

    async def _run(self) -> None:
        while (following := await self._round()) is not None:
            self._request = following
            await self.admit()
            if self._left:
                return
            await self._stream.start()

    async def _round(self) -> GenerateRequest | None:
        """What the model says, and its calls; the request of the next round, if there is to be one."""
        spoken = await self._speak()
        await self._stream.aclose()
        used = self._stream.usage().completion_tokens
        called = spoken.calls if spoken.finish == TOOL_CALLS and not self._final else ()
        results = [] if self._left else await self._call(called)
        if self._left:
            return None
        if not called or spoken.handed_over:
            self._tell(spoken.end)
            return None
        following = spoken.continued(self._request, results)
        if not self._request.max_tokens:
            return following
        if used >= self._request.max_tokens:
            self._tell(length(0))
            return None
        following.max_tokens -= used
        return following

    def _ended(self, rounds: asyncio.Task[None]) -> None:
        """`next` tells what broke them; when nobody reads any more, nobody has to be told."""
        if not rounds.cancelled():
            rounds.exception()
        self._news.set()

    async def _speak(self) -> Round:
        spoken, stream = Round(self._servers), self._stream
        while not stream.over:
            self._tell(*(delta for delta in await stream.next() if spoken.take(delta)))
        self.exhausted = stream.exhausted
        return spoken

    async def _call(self, called: Sequence[Called]) -> list[ToolResult]:
        """Runs tools side by side, and tells of them one after the other."""
        calls = [
            ToolCall(self._called + number, call.id, self._servers[call.name], call.name, call.arguments)
            for number, call in enumerate(called)
        ]
        self._called += len(calls)
        self._running = [asyncio.create_task(self._execute(call)) for call in calls]
        results: list[ToolResult] = []
        for call, running in zip(calls, self._running, strict=True):
            self._tell(ToolRun(call))
            await asyncio.wait({running})
            if self._left:
                break
            results.append(running.result())
            self._tell(ToolRun(call, results[-1]))
        self._running = []
        return results

    async def _execute(self, call: ToolCall) -> ToolResult:
        if call.index >= self._most_calls:
            return ToolResult("Not called: this answer has had all the calls it may have. Answer now.", failed=True)
        timeout_s = min(self._service.call_timeout_s, max(self._until_s - time.monotonic(), 0.0))
        result = await self._service.server.execute(call, self.request_id, timeout_s)
        metrics.TOOL_CALLS.labels(call.name, "failed" if result.failed else "answered").inc()
        return result

    def _tell(self, *said: Said) -> None:
        self._said += said
        self._news.set()
