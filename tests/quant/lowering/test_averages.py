"""Average pools that end in a quantizer or in scores, against the slow oracle."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import MatrixVector, MaxPool, SumPool, Threshold
from tests.examples import examples
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.image_models import SHAPE, Build, assert_equal, bits, by_channel, model_of, norm, sign, signs
from tests.quant.lowering.oracle import Builder

I64 = np.int64
QUARTER: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}


AVERAGES: dict[str, Build] = {
    "plain": lambda net, x: net("AveragePool", x, name="avg", kernel_shape=[2, 2]),
    "strides": lambda net, x: net("AveragePool", x, name="avg", **QUARTER),
    "dilations": lambda net, x: net("AveragePool", x, name="avg", kernel_shape=[2, 1], dilations=[2, 1]),
    "global": lambda net, x: net("GlobalAveragePool", x, name="avg"),
    "mean": lambda net, x: net("ReduceMean", x, net.constant([2, 3], I64), name="avg"),
    "mean-negative-axes": lambda net, x: net("ReduceMean", x, net.constant([-1, -2], I64), name="avg", keepdims=1),
    "twice": lambda net, x: net("GlobalAveragePool", net("AveragePool", x, name="avg", kernel_shape=[2, 2])),
    "after-an-affine": lambda net, x: net("AveragePool", net("Sub", net("Mul", x, -0.5), 1.0), name="avg", **QUARTER),
    "after-a-max-pool": lambda net, x: net(
        "AveragePool", net("MaxPool", x, kernel_shape=[2, 2]), name="avg", **QUARTER
    ),
    "after-a-max-pool-of-what-falls": lambda net, x: net(
        "AveragePool", net("MaxPool", net("Neg", x), kernel_shape=[2, 2]), name="avg", **QUARTER
    ),
    "then-a-max-pool": lambda net, x: net(
        "MaxPool", net("AveragePool", x, name="avg", kernel_shape=[2, 2]), kernel_shape=[2, 2]
    ),
    "padded-explicitly": lambda net, x: net(
        "AveragePool", net.pad(x, (1, 0, 0, 1), 0.0), name="avg", kernel_shape=[2, 2]
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("pads", [0, 1])
@pytest.mark.parametrize("form", AVERAGES)
def test_average_of_sums_before_a_quantizer(form: str, pads: int) -> None:
    net = Builder(SHAPE)
    x = AVERAGES[form](net, net.conv(bits(net), signs(6, 3, 3, 2), name="conv", pads=[pads] * 4))
    network = assert_equal(model_of(net, sign(net, norm(net, x, 6), name="sign")))
    matrix = network.node("conv")
    assert isinstance(matrix, MatrixVector)
    assert matrix.thresholds is None
    assert (matrix.offsets is not None) == bool(pads)
    assert isinstance(network.node("avg"), SumPool)
    assert isinstance(network.node("sign"), Threshold)


def test_average_after_a_max_pool_adds_the_maxima_of_sums() -> None:
    net = Builder(SHAPE)
    x = AVERAGES["after-a-max-pool"](net, net.conv(bits(net), signs(6, 3, 3, 2), name="conv"))
    network = assert_equal(model_of(net, sign(net, norm(net, x, 6), name="sign")))
    pool, *_ = (node for node in network.nodes if isinstance(node, MaxPool))
    assert str(pool.element) == "int6"
    assert [node.kind for node in network.nodes][2:6] == ["MatrixVector", "MaxPool", "SumPool", "Threshold"]


def test_mean_without_the_dimensions() -> None:
    net = Builder(SHAPE)
    x = net.conv(bits(net), signs(6, 3, 3, 3), name="conv")
    x = norm(net, net("ReduceMean", x, net.constant([2, 3], I64), name="avg", keepdims=0), 6)
    assert_equal(net.model(net.dense(sign(net, x), signs(4, 6))))


def test_mean_with_axes_as_attribute() -> None:
    net = Builder(SHAPE, opset=13)
    x = net("ReduceMean", net.conv(bits(net), signs(6, 3, 3, 3), name="conv"), name="avg", axes=[-2, -1])
    assert_equal(model_of(net, sign(net, norm(net, x, 6))))


def test_average_of_a_signal_between_convolutions() -> None:
    net = Builder((1, 3, 11))
    x = net("AveragePool", net.conv(bits(net), signs(6, 3, 3), name="a"), kernel_shape=[3], strides=[2])
    x = sign(net, norm(net, x, 6))
    x = sign(net, norm(net, net.conv(x, signs(4, 6, 2), name="b", pads=[1, 0]), 4))
    assert_equal(model_of(net, x, (3, 11)))


def test_average_of_sums_of_pixels() -> None:
    net = Builder(SHAPE)
    x = net.conv(net("Sub", net.input, 0.25), signs(5, 3, 3, 3), name="conv")
    assert_equal(model_of(net, sign(net, norm(net, net("AveragePool", x, **QUARTER), 5))))


SCORES: dict[str, Build] = {
    "global": lambda net, x: net("Flatten", net("GlobalAveragePool", x, name="avg")),
    "mean": lambda net, x: net("ReduceMean", x, net.constant([2, 3], I64), name="avg", keepdims=0),
    "normed": lambda net, x: net("Flatten", net("GlobalAveragePool", norm(net, x, 5), name="avg")),
    "scaled-after": lambda net, x: net("Add", net("Mul", net("Flatten", net("GlobalAveragePool", x)), -0.3), 0.7),
    "class-by-class": lambda net, x: net(
        "Mul", net("Flatten", net("GlobalAveragePool", x)), [0.5, -1.0, 0.25, 2.0, -0.5]
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("pads", [0, 1])
@pytest.mark.parametrize("form", SCORES)
def test_average_of_scores(form: str, pads: int) -> None:
    net = Builder(SHAPE)
    x = sign(net, norm(net, net.conv(bits(net), signs(6, 3, 3, 2), name="conv", pads=[0, 1, 0, 0]), 6))
    x = net.conv(x, signs(5, 6, 2, 2), name="head", pads=[pads, 0, 0, pads])
    network = assert_equal(net.model(SCORES[form](net, x)), frames=10)
    assert network.scores is not None
    assert isinstance(network.node(network.scores.node), SumPool)


@pytest.mark.parametrize("pads", [0, 1])
def test_scores_of_a_convolution_with_one_position(pads: int) -> None:
    net = Builder((1, 2, 4, 4))
    x = sign(net, norm(net, net.conv(bits(net), signs(5, 2, 3, 3), name="conv"), 5))
    x = net.conv(x, signs(3, 5, 2 + pads, 2 + pads), name="head", pads=[pads, 0, 0, pads])
    network = assert_equal(net.model(net("Flatten", x)), frames=10)
    assert any(node.name == "head_window" for node in network.nodes) == bool(pads)


EVEN: dict[str, dict[str, Any]] = {
    "padding-counts": {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    "padding-does-not-count": {"kernel_shape": [2, 2], "pads": [1, 0, 1, 1], "count_include_pad": 0},
    "rest": {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    "rest-of-padding": {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1] * 4},
    "rest-of-counted": {
        **{"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1] * 4},
        "count_include_pad": 1,
    },
    "same": {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"},
}


@pytest.mark.parametrize("form", EVEN)
def test_fewer_pixels_at_the_border_whose_bits_are_the_same(form: str) -> None:
    net = Builder(SHAPE)
    x = net("AveragePool", net.conv(bits(net), signs(6, 3, 2, 2), name="conv"), name="avg", **EVEN[form])
    x = sign(net, net("Mul", x, np.array([0.5, -1.0, 2.0, 1.0, -0.25, 1.0]).reshape(6, 1, 1)))
    assert_equal(model_of(net, x))


UNEVEN = (
    "Node 'avg' (AveragePool) must have as many pixels below every position, not fewer at the border: "
    "leave out its padding"
)
REFUSED: dict[str, tuple[Build, str]] = {
    "uneven": (
        lambda net, x: net("Add", net("AveragePool", x, name="avg", kernel_shape=[2, 2], pads=[1] * 4), 0.5),
        UNEVEN,
    ),
    "uneven-counted": (
        lambda net, x: net(
            "AveragePool", net("Add", x, 0.75), name="avg", kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1
        ),
        UNEVEN,
    ),
    "uneven-before-a-max-pool": (
        lambda net, x: net(
            "MaxPool", net("AveragePool", x, name="avg", kernel_shape=[2, 2], pads=[1] * 4), kernel_shape=[2, 2]
        ),
        UNEVEN,
    ),
    "uneven-before-another": (
        lambda net, x: net(
            "GlobalAveragePool", net("AveragePool", x, name="avg", kernel_shape=[2, 2], pads=[1] * 4), name="second"
        ),
        UNEVEN,
    ),
    "bends": (
        lambda net, x: net("AveragePool", net("Relu", x), name="avg", kernel_shape=[2, 2]),
        "Input of node 'avg' must be an affine function of the sums of 'conv', not one that bends: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    ),
    "other-axes": (
        lambda net, x: net("ReduceMean", x, net.constant([1], I64), name="avg"),
        "Axes of node 'avg' (ReduceMean) must be all rows and columns of an image, (2, 3), not (1,)",
    ),
    "pads": (
        lambda net, x: net("AveragePool", x, name="avg", kernel_shape=[2, 2], pads=[0, 2, 0, 0]),
        "pads of node 'avg' (AveragePool) must be smaller than the kernel 2x2, not (0, 2, 0, 0)",
    ),
    "padded-with-another-number": (
        lambda net, x: net("AveragePool", net.pad(x, (1, 0, 0, 0), 1.0, name="pad"), name="avg", kernel_shape=[2, 2]),
        "Node 'pad' (Pad) must pad the input of a Conv, not of 'avg': put it there",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    build, message = REFUSED[case]
    net = Builder(SHAPE)
    x = build(net, net.conv(bits(net), signs(4, 3, 2, 2), name="conv"))
    ones = net("Expand", 1.0, net("Concat", net("Shape", net("Flatten", x), start=1), net.constant([2], I64), axis=0))
    model = net.model(net("MatMul", net("Flatten", sign(net, x)), ones))
    assert_refused(model, message)


INPUTS: dict[str, Build] = {
    "plain": lambda net, x: net("AveragePool", x, name="avg", kernel_shape=[2, 2]),
    "scaled": lambda net, x: net("AveragePool", net("Sub", net("Mul", x, -2.0), 0.25), name="avg", **QUARTER),
    "max-pool-first": lambda net, x: net("AveragePool", net("MaxPool", x, kernel_shape=[2, 2]), name="avg", **QUARTER),
    "max-pool-then": lambda net, x: net("MaxPool", net("AveragePool", x, name="avg", **QUARTER), kernel_shape=[2, 2]),
    "twice": lambda net, x: net("AveragePool", net("AveragePool", x, name="avg", **QUARTER), kernel_shape=[2, 1]),
}


@pytest.mark.parametrize("form", INPUTS)
def test_average_of_the_input_before_a_quantizer(form: str) -> None:
    net = Builder(SHAPE)
    x = sign(net, net("Sub", INPUTS[form](net, net.input), by_channel(0.5, 0.3, 0.125)), name="sign")
    network = assert_equal(model_of(net, x))
    assert isinstance(network.node("avg"), SumPool)
    assert isinstance(network.node("sign"), Threshold)


@pytest.mark.parametrize("form", INPUTS)
def test_average_of_the_input_before_a_convolution(form: str) -> None:
    net = Builder(SHAPE)
    x = net.conv(net("Add", INPUTS[form](net, net.input), 0.3), signs(4, 3, 1, 1), name="conv")
    matrix = assert_equal(model_of(net, sign(net, norm(net, x, 4)))).node("conv")
    assert isinstance(matrix, MatrixVector)
    assert matrix.thresholds is not None


def test_means_as_scores_of_several_positions() -> None:
    net = Builder(SHAPE)
    x = net("AveragePool", net.conv(bits(net), signs(4, 3, 2, 2), name="head"), name="avg", kernel_shape=[2, 2])
    network = assert_exact(net.model(x))
    assert [(end.name, end.stream.shape) for end in network.outputs] == [("scores", (4, 3, 4))]


@settings(max_examples=examples(8))
@given(st.data())
def test_random_models(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    local = np.random.default_rng(seed)
    groups = data.draw(st.integers(1, 2))
    shape = (2, data.draw(st.integers(4, 6)), data.draw(st.integers(4, 6)))
    net = Builder((1, *shape))
    pads = data.draw(st.tuples(*[st.integers(0, 1)] * 4))
    x = net.conv(bits(net), local.choice([-1.0, 1.0], (4, 2 // groups, 2, 3)), name="conv", group=groups, pads=pads)
    kernel = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    x = net("AveragePool", x, kernel_shape=kernel, strides=data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2))))
    x = net("Mul", x, local.choice([-1.0, 0.5, 1.0, 0.0], (4, 1, 1), p=[0.3, 0.3, 0.3, 0.1]))
    x = sign(net, net("Add", x, local.integers(-4, 5, (4, 1, 1)) / 4))
    if data.draw(st.booleans()):
        head = net.conv(x, local.choice([-1.0, 1.0], (3, 4, 1, 2)), name="head", pads=[1, 0, 0, 1])
        model = net.model(net("Flatten", net("GlobalAveragePool", head)))
    else:
        model = model_of(net, x, shape)
    assert_equal(model, frames=4, seed=seed)
