"""A backend without a model: it says what it is told, at the pace it is told. The demo and the tests run on it.

By default the answer is `tokens` times the word " tok". When the last user message, or a plain prompt, begins with
`script:` the rest of it is JSON, a list of steps, each an object with one key:

    {"say": "text"}          one delta for every word
    {"think": "text"}        the same, as reasoning
    {"count": 3000}          so many words
    {"call": {"name": "f", "arguments": {...}}}   a tool call
    {"results": true}        what came of the tool calls since the user spoke, one delta each
    {"then": true}           the end of this turn; the next one, when the calls have results, goes on behind it
    {"stop": "text"}         the end, as if this stop sequence had come
    {"wait_ms": 50}          a pause of this prompt only
    {"fail": "message"}      the generation fails
    {"hang": true}           nothing more, ever, until cancelled
    {"deaf": true}           the same, and a cancellation is not heard while the session stands
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
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Annotated, Any

import msgspec
from gen import inference_pb2 as pb
from msgspec import UNSET, UnsetType

from internal.config import ModelConfig
from internal.errors import (
    ContextLengthExceededError,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    WorkerError,
)
from internal.inference.backends.base import Generation, ModelInfo, Publish
from internal.inference.backends.capabilities import LACKS, check

WORDS = re.compile(r"\S+\s*|\s+")
VOCABULARY = 256
SAID = {"say": "text", "think": "reasoning"}  # steps of words → where a delta has them


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: int = 64  # length of the default answer
    step_ms: float = 0.0  # pause between steps
    slots: int = 64
    queue_limit: int = 1024
    context_length: int = 131_072
    image_tokens: int = 0  # that an image counts as; 0: none is taken


class Called(msgspec.Struct):
    """A tool call of a script."""

    name: str
    arguments: dict[str, Any] = {}


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """A step of a script, which has one of these."""

    say: str | UnsetType = UNSET
    think: str | UnsetType = UNSET
    count: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
    call: Called | UnsetType = UNSET
    results: bool | UnsetType = UNSET
    then: bool | UnsetType = UNSET
    stop: str | UnsetType = UNSET
    wait_ms: float | UnsetType = UNSET
    fail: str | UnsetType = UNSET
    hang: bool | UnsetType = UNSET
    deaf: bool | UnsetType = UNSET
    exit: int | UnsetType = UNSET


class Run:
    """One prompt of a generation in a slot: what its choices, which are all alike, still have to say."""

    def __init__(self, generation: Generation, choices: range, steps: deque[dict[str, Any]]) -> None:
        self.generation = generation
        self.choices = choices
        self.steps = steps
        self.resume_at = 0.0
        self.deaf = False
        self.started_at = time.monotonic()
        self.said = 0
        self.calls = 0


class ScriptedBackend:
    """See the module. One asyncio task makes the steps of all slots. Raises ConfigError."""

    def __init__(self, config: ModelConfig) -> None:
        self._options = config.options_as(Options)
        self.info = ModelInfo(
            name=config.name,
            backend="scripted",
            device="cpu",
            context_length=self._options.context_length,
            vocabulary_size=VOCABULARY,
            slots=self._options.slots,
            created=config.created,
            image_tokens=self._options.image_tokens,
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
            check(generation.request, LACKS["scripted"])  # whoever says what it is told can be held to nothing
            counts = self._count(generation.request)
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
        if not generation.abandoned and any(run.deaf for run in self._slots if run.generation is generation):
            return
        if runs := self._drop(generation):
            choices = [choice for run in runs for choice in run.choices]
            ends = [(generation, pb.Event(delta=pb.Delta(choice=i, finish=pb.CANCELLED))) for i in choices]
            self._publish([*ends, (generation, self._finished(runs[0], cancelled=True))])

    async def count_tokens(self, request: pb.GenerateRequest) -> int:
        return sum(self._count(request))

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
            async with asyncio.timeout(None if wait_s == math.inf else wait_s):
                await self._work.wait()

    def _has_room(self) -> bool:
        return len(self._slots) < self._options.slots

    def _step(self, run: Run, now: float) -> list[tuple[Generation, pb.Event]]:
        """The events of one step of one slot. `resume_at` below 0 says that the run is over."""
        generation = run.generation
        if generation.request.prompt_only:
            return self._end(run, pb.LENGTH)
        if not run.steps:
            return self._end(run, pb.TOOL_CALLS if run.calls else pb.STOP)
        ((kind, value),) = run.steps.popleft().items()
        match kind:
            case "wait_ms":
                run.resume_at = now + value / 1e3
            case "hang" | "deaf":
                run.resume_at, run.deaf = math.inf, kind == "deaf"
            case "exit":
                os._exit(value)
            case "stop":
                return self._end(run, pb.STOP, stop_sequence=value)
            case "fail":
                return self._fail(generation, value)
            case _:
                return self._say(run, kind, value)
        return []

    def _fail(self, generation: Generation, message: str) -> list[tuple[Generation, pb.Event]]:
        self._drop(generation)
        event = InternalError(message).event()
        event.failed.usage.CopyFrom(generation.usage)
        return [(generation, event)]

    def _say(self, run: Run, kind: str, value: Any) -> list[tuple[Generation, pb.Event]]:
        generation = run.generation
        usage = generation.usage
        run.said += 1
        usage.completion_tokens += len(run.choices)
        usage.reasoning_tokens += len(run.choices) * (kind == "think")
        events = []
        for choice in run.choices:
            delta = pb.Delta(choice=choice, tokens=1)
            if kind == "call":
                delta.tool_calls.add(
                    index=run.calls,
                    id=f"call_{generation.request_id[-12:]}{choice}{run.calls}",
                    name=value.name,
                    arguments=msgspec.json.encode(value.arguments).decode(),
                )
            else:
                setattr(delta, SAID.get(kind, "text"), value)
            events.append((generation, pb.Event(delta=delta)))
        run.calls += kind == "call"
        if not run.steps:
            events += self._end(run, pb.TOOL_CALLS if run.calls else pb.STOP)
        elif run.said == generation.request.max_tokens:
            events += self._end(run, pb.LENGTH)
        return events

    def _end(
        self, run: Run, reason: pb.FinishReason.ValueType, stop_sequence: str = ""
    ) -> list[tuple[Generation, pb.Event]]:
        run.resume_at = -1
        generation = run.generation
        events = [
            (generation, pb.Event(delta=pb.Delta(choice=choice, finish=reason, stop_sequence=stop_sequence)))
            for choice in run.choices
        ]
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

    def _count(self, request: pb.GenerateRequest) -> list[int]:
        """Tokens of each prompt. Raises InvalidRequestError."""
        images = sum(part.HasField("image") for message in request.chat.messages for part in message.parts)
        return [words + images * self._options.image_tokens for words in count(request)]

    def _check_length(self, request: pb.GenerateRequest, prompt_tokens: int) -> None:
        wanted = max(request.max_tokens, 1)
        if prompt_tokens + wanted > self._options.context_length:
            given, it = (request.chat.param or "messages", "them") if request.HasField("chat") else ("prompt", "it")
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
        results = results_of(request.chat)
        return [
            Run(generation, range(number * n, number * n + n), self._script(text, results))
            for number, text in enumerate(texts)
        ]

    def _script(self, text: str, results: Sequence[Sequence[str]]) -> deque[dict[str, Any]]:
        """`results`: of the turns since the user spoke."""
        if not text.startswith("script:"):
            return deque(repeat({"say": " tok"}, self._options.tokens))
        steps: deque[dict[str, Any]] = deque()
        turns = list(turns_of(read(text.removeprefix("script:"))))
        for kind, value in turns[min(len(results), len(turns) - 1)]:
            if kind == "results":
                steps.extend({"say": result} for turn in results for result in turn)
            elif kind in SAID:
                steps.extend({kind: word} for word in WORDS.findall(value))
            elif kind == "count":
                steps.extend({"say": f" {number}"} for number in range(value))
            else:
                steps.append({kind: value})
        return steps


def read(script: str) -> Iterator[tuple[str, Any]]:
    """The steps of a script: what each does, and with what. Raises InvalidRequestError."""
    try:
        steps = msgspec.json.decode(script, type=list[Step])
    except msgspec.MsgspecError as error:
        raise InvalidRequestError(f"the script is not a JSON list of steps: {error}", "messages") from None
    for number, step in enumerate(steps):
        given = [(name, value) for name in step.__struct_fields__ if (value := getattr(step, name)) is not UNSET]
        if len(given) != 1:
            raise InvalidRequestError(f"step {number} of the script must have one key", "messages")
        yield given[0]


def turns_of(steps: Iterable[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """The steps of each turn of the assistant."""
    turn: list[tuple[str, Any]] = []
    for kind, value in steps:
        if kind == "then":
            yield turn
            turn = []
        else:
            turn.append((kind, value))
    yield turn


def count(request: pb.GenerateRequest) -> list[int]:
    """Words of each prompt, so that a person can check them. Raises InvalidRequestError when there is none."""
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


def results_of(chat: pb.Chat) -> list[list[str]]:
    """What tools returned since the user spoke, by the turn of the assistant that called them."""
    turns: list[list[str]] = []
    for message in chat.messages:
        if message.role == "user":
            turns.clear()
        elif message.role == "assistant":
            turns.append([])
        elif message.role == "tool" and turns:
            turns[-1].append("".join(part.text for part in message.parts))
    return turns


def last_user_text(chat: pb.Chat) -> str:
    for message in reversed(chat.messages):
        if message.role == "user":
            return "".join(part.text for part in message.parts)
    return ""
