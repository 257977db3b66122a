"""What is generated: a request and its choices, from the prompt to the events that the caller sees.

How tokens are counted: a token belongs to the completion when its text does, and also when a stop string consumed it.
The token that ends the output (end of turn, `stop_token_ids`) has no text and is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gen import inference_pb2 as pb

from internal.errors import WorkerError
from internal.inference.backends.base import Generation
from internal.inference.backends.batching.pictures import Pictures
from internal.inference.backends.batching.sampling import Sampler
from internal.inference.backends.batching.scheduler import Task
from internal.inference.output import TextAssembler
from internal.inference.tool_parsing import OutputParser

Logprobs = tuple[float, list[tuple[int, float]]]


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A prompt, understood: its tokens and how its output is to be read. Identity is the object."""

    tokens: list[int]  # below 0: of pictures
    pictures: Pictures | None
    limit: int  # tokens of output at most
    end_ids: frozenset[int]  # tokens that end the output
    piece: Callable[[int], bytes]
    markers: Mapping[int, bytes]  # control tokens whose text the parser has to see
    parser: Callable[[], OutputParser | None]
    sampler: Callable[[int], Sampler]  # of its choice with this number


class Request:
    """One generation in the engine. Belongs to the engine's thread once it was added."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.cancelled = False  # written by whoever cancels, read once a step
        self.placed = False  # has left the queue
        self.choices: list[Choice] = []
        self._unread: set[Prompt] = set()  # none of their choices has had a slot
        self._submitted = time.monotonic()
        self._started = 0.0
        self._first_token = 0.0

    def begin(self, prompts: Sequence[Prompt], arrival: int) -> None:
        """The prompts are known: makes the choices, `n` of each."""
        n = max(1, self.generation.request.n)
        self.generation.usage.prompt_tokens = sum(len(prompt.tokens) for prompt in prompts)
        self._unread.update(prompts)
        self.choices = [
            Choice(self, number * n + i, prompt, prompt.sampler(i), arrival)
            for number, prompt in enumerate(prompts)
            for i in range(n)
        ]

    @property
    def over(self) -> bool:
        return all(choice.finish for choice in self.choices)

    def started(self, choice: Choice) -> None:
        """A choice has a slot. How much of its prompt was there already counts for the first one of each prompt."""
        if choice.prompt not in self._unread:
            return
        self._unread.remove(choice.prompt)
        self.generation.usage.cached_tokens += choice.reused
        if not self.placed:
            self.placed = True
            self._started = time.monotonic()

    def sampled(self) -> None:
        if not self._first_token:
            self._first_token = time.monotonic()

    def without_output(self) -> list[tuple[Generation, pb.Event]]:
        """The events of a request for its prompts only."""
        deltas = [delta for choice in self.choices for delta in choice.end(pb.LENGTH)]
        events = [*(pb.Event(delta=delta) for delta in deltas), self.finished()]
        return [(self.generation, event) for event in events]

    def finished(self) -> pb.Event:
        """Whoever leaves the queue has had nothing of the prompts that never left it."""
        usage = self.generation.usage
        if self.cancelled:
            usage.prompt_tokens -= sum(len(prompt.tokens) for prompt in self._unread)
        return pb.Event(finished=pb.Finished(usage=usage, timings=self._timings(), cancelled=self.cancelled))

    def failed(self, error: WorkerError) -> pb.Event:
        event = error.event()
        event.failed.usage.CopyFrom(self.generation.usage)
        return event

    def _timings(self) -> pb.Timings:
        now = time.monotonic()
        started, first = self._started or now, self._first_token or now
        return pb.Timings(
            queue_ms=(started - self._submitted) * 1e3,
            prefill_ms=max(0.0, first - started) * 1e3,
            decode_ms=(now - first) * 1e3,
        )


class Choice(Task):
    """One output of a request: its tokens, its text, how it ends."""

    def __init__(self, request: Request, index: int, prompt: Prompt, sampler: Sampler, arrival: int) -> None:
        wanted = request.generation.request
        super().__init__(wanted.priority, arrival, wanted.cache_salt, list(prompt.tokens))
        self.request = request
        self.index = index
        self.prompt = prompt
        self.sampler = sampler
        self.finish: pb.FinishReason.ValueType = pb.FINISH_UNSPECIFIED
        self.top_logprobs = wanted.top_logprobs if wanted.logprobs else -1  # -1: none wanted
        self._produced = 0
        self._limit = prompt.limit
        self._end_ids = prompt.end_ids
        self._piece = prompt.piece
        self._markers = prompt.markers
        self._text = TextAssembler(wanted.stop)
        self._parser = prompt.parser()
        self._untold = 0  # tokens that no delta accounts for yet
        self._logprobs: list[pb.TokenLogprob] = []

    @property
    def movable(self) -> bool:
        return self.prompt.pictures is None

    def extent(self, count: int) -> int:
        pictures = self.prompt.pictures
        return count if pictures is None else pictures.extent(self.computed, count)

    def take(self, token: int, logprobs: Logprobs | None) -> list[pb.Delta]:
        """The next token was sampled; returns what can be said now. Sets `finish` when it was the last one.

        Raises WorkerError when the output can no longer be held to its constraint.
        """
        self.request.sampled()
        if token in self._end_ids:
            return self.end(pb.STOP)
        self.sampler.accept(token)
        self.tokens.append(token)
        self._produced += 1
        self._untold += 1
        self.request.generation.usage.completion_tokens += 1
        if logprobs is not None:
            self._logprobs.append(self._token_logprob(token, logprobs))
        text = self._text.feed(self._read_as(token))
        if self._text.stopped is not None or self.sampler.over:
            return self.end(pb.STOP, text)
        if self._produced >= self._limit:
            return self.end(pb.LENGTH, text)
        return self._accounted(self._read(text))

    def end(self, finish: pb.FinishReason.ValueType, text: str = "") -> list[pb.Delta]:
        """Ends the output: what was held back, and the reason on the last delta."""
        deltas = self._read(text + self._text.flush())
        if self._parser is not None:
            deltas += self._parser.flush(unfinished=finish == pb.LENGTH or self._text.stopped is not None)
            # Nobody is to act on a call that a stop string cut: what is missing of its arguments may be what matters.
            if self._parser.called and finish == pb.STOP and not (self._parser.cut and self._text.stopped):
                finish = pb.TOOL_CALLS
        deltas = self._accounted(deltas or [pb.Delta()])
        deltas[-1].finish = self.finish = finish
        deltas[-1].stop_sequence = self._text.stopped or ""
        return deltas

    def _read(self, text: str) -> list[pb.Delta]:
        if not text:
            return []
        return [pb.Delta(text=text)] if self._parser is None else self._parser.feed(text)

    def _accounted(self, deltas: list[pb.Delta]) -> list[pb.Delta]:
        """Puts the tokens since the last delta, and their log-probabilities, on the first of these."""
        for delta in deltas:
            delta.choice = self.index
        if deltas:
            first = deltas[0]
            first.tokens, self._untold = self._untold, 0
            if first.reasoning:
                self.request.generation.usage.reasoning_tokens += first.tokens
            if self._logprobs:
                first.logprobs.extend(self._logprobs)
                self._logprobs = []
        return deltas

    def _read_as(self, token: int) -> bytes:
        return self._markers.get(token) or self._piece(token)

    def _token_logprob(self, token: int, logprobs: Logprobs) -> pb.TokenLogprob:
        logprob, top = logprobs
        return pb.TokenLogprob(
            token=self._read_as(token),
            logprob=logprob,
            top=[pb.TopLogprob(token=self._read_as(i), logprob=value) for i, value in top],
        )
