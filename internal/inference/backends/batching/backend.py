"""The seam between the event loop and the engine's thread, the same for every library that computes.

A request is checked and tokenised on a thread of its own, so that neither the event loop nor running streams wait for
a long prompt; then the engine has it. Requests with grammars have such a thread of their own: compiling can take longer
than others would like to wait. So have pictures, which are looked at before anything else, and what is only asked
about texts: that is free, and no prompt should wait for it. Events come back in one call per engine step.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gen import inference_pb2 as pb

from internal.config import ConfigError, ModelConfig
from internal.errors import InternalError, OverloadedError, UnavailableError, UnsupportedError, WorkerError
from internal.gently import SLIGHTLY, give_way
from internal.inference.backends.base import Generation, ModelInfo, Publish
from internal.inference.backends.batching.constraints import is_constrained
from internal.inference.backends.batching.engine import Engine, Events
from internal.inference.backends.batching.kv_cache import Cache
from internal.inference.backends.batching.library import Context, Model
from internal.inference.backends.batching.options import BatchingOptions
from internal.inference.backends.batching.pictures import Eyes, Picture
from internal.inference.backends.batching.prompts import Prompts, images_of
from internal.inference.backends.batching.side import SideContext
from internal.inference.backends.batching.slots import Request
from internal.inference.chat_template import ChatTemplate

log = logging.getLogger("novai.engine")

T = TypeVar("T")

QUEUE_PER_SLOT = 4
LEAST_QUEUE = 64
BROKEN_EXIT = 70  # EX_SOFTWARE


def exit_worker() -> None:
    """The model host starts a new worker; callers see the connection end."""
    logging.shutdown()
    os._exit(BROKEN_EXIT)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a library made of the model's files."""

    model: Model
    context: Context
    cache: Cache[Any]
    context_length: int  # tokens, prompt and output together, of one request
    device: str
    gpu_layers: int = 0  # -1: all
    eyes: Eyes | None = None
    side: SideContext | None = None


