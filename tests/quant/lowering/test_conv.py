"""Convolutional models, each form against the slow oracle: scores, classes, and bits after every pool."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import BIPOLAR, Integer, MatrixVector, MaxPool, SlidingWindow, Threshold, fold
from quant.lowering import lower
from tests.examples import examples
from tests.quant.lowering.image_models import (
    CODES,
    SHAPE,
    Build,
    as_codes,
    assert_equal,
    bits,
    end,
    model_of,
    norm,
    sign,
    signs,
    size_of,
)
from tests.quant.lowering.oracle import Builder

GEOMETRY: dict[str, tuple[tuple[int, int], dict[str, Any], tuple[int, int]]] = {
    "square": ((3, 3), {}, (4, 3)),
    "kernel-shape": ((2, 3), {"kernel_shape": [2, 3]}, (5, 3)),
    "one-by-one": ((1, 1), {}, (6, 5)),
    "stride": ((2, 2), {"strides": [2, 1]}, (3, 4)),
    "stride-with-rest": ((2, 2), {"strides": [3, 2]}, (2, 2)),
    "dilation": ((2, 3), {"dilations": [3, 2]}, (3, 1)),
    "whole-image": ((6, 5), {}, (1, 1)),
    "valid": ((2, 2), {"auto_pad": "VALID"}, (5, 4)),
    "not-set": ((2, 2), {"auto_pad": "NOTSET", "group": 1}, (5, 4)),
}


@pytest.mark.parametrize("form", GEOMETRY)
def test_geometry(form: str) -> None:
    kernel, attributes, positions = GEOMETRY[form]
    net = Builder(SHAPE)
    x = net.conv(bits(net), signs(5, 3, *kernel), name="conv0", **attributes)
    hidden = sign(net, norm(net, x, 5))
    network = assert_equal(end(net, hidden, 5 * positions[0] * positions[1]))
    assert [node.name for node in network.nodes[:4]] == ["binarize", "conv0_window", "conv0", "fc"]
    window, conv = network.node("conv0_window"), network.node("conv0")
    assert isinstance(window, SlidingWindow)
    assert isinstance(conv, MatrixVector)
    assert window.kernel == kernel
    assert window.positions == conv.positions == positions
    assert network.inputs[0].stream.shape == network.frame_shape == (6, 5, 3)


def test_order_of_the_synapses_is_row_column_channel() -> None:
    net = Builder((1, 2, 3, 3))
    weights = signs(1, 2, 2, 3)
    network = lower(end(net, sign(net, net.conv(bits(net), weights, name="conv")), 2))
    matrix = network.node("conv")
    assert isinstance(matrix, MatrixVector)
    np.testing.assert_array_equal(
        matrix.weights[0], [weights[0, c, y, x] for y in range(2) for x in range(3) for c in range(2)]
    )


def test_bias_scales_and_operators_after_the_sign() -> None:
    net = Builder(SHAPE)
    x = net("Mul", bits(net, scale=0.7), np.array([0.5, -0.5, 0.5]).reshape(3, 1, 1))
    weights = net("BipolarQuant", signs(4, 3, 2, 2) * 0.3, np.array([0.3, -0.3, 2.0, 0.1]).reshape(4, 1, 1, 1))
    x = net("Conv", x, weights, [0.5, -1.0, 0.0, 0.25], name="conv")
    x = net("PRelu", net("Add", x, np.arange(4.0).reshape(4, 1, 1) * 0.3), 0.25)
    assert_equal(end(net, sign(net, norm(net, x, 4)), 80))


def test_two_layers_of_convolutions_and_a_scale_between_them() -> None:
    net = Builder(SHAPE)
    x = sign(net, norm(net, net.conv(bits(net), signs(6, 3, 3, 3), name="a"), 6))
    x = net("Mul", x, np.array([2.0, -2.0, 2.0, 2.0, -2.0, 2.0]).reshape(6, 1, 1))
    x = sign(net, norm(net, net.conv(x, signs(4, 6, 2, 2), name="b"), 4, seed=4))
    network = assert_equal(end(net, x, 24))
    assert [node.name for node in network.nodes][:6] == ["binarize", "a_window", "a", "b_window", "b", "fc"]


HALF = {"kernel_shape": [2, 2], "strides": [2, 2]}
MIXED = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0]).reshape(6, 1, 1)
POOLS: dict[str, Build] = {
    "after-the-sign": lambda net, x: net("MaxPool", sign(net, norm(net, x, 6)), **HALF),
    "after-a-negative-scale": lambda net, x: net(
        "MaxPool", net("Neg", sign(net, norm(net, x, 6))), kernel_shape=[2, 2]
    ),
    "after-scales-of-both-signs": lambda net, x: net(
        "MaxPool", net("Mul", sign(net, norm(net, x, 6)), MIXED), kernel_shape=[2, 2]
    ),
    "before-batch-norm": lambda net, x: sign(net, norm(net, net("MaxPool", x, kernel_shape=[2, 2]), 6)),
    "between-batch-norm-and-sign": lambda net, x: sign(net, net("MaxPool", norm(net, x, 6), kernel_shape=[2, 2])),
    "between-operators": lambda net, x: sign(
        net, net("Neg", net("Sub", net("MaxPool", net("Relu", norm(net, x, 6)), kernel_shape=[2, 2]), 0.4))
    ),
    "ragged-stride": lambda net, x: sign(net, norm(net, net("MaxPool", x, kernel_shape=[2, 2], strides=[1, 2]), 6)),
    "padded": lambda net, x: sign(net, norm(net, net("MaxPool", x, **HALF, pads=[1, 0, 0, 1]), 6)),
    "two": lambda net, x: net(
        "MaxPool", sign(net, net("MaxPool", net("Add", x, 1.0), kernel_shape=[2, 1])), kernel_shape=[2, 2]
    ),
}


@pytest.mark.parametrize("form", POOLS)
def test_pools(form: str) -> None:
    net = Builder(SHAPE)
    x = POOLS[form](net, net.conv(bits(net), signs(6, 3, 3, 3), name="conv0"))
    probe = size_of(net, x, (3, 6, 5))
    network = assert_equal(end(net, x, probe), frames=8)
    assert any(isinstance(node, MaxPool) and node.element == BIPOLAR for node in network.nodes)


@pytest.mark.long
@pytest.mark.parametrize("form", POOLS)
def test_pools_before_another_convolution(form: str) -> None:
    net = Builder((1, 3, 7, 7))
    x = POOLS[form](net, net.conv(bits(net), signs(6, 3, 3, 3), name="conv0"))
    x = sign(net, norm(net, net.conv(x, signs(4, 6, 2, 2), name="conv1"), 4))
    probe = size_of(net, x, (3, 7, 7))
    network = assert_equal(end(net, x, probe), frames=4)
    kinds = [node.kind for node in network.nodes]
    assert kinds.index("MaxPool") < len(kinds) - kinds[::-1].index("SlidingWindow")


def test_a_channel_whose_pool_is_an_and_makes_the_other_bit() -> None:
    net = Builder((1, 1, 2, 3))
    x = net("MaxPool", net.conv(bits(net), [[[[1.0]]], [[[1.0]]]], name="conv"), name="pool", kernel_shape=[2, 2])
    x = sign(net, net("Mul", x, np.array([1.0, -1.0]).reshape(2, 1, 1)))
    network = lower(net.model(net.dense(net("Flatten", x), [[1.0] * 4], name="fc")))
    conv, dense = network.node("conv"), network.node("fc")
    assert isinstance(conv, MatrixVector)
    assert isinstance(dense, MatrixVector)
    # The second bit would be "the input is -1" and its AND; it is "the input is +1", its OR, and an inverted column.
    np.testing.assert_array_equal(conv.weights, [[1], [1]])
    np.testing.assert_array_equal(conv.thresholds, [1, 1])
    np.testing.assert_array_equal(dense.weights, [[1, -1, 1, -1]])


def test_pool_of_the_input_bits() -> None:
    net = Builder(SHAPE)
    x = net("MaxPool", bits(net), name="pool", kernel_shape=[2, 2], strides=[2, 2])
    network = assert_equal(end(net, x, 18))
    assert [node.name for node in network.nodes][:3] == ["binarize", "pool", "fc"]


INPUT_POOLS: dict[str, Build] = {
    "pixels": lambda net, x: net("MaxPool", x, **HALF),
    "scaled": lambda net, x: net("Sub", net("MaxPool", net("Mul", x, 2.0), **HALF), 1.0),
    "by-channel": lambda net, x: net("MaxPool", net("Sub", x, np.array([0.5, 0.3, 0.6]).reshape(3, 1, 1)), **HALF),
    "two": lambda net, x: net("MaxPool", net("MaxPool", x, kernel_shape=[2, 1]), kernel_shape=[1, 2]),
}


@pytest.mark.parametrize("form", INPUT_POOLS)
def test_pool_of_the_input_before_a_quantizer(form: str) -> None:
    """The comparison comes first, and bits are pooled."""
    net = Builder(SHAPE)
    x = sign(net, net("Sub", INPUT_POOLS[form](net, net.input), 0.25), name="binarize")
    network = assert_equal(model_of(net, x))
    pools = [node for node in network.nodes if isinstance(node, MaxPool)]
    assert network.nodes[0].name == "binarize"
    assert [pool.element for pool in pools] == [BIPOLAR] * len(pools)


@pytest.mark.parametrize("form", INPUT_POOLS)
def test_pool_of_the_input_before_a_convolution(form: str) -> None:
    net = Builder(SHAPE)
    x = net.conv(INPUT_POOLS[form](net, net.input), signs(4, 3, 2, 2), name="conv")
    network = assert_equal(model_of(net, sign(net, norm(net, x, 4))))
    pool, matrix = network.nodes[0], network.node("conv")
    assert isinstance(pool, MaxPool)
    assert isinstance(matrix, MatrixVector)
    assert pool.element == matrix.operand == Integer(8)


def test_pool_of_sums_before_a_convolution() -> None:
    """No quantizer in between: the greatest sums are taken as they are, rows of falling ones inverted."""
    net = Builder(SHAPE)
    x = net("Mul", net.conv(bits(net), signs(4, 3, 2, 2), name="conv0"), np.array([1, -1, 1, -1.0]).reshape(4, 1, 1))
    x = net.conv(net("MaxPool", x, **HALF), signs(4, 4, 2, 1), name="conv1")
    network = assert_equal(model_of(net, sign(net, norm(net, x, 4))))
    assert [node.kind for node in network.nodes][2:5] == ["MatrixVector", "MaxPool", "SlidingWindow"]


@pytest.mark.parametrize("value", [0.7, -0.7])
def test_pad_of_a_binary_value_is_the_windows_own(value: float) -> None:
    net = Builder(SHAPE)
    x = net.pad(bits(net, scale=0.7), (1, 0, 2, 1), np.float32(value), name="pad")
    x = net.conv(net("Mul", x, -2.0), signs(4, 3, 3, 3), name="conv")
    network = assert_equal(end(net, sign(net, norm(net, x, 4)), 4 * 7 * 4))
    window = network.node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert window.padding == (1, 2, 0, 1)
    assert window.pad == (value > 0)


def test_zero_padding_of_bits_0_and_1() -> None:
    net = Builder(SHAPE)
    x = net("Quant", net.input, 1.0, 0.0, 1.0, name="bits", signed=0, narrow=0, rounding_mode="ROUND")
    x = net.conv(x, signs(4, 3, 3, 3), name="conv", pads=[1, 2, 0, 1])
    assert_equal(end(net, sign(net, norm(net, x, 4)), 4 * 5 * 6))


def test_pad_by_attributes_and_by_axes() -> None:
    net = Builder(SHAPE)
    pads, axes = net.constant([1, 0, 1, 1], np.int64), net.constant([2, 3], np.int64)
    x = net("Pad", bits(net), pads, 1.0, axes)
    window = lower(end(net, sign(net, net.conv(x, signs(4, 3, 3, 3), name="conv")), 4 * 6 * 4)).node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert window.padding == (1, 1, 0, 1)
    net = Builder(SHAPE, opset=10)
    x = net("Pad", bits(net), pads=[0, 0, 0, 1, 0, 0, 2, 0], value=-1.0)
    x = net("Flatten", sign(net, net.conv(x, signs(4, 3, 3, 3), name="conv")))
    window = lower(net.model(net("MatMul", x, signs(96, 2)))).node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert window.padding == (0, 2, 1, 0)
    assert window.pad == 0


def test_convolution_of_pixels() -> None:
    net = Builder(SHAPE)
    x = net("Sub", net("Mul", net.input, 2.0), 1.0)
    x = net.conv(x, signs(5, 3, 3, 3), name="conv")
    network = assert_equal(end(net, sign(net, norm(net, x, 5)), 60))
    conv = network.node("conv")
    assert isinstance(conv, MatrixVector)
    assert conv.operand == Integer(8)
    assert not any(isinstance(node, Threshold) for node in network.nodes)


def test_convolution_of_pixels_by_channel_with_zero_padding() -> None:
    net = Builder(SHAPE)
    x = net("Mul", net.input, np.array([2.0, -2.0, 2.0]).reshape(3, 1, 1))
    x = net.conv(x, signs(4, 3, 3, 3), name="conv", pads=[1, 1, 1, 1])
    network = assert_equal(
        end(net, sign(net, norm(net, net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 4)), 24)
    )
    window = network.node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert window.pad == 0
    assert window.padding == (1, 1, 1, 1)


def test_quantizer_of_pixels_that_is_the_identity() -> None:
    net = Builder(SHAPE)
    x = net("Quant", net.input, np.float32(1 / 255), 0.0, 8.0, name="codes", signed=0, narrow=0, rounding_mode="ROUND")
    network = assert_equal(end(net, sign(net, norm(net, net.conv(x, signs(4, 3, 3, 3), name="conv"), 4)), 48))
    assert network.inputs[0].stream.element == Integer(8)


@pytest.mark.parametrize("zero_point", [0.0, 3.0])
def test_codes_of_the_input_quantizer(zero_point: float) -> None:
    net = Builder(SHAPE)
    x = net("Quant", net("Mul", net.input, 1.0), 1 / 128, zero_point, 8.0, name="codes", **CODES)
    x = net.conv(x, signs(4, 3, 3, 3), name="conv", pads=[0, 0, 1, 1])
    network = assert_equal(
        end(net, sign(net, norm(net, x, 4)), 80), input_kind="quant", as_model=as_codes(1 / 128, zero_point)
    )
    window = network.node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert window.element == Integer(8, signed=True)
    assert window.pad == zero_point


def test_codes_of_pixels_are_noted_where_all_channels_have_the_same() -> None:
    net = Builder(SHAPE)
    x = net("Quant", net("Sub", net.input, 0.5), 1 / 128, 0.0, 8.0, name="codes", **CODES)
    network = lower(end(net, sign(net, net.conv(x, signs(4, 3, 3, 3))), 48), input_kind="quant")
    codes = [round(128 * (Fraction(pixel, 255) - Fraction(1, 2))) for pixel in range(256)]
    assert network.metadata["codes_of_pixels"] == " ".join(map(str, codes))
    net = Builder(SHAPE)
    shifted = net("Sub", net.input, np.array([0.5, 0.4, 0.5]).reshape(3, 1, 1))
    x = net("Quant", shifted, 1 / 128, 0.0, 8.0, name="codes", **CODES)
    network = lower(end(net, sign(net, net.conv(x, signs(4, 3, 3, 3))), 48), input_kind="quant")
    assert "codes_of_pixels" not in network.metadata


@pytest.mark.parametrize(("scale", "element"), [(1 / 255, Integer(8)), (1 / 128, Integer(8, signed=True))])
def test_the_input_is_pixels_where_they_fit_else_codes(scale: float, element: Integer) -> None:
    """Codes of 1/255 are the pixels themselves; those of 1/128 skip one between two pixels or give one to both."""
    net = Builder(SHAPE)
    signed, offset = (0, 0.0) if element == Integer(8) else (1, 0.5)
    x = net("Quant", net("Sub", net.input, offset), scale, 0.0, 8.0, name="codes", **{**CODES, "signed": signed})
    model = end(net, sign(net, net.conv(x, signs(4, 3, 3, 3))), 48)
    network = lower(model)
    assert network.inputs[0].stream.element == element
    assert network.metadata["input"] == ("quant" if element.signed else "uint8/255")
    assert ("codes_of_pixels" in network.metadata) == element.signed


def test_dense_layers_on_codes() -> None:
    net = Builder((1, 12))
    x = net("Quant", net.input, 0.25, 0.0, 4.0, name="codes", **CODES)
    x = sign(net, norm(net, net.dense(x, signs(7, 12), name="fc0"), 7))
    network = assert_equal(net.model(net.dense(x, signs(3, 7))), input_kind="quant", as_model=as_codes(0.25, 0.0))
    assert [node.name for node in network.nodes][:1] == ["fc0"]


@pytest.mark.parametrize("affine", [False, True])
def test_scores_of_integers(affine: bool) -> None:
    net = Builder((1, 6))
    x = net("Quant", net.input, 0.5, 0.0, 3.0, name="codes", **CODES)
    x = net.dense(x, signs(5, 6), name="fc")
    if affine:
        x = net("Add", net("Mul", x, [0.5, -1.0, 0.0, 2.0, 0.3]), [0.25, 0.0, 1.0, -3.0, 0.7])
    assert_equal(net.model(x), input_kind="quant", as_model=as_codes(0.5, 0.0), frames=40)


def test_last_layer_may_be_a_convolution_over_the_whole_image() -> None:
    net = Builder((1, 2, 4, 4))
    x = sign(net, norm(net, net.conv(bits(net), signs(5, 2, 3, 3), name="conv"), 5))
    model = net.model(net("Flatten", net.conv(x, signs(3, 5, 2, 2), name="head")))
    network = assert_equal(model)
    assert not any(node.name == "head_window" for node in network.nodes)


def test_flat_input_that_is_reshaped_to_an_image() -> None:
    net = Builder((1, 30))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")
    x = net.conv(net.reshape(x, 1, 1, 6, 5), signs(4, 1, 3, 3), name="conv")
    network = lower(end(net, sign(net, x), 48))
    assert network.inputs[0].stream.shape == (6, 5, 1)
    assert network.frame_shape == (30,)


@settings(max_examples=examples(12))
@given(st.data())
def test_random_models(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    local = np.random.default_rng(seed)
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(4, 6), st.integers(4, 6)))
    net, (channels, height, width) = Builder((1, *shape)), shape
    x = bits(net) if data.draw(st.booleans()) else net("Sub", net.input, 0.5)
    for index in range(data.draw(st.integers(1, 2))):
        neurons = data.draw(st.integers(1, 4))
        kernel = data.draw(st.tuples(st.integers(1, min(2, height)), st.integers(1, min(2, width))))
        x = net.conv(x, local.choice([-1.0, 1.0], (neurons, channels, *kernel)), name=f"conv{index}")
        height, width = height - kernel[0] + 1, width - kernel[1] + 1
        place, stride = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 2))
        for step in range(3):
            if step == place and min(height, width) > 1:
                x = net("MaxPool", x, kernel_shape=[2, 1 + index % 2], strides=[stride, 1])
                height, width = (height - 2) // stride + 1, width - index % 2
            if step < 2:
                x = sign(net, x) if step else norm(net, x, neurons, seed=seed)
        channels = neurons
    classes = data.draw(st.integers(1, 4))
    assert_equal(end(net, x, size_of(net, x, shape), classes), frames=4, seed=seed)


BENT: dict[str, Build] = {
    "norm": lambda net, x: sign(net, norm(net, x, 5)),
    "prelu": lambda net, x: sign(net, net("Sub", net("PRelu", norm(net, x, 5), 0.25), 1.0)),
    "clipped": lambda net, x: sign(net, net("Sub", net("Clip", norm(net, x, 5), -1.0, 1.0), 0.5)),
    "rounded": lambda net, x: sign(net, net("Sub", net("Floor", net("Mul", norm(net, x, 5), 3.0)), 2.0)),
    "shared": lambda net, x: sign(net, net("Neg", net("Sub", x, 20.0))),
}


@pytest.mark.long
@pytest.mark.parametrize("form", BENT)
def test_runs_of_points_are_decided_as_the_points_are(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Builder(SHAPE)
    model = end(net, BENT[form](net, net.conv(net("Sub", net.input, 0.25), signs(5, 3, 3, 3), name="conv")), 60)
    each_point = lower(model).node("conv")
    for parts in (2, 7, 512, 1 << 20):
        monkeypatch.setattr("quant.lowering.streams.functions._block", parts)
        monkeypatch.setattr("quant.lowering.streams.functions._parts", parts)
        in_runs = lower(model).node("conv")
        assert isinstance(each_point, MatrixVector)
        assert isinstance(in_runs, MatrixVector)
        np.testing.assert_array_equal(in_runs.weights, each_point.weights)
        np.testing.assert_array_equal(in_runs.thresholds, each_point.thresholds)


def test_network_folds() -> None:
    net = Builder(SHAPE)
    network = lower(end(net, sign(net, norm(net, net.conv(bits(net), signs(4, 3, 3, 3), name="conv"), 4)), 48))
    folded = fold(network, {"conv": {"pe": 4, "simd": 9}})
    assert folded.node("conv").folding == {"pe": 4, "simd": 9}
