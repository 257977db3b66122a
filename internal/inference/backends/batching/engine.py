"""The loop: one thread owns the context and makes the steps of all slots.

A step: take what arrived, plan, decode one batch, sample, read the tokens, publish. All events of a step cross to the
event loop in one call.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from gen import inference_pb2 as pb

from internal.cores import flush_denormals
from internal.errors import InternalError, WorkerError
from internal.inference.backends.base import Generation
from internal.inference.backends.batching.aside import Aside
from internal.inference.backends.batching.decoding import Decoding
from internal.inference.backends.batching.kv_cache import Cache
from internal.inference.backends.batching.library import Chunk, Context, DecodeError, Logits
from internal.inference.backends.batching.pace import Pace
from internal.inference.backends.batching.prefiller import Prefiller, prefill_threads
from internal.inference.backends.batching.sampling import NOT_FINITE, logprob, sample
from internal.inference.backends.batching.scheduler import Scheduler, Task, Work
from internal.inference.backends.batching.side import SideContext
from internal.inference.backends.batching.slots import Choice, Request
from internal.inference.backends.batching.suffixes import Suffixes

log = logging.getLogger("novai.engine")

Events = list[tuple[Generation, pb.Event]]

# So many steps in a row that fail say that the context is broken, not a request.
MOST_FAILURES = 3
WARM_UP_TOKENS = 64
WARM_UP_STEPS = 5
LEARNING_RATE = 0.1
REST_S = 0.025  # longer than a client takes to read the end of an answer and to ask again
GATHER_S = 0.01  # in which a dozen usual prompts are read


class Engine:
    """Runs requests until stopped.

    `emit` gets the events of a step, in order, on the engine's thread. `on_broken` is called there when nothing can be
    decoded any more, after everything that ran has failed.
    """

    def __init__(
        self,
        context: Context,
        cache: Cache[Any],
        *,
        slots: int,
        batch: int,
        emit: Callable[[Events], None],
        on_broken: Callable[[], None],
        side: SideContext | None = None,
    ) -> None:
        self._context = context
        self._cache = cache
        self._decoding = Decoding(context, cache)
        self._side = side
        self._aside: Aside | None = None
        self._suffixes: Suffixes | None = None
        self._scheduler = Scheduler(self._cache, slots)
        self._pace = Pace(batch, two_passes=not context.unified)
        self._batch = batch
        self._emit = emit
        self._on_broken = on_broken
        self._expected: set[Request] = set()
        self._arrived: deque[Request] = deque()
        self._requests: list[Request] = []
        self._events: Events = []
        self._wake = threading.Event()
        self._cancelling = False
        self._stopping = False
        self._failures = 0
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="novai-engine", daemon=True)
        self._release_s = 1.0  # between two requests that end, lately
        self._last_release = 0.0

    # ------------------------------------------------------------------ any thread

    def start(self) -> None:
        """Tries the model, then lets the thread run. Raises WorkerError when the model cannot be run."""
        self._thread.start()
        self._ready.result()

    def expect(self, request: Request) -> None:
        """It is added in a moment, or else forgotten."""
        self._expected.add(request)

    def add(self, request: Request) -> None:
        """Takes a request whose choices are made."""
        self._expected.discard(request)
        self._arrived.append(request)
        self._wake.set()

    def forget(self, request: Request) -> None:
        """It is not added after all, or has been."""
        if request in self._expected:
            self._expected.discard(request)
            self._wake.set()

    def cancelled(self) -> None:
        """Some request has its `cancelled` set."""
        self._cancelling = True
        self._wake.set()

    def stop(self) -> None:
        """Ends everything as cancelled; returns when the thread is gone."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def idle_slots(self) -> int:
        return self._scheduler.idle_slots

    def retry_after_ms(self, queued: int) -> int:
        """When a place will probably be free, with so many requests in the queue: a quarter of them gone."""
        return int(min(max(self._release_s * max(queued / 4, 1) * 1e3, 200), 30_000))

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        # Here and not on another thread: OpenMP gives each calling thread workers of its own, and once it has more of
        # them than there are cores, they sleep at every barrier. Steps then take two to three times as long.
        flush_denormals()
        try:
            self._warm_up()
        except Exception as error:  # whoever starts it waits for an answer
            log.exception("the model cannot be run")
            self._ready.set_exception(WorkerError(f"the model cannot be run: {error}"))
            return
        self._ready.set_result(None)
        try:
            self._serve()
        except Exception:  # those who ran in a step that failed could not even be ended
            log.critical("the engine failed: giving up", exc_info=True)
            self._on_broken()

    def _serve(self) -> None:
        """Steps, until the engine is stopped."""
        while not self._stopping:
            self._wake.clear()  # before looking, so that what comes later is seen
            try:
                worked = self._step()
            except Exception:
                log.exception("a step failed")
                self._fail_running(InternalError("the engine failed; try again"))
                worked = True
            self._flush()
            if self._failures >= MOST_FAILURES:
                log.critical("%d steps in a row failed: giving up", self._failures)
                self._on_broken()
                self._failures = 0
            if not worked and not self._stopping:
                self._wake.wait()
        self._end_everything()
        if self._aside is not None:
            self._aside.prefiller.rest()

    def _warm_up(self) -> None:
        """Reads the weights in, and learns how long steps take."""
        lease = self._cache.open("", [0], 0)
        tokens = min(self._batch, WARM_UP_TOKENS)
        for number, size in enumerate((tokens, tokens, *[1] * WARM_UP_STEPS)):
            started = time.perf_counter()
            self._context.decode([Chunk(lease.sequence, 0, [0] * size, wants_logits=True)])
            if number:  # the first one reads the file
                self._pace.observe(int(size == 1), size if size > 1 else 0, time.perf_counter() - started)
            if not number and self._side is not None and not self._side.works(lease.sequence):
                self._side = None
            self._context.remove(lease.sequence, 0)
        self._cache.close(lease, keep=False)
        if self._side is not None:
            self._suffixes = Suffixes(self._side)
            if prefill_threads(self._side.threads):
                self._aside = Aside(Prefiller(self._side), self._scheduler, self._wake.set, self._decode_failed)

    def _step(self) -> bool:
        """One step; False when there was nothing to do."""
        self._take_arrivals()
        if self._cancelling:
            self._cancelling = False
            self._drop_cancelled()
        landed = self._land()
        self._wait_while(lambda: self._scheduler.deserted, REST_S)
        self._wait_while(lambda: bool(self._expected) and self._scheduler.gathers, GATHER_S)
        started = time.perf_counter()
        work = self._scheduler.plan(self._pace.prefill_budget)
        if self._aside is not None:
            self._aside.send()
        if not work:
            return False
        apart, later = self._suffixes_of(work)
        work = [part for part in work if part not in apart and part not in later]
        # The others have waited for it to land already, and a step with a long one more would be a longer wait.
        work = [part for part in work if part.task is not landed] or work
        work.sort(key=lambda part: part.sequence)
        self._note_started()
        logits = self._decode(work)
        if logits is None:
            return True
        self._take(work, logits)
        if apart:
            self._flush()
            work += apart if self._compute_apart(apart) else []
        self._scheduler.step_done()
        if not self._threads_are_shared:  # with half of them steps take longer
            decoding = sum(part.count == 1 for part in work)
            self._pace.observe(decoding, sum(part.count for part in work) - decoding, time.perf_counter() - started)
        return True

    def _land(self) -> Task | None:
        """Whose prompt the prefiller has computed to its end: its first token does not wait for a step."""
        found = None if self._aside is None else self._aside.land()
        if found is None:
            return None
        part, logits = found
        self._read([part], logits)
        self._flush()
        return part.task

    @property
    def _threads_are_shared(self) -> bool:
        return self._aside is not None and self._aside.prefiller.shares

    def _wait_while(self, awaited: Callable[[], bool], most_s: float) -> None:
        """Whoever comes in a moment would have to wait for a step otherwise: of batches, which go on because the last
        one interactive has left, or of those that came with him, with whom he is better computed together."""
        waited, until_s = False, time.monotonic() + most_s
        while awaited() and not self._stopping and (left_s := until_s - time.monotonic()) > 0:
            waited = True
            self._wake.wait(left_s)
            self._wake.clear()
            self._take_arrivals()
        if waited:  # whatever else it was woken for is looked at before it sleeps
            self._wake.set()

    def _take_arrivals(self) -> None:
        while self._arrived:
            request = self._arrived.popleft()
            self._requests.append(request)
            self._cancelling |= request.cancelled
            for choice in request.choices:
                self._scheduler.add(choice)

    def _drop_cancelled(self) -> None:
        for request in [request for request in self._requests if request.cancelled]:
            self._cancel(request)

    def _cancel(self, request: Request) -> None:
        for choice in request.choices:
            if not choice.finish:
                self._scheduler.remove(choice)
                if not self._say(choice, partial(choice.end, pb.CANCELLED)):
                    return
        self._close(request, request.finished())

    def _note_started(self) -> None:
        for task in self._scheduler.running:
            assert isinstance(task, Choice)
            if task.lease is not None:
                task.request.started(task)

    def _suffixes_of(self, work: Sequence[Work]) -> tuple[list[Work], list[Work]]:
        """Those that are better computed in one pool than in their streams, and those that wait for them."""
        if self._suffixes is None or self._threads_are_shared:
            return [], []
        return self._suffixes.among(work)

    def _decode(self, work: Sequence[Work]) -> Logits | None:
        """The logits of the work that samples; None when the step was given up."""
        try:
            logits = self._decoding.logits(work)
        except DecodeError as error:
            self._decode_failed(work, error)
            return None
        self._failures = 0
        return logits

    def _take(self, work: Sequence[Work], logits: Logits) -> None:
        """The work was computed: its tokens are sampled, read and said."""
        self._scheduler.commit(work)
        self._read(work, logits)

    def _compute_apart(self, apart: Sequence[Work]) -> bool:
        """Whether it could be. What fails here is computed in the streams, from its beginning, as is all that comes."""
        assert self._suffixes is not None
        try:
            logits = self._suffixes.decode(apart)
            try:
                self._take(apart, logits)
                self._flush()
            finally:  # what was said to be there has to be
                self._suffixes.settle()
        except DecodeError as error:
            log.error("%s; from now on the streams do it", error)
            self._suffixes = None
            for part in apart:
                if part.task.lease is not None:
                    self._scheduler.restart(part.task)
            self._cache.clear()  # those that ended with their first token may be among what is kept
            return False
        return True

    def _decode_failed(self, work: Sequence[Work], error: DecodeError) -> None:
        log.error("%s in a step of %d tokens", error, sum(part.count for part in work))
        self._decoding.rewind([part.task for part in work])
        if error.no_cells and self._scheduler.give_way():
            self._cache.clear()
            return
        self._failures += 1
        broken = InternalError("the model could not be run; try again")
        for request in {part.task.request: None for part in work if isinstance(part.task, Choice)}:
            self._fail(request, broken)

    def _read(self, work: Sequence[Work], logits: Logits) -> None:
        """Samples and reads one token of every choice that is due."""
        choices = [part.task for part in work if part.samples and isinstance(part.task, Choice)]
        if not choices:
            return
        # Before sampling, which changes the logits.
        copies = {choice: logits[row].copy() for row, choice in enumerate(choices) if choice.top_logprobs >= 0}
        tokens = sample(logits, [choice.sampler for choice in choices])
        for choice, token in zip(choices, tokens, strict=True):
            if choice.finish:
                continue  # another choice of its request failed
            if token == NOT_FINITE:
                self._fail(choice.request, InternalError("the model's output is not a number"), keep=False)
                continue
            found = logprob(copies[choice], token, choice.top_logprobs) if choice in copies else None
            if self._say(choice, partial(choice.take, token, found)) and choice.finish:
                self._scheduler.remove(choice)
                if choice.request.over:
                    self._close(choice.request, choice.request.finished())

    # ------------------------------------------------------------------ events

    def _say(self, choice: Choice, write: Callable[[], Sequence[pb.Delta]]) -> bool:
        """Whether what the choice writes could be said. If not, its request fails, and nobody else's."""
        try:
            events = [(choice.request.generation, pb.Event(delta=delta)) for delta in write()]
        except WorkerError as error:
            self._fail(choice.request, error)
            return False
        except Exception:
            log.exception("what request %s answers cannot be written", choice.request.generation.request_id)
            self._fail(choice.request, InternalError("the answer could not be written; try again"))
            return False
        self._events += events
        return True

    def _close(self, request: Request, event: pb.Event) -> None:
        request.placed = True
        self._requests.remove(request)
        self._events.append((request.generation, event))
        now = time.monotonic()
        if self._last_release:
            self._release_s += (now - self._last_release - self._release_s) * LEARNING_RATE
        self._last_release = now if self._requests else 0.0  # while nobody is here, nobody can leave

    def _fail(self, request: Request, error: WorkerError, *, keep: bool = True) -> None:
        """`keep`: what its sequences hold is right, and stays for others."""
        for choice in request.choices:
            if not choice.finish:
                self._scheduler.remove(choice, keep=keep)
                choice.finish = pb.STOP
        self._close(request, request.failed(error))

    def _fail_running(self, error: WorkerError) -> None:
        """A step broke in the middle: whoever ran may be inconsistent."""
        self._failures += 1
        self._decoding.rewind(self._scheduler.running)
        running = {task.request: None for task in self._scheduler.running if isinstance(task, Choice)}
        for request in running:
            if request in self._requests:
                self._fail(request, error, keep=False)

    def _flush(self) -> None:
        if self._events:
            events, self._events = self._events, []
            self._emit(events)

    def _end_everything(self) -> None:
        self._take_arrivals()
        for request in list(self._requests):
            request.cancelled = True
            self._cancel(request)
        self._flush()
