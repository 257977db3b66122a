"""The working memory of a model: the pages of transformers' continuous batching, and its steps.

The library's manager brings all that a step needs: a paged cache, the batch of packed sequences, attention over pages.
Its own loop is not run: that one samples all requests alike, ends them by tokens only, knows no priorities, and lets
tenants share prefixes. Ours decides what is computed, and reads the logits.

Pages belong to sequences, whole ones to several that begin alike; a page that is shared is copied before it is written
to. Belongs to one thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching.requests import FutureRequestState, RequestState

from internal.errors import WorkerError
from internal.inference.backends.batching.library import Chunk, DecodeError, Logits

logging.getLogger("ContinuousBatchingLogger").setLevel(logging.WARNING)

GREEDY = GenerationConfig(do_sample=False, eos_token_id=-1)  # type: ignore[no-untyped-call]
PAGE = 16  # tokens
# Of every sequence beside those that its tokens fill: the last one is not full, and one was copied from another.
SPARE_PAGES = 2


class Context:
    """Implements `library.Context`. `model`: a PreTrainedModel. `cells`: tokens of all sequences together. `batch`:
    tokens of one step at most.

    Raises WorkerError when the model cannot be run in batches, or the memory cannot be had.
    """

    unified = True

    def __init__(self, model: Any, *, cells: int, sequences: int, batch: int) -> None:
        # Some older ones (GPT-J, GPT-Neo) would take all texts of a step for one, and say nothing.
        if not model._supports_attention_backend:
            name = type(model).__name__
            raise WorkerError(f"{name} has attention of its own, which cannot tell the texts of a batch apart")
        settings = ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=-(-cells // PAGE) + SPARE_PAGES * sequences,
            max_batch_tokens=batch,
            max_requests_per_batch=min(batch, sequences),
            max_blocks_per_request=0,
            use_cuda_graph=False,
            use_async_batching=False,
            auto_switch_to_flash=False,
        )
        try:
            manager = model.init_continuous_batching(GREEDY, settings)
            manager.warmup()  # makes the cache
        except MemoryError:
            raise WorkerError(f"no memory for {cells} cells of KV cache: lower `cells`, `slots`, `n_batch`") from None
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise WorkerError(f"transformers cannot run this model in batches: {error}") from None
        self._model = model
        self._processor: Any = manager.batch_processor
        self._inputs = self._processor.inputs_and_outputs
        self._cache = self._processor.cache
        self._picks_rows: bool = model._supports_logits_to_keep()
        self._states: dict[int, RequestState] = {}
        self._try()

    @property
    def shares(self) -> bool:
        """Whether what is computed can be used again: layers that look at a window only forget the rest."""
        return all(pages.use_block_sharing for pages in self._pages)

    def free(self) -> None:
        """Lets go of the memory."""
        self._model = self._processor = self._inputs = self._cache = None

    @torch.inference_mode()
    def decode(self, chunks: Sequence[Chunk]) -> Logits:
        """See `library.Context`."""
        try:
            passes = self._passes([self._part(chunk) for chunk in chunks])
            logits = [self._computed(batch) for batch in passes]
            return logits[0] if len(logits) == 1 else np.concatenate(logits)
        except (RuntimeError, TypeError, ValueError) as error:
            raise DecodeError(f"PyTorch: {error}") from error

    # SequenceMemory

    @torch.inference_mode()
    def copy(self, source: int, target: int, end: int) -> None:
        """Makes the first `end` tokens of `source` all that `target` holds."""
        whole, part = divmod(end, PAGE)
        for pages in self._pages:
            held = pages.block_table[str(source)]
            for page in held[:whole]:
                pages.ledger.acquire(page)
            last = [self._copied(pages, held[whole])] if part else []
            pages.free_blocks(str(target))
            pages.block_table[str(target)] = held[:whole] + last

    @torch.inference_mode()
    def remove(self, sequence: int, start: int) -> None:
        """Takes the tokens from position `start` on out of the sequence."""
        for pages in self._pages:
            held = pages.block_table.get(str(sequence), [])
            kept = -(-start // PAGE)
            self._release(pages, held[kept:])
            del held[kept:]
            if start % PAGE and len(held) == kept and held[-1] in pages.ledger.shared_ref_counts:
                shared = held.pop()
                held.append(self._copied(pages, shared))
                self._release(pages, [shared])

    # ------------------------------------------------------------------ pages

    @property
    def _pages(self) -> Sequence[Any]:
        """Of the layers that look at everything, and of those that look at a window."""
        return list(self._cache.cache_allocators.values())

    def _copied(self, pages: Any, page: int) -> int:
        if not self._cache.pool.count_free_blocks(pages.index):
            self._cache.pool.allocate_sector(pages.index)
        (fresh,) = self._cache.pool.get_free_blocks(pages.index, 1)
        pages.copy_blocks([page], [fresh])
        return int(fresh)

    def _release(self, pages: Any, held: Sequence[int]) -> None:
        self._cache.pool.free_blocks(pages.index, [page for page in held if pages.ledger.release(page)])

    # ------------------------------------------------------------------ the step

    def _try(self) -> None:
        """One token, before anybody asks: of some models (DeepSeek-V3) the pages have another shape than the keys.
        Raises WorkerError."""
        try:
            self.decode([Chunk(sequence=0, start=0, tokens=[0], wants_logits=True)])
        except DecodeError as error:
            raise WorkerError(f"transformers cannot run this model in batches: {error}") from None
        self.remove(0, 0)

    def _part(self, chunk: Chunk) -> FutureRequestState:
        """The chunk as the library takes it, with pages for its tokens. Raises DecodeError."""
        state = self._states.setdefault(chunk.sequence, RequestState(str(chunk.sequence), []))
        state.position_offset = chunk.start
        state.tokens_to_process = list(chunk.tokens)
        count = len(chunk.tokens)
        if not self._cache.can_store_request_tokens(state, count):
            self._cache.pool.try_to_free_sectors()
            if not self._cache.can_store_request_tokens(state, count):
                raise DecodeError("no pages are left", no_cells=True)
        return FutureRequestState(state, chunk.wants_logits, {}, count)

    def _passes(self, parts: Sequence[FutureRequestState]) -> list[list[FutureRequestState]]:
        """One, as a rule. The library has room to read every page once, and reads a shared one for each sequence."""
        passes: list[list[FutureRequestState]] = [[]]
        read = 0
        for part in parts:
            read += part.state.position_offset
            if passes[-1] and read > self._cache.max_tokens_read:
                passes.append([])
                read = part.state.position_offset
            passes[-1].append(part)
        return passes

    def _computed(self, batch: list[FutureRequestState]) -> Logits:
        self._inputs.prepare_batch_tensors(
            requests_in_batch=batch,
            logits_processors=self._processor.logit_processor,
            use_decode_fast_path=False,
            num_q_tokens=sum(part.query_length for part in batch),
            max_kv_read=sum(part.state.position_offset for part in batch),
            use_padding=False,
        )
        arguments = self._inputs.get_model_kwargs()
        wanted = arguments["logits_indices"][: sum(part.has_new_token for part in batch)]
        if self._picks_rows:
            arguments["logits_to_keep"] = wanted
        logits = self._model(**arguments).logits[0]
        if not self._picks_rows:
            logits = logits[wanted]
        found: Logits = logits.to("cpu", torch.float32).numpy()
        return found if found.flags.writeable else np.array(found)
