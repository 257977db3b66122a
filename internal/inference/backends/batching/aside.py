"""Between the scheduler and the prefiller: which prompt that computes, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable

from internal.inference.backends.batching.kv_cache import Lease
from internal.inference.backends.batching.library import DecodeError, Logits
from internal.inference.backends.batching.prefiller import Prefiller
from internal.inference.backends.batching.scheduler import Scheduler, Work


class Aside:
    """On the engine's thread. `on_done` is called on the prefiller's when there is something to land, `on_failed` with
    what could not be computed, whose task has given up its sequence."""

    def __init__(
        self,
        prefiller: Prefiller,
        scheduler: Scheduler,
        on_done: Callable[[], None],
        on_failed: Callable[[list[Work], DecodeError], None],
    ) -> None:
        self.prefiller = prefiller
        self._scheduler = scheduler
        self._on_done = on_done
        self._on_failed = on_failed
        self._sent: tuple[Work, Lease | None] | None = None  # what the prefiller computes

    def land(self) -> tuple[Work, Logits] | None:
        """Before a step is planned: moves what was computed to its sequence, unless nobody runs there any more, and
        tells the scheduler which prompts are the prefiller's. Returns what is to be sampled from, when a prompt is
        there to its end."""
        landed = None
        if self._sent is not None and self.prefiller.done:
            (work, lease), self._sent = self._sent, None
            wanted = lease is not None and work.task.lease is lease
            try:
                reached, logits = self.prefiller.end(work.sequence if wanted else None)
            except DecodeError as error:
                self._failed(work, error)
            else:
                self._scheduler.landed(work, reached - work.start if wanted else 0)
                landed = None if logits is None else (work, logits)
        self._scheduler.aside_from = self.prefiller.least_tokens
        return landed

    def send(self) -> None:
        """After a step was planned: gives the prefiller its next prompt, or lets it rest."""
        if self._sent is not None:
            if self._scheduler.hurries(self._sent[0].task):
                self.prefiller.hurry()
            return
        work = self._scheduler.plan_aside()
        if work is None:
            self.prefiller.rest()
            return
        prompt = work.task.tokens[: work.start + work.count]
        try:
            self.prefiller.begin(work.sequence, prompt, work.start, self._on_done)
        except DecodeError as error:
            self._failed(work, error)
            return
        self._sent = work, work.task.lease

    def _failed(self, work: Work, error: DecodeError) -> None:
        """Nobody knows what its sequence holds now, so it is not kept."""
        self._scheduler.landed(work, 0)
        self._scheduler.remove(work.task, keep=False)
        self._on_failed([work], error)
