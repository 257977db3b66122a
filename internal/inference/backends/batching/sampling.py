"""From logits to tokens, for all slots of a step at once.

The order of things: penalties and biases, bans and mask; temperature; top_k; top_p; min_p; one draw. What is drawn
depends on the request's seed and the position only, so a request gives the same output whatever else is in the batch
(as far as the logits are the same) and after being preempted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gen import inference_pb2 as pb

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

NOT_FINITE = -1  # instead of a token: the model's logits are no numbers
LEAST_LOGPROB = -9999.0  # JSON knows no infinity
# Top-k up to here goes through the columns' maxima, which reads the logits once.
SMALL_K = 256
COLUMN = 32
BLOCKS = 256  # of the vocabulary, when drawing from all of it
LEAST_FINITE = np.finfo(np.float32).min
LEAST_TEMPERATURE = np.finfo(np.float32).tiny  # what is divided by less overflows
LEAST_REPETITION = 1e-30  # as are logits, by less than this
_MASK_64 = (1 << 64) - 1
_NONE: Ids = np.empty(0, np.int64)


class TokenMask(Protocol):
    """What the output may be, kept while it is decoded (constrained output)."""

    over: bool
    """Nothing but the end can follow."""

    def apply(self, logits: Floats) -> None:
        """Sets the logits [vocabulary] of tokens that must not come next to -inf."""

    def accept(self, token: int) -> None:
        """The token was chosen. Raises WorkerError when the output cannot go on."""


Draw = Callable[[Floats, "Sequence[Sampler]"], list[int]]


class Sampler:
    """The sampling of one choice. `prompt` counts for the repetition penalty only."""

    def __init__(
        self,
        sampling: pb.Sampling,
        *,
        choice: int = 0,
        prompt: Sequence[int] = (),
        banned: Ids = _NONE,
        end_ids: Ids = _NONE,
        min_tokens: int = 0,
        mask: TokenMask | None = None,
    ) -> None:
        self.temperature = sampling.temperature
        self.top_k = sampling.top_k if sampling.top_k > 0 else 0
        self.top_p = sampling.top_p if 0 < sampling.top_p < 1 else 1.0
        self.min_p = sampling.min_p
        self.mask = mask
        self.draw = _draw_of(self)
        seed = sampling.seed if sampling.HasField("seed") else secrets.randbits(63)
        self._key = _mixed(_mixed(seed & _MASK_64) + choice)
        self._position = 0
        self._banned = banned
        self._end_ids = end_ids
        self._min_tokens = min_tokens
        self._bias_ids = np.fromiter(sampling.logit_bias.keys(), np.int64)
        self._biases = np.fromiter(sampling.logit_bias.values(), np.float32)
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._repetition = max(sampling.repetition_penalty or 1.0, LEAST_REPETITION)
        self._counts: dict[int, int] = {}
        self._seen = set(prompt) if self._repetition != 1.0 else set()
        self._counting = bool(self._presence or self._frequency or self._repetition != 1.0)
        self._adjusting = bool(self._counting or banned.size or self._bias_ids.size or min_tokens or mask)

    def adjust(self, logits: Floats) -> None:
        """Penalties, biases, bans and mask, in place on the logits [vocabulary]."""
        if not self._adjusting:
            return
        if self._counting:
            self._penalise(logits)
        if self._bias_ids.size:
            logits[self._bias_ids] += self._biases
        if self._banned.size:
            logits[self._banned] = -np.inf
        if self.mask is not None:
            self.mask.apply(logits)
        if self._position < self._min_tokens and not self.over:
            self._ban_ends(logits)

    def accept(self, token: int) -> None:
        """The token was chosen; the next one is at the next position. Raises WorkerError as the mask does."""
        self._position += 1
        if self._counting:
            self._counts[token] = self._counts.get(token, 0) + 1
            self._seen.add(token)
        if self.mask is not None:
            self.mask.accept(token)

    @property
    def over(self) -> bool:
        """Nothing but the end can follow."""
        return self.mask is not None and self.mask.over

    def uniform(self) -> float:
        """A number in [0, 1): the draw of this position."""
        return (_mixed(self._key + self._position) >> 11) * 2.0**-53

    def _ban_ends(self, logits: Floats) -> None:
        """Unless the mask leaves nothing else (`stop_token_ids` may name all it allows): then min_tokens gives way."""
        ends = logits[self._end_ids]
        logits[self._end_ids] = -np.inf
        if self.mask is not None and logits.max() == -np.inf:
            logits[self._end_ids] = ends

    def _penalise(self, logits: Floats) -> None:
        if self._repetition != 1.0:
            ids = np.fromiter(self._seen, np.int64)
            values = logits[ids]
            logits[ids] = np.where(values > 0, values / self._repetition, values * self._repetition)
        if self._counts and (self._presence or self._frequency):
            ids = np.fromiter(self._counts.keys(), np.int64)
            counts = np.fromiter(self._counts.values(), np.float32)
            logits[ids] -= self._presence + self._frequency * counts


def sample(logits: Floats, samplers: Sequence[Sampler]) -> list[int]:
    """One token for every row of the logits [rows, vocabulary], or NOT_FINITE. The logits may be changed."""
    for row, sampler in zip(logits, samplers, strict=True):
        sampler.adjust(row)
    groups: dict[Draw, list[int]] = {}
    for row_number, sampler in enumerate(samplers):
        groups.setdefault(sampler.draw, []).append(row_number)
    chosen = [NOT_FINITE] * len(samplers)
    with np.errstate(all="ignore"):  # infinities are meant, and what is no number is found
        for draw, rows in groups.items():
            part = logits if len(rows) == len(samplers) else logits[rows]
            for row_number, token in zip(rows, draw(part, [samplers[row] for row in rows]), strict=True):
                chosen[row_number] = token
    return chosen


def logprob(logits: Floats, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
    """Log-probability of a token and of the `top` likeliest ones under the raw logits [vocabulary], best first."""
    highest = float(logits.max())
    total = highest + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
    likeliest: list[tuple[int, float]] = []
    if top:
        ids = np.argpartition(logits, -top)[-top:]
        ids = ids[np.argsort(-logits[ids], kind="stable")]
        likeliest = [(int(i), max(float(logits[i]) - total, LEAST_LOGPROB)) for i in ids]
    return max(float(logits[token]) - total, LEAST_LOGPROB), likeliest


# ------------------------------------------------------------------ the ways to draw


def _greedy(logits: Floats, _samplers: Sequence[Sampler]) -> list[int]:
    tokens: list[int] = logits.argmax(axis=1).tolist()
    return [token if np.isfinite(row[token]) else NOT_FINITE for token, row in zip(tokens, logits, strict=True)]


def _small_k(logits: Floats, samplers: Sequence[Sampler]) -> list[int]:
    """Top-k without sorting the vocabulary: exact, all rows together."""
    limits = _limits(tuple(samplers))
    ids, values = _candidates(logits, limits.most_k)
    weights = np.exp((values - values.max(axis=1, keepdims=True)) / limits.temperature)  # the likeliest weighs 1
    ordered = np.sort(weights, axis=1)[:, ::-1]
    ordered = ordered * (np.arange(ordered.shape[1]) < limits.top_k)
    sums = ordered.cumsum(axis=1)
    # A candidate stays while those before it have not reached top_p; the first one always does.
    kept = (sums - ordered < limits.top_p * sums[:, -1:]) & (ordered >= limits.min_p)
    rows = np.arange(len(samplers))
    least = ordered[rows, np.maximum(kept.sum(axis=1), 1) - 1]
    weights *= weights >= least[:, None]
    sums = weights.cumsum(axis=1)
    targets = np.array([sampler.uniform() for sampler in samplers]) * sums[:, -1]
    places = (sums <= targets[:, None]).sum(axis=1)
    places = np.minimum(places, weights.shape[1] - 1)
    tokens: list[int] = ids[rows, places].tolist()
    return [token if total > 0 else NOT_FINITE for token, total in zip(tokens, sums[:, -1].tolist(), strict=True)]


def _whole(logits: Floats, samplers: Sequence[Sampler]) -> list[int]:
    """From the whole vocabulary, where neither top_k, top_p nor min_p cuts it."""
    return [_drawn(_exp(row, sampler), sampler.uniform()) for row, sampler in zip(logits, samplers, strict=True)]


def _cut(logits: Floats, samplers: Sequence[Sampler]) -> list[int]:
    """Everything else: a large top_k, top_p or min_p on the whole vocabulary."""
    tokens = []
    for row, sampler in zip(logits, samplers, strict=True):
        weights = _exp(row, sampler)
        weights *= weights >= _least(weights, sampler)
        tokens.append(_drawn(weights, sampler.uniform()))
    return tokens


def _exp(logits: Floats, sampler: Sampler) -> Floats:
    """The weights of a row, in its place (a row fits the processor's cache); the likeliest token weighs 1."""
    logits -= logits.max()
    logits *= np.float32(1 / sampler.temperature)
    return np.exp(logits, out=logits)


def _least(weights: Floats, sampler: Sampler) -> Any:
    """The least weight that top_k, top_p and min_p leave."""
    floor: Any = np.float32(min(sampler.min_p, 1.0))
    least: Any = np.float32(0)
    if 0 < sampler.top_k < len(weights):
        least = np.partition(weights, -sampler.top_k)[-sampler.top_k]
    if sampler.top_p < 1.0:
        inside = weights * (weights >= least) if least > 0 else weights
        outside = (1 - sampler.top_p) * float(inside.sum())  # what all that is cut off may weigh
        # Tokens that weigh less than this all together need not be sorted, nor those that min_p cuts off.
        likely = inside[inside >= max(outside / len(inside), floor)]
        if not likely.size:  # no numbers
            return least
        likely.sort()
        unlikely = float(inside.sum()) - float(likely.sum())
        place = int(np.searchsorted(likely.cumsum(), outside - unlikely, side="right"))
        least = max(least, likely[min(place, len(likely) - 1)])
    return max(least, floor)


def _drawn(weights: Floats, uniform: float) -> int:
    """The token at which the running sum of the weights passes its share `uniform`: first its block, then its place."""
    width = len(weights) // BLOCKS
    ends = np.append(weights[: width * BLOCKS].reshape(BLOCKS, width).sum(axis=1), weights[width * BLOCKS :].sum())
    ends = ends.cumsum(dtype=np.float64)
    if not 0 < ends[-1] < np.inf:
        return NOT_FINITE
    target = uniform * float(ends[-1])
    block = int(ends.searchsorted(target, side="right"))
    inside = weights[block * width : (block + 1) * width if block < BLOCKS else None]
    if block:
        target -= float(ends[block - 1])
    place = int(inside.cumsum(dtype=np.float64).searchsorted(target, side="right"))
    if place == len(inside):  # the sums were rounded differently
        place = int(np.flatnonzero(inside)[-1])
    return block * width + place


def _draw_of(sampler: Sampler) -> Draw:
    if sampler.temperature < LEAST_TEMPERATURE:
        return _greedy
    if 0 < sampler.top_k <= SMALL_K:
        return _small_k
    if sampler.top_k or sampler.top_p < 1.0 or sampler.min_p > 0:
        return _cut
    return _whole


# ------------------------------------------------------------------ arithmetic


def _candidates(logits: Floats, k: int) -> tuple[Ids, Floats]:
    """Ids and logits of at least the k largest of every row, by id, padded with -inf: [rows, enough].

    The k-th largest of the maxima of disjoint columns is not above the k-th largest of all: whatever is below it is
    not among the k largest, so one pass of maxima and one of comparisons leave few to sort.
    """
    rows, size = logits.shape
    k = min(k, size)
    width = size // COLUMN
    if width < k:
        return np.broadcast_to(np.arange(size), (rows, size)), logits
    table = logits[:, : width * COLUMN].reshape(rows, COLUMN, width)
    maxima = table.max(axis=1)
    least = np.partition(maxima, width - k, axis=1)[:, width - k]
    least = np.maximum(least, LEAST_FINITE)  # what is masked is no candidate
    highest = maxima.max(axis=1)
    row, column = np.divmod(np.flatnonzero(maxima >= least[:, None]), width)
    values = table[row, :, column]
    which, place = np.divmod(np.flatnonzero(values >= least[row, None]), COLUMN)
    found_rows, found_ids = row[which], place * width + column[which]
    found_values = values[which, place]
    if width * COLUMN < size:  # the columns leave a few tokens over
        tail = logits[:, width * COLUMN :]
        highest = np.maximum(highest, tail.max(axis=1))
        tail_row, tail_place = np.nonzero(tail >= least[:, None])
        found_rows = np.concatenate([found_rows, tail_row])
        found_ids = np.concatenate([found_ids, tail_place + width * COLUMN])
        found_values = np.concatenate([found_values, tail[tail_row, tail_place]])
    # By id: the order must not depend on k, which others in the batch have a say in.
    order = np.argsort(found_rows * size + found_ids)
    found_rows, found_ids, found_values = found_rows[order], found_ids[order], found_values[order]
    counts = np.bincount(found_rows, minlength=rows)
    starts = np.cumsum(counts) - counts
    slot = np.arange(len(found_rows)) - starts[found_rows]
    ids = np.zeros((rows, max(int(counts.max()), 1)), np.int64)
    padded = np.full(ids.shape, -np.inf, np.float32)
    ids[found_rows, slot], padded[found_rows, slot] = found_ids, found_values
    padded[np.isnan(highest)] = np.nan  # comparisons left out what is no number
    return ids, padded


class _Limits:
    """The settings of some samplers as columns."""

    def __init__(self, samplers: Sequence[Sampler]) -> None:
        self.temperature = _column([sampler.temperature for sampler in samplers])
        self.top_k = _column([sampler.top_k for sampler in samplers])
        self.top_p = _column([sampler.top_p for sampler in samplers])
        self.min_p = _column([sampler.min_p for sampler in samplers])
        self.most_k = max(sampler.top_k for sampler in samplers)


# The same streams meet step after step.
_limits = lru_cache(maxsize=8)(_Limits)


def _column(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.array(values, np.float64)[:, None]


def _mixed(state: int) -> int:
    """splitmix64: 64 well mixed bits of a counter."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK_64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return state ^ (state >> 31)
