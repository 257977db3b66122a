"""A backend without a model: it says what it is told, at the pace it is told. The demo and the tests run on it.

By default the answer is `tokens` times the word " tok". When the last user message, or a plain prompt, begins with
`script:` the rest of it is JSON, a list of steps, each an object with one key:

    {"say": "text"}          one delta for every word
    {"count": 3000}          so many words
    {"call": {"name": "f", "arguments": {...}}}   a tool call
    {"wait_ms": 50}          a pause of this prompt only
    {"fail": "message"}      the generation fails
    {"hang": true}           nothing more, ever, until cancelled
    {"exit": 1}              the worker process dies at once

It keeps slots (one for each prompt), a bounded queue and a context like any other backend, so that limits can be met
without a model.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import time
from collections import deque
from itertools import repeat
from typing import Any

import msgspec
from gen import inference_pb2 as pb

from internal.config import ConfigError, ModelConfig
from internal.errors import ContextLengthExceededError, InternalError, InvalidRequestError, OverloadedError, WorkerError
from internal.inference.backends.base import Generation, ModelInfo, Publish

WORDS = re.compile(r"\S+\s*|\s+")
VOCABULARY = 256


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: int = 64  # length of the default answer
    step_ms: float = 0.0  # pause between steps
    slots: int = 64
    queue_limit: int = 1024
    context_length: int = 131_072


class Run:
    """One prompt of a generation in a slot: what its choices, which are all alike, still have to say."""

    def __init__(self, generation: Generation, choices: range, steps: deque[dict[str, Any]]) -> None:
        self.generation = generation
        self.choices = choices
        self.steps = steps
        self.resume_at = 0.0
        self.started_at = time.monotonic()
        self.said = 0
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
        self._open: dict[Generation, int] = {}  # runs that are not over
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, publish: Publish) -> None:
        self._publish = publish
        self._task = asyncio.create_task(self._loop())

    def submit(self, generation: Generation) -> None:
        try:
            if len(self._queue) >= self._options.queue_limit:
                raise OverloadedError("the queue is full; try again shortly", retry_after_ms=1000)
            counts = count(generation.request)
            self._check_length(generation.request, max(counts))
            runs = self._runs(generation)
        except WorkerError as error:
            self._publish([(generation, error.event())])
            return
        generation.usage.prompt_tokens = sum(counts)
        self._queue.extend(runs)
        self._open[generation] = len(runs)
        accepted = pb.Accepted(prompt_tokens=sum(counts), echo=echo(generation.request))
        self._publish([(generation, pb.Event(accepted=accepted))])
        self._work.set()

    def cancel(self, generation: Generation) -> None:
        if runs := self._drop(generation):
            self._publish([(generation, self._finished(runs[0], cancelled=True))])

    async def count_tokens(self, request: pb.GenerateRequest) -> int:
        return sum(count(request))

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for run in (*self._queue, *self._slots):
            self.cancel(run.generation)

    # ------------------------------------------------------------------ inside

    async def _loop(self) -> None:
        while True:
            while self._queue and self._has_room():
                self._slots.append(self._queue.popleft())
            now = time.monotonic()
            events = [event for run in self._slots if 0 <= run.resume_at <= now for event in self._step(run, now)]
            self._slots = [run for run in self._slots if run.resume_at >= 0]
            if events:
                self._publish(events)
            await self._pause()

    async def _pause(self) -> None:
        """Until the next step: `step_ms`, or when every slot waits for longer, the first of them or new work."""
        resume_at = min((run.resume_at for run in self._slots), default=math.inf)
        wait_s = resume_at - time.monotonic()
        if wait_s <= 0 or (self._queue and self._has_room()):
            await asyncio.sleep(self._options.step_ms / 1e3)
            return
        self._work.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._work.wait(), None if wait_s == math.inf else wait_s)

    def _has_room(self) -> bool:
        return len(self._slots) < self._options.slots

    def _step(self, run: Run, now: float) -> list[tuple[Generation, pb.Event]]:
        """The events of one step of one slot. `resume_at` below 0 says that the run is over."""
        generation = run.generation
        request = generation.request
        usage = generation.usage
        if request.prompt_only:
            return self._end(run, pb.LENGTH)
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
        if kind == "fail":
            self._drop(generation)
            event = InternalError(str(value)).event()
            event.failed.usage.CopyFrom(usage)
            return [(generation, event)]
        run.said += 1
        usage.completion_tokens += len(run.choices)
        events = []
        for choice in run.choices:
            delta = pb.Delta(choice=choice, tokens=1)
            if kind == "call":
                delta.tool_calls.add(
                    index=run.calls,
                    id=f"call_{generation.request_id[-12:]}{choice}{run.calls}",
                    name=value["name"],
                    arguments=msgspec.json.encode(value.get("arguments", {})).decode(),
                )
            else:
                delta.text = value
            events.append((generation, pb.Event(delta=delta)))
        run.calls += kind == "call"
        if not run.steps:
            events += self._end(run, pb.TOOL_CALLS if run.calls else pb.STOP)
        elif run.said == request.max_tokens:
            events += self._end(run, pb.LENGTH)
        return events

    def _end(self, run: Run, reason: pb.FinishReason.ValueType) -> list[tuple[Generation, pb.Event]]:
        run.resume_at = -1
        generation = run.generation
        events = [(generation, pb.Event(delta=pb.Delta(choice=choice, finish=reason))) for choice in run.choices]
        self._open[generation] -= 1
        if not self._open[generation]:
            del self._open[generation]
            events.append((generation, self._finished(run)))
        return events

    def _drop(self, generation: Generation) -> list[Run]:
        """Takes a generation off its slots and out of the queue; what it had there."""
        self._open.pop(generation, None)
        runs = [run for run in (*self._slots, *self._queue) if run.generation is generation]
        for run in runs:
            run.resume_at = -1
        self._slots = [run for run in self._slots if run.generation is not generation]
        self._queue = deque(run for run in self._queue if run.generation is not generation)
        return runs

    def _finished(self, run: Run, cancelled: bool = False) -> pb.Event:
        decode_ms = (time.monotonic() - run.started_at) * 1e3
        return pb.Event(
            finished=pb.Finished(
                usage=run.generation.usage, timings=pb.Timings(decode_ms=decode_ms), cancelled=cancelled
            )
        )

    def _check_length(self, request: pb.GenerateRequest, prompt_tokens: int) -> None:
        wanted = max(request.max_tokens, 1)
        if prompt_tokens + wanted > self._options.context_length:
            given, it = ("messages", "them") if request.HasField("chat") else ("prompt", "it")
            raise ContextLengthExceededError(
                f"This model's maximum context length is {self._options.context_length} tokens. However, your {given} "
                f"resulted in {prompt_tokens} tokens and {wanted} were asked for. Shorten {it} "
                "(context_length_exceeded: prompt is too long).",
                given,
            )

    def _runs(self, generation: Generation) -> list[Run]:
        request = generation.request
        n = max(1, request.n)
        texts = [last_user_text(request.chat)] if request.HasField("chat") else texts_of(request)
        return [
            Run(generation, range(number * n, number * n + n), self._script(text)) for number, text in enumerate(texts)
        ]

    def _script(self, text: str) -> deque[dict[str, Any]]:
        if not text.startswith("script:"):
            return deque(repeat({"say": " tok"}, self._options.tokens))
        try:
            steps = msgspec.json.decode(text.removeprefix("script:"), type=list[dict[str, Any]])
        except msgspec.MsgspecError as error:
            raise InvalidRequestError(f"the script is not a JSON list of steps: {error}", "messages") from None
        spoken: deque[dict[str, Any]] = deque()
        for step in steps:
            if "say" in step:
                spoken.extend({"say": word} for word in WORDS.findall(step["say"]))
            elif "count" in step:
                spoken.extend({"say": f" {number}"} for number in range(int(step["count"])))
            else:
                spoken.append(step)
        return spoken


def count(request: pb.GenerateRequest) -> list[int]:
    """Tokens of each prompt: words, so that a person can check them. Raises InvalidRequestError when there is none."""
    if request.HasField("chat"):
        return [sum(len(part.text.split()) for message in request.chat.messages for part in message.parts)]
    if not request.prompts.items:
        raise InvalidRequestError("the request has no prompt", "prompt")
    if any(token >= VOCABULARY for prompt in request.prompts.items for token in prompt.tokens.ids):
        raise InvalidRequestError(f"token ids must be below {VOCABULARY}", "prompt")
    return [len(prompt.tokens.ids) or len(prompt.text.split()) for prompt in request.prompts.items]


def echo(request: pb.GenerateRequest) -> list[str]:
    return texts_of(request) if request.echo else []


def texts_of(request: pb.GenerateRequest) -> list[str]:
    """The plain prompts. A token is the character with its number."""
    return [prompt.text or "".join(map(chr, prompt.tokens.ids)) for prompt in request.prompts.items]


def last_user_text(chat: pb.Chat) -> str:
    for message in reversed(chat.messages):
        if message.role == "user":
            return "".join(part.text for part in message.parts)
    return ""
