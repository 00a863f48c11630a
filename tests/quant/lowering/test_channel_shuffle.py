"""Channel shuffles: channels of groups are interleaved by a reshape, a transpose and a reshape."""

import numpy as np
import onnx
import pytest

from dataflow import MatrixVector
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact
from tests.quant.lowering.image_models import Build, by_channel, norm, sign, signs
from tests.quant.lowering.oracle import Builder

CHANNELS, SIDE = 6, 5


def shuffle(net: Builder, x: str, groups: int = 2, *, side: int = SIDE) -> str:
    x = net.reshape(x, 1, groups, CHANNELS // groups, side, side)
    return net.reshape(net("Transpose", x, perm=[0, 2, 1, 3, 4]), 1, CHANNELS, side, side)


def start() -> tuple[Builder, str]:
    """Return the bits of a convolution in two groups, channels that rise and channels that fall."""
    net = Builder((1, 4, SIDE + 1, SIDE + 1))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")
    x = net.conv(x, signs(CHANNELS, 2, 2, 2), name="grouped", group=2)
    return net, sign(net, norm(net, x, CHANNELS), name="sign")


def end(net: Builder, x: str, channels: int) -> onnx.ModelProto:
    """Return the model that ends in the mean of a convolution with one row per class."""
    return net.model(net("Flatten", net("GlobalAveragePool", net.conv(x, signs(3, channels, 1, 1), name="last"))))


BETWEEN: dict[str, Build] = {
    "nothing": lambda net, x: shuffle(net, x),
    "three-groups": lambda net, x: shuffle(net, x, 3),
    "twice": lambda net, x: shuffle(net, shuffle(net, x), 2),
    "scale-before": lambda net, x: shuffle(net, net("Mul", x, by_channel(1, -1, 1, 1, -1, -1))),
    "scale-after": lambda net, x: net("Mul", shuffle(net, x), by_channel(1, -1, 1, 1, -1, -1)),
    "shift-by-channel": lambda net, x: net("Add", shuffle(net, x), by_channel(0, 1, 2, 3, 4, 5)),
    "max-pool-after": lambda net, x: net("MaxPool", shuffle(net, x), kernel_shape=[2, 2]),
    "max-pool-before": lambda net, x: shuffle(net, net("MaxPool", x, kernel_shape=[2, 2]), side=SIDE - 1),
    "average-pool-after": lambda net, x: net("AveragePool", shuffle(net, x), kernel_shape=[2, 2], strides=[2, 2]),
    "average-pool-before": lambda net, x: shuffle(net, net("AveragePool", x, kernel_shape=[2, 2]), side=SIDE - 1),
    "quantizer-after": lambda net, x: sign(net, net("Add", shuffle(net, x), by_channel(-2, 0, 0.5, 0, 2, 0))),
}


@pytest.mark.long
@pytest.mark.parametrize("form", BETWEEN)
def test_shuffle_before_a_convolution(form: str) -> None:
    net, x = start()
    x = net.conv(BETWEEN[form](net, x), signs(5, CHANNELS, 2, 2), name="conv")
    network = assert_exact(end(net, sign(net, norm(net, x, 5)), 5))
    assert isinstance(network.node("conv"), MatrixVector)
    assert not any("transpose" in node.name for node in network.nodes)


def test_shuffle_sorts_the_columns() -> None:
    """The hardware moves nothing: synapses of channel c read what the shuffle puts there."""
    weights = signs(1, CHANNELS, 1, 1)
    networks = []
    for shuffled in (False, True):
        net, x = start()
        given = weights if shuffled else weights.reshape(3, 2).T.reshape(1, CHANNELS, 1, 1)
        x = net.conv(shuffle(net, x) if shuffled else x, given, name="conv")
        networks.append(lower(net.model(net("Flatten", net("GlobalAveragePool", x)))))
    plain, moved = (network.node("conv") for network in networks)
    assert isinstance(plain, MatrixVector)
    assert isinstance(moved, MatrixVector)
    np.testing.assert_array_equal(plain.weights, moved.weights)


@pytest.mark.parametrize("flat_first", [False, True])
def test_shuffle_before_a_dense_layer(flat_first: bool) -> None:
    net, x = start()
    x = net("Flatten", shuffle(net, x)) if flat_first else net.reshape(shuffle(net, x), 1, -1)
    assert_exact(net.model(net.dense(x, signs(3, CHANNELS * SIDE * SIDE), name="fc")))


def test_shuffle_of_pixels() -> None:
    net = Builder((1, CHANNELS, SIDE, SIDE))
    x = net.conv(shuffle(net, net("Sub", net.input, 0.25)), signs(4, CHANNELS, 2, 2), name="conv")
    assert_exact(end(net, sign(net, norm(net, x, 4)), 4))


def test_shuffle_of_sums_before_the_quantizer() -> None:
    net, x = start()
    x = net.conv(x, signs(CHANNELS, 1, 1, 1), name="depthwise", group=CHANNELS)
    x = sign(net, norm(net, shuffle(net, x), CHANNELS, seed=4))
    assert_exact(end(net, x, CHANNELS))


def test_shuffle_of_a_signal() -> None:
    net = Builder((1, CHANNELS, 7))
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    x = net("Transpose", net.reshape(x, 1, 2, 3, 7), perm=[0, 2, 1, 3])
    x = net.conv(net.reshape(x, 1, CHANNELS, 7), signs(4, CHANNELS, 3), name="conv")
    assert_exact(net.model(net("Flatten", net("GlobalAveragePool", x))))


@pytest.mark.parametrize("groups", [2, CHANNELS])
@pytest.mark.parametrize("pooled", [False, True])
def test_shuffle_before_a_grouped_convolution(groups: int, pooled: bool) -> None:
    """Groups that take channels from several groups need them moved; depthwise ones are computed in their order."""
    net, x = start()
    x = shuffle(net, x)
    x = net("MaxPool", x, name="pool", kernel_shape=[2, 2]) if pooled else x
    x = net.conv(x, signs(CHANNELS, CHANNELS // groups, 1, 1), name="second", group=groups)
    network = assert_exact(end(net, sign(net, x), CHANNELS))
    moved = [node.kind for node in network.nodes if node.kind in {"Rearrange", "Select"}]
    assert moved == (["Select"] if groups == 2 else [])


def test_shuffle_before_a_padding() -> None:
    net, x = start()
    x = net.conv(net.pad(shuffle(net, x), (1, 0, 0, 1), 1.0, name="pad"), signs(4, CHANNELS, 2, 2), name="conv")
    network = assert_exact(end(net, sign(net, x), 4))
    assert not any(node.kind == "Select" for node in network.nodes)
