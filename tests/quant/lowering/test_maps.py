"""Scores at every position, and what is chosen of them: equal to exact evaluation, or refused with a remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import ArgMax, Network, SpatialArgMax
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder

SHAPE = (1, 2, 4, 5)
End = Callable[[Builder, str], str]


def signs(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1.0, 1.0], np.float32), shape)


def map_model(*ends: End, channels: int = 3, shape: tuple[int, ...] = SHAPE) -> onnx.ModelProto:
    """Return a model of two convolutions whose last one has scores at every position, with operators after it."""
    net, window = Builder(shape), (2,) * (len(shape) - 2)
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    x = net("BipolarQuant", net("Add", net.conv(x, signs(4, shape[1], *window), name="conv"), 0.5), 1.0)
    x = net.conv(x, signs(channels, 4, *(1 for _ in window), seed=1), name="head")
    for end in ends:
        x = end(net, x)
    return net.model(x)


def op(kind: str, *inputs: Any, **attributes: Any) -> End:
    return lambda net, x: net(kind, x, *inputs, name=kind.lower(), **attributes)


def reshaped(*shape: int) -> End:
    return lambda net, x: net.reshape(x, *shape)


def by_channel(*numbers: float) -> np.ndarray:
    return np.reshape(np.array(numbers, np.float32), (1, -1, 1, 1))


def top(count: int, **attributes: Any) -> End:
    return lambda net, x: net("TopK", x, net.constant([count], np.int64), name="topk", **attributes)


def outputs_of(network: Network) -> list[tuple[str, tuple[int, ...]]]:
    return [(end.name, end.stream.shape) for end in network.outputs]


@pytest.mark.parametrize("kind", ["scores", "class", "positions", "both", "bits"])
def test_kinds_of_outputs(kind: str) -> None:
    network = assert_exact(map_model(), outputs=kind)
    shapes = {"scores": (3, 4, 3), "class": (3, 4, 1), "positions": (3,), "bits": (3, 4, 3)}
    kinds = ["scores", "class"] if kind == "both" else [kind]
    assert outputs_of(network) == [(each, shapes[each]) for each in kinds]


def test_a_map_of_scores_is_what_leaves_it() -> None:
    network = assert_exact(map_model(op("Mul", by_channel(0.5, -1.5, 3.0)), op("Add", by_channel(1.0, 2.0, -0.25))))
    assert outputs_of(network) == [("scores", (3, 4, 3))]
    assert network.scores is not None
    np.testing.assert_array_equal(network.scores.scale, [0.5, 1.5, 3.0])  # the row that falls is inverted
    np.testing.assert_array_equal(network.scores.bias, [1.0, 2.0, -0.25])


@pytest.mark.parametrize(
    "ends",
    [
        [op("ArgMax", axis=1)],
        [op("ArgMax", axis=1, keepdims=0)],
        [op("Softmax", axis=1), op("ArgMax", axis=-3)],
        [op("Transpose", perm=[0, 2, 3, 1]), op("ArgMax", axis=-1, keepdims=0)],
        [top(1, axis=1)],
        [op("Mul", by_channel(1.0, 0.25, 2.0)), op("Add", by_channel(0.5, 3.0, 0.0)), op("ArgMax", axis=1)],
        [reshaped(1, 3, 12), op("ArgMax", axis=1)],
    ],
)
def test_the_class_of_every_position(ends: list[End]) -> None:
    network = assert_exact(map_model(*ends))
    assert outputs_of(network) == [("class", (3, 4, 1))]
    node = network.node("arg_max")
    assert isinstance(node, ArgMax)
    assert node.positions == (3, 4)
    assert outputs_of(assert_exact(map_model(*ends), outputs="scores")) == [("scores", (3, 4, 3))]


@pytest.mark.parametrize(
    "ends",
    [
        [reshaped(1, 3, 12), op("ArgMax", axis=2)],
        [op("Sigmoid"), reshaped(1, 3, -1), op("ArgMax", axis=-1, keepdims=0)],
        [reshaped(1, 3, -1), op("Softmax", axis=2), op("ArgMax", axis=2)],
        [op("Mul", by_channel(1.0, -0.25, 2.0)), reshaped(1, 3, 12), top(1, axis=2)],
    ],
)
def test_the_position_of_every_channel(ends: list[End]) -> None:
    network = assert_exact(map_model(*ends))
    assert outputs_of(network) == [("positions", (3,))]
    assert isinstance(network.node("arg_max"), SpatialArgMax)
    assert outputs_of(assert_exact(map_model(*ends), outputs="both")) == [("scores", (3, 4, 3)), ("positions", (3,))]


def test_a_single_channel() -> None:
    assert outputs_of(assert_exact(map_model(channels=1))) == [("scores", (3, 4, 1))]
    assert outputs_of(assert_exact(map_model(op("Flatten"), channels=1))) == [("scores", (3, 4, 1))]
    network = assert_exact(map_model(op("Flatten"), op("ArgMax", axis=1), channels=1))
    assert outputs_of(network) == [("positions", (1,))]
    assert outputs_of(assert_exact(map_model(op("Sigmoid"), channels=1), outputs="bits")) == [("bits", (3, 4, 1))]


def test_bits_and_codes_of_every_position() -> None:
    network = assert_exact(map_model(op("Add", 0.5), op("BipolarQuant", 1.0)))
    assert outputs_of(network) == [("bits", (3, 4, 3))]
    quant = op("Quant", 1.0, 0.0, 3.0, signed=1, narrow=0, rounding_mode="ROUND")
    network = assert_exact(map_model(op("Mul", 0.75), quant))
    assert outputs_of(network) == [("scores", (3, 4, 3))]
    assert network.outputs[0].stream.element.width == 3


def test_a_signal() -> None:
    shape = (1, 2, 7)
    assert outputs_of(assert_exact(map_model(shape=shape))) == [("scores", (1, 6, 3))]
    assert outputs_of(assert_exact(map_model(op("ArgMax", axis=1), shape=shape))) == [("class", (1, 6, 1))]
    assert outputs_of(assert_exact(map_model(op("ArgMax", axis=2), shape=shape))) == [("positions", (3,))]


ALONG = "must take all 3 channels of a position together, or all 12 positions of a channel, in order, not"


@pytest.mark.parametrize(
    ("ends", "options", "message"),
    [
        ([op("ArgMax", axis=3)], {}, f"Node 'argmax' (ArgMax) {ALONG} 4 along axis 3"),
        ([op("Softmax", axis=2)], {}, f"Node 'softmax' (Softmax) {ALONG} 3 along axis 2"),
        (
            [op("Softmax", axis=1), reshaped(1, 3, 12), op("ArgMax", axis=2)],
            {},
            "Node 'softmax' (Softmax) must take positions together as 'argmax' (ArgMax) does, not channels: "
            "leave it out",
        ),
        (
            [op("Softmax", axis=1)],
            {"outputs": "positions"},
            "Node 'softmax' (Softmax) must take positions together for outputs 'positions', not channels: "
            "leave it out, or use outputs 'scores'",
        ),
        (
            [op("ArgMax", axis=1)],
            {"outputs": "positions"},
            "Outputs of a model that ends in an ArgMax over channels must be 'class', 'scores' or 'both', "
            "not 'positions'",
        ),
        (
            [reshaped(1, 3, 12), op("ArgMax", axis=2)],
            {"outputs": "class"},
            "Outputs of a model that ends in an ArgMax over positions must be 'positions', 'scores' or 'both', "
            "not 'class'",
        ),
        (
            [op("GlobalAveragePool")],
            {"outputs": "positions"},
            "Outputs of a model with scores of one position must be 'class', 'scores', 'both' or 'bits', "
            "not 'positions'",
        ),
        (
            [op("Mul", by_channel(1.0, 0.0, 1.0))],
            {"outputs": "positions"},
            "Output 't8' of the model must depend on the sums of 'head', not be the same for all as in channel 1: "
            "leave out what follows them",
        ),
        (
            [op("ArgMax", axis=1), op("Transpose", perm=[0, 1, 3, 2])],
            {},
            "Operator of node 'argmax' must be piecewise linear at its place, not ArgMax: replace it by Clip "
            "(HardTanh), HardSigmoid or Relu",
        ),
        (
            [top(2, axis=1)],
            {},
            "Node 'topk' (TopK) must find the one highest number, not the 2 highest: leave it out, and sort the scores "
            "themselves (outputs 'scores')",
        ),
        (
            [top(1, axis=1, largest=0)],
            {},
            "Node 'topk' (TopK) must find the one highest number, not the 1 lowest: leave it out, and sort the scores "
            "themselves (outputs 'scores')",
        ),
    ],
)
def test_refusals(ends: list[End], options: dict[str, str], message: str) -> None:
    assert_refused(map_model(*ends), message, **options)


def test_values_of_a_top_k() -> None:
    model = map_model(top(1, axis=1))
    (node,) = (node for node in model.graph.node if node.op_type == "TopK")
    node.output[0], node.output[1] = node.output[1], "indices"
    assert_refused(
        model,
        f"Node 'topk' (TopK) must give its indices alone, not the scores {node.output[0]!r}: leave them out of the "
        "exported model, or leave out the TopK and take the scores themselves (outputs 'scores')",
    )


def test_scores_alone_need_no_keys() -> None:
    """Scales so far apart that no class could be decided."""
    network = lower(map_model(op("Mul", by_channel(1e30, 1e-30, 1.0)), op("Add", by_channel(0.0, 1e-30, 1e-20))))
    assert network.scores is not None
    np.testing.assert_array_equal(network.scores.scale, np.float32([1e30, 1e-30, 1.0]).astype(float))
