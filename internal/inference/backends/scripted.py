"""A backend without a model: it says what it is told, at the pace it is told. The demo and the tests run on it.

By default the answer is `tokens` times the word " tok". When the last user message begins with `script:` the rest of
it is JSON, a list of steps, each an object with one key:

    {"say": "text"}          one delta for every word
    {"think": "text"}        the same, as reasoning
    {"count": 3000}          so many words
    {"call": {"name": "f", "arguments": {...}}}   a tool call
    {"stop": "text"}         the end, as if this stop sequence had come
    {"wait_ms": 50}          a pause of this generation only
    {"fail": "message"}      the generation fails
    {"hang": true}           nothing more, ever, until cancelled
    {"exit": 1}              the worker process dies at once

It keeps slots, a bounded queue and a context like any other backend, so that limits can be met without a model.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import time
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import msgspec
from gen import inference_pb2 as pb

from internal.config import ConfigError, ModelConfig
from internal.errors import ContextLengthExceededError, InternalError, InvalidRequestError, OverloadedError, WorkerError
from internal.inference.backends.base import Generation, ModelInfo, Publish

WORDS = re.compile(r"\S+\s*|\s+")
VOCABULARY = 256
SAID = {"say": "text", "think": "reasoning"}  # steps of words → where a delta has them


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: int = 64  # length of the default answer
    step_ms: float = 0.0  # pause between steps
    slots: int = 64
    queue_limit: int = 1024
    context_length: int = 131_072


class Run:
    """One generation in a slot: what it still has to say."""

    def __init__(self, generation: Generation, steps: deque[dict[str, Any]]) -> None:
        self.generation = generation
        self.steps = steps
        self.resume_at = 0.0
        self.started_at = time.monotonic()
        self.calls = 0


class ScriptedBackend:
    """See the module. One asyncio task makes the steps of all slots."""

    def __init__(self, config: ModelConfig) -> None:
        try:
            self._options = msgspec.convert(config.options, Options)
        except msgspec.ValidationError as error:
            raise ConfigError(f"model {config.name!r}: {error}") from None
        self.info = ModelInfo(
            name=config.name,
            backend="scripted",
            device="cpu",
            context_length=self._options.context_length,
            vocabulary_size=VOCABULARY,
            slots=self._options.slots,
            created=config.created,
        )
        self._queue: deque[Run] = deque()
        self._slots: list[Run] = []
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, publish: Publish) -> None:
        self._publish = publish
        self._task = asyncio.create_task(self._loop())

    def submit(self, generation: Generation) -> None:
        try:
            if len(self._queue) >= self._options.queue_limit:
                raise OverloadedError("the queue is full; try again shortly", retry_after_ms=1000)
            prompt_tokens = self._count(generation.request)
            wanted = max(generation.request.max_tokens, 1)
            if prompt_tokens + wanted > self._options.context_length:
                raise ContextLengthExceededError(
                    f"This model's maximum context length is {self._options.context_length} tokens. However, your "
                    f"messages resulted in {prompt_tokens} tokens and {wanted} were asked for. Shorten them "
                    "(context_length_exceeded: prompt is too long).",
                    "messages",
                )
            run = Run(generation, self._script(generation.request))
        except WorkerError as error:
            self._publish([(generation, error.event())])
            return
        generation.usage.prompt_tokens = prompt_tokens
        self._queue.append(run)
        self._publish([(generation, pb.Event(accepted=pb.Accepted(prompt_tokens=prompt_tokens)))])
        self._work.set()

    def cancel(self, generation: Generation) -> None:
        for runs in (self._queue, self._slots):
            for run in runs:
                if run.generation is generation:
                    runs.remove(run)
                    self._publish([(generation, self._finished(run, cancelled=True))])
                    return

    async def count_tokens(self, request: pb.GenerateRequest) -> int:
        return self._count(request)

    async def tokenize(self, request: pb.TokenizeRequest) -> list[int]:
        """Bytes, so that any text comes back."""
        texts = [part.text for message in request.chat.messages for part in message.parts]
        return list("".join([request.text, *texts]).encode(errors="surrogatepass"))

    async def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        if any(token >= VOCABULARY for token in tokens):
            raise InvalidRequestError(f"token ids must be below {VOCABULARY}", "tokens")
        return [bytes([token]) for token in tokens]

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for run in (*self._queue, *self._slots):
            self.cancel(run.generation)

    # ------------------------------------------------------------------ inside

    async def _loop(self) -> None:
        while True:
            while self._queue and len(self._slots) < self._options.slots:
                self._slots.append(self._queue.popleft())
            now = time.monotonic()
            events = [event for run in self._slots if run.resume_at <= now for event in self._step(run, now)]
            self._slots = [run for run in self._slots if run.resume_at >= 0]
            if events:
                self._publish(events)
            await self._pause()

    async def _pause(self) -> None:
        """Until the next step: `step_ms`, or when every slot waits for longer, the first of them or new work."""
        resume_at = min((run.resume_at for run in self._slots), default=math.inf)
        wait_s = resume_at - time.monotonic()
        if wait_s <= 0:
            await asyncio.sleep(self._options.step_ms / 1e3)
            return
        self._work.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), None if wait_s == math.inf else wait_s)

    def _step(self, run: Run, now: float) -> list[tuple[Generation, pb.Event]]:
        """The events of one step of one slot. `resume_at` below 0 says that the run is over."""
        generation = run.generation
        request = generation.request
        usage = generation.usage
        if not run.steps:
            return self._end(run, pb.TOOL_CALLS if run.calls else pb.STOP)
        ((kind, value),) = run.steps.popleft().items()
        if kind == "wait_ms":
            run.resume_at = now + value / 1e3
            return []
        if kind == "hang":
            run.resume_at = math.inf
            return []
        if kind == "exit":
            os._exit(int(value))
        if kind == "stop":
            return self._end(run, pb.STOP, stop_sequence=value)
        if kind == "fail":
            run.resume_at = -1
            event = InternalError(str(value)).event()
            event.failed.usage.CopyFrom(usage)
            return [(generation, event)]
        usage.completion_tokens += 1
        usage.reasoning_tokens += kind == "think"
        events = []
        for choice in range(max(1, request.n)):
            delta = pb.Delta(choice=choice, tokens=1)
            if kind == "call":
                delta.tool_calls.add(
                    index=run.calls,
                    id=f"call_{generation.request_id[-12:]}{choice}{run.calls}",
                    name=value["name"],
                    arguments=msgspec.json.encode(value.get("arguments", {})).decode(),
                )
            else:
                setattr(delta, SAID.get(kind, "text"), value)
            events.append((generation, pb.Event(delta=delta)))
        run.calls += kind == "call"
        if not run.steps:
            events += self._end(run, pb.TOOL_CALLS if run.calls else pb.STOP)
        elif usage.completion_tokens == request.max_tokens:
            events += self._end(run, pb.LENGTH)
        return events

    def _end(
        self, run: Run, reason: pb.FinishReason.ValueType, stop_sequence: str = ""
    ) -> list[tuple[Generation, pb.Event]]:
        run.resume_at = -1
        choices = max(1, run.generation.request.n)
        run.generation.usage.completion_tokens *= choices
        run.generation.usage.reasoning_tokens *= choices
        ends = [
            (run.generation, pb.Event(delta=pb.Delta(choice=i, finish=reason, stop_sequence=stop_sequence)))
            for i in range(choices)
        ]
        return [*ends, (run.generation, self._finished(run))]

    def _finished(self, run: Run, cancelled: bool = False) -> pb.Event:
        decode_ms = (time.monotonic() - run.started_at) * 1e3
        return pb.Event(
            finished=pb.Finished(
                usage=run.generation.usage, timings=pb.Timings(decode_ms=decode_ms), cancelled=cancelled
            )
        )

    def _script(self, request: pb.GenerateRequest) -> deque[dict[str, Any]]:
        text = last_user_text(request)
        if not text.startswith("script:"):
            return deque(repeat({"say": " tok"}, self._options.tokens))
        try:
            steps = msgspec.json.decode(text.removeprefix("script:"), type=list[dict[str, Any]])
        except msgspec.MsgspecError as error:
            raise InvalidRequestError(f"the script is not a JSON list of steps: {error}", "messages") from None
        spoken: deque[dict[str, Any]] = deque()
        for step in steps:
            if kind := next(iter(SAID.keys() & step), None):
                spoken.extend({kind: word} for word in WORDS.findall(step[kind]))
            elif "count" in step:
                spoken.extend({"say": f" {number}"} for number in range(int(step["count"])))
            else:
                spoken.append(step)
        return spoken

    @staticmethod
    def _count(request: pb.GenerateRequest) -> int:
        """Tokens of the prompt: words, so that a person can check them."""
        if request.HasField("tokens"):
            return len(request.tokens.ids)
        if request.HasField("text"):
            return len(request.text.split())
        return sum(len(part.text.split()) for message in request.chat.messages for part in message.parts)


def last_user_text(request: pb.GenerateRequest) -> str:
    """The text of the last user message, or the plain prompt."""
    if request.HasField("text"):
        return request.text
    for message in reversed(request.chat.messages):
        if message.role == "user":
            return "".join(part.text for part in message.parts)
    return ""
