"""Layers without a quantizer before them: on sums of a layer, averages of pixels, sums of branches, pools of any."""

from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import Add, Integer, MatrixVector, Network
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.image_models import Build, by_channel, norm, sign, signs
from tests.quant.lowering.oracle import Builder

HALF: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
SIDE = 5


def image() -> tuple[Builder, str]:
    net = Builder((1, 3, SIDE, SIDE))
    return net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")


def conv(net: Builder, x: str, neurons: int, channels: int, name: str, kernel: int = 2, **attributes: Any) -> str:
    return net.conv(x, signs(neurons, channels, kernel, kernel), name=name, **attributes)


def end(net: Builder, x: str, channels: int) -> onnx.ModelProto:
    return net.model(net("Flatten", net("GlobalAveragePool", conv(net, x, 3, channels, "last", 1))))


def operand(network: Network, name: str) -> Integer:
    matrix = network.node(name)
    assert isinstance(matrix, MatrixVector)
    assert isinstance(matrix.operand, Integer)
    return matrix.operand


#: What a second layer reads of the sums of a first one, (1, 4, 4, 4).
SUMS: dict[str, Build] = {
    "sums": lambda net, x: x,
    "scaled": lambda net, x: net("Add", net("Mul", x, -0.25), 0.5),
    "signs-by-channel": lambda net, x: net("Mul", x, by_channel(0.5, -0.5, 0.5, -0.5)),
    "shifts-by-channel": lambda net, x: net("Sub", x, by_channel(0.5, 1, 1.5, -3)),
    "norm-of-one-scale": lambda net, x: net.batch_norm(x, [1.0] * 4, [0.0, 1.0, 2.0, 3.0], [1.0] * 4, [4.0] * 4),
    "bent-where-nothing-is": lambda net, x: net("Clip", net("Relu", net("Add", x, 30.0)), 0.0, 99.0),
    "max-pool": lambda net, x: net("MaxPool", x, kernel_shape=[2, 2]),
    "max-pool-of-what-falls": lambda net, x: net("MaxPool", net("Mul", x, by_channel(1, -1, 1, -1)), **HALF),
    "average": lambda net, x: net("AveragePool", net("Sub", x, 0.5), **HALF),
    "average-of-maxima": lambda net, x: net("AveragePool", net("MaxPool", x, kernel_shape=[2, 2]), kernel_shape=[2, 2]),
    "maxima-of-averages": lambda net, x: net("MaxPool", net("AveragePool", x, **HALF), kernel_shape=[2, 1]),
    "quantized-to-what-it-is": lambda net, x: net("Quant", x, 1.0, 0.0, 8.0, signed=1, narrow=0, rounding_mode="ROUND"),
}


@pytest.mark.parametrize("form", SUMS)
def test_a_convolution_on_sums(form: str) -> None:
    net, x = image()
    x = conv(net, SUMS[form](net, conv(net, x, 4, 3, "first")), 5, 4, "second", 1)
    network = assert_exact(end(net, sign(net, norm(net, x, 5)), 5))
    assert operand(network, "second").signed


@pytest.mark.long
@pytest.mark.parametrize("form", SUMS)
def test_scores_of_a_dense_layer_on_sums(form: str) -> None:
    net, x = image()
    x = net("GlobalAveragePool", SUMS[form](net, conv(net, x, 4, 3, "first")))
    assert_exact(net.model(net.dense(net("Flatten", x), signs(3, 4), name="fc")))


def test_three_layers_without_a_quantizer() -> None:
    net = Builder((1, 8))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    for index, (neurons, synapses) in enumerate([(6, 8), (5, 6), (4, 5)]):
        x = net("Add", net.dense(x, signs(neurons, synapses), name=f"fc{index}"), 0.5)
    network = assert_exact(net.model(x))
    # Six numbers of five bits: at least 6 * -16, though no more than 6 * 8 occurs.
    assert [str(operand(network, f"fc{index}")) for index in (1, 2)] == ["int5", "int8"]


def test_padding_of_sums_with_a_number_that_one_of_them_is() -> None:
    net, x = image()
    x = conv(net, conv(net, x, 4, 3, "first"), 5, 4, "second", pads=[1, 0, 0, 1])
    assert_exact(end(net, sign(net, norm(net, x, 5)), 5))


