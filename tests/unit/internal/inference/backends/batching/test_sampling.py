"""Sampling against its definition: what may be drawn, how often, and that nothing depends on the company."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from gen import inference_pb2 as pb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from internal.inference.backends.batching.sampling import LEAST_LOGPROB, NOT_FINITE, Sampler, logprob, sample

Logits = npt.NDArray[np.float32]


def logits_of(seed: int, rows: int = 1, size: int = 1000, spread: float = 3.0) -> Logits:
    return np.random.default_rng(seed).normal(0, spread, (rows, size)).astype(np.float32)


def sampler(seed: int = 0, **fields: object) -> Sampler:
    return Sampler(pb.Sampling(seed=seed, **{"temperature": 1.0, "top_p": 1.0} | fields))  # type: ignore[arg-type]


def probabilities(logits: Logits, temperature: float, top_k: int, top_p: float, min_p: float) -> dict[int, float]:
    """The definition, one token at a time."""
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    order = np.argsort(-weights, kind="stable")[: top_k or None]
    total = weights[order].sum()
    kept: dict[int, float] = {}
    before = 0.0
    for token in order:
        if kept and (before >= top_p * total or weights[token] < min_p):
            break
        kept[int(token)] = float(weights[token])
        before += weights[token]
    return {token: weight / sum(kept.values()) for token, weight in kept.items()}


SETTINGS = [
    (1.0, 0, 1.0, 0.0),
    (0.8, 40, 0.95, 0.0),
    (0.5, 5, 1.0, 0.0),
    (1.5, 0, 0.9, 0.0),
    (1.0, 300, 0.99, 0.0),
    (1.0, 0, 1.0, 0.05),
    (1.5, 0, 0.7, 0.1),
    (0.7, 20, 0.8, 0.1),
    (2.0, 1, 0.5, 0.0),
]


@pytest.mark.parametrize(("temperature", "top_k", "top_p", "min_p"), SETTINGS)
def test_tokens_come_as_often_as_they_should(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    logits = logits_of(1)
    expected = probabilities(logits[0], temperature, top_k, top_p, min_p)
    draws = 3000
    group = [sampler(seed, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p) for seed in range(draws)]
    found = Counter[int]()
    for start in range(0, draws, 100):
        found.update(sample(np.repeat(logits, 100, axis=0), group[start : start + 100]))
    assert set(found) <= set(expected)
    for token, probability in expected.items():
        if probability > 0.02:
            deviation = math.sqrt(draws * probability * (1 - probability)) + 1e-9
            assert abs(found[token] - draws * probability) < 5 * deviation


@pytest.mark.parametrize("cut", [{}, {"top_k": 5}, {"top_p": 0.5}, {"min_p": 0.1}], ids=str)
@pytest.mark.parametrize("temperature", [1e-45, 1e-39, 1e-37, 1e-6])
def test_next_to_no_temperature_is_none(temperature: float, cut: dict[str, float]) -> None:
    logits = logits_of(3, rows=4)
    best = logits.argmax(axis=1).tolist()
    assert sample(logits, [sampler(seed, temperature=temperature, **cut) for seed in range(4)]) == best


@pytest.mark.parametrize("cut", [{"temperature": 0.0}, {"top_k": 5}, {"top_p": 0.5}, {}], ids=str)
@pytest.mark.parametrize("penalty", [1e-45, 1e-39, 1e-37, 1e-6])
def test_next_to_no_repetition_penalty_is_a_number(penalty: float, cut: dict[str, float]) -> None:
    """What was said is said again: the likeliest of it."""
    logits = logits_of(3)
    sampling = pb.Sampling(**{"temperature": 1.0, "repetition_penalty": penalty, "seed": 1} | cut)  # type: ignore[arg-type]
    likely = np.argsort(-logits[0])[:3].tolist()
    assert sample(logits, [Sampler(sampling, prompt=likely)]) == likely[:1]


@settings(max_examples=300)
@example(seed=391, size=1000, spread=0.01, temperature=0.1, top_k=0, top_p=1e-6, min_p=0.0)
@given(
    seed=st.integers(0, 1000),
    size=st.sampled_from([1, 2, 63, 64, 257, 1000, 5001]),
    spread=st.sampled_from([0.01, 1.0, 20.0]),
    temperature=st.sampled_from([0.1, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 7, 40, 300, 100_000]),
    top_p=st.sampled_from([1.0, 0.99, 0.5, 1e-6]),
    min_p=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_only_what_is_allowed_is_drawn(
    seed: int, size: int, spread: float, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    logits = logits_of(seed, 1, size, spread)
    # Where the cumulated weights meet top_p, rounding may let one token more in.
    lax = probabilities(logits[0], temperature, top_k, min(1.0, top_p + 1e-4), min_p * (1 - 1e-4))
    # Tokens whose weights are one number in float32 are let in together.
    least = logits[0][list(lax)].min() - 1e-6 * temperature
    drawn = sampler(seed, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    for _ in range(5):
        (token,) = sample(logits.copy(), [drawn])
        assert token in lax or logits[0][token] >= least
        drawn.accept(token)


@settings(max_examples=100)
@given(seed=st.integers(0, 1000), others=st.lists(st.sampled_from(SETTINGS), max_size=6))
def test_a_draw_does_not_depend_on_the_company(seed: int, others: list[tuple[float, int, float, float]]) -> None:
    fields = ("temperature", "top_k", "top_p", "min_p")
    mine = dict(zip(fields, SETTINGS[seed % len(SETTINGS)], strict=True))
    logits = logits_of(seed, len(others) + 1)
    alone = sample(logits[:1].copy(), [sampler(seed, **mine)])
    company = [sampler(n, **dict(zip(fields, other, strict=True))) for n, other in enumerate(others)]
    assert sample(logits.copy(), [sampler(seed, **mine), *company])[:1] == alone


def test_greedy() -> None:
    logits = logits_of(3, rows=5)
    assert sample(logits.copy(), [sampler(temperature=0.0)] * 5) == logits.argmax(axis=1).tolist()


def test_positions_and_choices_draw_differently() -> None:
    logits = logits_of(1, spread=0.1)
    first, second = Sampler(pb.Sampling(seed=1, temperature=1)), Sampler(pb.Sampling(seed=1, temperature=1), choice=1)
    assert first.uniform() != second.uniform()
    before = first.uniform()
    first.accept(sample(logits, [first])[0])
    assert first.uniform() != before


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_seed_is_a_seed(seed: int) -> None:
    assert 0 <= Sampler(pb.Sampling(seed=seed, temperature=1)).uniform() < 1


def test_penalties_as_defined() -> None:
    drawn = Sampler(pb.Sampling(presence_penalty=0.5, frequency_penalty=0.25, repetition_penalty=2.0), prompt=[0, 1])
    for token in (2, 2, 3):
        drawn.accept(token)
    logits = np.array([1.0, -1.0, 4.0, 1.0, 1.0], np.float32)
    drawn.adjust(logits)
    assert logits.tolist() == [0.5, -2.0, 4 / 2 - 0.5 - 2 * 0.25, 1 / 2 - 0.5 - 0.25, 1.0]


def test_bias_bans_and_least_length() -> None:
    drawn = Sampler(
        pb.Sampling(logit_bias={0: 2.0, 1: -100.0}), banned=np.array([2]), end_ids=np.array([3]), min_tokens=1
    )
    logits = np.ones(5, np.float32)
    drawn.adjust(logits)
    assert logits.tolist() == [3.0, -99.0, -np.inf, -np.inf, 1.0]
    drawn.accept(4)
    logits = np.ones(5, np.float32)
    drawn.adjust(logits)
    assert logits.tolist() == [3.0, -99.0, -np.inf, 1.0, 1.0]


class Only:
    """A mask that allows one token, and counts."""

    def __init__(self, token: int) -> None:
        self.token = token
        self.accepted: list[int] = []

    def apply(self, logits: Logits) -> None:
        kept = logits[self.token]
        logits[:] = -np.inf
        logits[self.token] = kept

    def accept(self, token: int) -> None:
        self.accepted.append(token)


@pytest.mark.parametrize(("temperature", "top_k", "top_p", "min_p"), [*SETTINGS, (0.0, 0, 1.0, 0.0)])
def test_a_mask_leaves_what_it_allows(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    mask = Only(123)
    fields = pb.Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    drawn = Sampler(fields, mask=mask)
    assert sample(logits_of(1), [drawn]) == [123]
    drawn.accept(123)
    assert mask.accepted == [123]


@pytest.mark.parametrize(("temperature", "top_k", "top_p", "min_p"), [*SETTINGS, (0.0, 0, 1.0, 0.0)])
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_logits_that_are_no_numbers(temperature: float, top_k: int, top_p: float, min_p: float, value: float) -> None:
    fields = pb.Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    broken = np.full((1, 1000), value, np.float32)
    assert sample(np.concatenate([broken, logits_of(1)]), [Sampler(fields), Sampler(fields)])[0] == NOT_FINITE


@pytest.mark.parametrize(("temperature", "top_k", "top_p", "min_p"), [*SETTINGS, (0.0, 0, 1.0, 0.0)])
@pytest.mark.parametrize("place", [500, 999])
def test_a_single_logit_that_is_no_number_is_found_and_spoils_no_other_row(
    temperature: float, top_k: int, top_p: float, min_p: float, place: int
) -> None:
    fields = pb.Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, seed=1)
    logits = np.concatenate([logits_of(2), logits_of(1)])
    logits[0, place] = math.nan
    assert sample(logits, [Sampler(fields), Sampler(fields)]) == [NOT_FINITE, *sample(logits_of(1), [Sampler(fields)])]


def test_logprobs() -> None:
    logits = np.log(np.array([0.5, 0.25, 0.125, 0.125], np.float32))
    found, top = logprob(logits, 1, 2)
    assert found == pytest.approx(math.log(0.25))
    assert [token for token, _ in top] == [0, 1]
    assert [value for _, value in top] == pytest.approx([math.log(0.5), math.log(0.25)])
    assert logprob(np.array([0.0, -np.inf], np.float32), 1, 2) == (LEAST_LOGPROB, [(0, 0.0), (1, LEAST_LOGPROB)])
