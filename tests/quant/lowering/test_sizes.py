"""Sizes that no memory holds: refused before they become memory."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from dataflow import InputError
from quant.lowering import lower
from tests.quant.lowering.oracle import Builder

I64 = np.int64
MOST = f"must have at most {1 << 26} numbers"


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape)


LARGE: dict[str, tuple[Callable[[Builder, str], str], str]] = {
    "pads of a Conv": (
        lambda net, x: net.conv(x, ones(2, 1, 3, 3), pads=[1 << 40] * 4, name="large"),
        f"Padded image of node 'large' (Conv) {MOST}",
    ),
    "a Pad": (
        lambda net, x: net.conv(net.pad(x, (1 << 20, 0, 0, 1 << 20), 1.0, name="large"), ones(2, 1, 3, 3)),
        f"Padded image of node 'large' (Pad) {MOST}",
    ),
    "pads of a pool": (
        lambda net, x: net("AveragePool", x, kernel_shape=[1 << 40] * 2, pads=[(1 << 40) - 1] * 4, name="large"),
        f"Padded image of node 'large' (AveragePool) {MOST}",
    ),
    "ConstantOfShape": (
        lambda net, x: net("Add", x, net("ConstantOfShape", net.constant([10**6, 10**6], I64), name="large")),
        "Constants of node 'large' must fit its operator ConstantOfShape, not give: 1000000000000 numbers",
    ),
    "Expand": (
        lambda net, x: net("Add", x, net("Expand", 1.0, net.constant([10**9], I64), name="large")),
        "Constants of node 'large' must fit its operator Expand, not give: 1000000000 numbers",
    ),
}


@pytest.mark.parametrize("case", LARGE)
def test_large_tensors_are_refused(case: str) -> None:
    build, message = LARGE[case]
    net = Builder((1, 1, 4, 4))
    x = build(net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0))
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        lower(net.model(x))


def test_a_large_average_pool_is_refused() -> None:
    net = Builder((1, 1, 1, 1 << 20))
    pooled = net("AveragePool", net("BipolarQuant", net.input, 1.0), kernel_shape=[1, 1 << 19], name="large")
    with pytest.raises(InputError, match=f"^Positions of node 'large' .AveragePool. and the taps of each {MOST}"):
        lower(net.model(pooled))


def test_a_large_input_is_refused() -> None:
    net = Builder((1, 1 << 40))
    with pytest.raises(InputError, match=f"^Input 'image' of the model {MOST}, not {1 << 40} \\(1x{1 << 40}\\)$"):
        lower(net.model(net.dense(net("BipolarQuant", net.input, 1.0), ones(2, 4))))
