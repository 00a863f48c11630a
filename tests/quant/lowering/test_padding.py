"""Padding of bits with zero, and groups, against the slow oracle: every tap that counts nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import MatrixVector, Network, SlidingWindow
from quant.lowering import lower
from tests.examples import examples
from tests.quant.lowering.image_models import (
    CODES,
    SHAPE,
    as_codes,
    assert_equal,
    bits,
    end,
    model_of,
    norm,
    sign,
    signs,
)
from tests.quant.lowering.oracle import Builder

HALF = {"kernel_shape": [2, 2], "strides": [2, 2]}


def window_and_matrix(network: Network, name: str) -> tuple[SlidingWindow, MatrixVector]:
    window, matrix = network.node(f"{name}_window"), network.node(name)
    assert isinstance(window, SlidingWindow)
    assert isinstance(matrix, MatrixVector)
    return window, matrix


ZEROS: dict[str, dict[str, Any]] = {
    "all-sides": {"pads": [1, 1, 1, 1]},
    "more-than-the-kernel": {"pads": [3, 0, 0, 4]},
    "one-side": {"pads": [0, 0, 2, 0]},
    "strides": {"pads": [1, 2, 0, 1], "strides": [2, 3]},
    "dilations": {"pads": [2, 2, 2, 3], "dilations": [2, 3]},
    "same": {"auto_pad": "SAME_LOWER", "strides": [1, 2]},
}


@pytest.mark.parametrize("form", ZEROS)
def test_zero_beside_minus_one_and_one(form: str) -> None:
    net = Builder(SHAPE)
    x = net.conv(bits(net, scale=0.7), signs(6, 3, 3, 3), name="conv", **ZEROS[form])
    network = assert_equal(model_of(net, sign(net, norm(net, x, 6)), (3, 6, 5)))
    window, matrix = window_and_matrix(network, "conv")
    assert window.pad == 0
    assert matrix.thresholds is not None
    assert matrix.thresholds.ndim == 2


def test_nine_classes_of_a_three_by_three_kernel() -> None:
    net = Builder(SHAPE)
    x = sign(net, net.conv(bits(net), np.ones((1, 3, 3, 3)), name="conv", pads=[1, 1, 1, 1]))
    _, matrix = window_and_matrix(lower(model_of(net, x, (3, 6, 5))), "conv")
    assert matrix.thresholds is not None
    # A sum over t real taps is at least 0 if half of them match; the 9 - t others, bits 0, match none of the ones.
    taps = np.outer([2, 3, 2], [2, 3, 2]).ravel()
    np.testing.assert_array_equal(matrix.thresholds[:, 0], -(-3 * taps // 2))


def test_zero_padding_of_bits_of_both_directions() -> None:
    net = Builder((1, 3, 7, 6))
    x = net("MaxPool", net.conv(bits(net), signs(6, 3, 2, 2), name="a", pads=[1, 0, 0, 1]), **HALF)
    x = net("Mul", sign(net, norm(net, x, 6)), np.array([2.0, -2.0, 2.0, 2.0, -2.0, 2.0]).reshape(6, 1, 1))
    x = sign(net, norm(net, net.conv(x, signs(5, 6, 3, 3), name="b", pads=[1, 1, 1, 1]), 5, seed=4))
    network = assert_equal(model_of(net, net("MaxPool", x, kernel_shape=[2, 2]), (3, 7, 6)))
    assert [node.kind for node in network.nodes].count("SlidingWindow") == 2


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_pad_of_bits_of_which_some_are_inverted(value: float) -> None:
    net = Builder((1, 3, 6, 5))
    x = net("MaxPool", net.conv(bits(net), signs(4, 3, 2, 2), name="a"), kernel_shape=[2, 2])
    x = sign(net, net("Mul", x, np.array([1.0, -1.0, 1.0, -2.0]).reshape(4, 1, 1)))
    x = sign(net, norm(net, net.conv(net.pad(x, (1, 0, 2, 1), value), signs(5, 4, 3, 2), name="b"), 5))
    _, matrix = window_and_matrix(assert_equal(model_of(net, x, (3, 6, 5))), "b")
    assert matrix.thresholds is not None
    assert matrix.thresholds.ndim == 2


def test_explicit_pad_of_zero_before_a_scale_and_a_bias() -> None:
    net = Builder(SHAPE)
    x = net("Mul", net.pad(bits(net), (1, 0, 2, 1), 0.0), np.array([0.5, -0.5, 0.5]).reshape(3, 1, 1))
    x = net("Conv", x, signs(4, 3, 3, 3), [0.5, -1.0, 0.0, 0.25], name="conv")
    assert_equal(model_of(net, sign(net, norm(net, x, 4)), (3, 6, 5)))


def test_one_half_beside_zero_and_one() -> None:
    net = Builder(SHAPE)
    x = net("Quant", net.input, 1.0, 0.0, 1.0, name="bits", signed=0, narrow=0, rounding_mode="ROUND")
    x = net.conv(net.pad(x, (1, 1, 0, 1), 0.5), signs(4, 3, 3, 3), name="conv")
    assert_equal(model_of(net, sign(net, norm(net, x, 4)), (3, 6, 5)))


def test_zero_padding_of_a_signal() -> None:
    net = Builder((1, 4, 9))
    x = net.conv(bits(net), signs(6, 4, 4), name="conv", pads=[2, 1], strides=[2])
    assert_equal(model_of(net, sign(net, norm(net, x, 6)), (4, 9)))


def test_zero_padding_of_codes() -> None:
    net = Builder(SHAPE)
    x = net("Quant", net("Sub", net("Mul", net.input, 2.0), 1.0), 1 / 128, 0.0, 8.0, name="codes", **CODES)
    x = net.conv(x, signs(4, 3, 3, 3), name="conv", pads=[1, 1, 1, 1])
    x = sign(net, norm(net, x, 4))
    x = sign(net, norm(net, net.conv(x, signs(3, 4, 3, 3), name="conv1", pads=[1, 1, 1, 1]), 3))

    def model_input(network: Network, frame: np.ndarray) -> np.ndarray:
        return (as_codes(1 / 128, 0.0)(network, frame) + 1) / 2

    network = assert_equal(model_of(net, x, (3, 6, 5)), input_kind="quant", as_model=model_input, frames=4)
    window, matrix = window_and_matrix(network, "conv")
    assert window.pad == 0
    assert matrix.position_classes is None


GROUPS = {"depthwise": (6, 6, 6), "depthwise-of-two": (3, 3, 6), "two": (2, 6, 4), "one-each": (2, 2, 2)}


@pytest.mark.parametrize("pads", [0, 1])
@pytest.mark.parametrize("form", GROUPS)
def test_groups(form: str, pads: int) -> None:
    groups, channels, neurons = GROUPS[form]
    net = Builder((1, channels, 5, 4))
    x = net.conv(
        bits(net), signs(neurons, channels // groups, 3, 2), name="conv", group=groups, pads=[pads, 0, pads, pads]
    )
    x = sign(net, norm(net, x, neurons))
    x = sign(net, norm(net, net.conv(x, signs(5, neurons, 1, 1), name="pointwise"), 5))
    network = assert_equal(model_of(net, x, (channels, 5, 4)))
    window, matrix = window_and_matrix(network, "conv")
    assert (window.groups, matrix.groups, matrix.synapses) == (groups, groups, 6 * channels // groups)


def test_groups_of_pixels_and_of_a_signal() -> None:
    net = Builder((1, 4, 7))
    x = net("Mul", net.input, np.array([2.0, -2.0, 2.0, -2.0]).reshape(4, 1))
    weights = net("BipolarQuant", signs(8, 2, 3), np.array([0.3, -0.3, 2.0, 0.1] * 2).reshape(8, 1, 1))
    x = net("Conv", x, weights, np.arange(8) * 0.5 - 2.0, name="conv", group=2, pads=[1, 1])
    assert_equal(model_of(net, sign(net, norm(net, x, 8)), (4, 7)))


def test_groups_with_scales_and_bits_of_both_directions() -> None:
    net = Builder((1, 4, 6, 5))
    x = net("MaxPool", net.conv(bits(net), signs(6, 4, 2, 2), name="a"), kernel_shape=[2, 2])
    x = net("Mul", sign(net, norm(net, x, 6)), np.array([2.0, -2.0, 2.0, 2.0, -2.0, 2.0]).reshape(6, 1, 1))
    weights = net("BipolarQuant", signs(9, 2, 3, 3), np.linspace(-1, 1, 9).reshape(9, 1, 1, 1))
    x = net("Conv", x, weights, np.arange(9) - 4.0, name="b", group=3, pads=[1, 1, 1, 1])
    x = net("Add", net("Mul", x, np.array([1.0, -1.0, 0.5] * 3).reshape(9, 1, 1)), 0.5)
    assert_equal(model_of(net, sign(net, x), (4, 6, 5)))


@settings(max_examples=examples(12))
@given(st.data())
def test_random_models(data: st.DataObject) -> None:
    """Zero padding, groups, strides, dilations and pools, with ties: all parameters are halves."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    local = np.random.default_rng(seed)
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(3, 6)), data.draw(st.integers(3, 6)))
    net, (channels, *image) = Builder((1, *shape)), shape
    x = bits(net)
    for index in range(data.draw(st.integers(1, 2))):
        groups = data.draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
        neurons = groups * data.draw(st.integers(1, 2))
        kernel = data.draw(st.tuples(*[st.integers(1, min(3, size)) for size in image]))
        pads = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
        stride = data.draw(st.tuples(*[st.integers(1, 2)] * 2))
        x = net.conv(
            x,
            local.choice([-1.0, 1.0], (neurons, channels // groups, *kernel)),
            name=f"conv{index}",
            **{"group": groups, "pads": pads, "strides": stride},
        )
        image = [(size + pads[a] + pads[a + 2] - kernel[a]) // stride[a] + 1 for a, size in enumerate(image)]
        place = data.draw(st.integers(0, 3))
        for step in range(3):
            if step == place and min(image) > 1:
                x, image = net("MaxPool", x, kernel_shape=[2, 2]), [size - 1 for size in image]
            if step == 0:
                x = net("Mul", x, local.choice([-1.0, 0.5, 1.0, 0.0], (neurons, 1, 1), p=[0.3, 0.3, 0.3, 0.1]))
                x = net("Add", x, local.integers(-4, 5, (neurons, 1, 1)) / 2)
            if step == 1:
                x = sign(net, x)
        channels = neurons
    assert_equal(end(net, x, channels * image[0] * image[1]), frames=4, seed=seed)
