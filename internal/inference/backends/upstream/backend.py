"""A model that upstreams compute: each generation is a request to one of them, and to the next where that fails.

Until something of the answer has been published a request can go elsewhere; afterwards nothing is tried again. Who left
is cancelled by closing the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.errors import InvalidRequestError, OverloadedError, UnsupportedError, WorkerError
from internal.inference.backends.base import Generation, ModelInfo, Publish
from internal.inference.backends.capabilities import LACKS, check
from internal.inference.backends.upstream.anthropic import Anthropic
from internal.inference.backends.upstream.forms import Form, Reader, StreamError
from internal.inference.backends.upstream.openai_compatible import OpenAICompatible
from internal.upstream import faults
from internal.upstream.chain import Upstream
from internal.upstream.http import TRAILING_S, Answer, BrokenError
from internal.upstream.options import UpstreamOptions
from internal.upstream.sse import EventReader
from internal.upstream.upstreams import ChainOptions, Way, configured

log = logging.getLogger("novai.upstream")

FORMS: Mapping[str, Form] = {"openai_compatible": OpenAICompatible(), "anthropic": Anthropic()}
CHARACTERS_PER_TOKEN = 6  # there are rarely more: an estimate until the upstream has counted
PROMPT_CHARACTERS_PER_TOKEN = 4
PIECES_PER_TOKEN = 16  # at most: some send letters one by one
FAR_MORE = 4  # times what was asked for: nobody means that


class Options(ChainOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`options` of a row."""

    context_length: int = 131_072  # what the model is published with; the upstream enforces its own
    image_tokens: int = 0  # that an image counts as at most; 0: it takes none
    slots: int = 256  # requests at the same time; further ones are refused
    drain_s: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.0  # read on for so long when a caller left, for the usage


class UpstreamBackend:
    """Implements `base.Backend`. A task per generation."""

    def __init__(self, config: ModelConfig) -> None:
        authorize = {name: form.authorization for name, form in FORMS.items()}
        self._options, self._upstreams = configured(config, Options, authorize)
        self._lacks = frozenset().union(*(lacks_of(way.form, way.options) for way in self._upstreams.ways))
        self._runs: dict[Generation, Run] = {}
        self.info = ModelInfo(
            name=config.name,
            backend=config.backend,
            device="upstream",
            context_length=self._options.context_length,
            vocabulary_size=0,
            slots=self._options.slots,
            created=config.created,
            image_tokens=self._options.image_tokens,
        )

    async def start(self, publish: Publish) -> None:
        self._publish = publish

    def submit(self, generation: Generation) -> None:
        try:
            if len(self._runs) >= self._options.slots:
                raise OverloadedError("too many requests run upstream; try again shortly", retry_after_ms=1000)
            check(generation.request, self._lacks)
            if not generation.request.chat.messages:
                raise InvalidRequestError("the request has no messages", "messages")
        except WorkerError as error:
            self._publish([(generation, error.event())])
            return
        run = Run(generation, self._publish)
        self._runs[generation] = run
        run.task = asyncio.create_task(self._answer(run))

    def cancel(self, generation: Generation) -> None:
        if (run := self._runs.get(generation)) is None or run.left:
            return
        if run.published and self._options.drain_s:
            run.left = True
            asyncio.get_running_loop().call_later(self._options.drain_s, self._drop, run)
        else:
            self._drop(run)

    async def count_tokens(self, request: pb.GenerateRequest) -> int:
        """Of the first upstream that counts, with the first of its keys that is accepted.

        Raises UnsupportedError when none does.
        """
        check(request, self._lacks)
        error: WorkerError = UnsupportedError("the upstream of this model does not count tokens", "model")
        for way in self._upstreams.ways:
            if not FORMS[way.form].count_path:
                continue
            try:
                return await self._counted(request, way)
            except faults.AttemptError as fault:
                error = fault.error
                if fault.blame is not faults.Blame.KEY:
                    break
            except (BrokenError, TimeoutError, ValueError, RecursionError):
                raise faults.broken(self.info.name) from None
        raise error

    async def tokenize(self, request: pb.TokenizeRequest) -> list[int]:
        raise UnsupportedError("this model runs upstream, which does not tell its tokens", "model")

    async def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        raise UnsupportedError("this model runs upstream, which does not tell its tokens", "model")

    async def aclose(self) -> None:
        for run in list(self._runs.values()):
            self._drop(run)
        self._upstreams.close()

    # ------------------------------------------------------------------ inside

    async def _counted(self, request: pb.GenerateRequest, way: Way) -> int:
        form = FORMS[way.form]
        body = {name: said for name, said in form.body(request, way.options).items() if name in COUNTED}
        answer = await self._upstreams.whole(way, form.count_path, body, way.options.first_token_timeout_s)
        return msgspec.json.decode(answer, type=Counted).input_tokens

    def _drop(self, run: Run) -> None:
        """Ends it as cancelled, now."""
        if self._runs.pop(run.generation, None) is not None:
            assert run.task is not None
            run.task.cancel()
            run.cancelled()

    async def _answer(self, run: Run) -> None:
        try:
            await self._upstreams.answered(
                lambda way, upstream, limit_s: self._attempt(run, way, upstream, limit_s), lambda: run.published
            )
        except WorkerError as error:
            run.failed(error)
        except Exception:
            log.exception("%s: a generation failed", self.info.name)
            run.failed(faults.broken(self.info.name))
        finally:
            self._runs.pop(run.generation, None)

    async def _attempt(self, run: Run, way: Way, upstream: Upstream[Way], limit_s: float) -> None:
        """One request, answered. Raises AttemptError, BrokenError, TimeoutError."""
        form = FORMS[way.form]
        async with asyncio.timeout(limit_s) as limit:
            answer = await way.post(form.path, form.body(run.generation.request, way.options) | {"stream": True})
            try:
                if answer.status != 200:
                    raise await self._upstreams.refused(way, answer)
                await self._read(run, way, upstream, answer, limit)
            except BaseException:
                answer.close()
                raise
            answer.release()

    @staticmethod
    async def _read(run: Run, way: Way, upstream: Upstream[Way], answer: Answer, limit: asyncio.Timeout) -> None:
        """Publishes an answer to its end; `limit` is put off by every piece of it, once something was published."""
        reader, events = FORMS[way.form].reader(run.generation.request), EventReader()
        clock, idle_s = asyncio.get_running_loop().time, way.options.idle_timeout_s
        while not (reader.done or run.too_long) and (piece := await following(run, reader, answer, idle_s / 2)):
            if data := events.feed(piece):
                run.say(upstream, reader, [delta for event in data for delta in reader.read(event)])
            if run.published and not limit.expired():
                limit.reschedule(clock() + idle_s)
        run.finish(upstream, reader)
        if run.too_long:
            answer.close()