class BatchingBackend(ABC):
    """See the module. `on_broken` is called when the library cannot compute any more."""

    name: str  # in BACKENDS

    def __init__(self, config: ModelConfig, options: BatchingOptions, on_broken: Callable[[], None]) -> None:
        self._config = config
        self._options = options
        self._on_broken = on_broken
        self._queue_limit = options.queue_limit or max(QUEUE_PER_SLOT * options.slots, LEAST_QUEUE)
        self._intake = ThreadPoolExecutor(1, "novai-intake")
        self._compiling = ThreadPoolExecutor(1, "novai-grammars")
        self._looking = ThreadPoolExecutor(1, "novai-pictures", give_way, (SLIGHTLY,))
        self._counting = ThreadPoolExecutor(1, "novai-counting", give_way, (SLIGHTLY,))
        self._requests: dict[Generation, Request] = {}
        self._arrivals = itertools.count()
        self._prompts: Prompts | None = None
        self._engine: Engine | None = None
        self._resources = ExitStack()
        self._closed = False
        self._info = ModelInfo(config.name, self.name, "cpu", 0, 0, options.slots, config.created)

    @abstractmethod
    def _load(self, resources: ExitStack) -> Loaded:
        """Reads the model; what has to be given back at the end is put into `resources`.

        Blocks for as long as the files take to read. Raises WorkerError, ConfigError.
        """

    @property
    def info(self) -> ModelInfo:
        return self._info

    async def start(self, publish: Publish) -> None:
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._open)
        except BaseException:
            await self.aclose()
            raise

    def submit(self, generation: Generation) -> None:
        if self._engine is None or self._closed:
            self._refuse(generation, UnavailableError("the model is not loaded; try again", retry_after_ms=1000))
            return
        # What has no slot yet; requests that the engine has not looked at find the idle ones.
        queued = sum(not request.placed for request in self._requests.values())
        # Batches leave half of the queue to others, who would rather wait than be refused.
        places = self._queue_limit // (2 if generation.request.priority == pb.BATCH else 1)
        if queued >= places + self._engine.idle_slots:
            retry_after_ms = self._engine.retry_after_ms(queued)
            self._refuse(generation, OverloadedError("the queue is full; try again shortly", "", retry_after_ms))
            return
        request = self._requests[generation] = Request(generation)
        intake = self._compiling if is_constrained(generation.request) else self._intake
        if images_of(generation.request):
            self._looking.submit(self._look, request, intake)
            return
        if intake is self._intake and generation.request.priority == pb.INTERACTIVE:  # grammars take long
            self._engine.expect(request)
        intake.submit(self._admit, request)

    def cancel(self, generation: Generation) -> None:
        request = self._requests.get(generation)
        if request is not None and self._engine is not None:
            request.cancelled = True
            self._engine.cancelled()

    async def count_tokens(self, request: pb.GenerateRequest) -> int:
        thread = self._looking if images_of(request) else self._counting
        return await self._read(lambda prompts: prompts.count(request), thread)

    async def tokenize(self, request: pb.TokenizeRequest) -> list[int]:
        return await self._read(lambda prompts: prompts.tokens(request))

    async def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        return await self._read(lambda prompts: prompts.pieces(tokens))

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._unload)

    # ------------------------------------------------------------------ the intake threads

    async def _read(self, ask: Callable[[Prompts], T], thread: ThreadPoolExecutor | None = None) -> T:
        """Asks on the thread for that, or another one. Raises UnavailableError, and what `ask` raises."""
        if self._prompts is None or self._closed:
            raise UnavailableError("the model is not loaded; try again")
        return await self._loop.run_in_executor(thread or self._counting, ask, self._prompts)

    def _look(self, request: Request, intake: ThreadPoolExecutor) -> None:
        """Looks at the images of a request, for as long as anybody waits for it; the rest is another thread's."""
        assert self._prompts is not None
        seeing = self._prompts.see(request.generation.request)
        pictures: list[Picture] = []
        with self._refusing(request):
            while not self._is_over(request):
                picture = next(seeing, None)
                if picture is None:
                    intake.submit(self._admit, request, pictures)
                    return
                pictures.append(picture)

    def _admit(self, request: Request, pictures: Sequence[Picture] = ()) -> None:
        """Reads the prompt and hands the request to the engine, unless nobody waits for it any more, as those behind it
        do. Everything that can be refused is refused here."""
        assert self._prompts is not None
        assert self._engine is not None
        generation = request.generation
        with self._refusing(request):
            if self._is_over(request):
                return
            prompts = self._prompts.read(generation.request, pictures)
            echo = self._prompts.echo(generation.request) if generation.request.echo else []
            request.begin(prompts, next(self._arrivals))
            accepted = pb.Accepted(prompt_tokens=generation.usage.prompt_tokens, echo=echo)
            self._emit([(generation, pb.Event(accepted=accepted))])
            if generation.request.prompt_only:
                self._emit(request.without_output())
            else:
                self._engine.add(request)

    def _is_over(self, request: Request) -> bool:
        """Whether nobody waits for it any more; then this is its end."""
        if not (request.cancelled or self._closed):
            return False
        request.cancelled = True
        self._emit([(request.generation, request.finished())])
        return True

    @contextmanager
    def _refusing(self, request: Request) -> Iterator[None]:
        """Whatever is wrong with a request is its one event."""
        assert self._engine is not None
        generation = request.generation
        try:
            yield
        except WorkerError as error:
            self._emit([(generation, error.event())])
        except Exception:
            log.exception("request %s cannot be read", generation.request_id)
            self._emit([(generation, InternalError("the request could not be read").event())])
        finally:
            self._engine.forget(request)

    # ------------------------------------------------------------------ events

    def _refuse(self, generation: Generation, error: WorkerError) -> None:
        self._loop.call_soon(self._publish, [(generation, error.event())])

    def _emit(self, events: Events) -> None:
        self._loop.call_soon_threadsafe(self._deliver, events)

    def _deliver(self, events: Events) -> None:
        for generation, event in events:
            if event.HasField("finished") or event.HasField("failed"):
                self._requests.pop(generation, None)
        self._publish(events)

    # ------------------------------------------------------------------ loading

    def _open(self) -> None:
        loaded = self._load(self._resources)
        prompts = Prompts(loaded.model, self._chat_template(loaded.model), loaded.context_length, loaded.eyes)
        self._info = ModelInfo(
            name=self._config.name,
            backend=self.name,
            device=loaded.device,
            context_length=loaded.context_length,
            vocabulary_size=loaded.model.vocabulary_size,
            slots=self._options.slots,
            created=self._config.created,
            image_tokens=loaded.eyes.most_tokens if loaded.eyes is not None else 0,
            gpu_layers=loaded.gpu_layers,
        )
        engine = Engine(
            loaded.context,
            loaded.cache,
            slots=self._options.slots,
            batch=self._options.n_batch,
            emit=self._emit,
            on_broken=self._on_broken,
            side=loaded.side,
        )
        engine.start()
        self._prompts, self._engine = prompts, engine
        self._compiling.submit(self._warm_constraints, prompts)

    def _chat_template(self, model: Model) -> ChatTemplate | None:
        source = model.chat_template
        if self._options.chat_template:
            try:
                source = Path(self._options.chat_template).read_text()
            except OSError as error:
                raise ConfigError(f"model {self._config.name!r}: options: chat_template: {error}") from None
        if not source:
            return None
        return ChatTemplate(source, model.bos_text, model.eos_text, list(model.special_ids))

    def _warm_constraints(self, prompts: Prompts) -> None:
        """Behind the start, which it would delay by about a second for a large vocabulary."""
        try:
            prompts.constraints.warm()
        except UnsupportedError as error:
            log.warning("%s", error.message)

    def _unload(self) -> None:
        for thread in (self._looking, self._counting, self._intake, self._compiling):
            thread.shutdown(cancel_futures=False)  # what it holds is cancelled by the engine
        if self._engine is not None:
            self._engine.stop()
        self._resources.close()
