"""Products in integers of 12 bits: what rounding may cost, and nothing more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from internal.embedding.backends.transformers import linear
from internal.embedding.backends.transformers.linear import INT16_TOP, ByBlas, ByInt16, ByOneDnn

pytestmark = pytest.mark.skipif(not linear.int16_works(), reason="the kernel is for processors with AVX2")


def numbers(seed: int, *shape: int) -> Tensor:
    """Some rows a million times as large as others."""
    generator = np.random.default_rng(seed)
    rows = 10.0 ** generator.integers(-3, 4, size=(shape[0], 1))
    return torch.from_numpy(generator.standard_normal(shape) * rows).float()


def exact_and_bound(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """What there is to find, and how far rounding to the nearest unit can lead away from it."""
    x, weight = x.double(), weight.double()
    exact = x @ weight.t() + bias.double()
    x_off = (x.abs().amax(1, keepdim=True) / INT16_TOP / 2).expand_as(x)
    weight_off = (weight.abs().amax(1, keepdim=True) / INT16_TOP / 2).expand_as(weight)
    bound = x.abs() @ weight_off.t() + x_off @ (weight.abs() + weight_off).t()
    summed = x.abs() @ weight.abs().t() + bias.double().abs()
    return exact, bound + 1e-5 * summed  # sums of integers go on in float32


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 200),
    inputs=st.sampled_from([16, 384, 512, 528, 1040, 1536]),
    outputs=st.sampled_from([16, 48, 384]),
)
def test_integers_are_off_by_their_rounding_only(seed: int, rows: int, inputs: int, outputs: int) -> None:
    x, weight, bias = (
        numbers(seed, rows, inputs),
        numbers(seed + 1, outputs, inputs),
        numbers(seed + 2, outputs, 1)[:, 0],
    )
    exact, bound = exact_and_bound(x, weight, bias)
    off = (ByInt16(weight, bias)(x).double() - exact).abs()
    assert (off <= bound).all(), f"{(off / bound).max():.2f} times what rounding explains"


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_do_not_overflow(sign: int) -> None:
    x, weight = torch.full((7, 1536), 3.0), torch.full((16, 1536), sign * 2.0)
    assert torch.allclose(ByInt16(weight, torch.ones(16))(x), torch.tensor(sign * 9216.0 + 1), rtol=1e-6)


def test_zeros_leave_the_bias() -> None:
    bias = torch.arange(16.0)
    assert torch.equal(ByInt16(numbers(1, 16, 32), bias)(torch.zeros(3, 32)), bias.expand(3, 16))
    assert torch.equal(ByInt16(torch.zeros(16, 32), bias)(numbers(2, 3, 32)), bias.expand(3, 16))
    assert ByInt16(torch.zeros(16, 32), bias)(torch.empty(0, 32)).shape == (0, 16)


def test_a_row_comes_out_the_same_whatever_is_beside_it() -> None:
    x, layer = numbers(3, 131, 64), ByInt16(numbers(4, 32, 64), torch.ones(32))
    together = layer(x)
    for row in (0, 1, 95, 96, 130):
        assert torch.equal(layer(x[row : row + 1])[0], together[row])


def test_columns_of_a_wider_matrix_are_read_rightly() -> None:
    x, layer = numbers(5, 9, 64), ByInt16(numbers(6, 16, 32), torch.zeros(16))
    assert torch.equal(layer(x[:, 32:]), layer(x[:, 32:].contiguous()))


@pytest.mark.parametrize(
    ("inputs", "outputs", "by"), [(32, 16, {ByInt16}), (24, 16, {ByBlas, ByOneDnn}), (32, 8, {ByBlas, ByOneDnn})]
)
def test_sizes_that_the_kernel_is_not_for_get_float32(inputs: int, outputs: int, by: set[type]) -> None:
    weight, bias, x = numbers(7, outputs, inputs), torch.zeros(outputs), numbers(8, 5, inputs)
    layer = linear.linear(weight, bias, torch.int16)
    assert type(layer) in by
    assert layer(x).dtype == torch.float32
    exact, bound = exact_and_bound(x, weight, bias)
    assert ((layer(x).double() - exact).abs() <= bound).all()


def test_every_way_takes_part_in_the_race() -> None:
    paces = linear.paces()
    assert set(paces) >= {ByBlas, ByInt16}
    assert all(seconds > 0 for seconds in paces.values())
    assert linear.int16_is_worth_it() == (paces[ByInt16] < 0.9 * paces[linear.way_on_cpu(torch.float32)])
