"""A mask lets through what its grammar allows, of any number of tokens."""

from __future__ import annotations

import numpy as np
import pytest
from gen import inference_pb2 as pb

from internal.inference import constrain
from internal.inference.backends.batching.constraints import GrammarMask
from internal.inference.constrain import Vocabulary

BYTES = [bytes([byte]) for byte in range(256)]


@pytest.mark.parametrize("more", range(9))
def test_only_what_may_come_next_is_left(more: int) -> None:
    end, size = 256 + more, 257 + more
    vocabulary = Vocabulary([*BYTES, *[b"ab"] * more, b"<end>"], {end}, [end])
    mask = GrammarMask(constrain.compile(pb.Constraint(regex="ab?|cd"), vocabulary), frozenset({end}))

    def left() -> set[int]:
        logits = np.full(size, 0.5, np.float32)
        mask.apply(logits)
        assert set(logits.tolist()) <= {0.5, -np.inf}
        return {int(token) for token in np.flatnonzero(np.isfinite(logits))}

    assert left() == {ord("a"), ord("c"), *range(256, 256 + more)}
    mask.accept(ord("a"))
    assert (left(), mask.over) == ({ord("b"), end}, False)
    mask.accept(ord("b"))
    assert (left(), mask.over) == ({end}, True)
