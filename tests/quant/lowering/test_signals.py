"""Signals of one dimension, and images in every layout that exporters write, against the slow oracle."""

from typing import Any

import numpy as np
import pytest

from dataflow import MatrixVector, MaxPool, Network, SlidingWindow
from quant.lowering import lower
from tests.quant.lowering.image_models import SHAPE, Build, assert_equal, bits, model_of, norm, sign, signs
from tests.quant.lowering.oracle import Builder, pixels_as_model

I64 = np.int64
HALF = {"kernel_shape": [2, 2], "strides": [2, 2]}


SIGNALS: dict[str, dict[str, Any]] = {
    "plain": {},
    "kernel-shape": {"kernel_shape": [3]},
    "stride": {"strides": [2]},
    "dilation": {"dilations": [3]},
    "valid": {"auto_pad": "VALID"},
}


@pytest.mark.parametrize("form", SIGNALS)
def test_convolution_of_a_signal(form: str) -> None:
    net = Builder((1, 3, 9))
    x = sign(net, norm(net, net.conv(bits(net), signs(5, 3, 3), name="conv0", **SIGNALS[form]), 5))
    x = sign(net, norm(net, net.conv(x, signs(4, 5, 2), name="conv1"), 4))
    network = assert_equal(model_of(net, x, (3, 9)))
    assert network.frame_shape == (9, 3)
    window, conv = network.node("conv0_window"), network.node("conv0")
    assert isinstance(window, SlidingWindow)
    assert isinstance(conv, MatrixVector)
    assert window.shape == (1, 9, 3)
    assert window.kernel == (1, 3)
    assert conv.positions[0] == 1


def test_padding_and_max_pool_of_a_signal() -> None:
    net = Builder((1, 2, 11))
    x = net("Pad", bits(net), net.constant([0, 0, 2, 0, 0, 1], I64), 1.0)
    x = net.conv(x, signs(6, 2, 4), name="conv0")
    x = net("MaxPool", sign(net, norm(net, x, 6)), name="pool", kernel_shape=[3], strides=[2], pads=[1, 0])
    network = assert_equal(model_of(net, x, (2, 11)))
    window, pool = network.node("conv0_window"), network.node("pool")
    assert isinstance(window, SlidingWindow)
    assert isinstance(pool, MaxPool)
    assert (window.padding, pool.padding, pool.kernel) == ((0, 0, 2, 1), (0, 0, 1, 0), (1, 3))


def test_pixels_of_a_signal() -> None:
    net = Builder((1, 2, 8))
    x = net.conv(net("Sub", net.input, 0.25), signs(5, 2, 3), name="conv0")
    assert_equal(model_of(net, sign(net, norm(net, net("MaxPool", x, kernel_shape=[2]), 5)), (2, 8)))


@pytest.mark.parametrize("column", [False, True])
def test_signal_that_is_an_image_of_one_row_or_column(column: bool) -> None:
    net = Builder((1, 2, 9, 1) if column else (1, 2, 1, 9))
    kernel, axis = ((3, 1), 3) if column else ((1, 3), 2)
    x = sign(net, norm(net, net.conv(bits(net), signs(4, 2, *kernel), name="conv0"), 4))
    x = net("Squeeze", x, net.constant([axis], I64))
    x = sign(net, norm(net, net.conv(x, signs(3, 4, 2), name="conv1"), 3))
    x = net("MaxPool", net("Unsqueeze", x, net.constant([axis], I64)), kernel_shape=list(kernel))
    network = assert_equal(model_of(net, x, (2, 9, 1) if column else (2, 1, 9)))
    window = network.node("conv1_window")
    assert isinstance(window, SlidingWindow)
    assert window.shape == (1, 7, 4)


