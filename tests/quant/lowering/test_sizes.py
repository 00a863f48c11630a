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


def test_large_products_are_refused_before_they_are_made() -> None:
    net = Builder((1, 4))
    weights = net("Expand", 1.0, net.constant([4, 1 << 20], I64))
    x = net("MatMul", net("BipolarQuant", net.input, 1.0), weights, name="wide")
    spread = net("Add", net("Reshape", x, net.constant([1 << 20, 1], I64)), np.ones(1 << 10), name="large")
    with pytest.raises(InputError, match=f"^Output of node 'large' {MOST}, not {1 << 30} \\(1048576x1024\\)$"):
        lower(net.model(spread))


def test_large_constants_are_refused_before_they_are_made() -> None:
    net = Builder((1, 4))
    spread = net("Add", np.ones((1 << 15, 1)), np.ones(1 << 15), name="large")
    with pytest.raises(InputError, match=f"^Output of node 'large' {MOST}, not {1 << 30} \\(32768x32768\\)$"):
        lower(net.model(net("Add", net.input, spread)))


def test_axes_that_no_tensor_has() -> None:
    net = Builder((1, 4))
    x = net("Unsqueeze", net.input, net.constant([1 << 40], I64), name="far")
    with pytest.raises(InputError, match=r"^Node 'far' \(Unsqueeze\) must fit its input of 1x4, not be given: "):
        lower(net.model(x))


@pytest.mark.parametrize(
    ("kind", "shape", "weights", "message"),
    [
        ("Gemm", (1, 4), (1, 4, 1), "Node 'fc' (Gemm) must multiply two matrices, not 1x4 by 1x4x1"),
        ("MatMul", (1, 4), (5, 2), "Node 'fc' (MatMul) must multiply equal sizes, not 1x4 by 5x2"),
        ("MatMul", (1, 4), (), "Node 'fc' (MatMul) must multiply equal sizes, not 1x4 by one number"),
        ("MatMul", (1, 2, 4), (3, 4, 2), "Node 'fc' (MatMul) must multiply one vector of 4 numbers per frame"),
    ],
)
def test_products_that_do_not_fit(kind: str, shape: tuple[int, ...], weights: tuple[int, ...], message: str) -> None:
    net = Builder(shape)
    x = net(kind, net("BipolarQuant", net.input, 1.0), ones(*weights), name="fc")
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        lower(net.model(x))
