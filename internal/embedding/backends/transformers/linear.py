"""Linear layers of encoders, by whatever multiplies fastest on this machine: BLAS, oneDNN, or integers of 12 bits."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

Linear = Callable[[Tensor], Tensor]
"""x (tokens x inputs) → x · weight + bias."""

ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
KERNEL = Path(__file__).with_name("int16.so")  # made of int16.c by `make kernels`
TYPICAL_TOKENS = 1024  # of a batch: what weights are laid out for
RACES = 6  # between libraries: 15 ms each
WORTH = 0.9  # of the time in float32: what integers may take, or their rounding buys nothing
INT16_TOP = 2047  # of a number of 12 bits, as in int16.c
INT16_PANEL = 16  # inputs and outputs come in multiples of it


class ByBlas:
    """The weight is stored as BLAS reads it fastest."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight.t().contiguous(), bias

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self._bias, x.to(self._bias.dtype), self._weight)


class ByOneDnn:
    """The weight is laid out for oneDNN once (whose own GELU is slower than torch's). On a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), TYPICAL_TOKENS)
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self._bias.dtype)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return found


class ByInt16:
    """Each row of x, and each output of the weight, in units of a 2047th of its largest number (`int16.c`). On a CPU
    with AVX2."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._outputs, self._inputs = weight.shape
        self._bias = bias.contiguous()
        self._units = (weight.abs().amax(dim=1) / INT16_TOP).clamp_min(torch.finfo(torch.float32).tiny)
        panels = (weight / self._units[:, None]).round().to(torch.int16)
        panels = panels.view(self._outputs // INT16_PANEL, INT16_PANEL, self._inputs // 2, 2)
        self._weight = panels.transpose(1, 2).contiguous()
        self._kernel = kernel()
        self._rows = int(self._kernel.novai_int16_rows())  # that it has quantized at a time

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(torch.float32).contiguous()
        y = x.new_empty(x.shape[0], self._outputs)
        quantized = torch.empty(self._rows * self._inputs, dtype=torch.int16)
        tensors = (x, self._weight, self._units, self._bias, y, quantized)
        pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
        self._kernel.novai_int16_linear(*pointers, ctypes.c_int64(x.shape[0]), self._inputs, self._outputs)
        return y


@cache
def kernel() -> ctypes.CDLL:
    """Raises OSError where it has not been made."""
    return ctypes.CDLL(str(KERNEL))


@cache
def int16_works() -> bool:
    """Whether the kernel was made, and for this processor."""
    return KERNEL.exists() and bool(kernel().novai_int16_works())


def fits_int16(weight: Tensor) -> bool:
    return not any(size % INT16_PANEL for size in weight.shape)


def linear(weight: Tensor, bias: Tensor, products: torch.dtype) -> Linear:
    """`weight`: outputs x inputs. `products`: what is multiplied; int16: integers of 12 bits (see `int16_works`)."""
    if products == torch.int16:
        if fits_int16(weight):
            return ByInt16(weight, bias)
        products = torch.float32
    way = way_on_cpu(products) if weight.device.type == "cpu" else ByBlas
    return way(weight.to(products), bias.to(products))


@cache
def way_on_cpu(products: torch.dtype) -> type[ByBlas | ByOneDnn]:
    """For bfloat16 oneDNN wants AVX-512, and has no rival; in float32 it was 20 % faster than BLAS on one processor
    with AVX2 and 10 % slower on another."""
    if products != torch.float32:
        return ByOneDnn if ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported() else ByBlas
    return ByOneDnn if ONEDNN and paces()[ByOneDnn] < paces()[ByBlas] else ByBlas


@cache
def int16_is_worth_it() -> bool:
    return int16_works() and paces()[ByInt16] < WORTH * paces()[way_on_cpu(torch.float32)]


@cache
def paces() -> dict[type, float]:
    """Seconds that each way takes for a typical layer on this processor: the best of a few that take turns."""
    x, weight, bias = torch.ones(TYPICAL_TOKENS // 2, 384), torch.ones(1536, 384), torch.ones(1536)
    layers: list[Linear] = [ByBlas(weight, bias)]
    if ONEDNN:
        layers.append(ByOneDnn(weight, bias))
    if int16_works():
        layers.append(ByInt16(weight, bias))
    races = [[seconds(layer, x) for layer in layers] for _ in range(RACES)]
    return {type(layer): min(times) for layer, times in zip(layers, zip(*races, strict=True), strict=True)}


def seconds(layer: Linear, x: Tensor) -> float:
    started = time.perf_counter()
    layer(x)
    return time.perf_counter() - started
