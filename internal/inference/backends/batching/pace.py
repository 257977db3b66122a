"""How much prefill a step may carry: chosen from measured times, so that a long prompt never stalls running streams.

The gap between two tokens of a stream is one step. A step that also prefills may take `STRETCH` times as long as one
that only decodes; the promise to callers is 3 times, the rest is room for noise. Those who are about to join count as
if they decoded already: the streams will be that slow anyway, and everyone has a first token sooner.

That promise is to streams that someone reads. One that has just begun shares the wait for those that came with it:
small steps for few streams would keep many from their first token, and take longer in all.
"""

from __future__ import annotations

from collections import deque
from statistics import median

STRETCH = 2.2
# How much longer yet, when so many more have just begun or wait than are being read.
MOST_PATIENCE = 6
# Nobody decodes: still no longer than this, so that arrivals and cancellations are not kept waiting, and of many
# prompts the first ones are answered while the others are computed.
IDLE_STEP_S = 0.1
LEAST_IDLE_TOKENS = 128
LEARNING_RATE = 0.2
FIRST_CHUNK = 32  # while nothing is measured
MOST_SURPRISE = 3
SMALL_CHUNKS = 2  # times as much a token as large ones, until it is measured
# Prefill that takes less than this part of the second pass it needs would waste the machine.
LEAST_OF_PASS = 0.5
SAMPLES = 31


class Pace:
    """Learns from every step. `batch`: tokens of one step at most.

    `two_passes`: beside streams that decode, prefill reads the weights a second time (see `stream_cache.py`).
    """

    def __init__(self, batch: int, *, two_passes: bool = False) -> None:
        self._batch = batch
        self._two_passes = two_passes
        self._decode_s: dict[int, deque[float]] = {}  # by the number of streams that decoded
        # Large chunks cost less a token than the small ones beside streams, so each kind is learned for itself.
        self._alone = TokenCost()
        self._beside = TokenCost()

    def observe(self, decoding: int, prefilled: int, step_s: float) -> None:
        """A step with so many tokens of each kind took so long."""
        if not prefilled:
            self._decode_s.setdefault(decoding, deque(maxlen=SAMPLES)).append(step_s)
            return
        # The first estimate comes from a whole step; prefill has not been cheaper than a tenth of its step.
        spent = step_s
        if decoding and self._decode_s:
            spent = max(step_s - self._decoding_s(decoding) - self._pass_s(), step_s / 10)
        (self._beside if decoding else self._alone).learn(prefilled, spent)

    def prefill_budget(self, decoding: int, settled: int, new: int) -> int:
        """Tokens of prefill for the next step, in which `decoding` streams get one each.

        `settled`: those of them that are past their beginning; `new`: others, and those that prefill.
        """
        room = self._batch - decoding
        token_s = self._token_s(decoding)
        if not token_s or (decoding and not self._decode_s):
            return min(FIRST_CHUNK, room) if decoding else room
        if decoding:
            patience = min(max(new / settled, 1), MOST_PATIENCE) if settled else MOST_PATIENCE
            step_s = STRETCH * patience * self._decoding_s(settled + new)
            allowed_s = step_s - self._decoding_s(decoding)
            pass_s = self._pass_s()
            allowed_s = max(allowed_s - pass_s, pass_s * LEAST_OF_PASS)
            return min(max(int(allowed_s / token_s), 1), room)
        return min(max(int(IDLE_STEP_S / token_s), LEAST_IDLE_TOKENS), room)

    def _token_s(self, decoding: int) -> float:
        """Of one token of prefill in a step with so many streams; 0 while nothing is measured."""
        if decoding:
            return self._beside.token_s or self._alone.token_s * SMALL_CHUNKS
        return self._alone.token_s or self._beside.token_s

    def _pass_s(self) -> float:
        """What a second reading of the weights takes: as much as a step of one stream."""
        return max(self._decoding_s(1) - self._token_s(0), 0.0) if self._two_passes else 0.0

    def _decoding_s(self, streams: int) -> float:
        """A step of so many streams: as measured, or from the nearest measured, a token costing what prefill does."""
        nearest = min(self._decode_s, key=lambda known: (abs(known - streams), known))
        measured = median(self._decode_s[nearest])
        return max(measured + (streams - nearest) * self._token_s(streams), measured / 2)


class TokenCost:
    """What a token of prefill takes. Learned by tokens, not by steps: what else a step spends weighs most on small
    ones."""

    def __init__(self) -> None:
        self.token_s = 0.0
        self._tokens = 0.0  # that this was learned from, the latest counting most

    def learn(self, tokens: int, spent_s: float) -> None:
        if self.token_s:  # a step that someone interrupted says little
            spent_s = min(spent_s, MOST_SURPRISE * self.token_s * tokens)
        before = self._tokens * (1 - LEARNING_RATE)
        self._tokens = before + tokens
        self.token_s = (self.token_s * before + spent_s) / self._tokens