def test_padding_of_sums_with_a_number_that_none_of_them_is() -> None:
    """Sums of 12 signs are even."""
    net, x = image()
    x = conv(net, net("Add", conv(net, x, 4, 3, "first"), 1.0), 5, 4, "second", pads=[1, 0, 0, 1])
    message = (
        "Padding of node 'second' must be a number that a point of the sums of 'first' stands for in all channels, "
        "not 0: pad with such a number, or leave the padding out"
    )
    assert_refused(end(net, sign(net, norm(net, x, 5)), 5), message)


PIXELS: dict[str, Build] = {
    "average": lambda net, x: net("AveragePool", x, name="avg", **HALF),
    "average-scaled": lambda net, x: net("Sub", net("Mul", net("AveragePool", x, name="avg", **HALF), -2.0), 0.3),
    "average-of-maxima": lambda net, x: net("AveragePool", net("MaxPool", x, kernel_shape=[2, 2]), name="avg", **HALF),
    "mean-of-all": lambda net, x: net("GlobalAveragePool", net("Sub", x, by_channel(0.1, 0.2, 0.3)), name="avg"),
}


@pytest.mark.parametrize("form", PIXELS)
@pytest.mark.parametrize("kind", ["uint8/255", "uint8"])
def test_a_convolution_on_averages_of_pixels(form: str, kind: str) -> None:
    net = Builder((1, 3, SIDE, SIDE))
    x = conv(net, PIXELS[form](net, net.input), 4, 3, "conv", 1)
    network = assert_exact(end(net, sign(net, norm(net, x, 4)), 4), input_kind=kind)
    pool = network.node("avg")
    assert operand(network, "conv") == pool.output_streams[0].element


#: Sums of branches, (1, 4, 4, 4): the bits of a convolution, its input's bits through another one, and its sums.
ADDED: dict[str, Build] = {
    "bits-and-sums": lambda net, x: net("Add", sign(net, conv(net, x, 4, 3, "a")), conv(net, x, 4, 3, "b"), name="add"),
    "sums": lambda net, x: net("Add", conv(net, x, 4, 3, "a"), conv(net, x, 4, 3, "b"), name="add"),
    "halves": lambda net, x: net(
        "Add", net("Mul", conv(net, x, 4, 3, "a"), 0.5), net("Add", conv(net, x, 4, 3, "b"), 0.25), name="add"
    ),
    "of-three": lambda net, x: net(
        "Sum", conv(net, x, 4, 3, "a"), net("Mul", conv(net, x, 4, 3, "b"), 2.0), conv(net, x, 4, 3, "c"), name="add"
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("after", ["layer", "scaled", "max-pool", "average"])
@pytest.mark.parametrize("form", ADDED)
def test_a_convolution_on_an_add(form: str, after: str) -> None:
    net, x = image()
    x = ADDED[form](net, x)
    if after == "scaled":
        x = net("Sub", net("Mul", x, -0.5), 1.0)
    elif after != "layer":
        x = net("MaxPool" if after == "max-pool" else "AveragePool", x, **HALF)
    x = conv(net, x, 5, 4, "conv", 1)
    network = assert_exact(end(net, sign(net, norm(net, x, 5)), 5))
    add = network.node("add")
    assert isinstance(add, Add)
    assert add.factors == {"halves": (1, 2), "of-three": (1, 2, 1)}.get(form, ())
    assert operand(network, "conv").signed


def test_a_layer_on_a_concat_of_sums() -> None:
    """Scales differ by channel, and the weights take them in turn."""
    net, x = image()
    left = net("Mul", conv(net, x, 2, 3, "a"), 0.5)
    joined = net("Concat", left, conv(net, x, 3, 3, "b"), axis=1, name="stack")
    weights = signs(4, 5, 1, 1) * np.array([2.0, 2.0, 1.0, 1.0, 1.0]).reshape(1, 5, 1, 1)
    x = net("Conv", joined, weights, name="conv")
    network = assert_exact(end(net, sign(net, norm(net, x, 4)), 4))
    assert operand(network, "conv").signed


BENT: dict[str, tuple[Build, str]] = {
    "relu": (
        lambda net, x: net("Relu", x),
        "Input of node 'second' must be an affine function of the sums of 'first', not one that bends: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    ),
    "scales-by-channel": (
        lambda net, x: net("Mul", x, by_channel(1, 200, 1, 1)),
        "Inputs of node 'second' must differ by one scale for all, not by 2 and 400: "
        "use one scale per tensor after the quantizer",
    ),
}


@pytest.mark.parametrize("case", BENT)
def test_refused(case: str) -> None:
    build, message = BENT[case]
    net, x = image()
    x = conv(net, build(net, conv(net, x, 4, 3, "first")), 5, 4, "second", 1)
    assert_refused(end(net, sign(net, x), 5), message)