async def following(run: Run, reader: Reader, answer: Answer, usage_s: float) -> bytes:
    """The next piece; empty at the end. When all choices have ended, nothing of them is missing: who then cuts the
    connection, or says no more, has answered all the same. `usage_s`: how long usage may take to follow."""
    if not run.has_ended(reader):
        return await answer.read()
    with contextlib.suppress(TimeoutError, BrokenError):
        async with asyncio.timeout(usage_s if reader.usage is None else TRAILING_S):
            return await answer.read()
    return b""


class Run:
    """One generation on its way: what was published of it."""

    def __init__(self, generation: Generation, publish: Publish) -> None:
        self.generation = generation
        self.task: asyncio.Task[None] | None = None
        self.published = False  # something of an answer: nobody else may answer now
        self.left = False  # its caller is gone; what is still read is for the usage
        self._publish = publish
        self._upstream: Upstream[Way] | None = None
        self._started_s = time.monotonic()
        self._first_s = 0.0
        self._pieces = 0
        self._characters = 0
        self._open = set(range(max(1, generation.request.n)))
        wanted = generation.request.max_tokens * len(self._open)
        self._most_tokens = FAR_MORE * wanted + 1024 if wanted else math.inf
        generation.usage.prompt_tokens = prompt_tokens(generation.request)
        generation.usage.provenance = pb.ESTIMATED

    def say(self, upstream: Upstream[Way], reader: Reader, deltas: list[pb.Delta]) -> None:
        """Publishes deltas, counted as well as can be."""
        events = [] if self._upstream is upstream else [self._accepted(upstream, reader)]
        if deltas and not self.published:
            self.published = True
            upstream.circuit.begun()
            self._first_s = time.monotonic()
        for delta in deltas:
            delta.tokens = self._count(delta)
            events.append(pb.Event(delta=delta))
        if not self.left:
            self._publish([(self.generation, event) for event in events])

    @property
    def too_long(self) -> bool:
        """Whether there is far more of it than was asked for: an upstream that knows no `max_tokens`, or no end."""
        return max(self._characters // CHARACTERS_PER_TOKEN, self._pieces // PIECES_PER_TOKEN) > self._most_tokens

    def has_ended(self, reader: Reader) -> bool:
        """Whether every choice has."""
        return not self._open - reader.finishes.keys()

    def finish(self, upstream: Upstream[Way], reader: Reader) -> None:
        """The answer has been read, or more of it than was asked for. Raises StreamError when it has no end."""
        if not self.has_ended(reader) and not reader.done and not self.too_long:
            raise StreamError("an answer that stops in the middle")
        usage = self.generation.usage
        missing = 0
        if reader.usage is not None and self._has_counted(reader.usage):
            missing = max(0, reader.usage.completion_tokens - usage.completion_tokens)
            usage.CopyFrom(reader.usage)
        else:
            self._hear_of_prompt(reader)
        self.say(upstream, reader, [])
        end = pb.LENGTH if self.too_long else pb.STOP
        ends = [reader.finishes.get(choice) or pb.Delta(choice=choice, finish=end) for choice in sorted(self._open)]
        ends[-1].tokens = missing
        self._end(ends)

    def cancelled(self) -> None:
        self._end([pb.Delta(choice=choice, finish=pb.CANCELLED) for choice in sorted(self._open)], cancelled=True)

    def failed(self, error: WorkerError) -> None:
        if self.left:  # nobody waits for the rest
            self.cancelled()
            return
        event = error.event()
        event.failed.exhausted = True
        event.failed.usage.CopyFrom(self.generation.usage)
        self._publish([(self.generation, event)])

    def _accepted(self, upstream: Upstream[Way], reader: Reader) -> pb.Event:
        self._upstream = upstream
        self._hear_of_prompt(reader)
        return pb.Event(accepted=pb.Accepted(prompt_tokens=self.generation.usage.prompt_tokens, upstream=upstream.name))

    def _hear_of_prompt(self, reader: Reader) -> None:
        """It may be counted before the answer is, or without it."""
        told, usage = reader.usage, self.generation.usage
        if told is not None and told.prompt_tokens:
            usage.prompt_tokens, usage.cached_tokens = told.prompt_tokens, told.cached_tokens

    def _has_counted(self, told: pb.Usage) -> bool:
        """Some say 0 where they do not know: no prompt has no tokens, nor has an answer that came."""
        return told.prompt_tokens > 0 and (told.completion_tokens > 0 or not self._pieces)

    def _count(self, delta: pb.Delta) -> int:
        """Tokens of a delta: those whose probabilities it tells, else one, or more when there is much text."""
        self._pieces += max(1, len(delta.logprobs))
        self._characters += len(delta.text) + len(delta.reasoning) + sum(len(c.arguments) for c in delta.tool_calls)
        usage = self.generation.usage
        before = usage.completion_tokens
        usage.completion_tokens = max(self._pieces, self._characters // CHARACTERS_PER_TOKEN)
        return int(usage.completion_tokens - before)

    def _end(self, ends: list[pb.Delta], cancelled: bool = False) -> None:
        now_s = time.monotonic()
        first_s = self._first_s or now_s
        timings = pb.Timings(prefill_ms=(first_s - self._started_s) * 1e3, decode_ms=(now_s - first_s) * 1e3)
        finished = pb.Finished(usage=self.generation.usage, timings=timings, cancelled=cancelled or self.left)
        self._publish([(self.generation, pb.Event(delta=delta)) for delta in ends])
        self._publish([(self.generation, pb.Event(finished=finished))])


# What of a request has to do with its prompt: providers say in it, too, how to think, to call and to answer.
COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")


class Counted(msgspec.Struct):
    input_tokens: int


def lacks_of(form: str, options: UpstreamOptions) -> frozenset[str]:
    return LACKS[f"{form} with extensions" if options.extensions else form]


def prompt_tokens(request: pb.GenerateRequest) -> int:
    """An estimate, until the upstream has counted."""
    chat = request.chat
    size = sum(len(part.text) for message in chat.messages for part in message.parts)
    size += sum(len(call.name) + len(call.arguments) for message in chat.messages for call in message.tool_calls)
    size += sum(len(tool.name) + len(tool.description) + len(tool.parameters_json) for tool in chat.tools)
    return max(1, size // PROMPT_CHARACTERS_PER_TOKEN)
