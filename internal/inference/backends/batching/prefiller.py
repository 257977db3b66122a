"""Prompts that are computed beside the steps, on a context and on threads of their own.

In a step, a prompt makes every stream wait for it; small pieces of it keep the waits short, and take several times as
long as large ones. So beside streams that someone reads, half of the threads compute steps and half of them prompts,
which move to the streams' context when they are there (disaggregated prefill, as in DistServe, arXiv 2401.09670, within
one machine).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from internal.cores import Team, flush_denormals
from internal.gently import give_way
from internal.inference.backends.batching.library import Chunk, DecodeError, Logits, Parcel
from internal.inference.backends.batching.pace import TokenCost
from internal.inference.backends.batching.side import BASE, TILE, SideContext

log = logging.getLogger("novai.engine")

# A prompt of which no more is to be computed is as quick in the steps of the streams as on its way here and back …
LEAST_TOKENS = 64
LEAST_WHILE_SHARED = 8  # … which have half of the threads already
# How long a piece takes: so long it goes on when nobody needs it any more, and others wait for their turn.
PIECE_S = 0.05
FIRST_PIECE = 4 * TILE  # tokens, while nothing is measured
NAME = "novai-prefill"


def prefill_threads(threads: int) -> int:
    """Of so many, those that compute prompts while others compute streams."""
    return threads // 2


@dataclass(slots=True)
class Job:
    """Tokens to compute from `reached` on."""

    tokens: list[int]  # of the whole sequence
    reached: int  # so many of them are computed
    before: Parcel | None  # those that are; none: the prefiller has them
    on_done: Callable[[], None]
    hurried: bool = False  # to end with the piece that is being computed
    cells: Parcel | None = None  # the result; valid until the next job begins
    logits: Logits | None = None  # of the last token, if it was reached
    error: Exception | None = None
    done: bool = False  # its thread is through with it


class Prefiller:
    """Computes one prompt at a time. Everything but its own thread's work is called on the engine's thread."""

    def __init__(self, side: SideContext) -> None:
        self._side = side
        self._threads = side.threads
        self._own_threads = prefill_threads(side.threads)
        self._cost = TokenCost()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._job: Job | None = None
        self._thread: threading.Thread | None = None

    @property
    def shares(self) -> bool:
        """Whether it has its half of the threads now."""
        return self._thread is not None

    @property
    def least_tokens(self) -> int:
        """Of a prompt of which no more is to be computed, the steps take care."""
        return LEAST_WHILE_SHARED if self.shares else LEAST_TOKENS

    def begin(self, sequence: int, tokens: list[int], start: int, on_done: Callable[[], None]) -> None:
        """Computes the tokens from `start` on; those before are in that sequence of the streams.

        `on_done` is called on the prefiller's thread. Raises DecodeError.
        """
        assert self._job is None
        missing = self._side.missing(tokens[:start], sequence)
        before = None if missing is None else missing.copy()
        self._job = Job(tokens, start, before, on_done)
        if self._thread is None:
            self._side.streams.use_threads(self._threads - self._own_threads)
            self._side.context.use_threads(self._own_threads)
            self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
            self._thread.start()
        self._jobs.put(self._job)

    def hurry(self) -> None:
        """Ends what it computes with the piece that it is at."""
        if self._job is not None:
            self._job.hurried = True

    @property
    def done(self) -> bool:
        """Whether what was begun can be ended."""
        return self._job is not None and self._job.done

    def end(self, sequence: int | None) -> tuple[int, Logits | None]:
        """Makes what was computed all that this sequence of the streams holds, and returns how many tokens that are,
        with the logits of the last one, a row, if that was all.

        None: nobody wants it, whatever became of it. Raises DecodeError, after which that sequence may hold nothing.
        """
        job, self._job = self._job, None
        assert job is not None
        if sequence is None:
            return 0, None
        if job.error is not None:
            raise DecodeError(f"computing a prompt failed: {job.error}") from job.error
        assert job.cells is not None
        self._side.streams.put(sequence, job.cells)
        return job.reached, job.logits

    def rest(self) -> None:
        """Gives all threads to the streams. Waits for what is being computed.

        Its thread ends, because OpenMP keeps workers for each that calls it, and once there are more of them than
        cores, all of them sleep at every barrier.
        """
        if self._thread is None:
            return
        self.hurry()
        self._jobs.put(None)
        self._thread.join()
        self._thread = None
        self._side.streams.use_threads(None)
        self._side.context.use_threads(None)

    # ------------------------------------------------------------------ its thread

    def _run(self) -> None:
        flush_denormals()
        give_way()  # what carries tokens to their readers need not wait for it
        team = Team(NAME, range(self._threads - self._own_threads, self._threads))
        while (job := self._jobs.get()) is not None:
            try:
                self._compute(job, team)
            except Exception as error:  # the engine tells who waits for it
                log.exception("a prompt could not be computed")
                job.error = error
            job.done = True
            job.on_done()

    def _compute(self, job: Job, team: Team) -> None:
        context = self._side.context
        self._side.hold(job.tokens[: job.reached], job.before)
        job.before = None
        self._side.held = []  # until it is known: computing may fail half way
        while job.reached < len(job.tokens) and not job.hurried:
            started = time.perf_counter()
            piece = job.tokens[job.reached : job.reached + self._piece(len(job.tokens) - job.reached)]
            last = job.reached + len(piece) == len(job.tokens)
            logits = context.decode([Chunk(BASE, job.reached, piece, wants_logits=last)])
            job.reached += len(piece)
            job.logits = logits.copy() if last else None
            self._cost.learn(len(piece), time.perf_counter() - started)
            team.stay()
        job.cells = context.take(BASE)
        self._side.held = job.tokens[: job.reached]

    def _piece(self, left: int) -> int:
        """Tokens of the next piece, of so many that are left: whole tiles."""
        token_s = self._cost.token_s
        wanted = max(int(PIECE_S / token_s) // TILE, 1) * TILE if token_s else FIRST_PIECE
        return min(left, wanted, self._side.batch)