LAYOUTS: dict[str, Build] = {
    "flatten": lambda net, x: net("Flatten", x),
    "flatten-negative-axis": lambda net, x: net("Flatten", x, axis=-3),
    "reshape": lambda net, x: net.reshape(x, 1, -1),
    "reshape-copied-batch": lambda net, x: net.reshape(x, 0, -1),
    "reshape-twice": lambda net, x: net.reshape(net.reshape(x, 1, 5, 12), -1, 60),
    "channels-last": lambda net, x: net("Flatten", net("Transpose", x, perm=[0, 2, 3, 1])),
    "columns-first": lambda net, x: net("Flatten", net("Transpose", x, perm=[0, 3, 1, 2])),
    "rows-and-columns": lambda net, x: net("Flatten", net("Transpose", x, perm=[0, 1, 3, 2])),
    "squeezed": lambda net, x: net(
        "Unsqueeze",
        net.reshape(net("Squeeze", net("Transpose", x, perm=[0, 2, 3, 1]), net.constant([0], I64)), 60),
        net.constant([0], I64),
    ),
    "there-and-back": lambda net, x: net(
        "Flatten", net("Transpose", net("Transpose", x, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("bits_first", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_between_convolution_and_dense(layout: str, bits_first: bool) -> None:
    net = Builder(SHAPE)
    x = norm(net, net.conv(bits(net), signs(5, 3, 3, 3), name="conv0"), 5)
    x = LAYOUTS[layout](net, sign(net, x)) if bits_first else sign(net, LAYOUTS[layout](net, x))
    x = sign(net, net.dense(x, signs(7, 60), name="fc0"))
    assert_equal(net.model(net.dense(x, signs(3, 7), name="fc1")))


def test_dense_layer_on_a_matrix_of_three_dimensions() -> None:
    net = Builder(SHAPE)
    x = net("Transpose", sign(net, net.conv(bits(net), signs(5, 3, 6, 5), name="conv0")), perm=[0, 2, 3, 1])
    x = sign(net, net("MatMul", x, signs(5, 6), name="fc0"))
    assert_equal(net.model(net.dense(net("Flatten", x), signs(3, 6))))


def test_operators_on_channels_last_between_convolutions() -> None:
    net = Builder(SHAPE)
    x = net("Transpose", net.conv(bits(net), signs(5, 3, 2, 2), name="conv0"), perm=[0, 2, 3, 1])
    x = sign(net, net("Add", net("Mul", x, [0.5, -1.0, 2.0, 1.0, -0.25]), np.arange(5) - 2.0))
    x = net("MaxPool", net("Transpose", x, perm=[0, 3, 1, 2]), **HALF)
    x = sign(net, norm(net, net.conv(x, signs(4, 5, 2, 1), name="conv1"), 4))
    assert_equal(model_of(net, x, (3, 6, 5)))


def channels_last(network: Network, frame: np.ndarray) -> np.ndarray:
    return np.moveaxis(pixels_as_model(network, frame), 0, -1)


@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("quantizer_first", [False, True])
def test_input_with_channels_last(channels: int, quantizer_first: bool) -> None:
    net = Builder((1, 6, 5, channels))
    x = net("Sub", net.input, np.arange(channels) * 0.1 + 0.3)
    x = sign(net, x) if quantizer_first else x
    x = net("Transpose", x, perm=[0, 3, 1, 2])
    x = x if quantizer_first else sign(net, x)
    x = sign(net, norm(net, net.conv(x, signs(4, channels, 3, 2), name="conv0"), 4))
    network = assert_equal(model_of(net, x, (6, 5, channels)), as_model=channels_last)
    assert network.frame_shape == network.inputs[0].stream.shape == (6, 5, channels)


POOLS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "dilated": ({"kernel_shape": [2, 2], "dilations": [3, 2]}, (2, 2)),
    "whole-rest": ({"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, (3, 2)),
    "rest": ({"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1}, (2, 2)),
    "rest-and-pads": ({"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 0, 0, 1]}, (3, 2)),
    "no-position-outside": ({"kernel_shape": [1, 2], "strides": [4, 3], "ceil_mode": 1, "pads": [0, 1, 0, 1]}, (2, 2)),
    "same-upper": ({"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, (5, 4)),
    "same-lower": ({"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, (3, 2)),
}


@pytest.mark.long
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("form", POOLS)
def test_max_pool(form: str, before: bool) -> None:
    attributes, positions = POOLS[form]
    net = Builder((1, 3, 6, 5))
    x = net.conv(bits(net), signs(5, 3, 2, 2), name="conv0")
    if before:
        x = sign(net, norm(net, net("MaxPool", x, name="pool", **attributes), 5))
    else:
        x = net("MaxPool", sign(net, norm(net, x, 5)), name="pool", **attributes)
    pool = assert_equal(model_of(net, x, (3, 6, 5))).node("pool")
    assert isinstance(pool, MaxPool)
    assert pool.positions == positions


def test_global_max_pool() -> None:
    net = Builder(SHAPE)
    x = norm(net, net("GlobalMaxPool", net.conv(bits(net), signs(6, 3, 3, 2), name="conv0"), name="pool"), 6)
    pool = assert_equal(model_of(net, sign(net, x), (3, 6, 5))).node("pool")
    assert isinstance(pool, MaxPool)
    assert pool.positions == (1, 1)


def test_same_padding_of_bits_0_and_1() -> None:
    net = Builder(SHAPE)
    x = net("Quant", net.input, 1.0, 0.0, 1.0, name="bits", signed=0, narrow=0, rounding_mode="ROUND")
    x = net.conv(x, signs(4, 3, 3, 2), name="conv", auto_pad="SAME_UPPER", strides=[2, 1])
    network = lower(model_of(net, sign(net, norm(net, x, 4)), (3, 6, 5)))
    window = network.node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert (window.positions, window.padding) == ((3, 5), (0, 1, 0, 1))
    assert_equal(model_of(net, sign(net, norm(net, x, 4)), (3, 6, 5)))
