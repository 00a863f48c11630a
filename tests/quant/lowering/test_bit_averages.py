"""Average pools of bits, before layers, quantizers and scores, against the slow oracle."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import BIPOLAR, Integer, MatrixVector, MaxPool, SumPool, Threshold
from tests.examples import examples
from tests.quant.lowering.assertions import assert_refused
from tests.quant.lowering.image_models import (
    SHAPE,
    Build,
    assert_equal,
    bits,
    by_channel,
    end,
    model_of,
    norm,
    sign,
    signs,
    size_of,
)
from tests.quant.lowering.oracle import Builder

I64 = np.int64
HALF: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}


def layer_of(net: Builder, *, channels: int = 6) -> str:
    """Return the bits of a convolution, (1, channels, 5, 4)."""
    return sign(net, norm(net, net.conv(bits(net), signs(channels, 3, 2, 2), name="conv"), channels))


AVERAGES: dict[str, Build] = {
    "plain": lambda net, x: net("AveragePool", x, name="avg", kernel_shape=[2, 2]),
    "strides": lambda net, x: net("AveragePool", x, name="avg", **HALF),
    "global": lambda net, x: net("GlobalAveragePool", x, name="avg"),
    "mean": lambda net, x: net("ReduceMean", x, net.constant([2, 3], I64), name="avg"),
    "twice": lambda net, x: net("GlobalAveragePool", net("AveragePool", x, name="avg", kernel_shape=[2, 2])),
    "of-other-levels": lambda net, x: net("AveragePool", net("Add", net("Mul", x, -0.5), 0.75), name="avg", **HALF),
    "of-0-and-1": lambda net, x: net("AveragePool", net("Relu", x), name="avg", **HALF),
    "scaled-after": lambda net, x: net("Sub", net("Mul", net("AveragePool", x, name="avg", **HALF), -3.0), 0.25),
    "after-a-max-pool": lambda net, x: net("AveragePool", net("MaxPool", x, kernel_shape=[2, 2]), name="avg", **HALF),
    "then-a-max-pool": lambda net, x: net("MaxPool", net("AveragePool", x, name="avg", **HALF), kernel_shape=[2, 1]),
    "max-pool-of-one-scaled": lambda net, x: net(
        "MaxPool", net("Sub", net("AveragePool", x, name="avg", **HALF), 0.25), kernel_shape=[1, 2]
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("form", AVERAGES)
def test_a_dense_layer_takes_the_sums(form: str) -> None:
    net = Builder(SHAPE)
    network = assert_equal(model_of(net, AVERAGES[form](net, layer_of(net))))
    pools, dense = network.node("avg"), network.node("fc")
    assert isinstance(pools, SumPool)
    assert isinstance(dense, MatrixVector)
    assert isinstance(dense.operand, Integer)
    assert dense.operand.signed


@pytest.mark.parametrize("form", AVERAGES)
def test_a_quantizer_compares_the_sums(form: str) -> None:
    net = Builder(SHAPE)
    x = AVERAGES[form](net, layer_of(net))
    x = net("BipolarQuant", net("Add", net("Mul", x, by_channel(1, -2, 0.5, 0, -1, 1)), 0.125), 1.0, name="again")
    network = assert_equal(model_of(net, x))
    assert isinstance(network.node("again"), Threshold)


@pytest.mark.parametrize("pads", [0, 1])
def test_a_convolution_takes_the_sums(pads: int) -> None:
    net = Builder(SHAPE)
    x = net("AveragePool", layer_of(net), name="avg", kernel_shape=[2, 2])
    x = sign(net, norm(net, net.conv(x, signs(4, 6, 2, 2), name="next", pads=[pads, 0, 0, pads]), 4))
    assert_equal(model_of(net, x))


def test_pools_of_bits_one_after_the_other_with_signs_between() -> None:
    net = Builder(SHAPE)
    x = sign(net, net("AveragePool", layer_of(net), name="first", kernel_shape=[2, 2]))
    assert_equal(model_of(net, net("AveragePool", x, name="second", kernel_shape=[2, 2])))


def test_an_average_of_sums_then_of_bits() -> None:
    net = Builder(SHAPE)
    x = net("AveragePool", net.conv(bits(net), signs(6, 3, 2, 2), name="conv"), name="sums", kernel_shape=[2, 2])
    x = net("GlobalAveragePool", sign(net, norm(net, x, 6)), name="bits")
    network = assert_equal(model_of(net, x))
    assert isinstance(network.node("sums"), SumPool)
    assert isinstance(network.node("bits"), SumPool)


def test_a_max_pool_after_the_quantizer() -> None:
    net = Builder(SHAPE)
    x = sign(net, net("Add", net("AveragePool", layer_of(net), name="avg", kernel_shape=[2, 2]), 0.25))
    assert_equal(model_of(net, net("MaxPool", x, kernel_shape=[2, 2])))


REFUSED: dict[str, tuple[Build, str]] = {
    "uneven": (
        lambda net, x: net("AveragePool", x, name="avg", kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
        "Node 'avg' (AveragePool) must have as many pixels below every position, not fewer at the border: "
        "leave out its padding",
    ),
    "max-pool-of-sums-that-fall": (
        lambda net, x: net(
            "MaxPool", net("Neg", net("AveragePool", x, name="avg", **HALF)), name="max", kernel_shape=[2, 2]
        ),
        "Node 'max' (MaxPool) must take numbers that rise with the sums of 'avg', not falling ones as in channel 0: "
        "use positive scales before it",
    ),
    "max-pool-of-bits-that-fall": (
        lambda net, x: net(
            "MaxPool",
            sign(net, net("Neg", net("AveragePool", x, name="avg", **HALF)), name="again"),
            name="max",
            kernel_shape=[2, 2],
        ),
        "Node 'max' (MaxPool) must take bits that rise with the numbers before the quantizer 'again', "
        "not falling ones as in channel 0: use positive scales there",
    ),
    "bends": (
        lambda net, x: net("Relu", net("AveragePool", x, name="avg", **HALF)),
        "Input of node 'fc' must be an affine function of the sums of 'avg', not one that bends: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    ),
    "padding": (
        lambda net, x: sign(
            net,
            net.conv(
                net("Add", net("AveragePool", x, name="avg", **HALF), 0.3),
                signs(4, 6, 2, 2),
                name="next",
                pads=[1, 0, 0, 0],
            ),
        ),
        "Padding of node 'next' must be a number that a point of the sums of 'avg' stands for in all channels, not 0: "
        "pad with such a number, or leave the padding out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    build, message = REFUSED[case]
    net = Builder(SHAPE)
    assert_refused(model_of(net, build(net, layer_of(net))), message)


@pytest.mark.parametrize("mean", [False, True])
def test_means_of_bits_are_scores(mean: bool) -> None:
    net = Builder(SHAPE)
    x = layer_of(net)
    x = net("ReduceMean", x, net.constant([2, 3], I64), name="avg") if mean else net("GlobalAveragePool", x, name="avg")
    network = assert_equal(net.model(net("Flatten", net("Mul", x, by_channel(1.0, 0.5, 2.0, 1.0, 0.25, 3.0)))))
    assert network.scores is not None
    assert network.scores.node == "avg"


def test_means_of_bits_that_fall_are_no_scores() -> None:
    net = Builder(SHAPE)
    x = net("Neg", net("GlobalAveragePool", layer_of(net), name="avg"))
    assert_refused(
        net.model(net("Flatten", x)),
        "Output 't8' of the model must rise with the sums of 'avg', not fall as in channel 0: "
        "use positive scales before it",
    )


def test_a_max_pool_between_an_average_of_bits_and_a_quantizer() -> None:
    """The quantizer is taken before the pool, which then takes the OR of bits."""
    net = Builder(SHAPE)
    x = net("MaxPool", net("AveragePool", layer_of(net), name="avg", **HALF), name="max", kernel_shape=[1, 2])
    network = assert_equal(model_of(net, sign(net, net("Add", x, 0.25), name="again")))
    kinds = [node.kind for node in network.nodes]
    assert kinds[kinds.index("SumPool") :][:3] == ["SumPool", "Threshold", "MaxPool"]
    pool = network.node("max")
    assert isinstance(pool, MaxPool)
    assert pool.element == BIPOLAR


@settings(max_examples=examples(8))
@given(st.data())
def test_random_models(data: st.DataObject) -> None:
    local = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (2, data.draw(st.integers(4, 6)), data.draw(st.integers(4, 6)))
    net = Builder((1, *shape))
    x = net.conv(bits(net), local.choice([-1.0, 1.0], (4, 2, 2, 2)), name="conv")
    x = sign(net, net("Mul", x, local.choice([-1.0, 0.5, 1.0, 0.0], (4, 1, 1), p=[0.3, 0.3, 0.3, 0.1])))
    x = net("Add", net("Mul", x, local.choice([-0.5, 1.0, 2.0])), local.integers(-2, 3, (4, 1, 1)) / 4)
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    x = net("AveragePool", x, kernel_shape=kernel, strides=data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2))))
    follows = data.draw(st.sampled_from(["quantizer", "conv", "dense"]))
    if follows == "quantizer":
        x = net("Mul", x, local.choice([-1.0, 0.5, 1.0, 0.0], (4, 1, 1), p=[0.3, 0.3, 0.3, 0.1]))
        x = sign(net, net("Add", x, local.integers(-4, 5, (4, 1, 1)) / 4))
    elif follows == "conv":
        x = sign(net, norm(net, net.conv(x, local.choice([-1.0, 1.0], (3, 4, 1, 1)), name="next"), 3))
    assert_equal(end(net, x, size_of(net, x, shape)), frames=4)
