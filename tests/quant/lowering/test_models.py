"""Whole models: layouts, forms of dense layers and weights, activations, names, against the slow oracle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import ArgMax, Integer, MatrixVector, Network, Threshold, fold
from quant.lowering import lower
from tests.examples import examples
from tests.quant.lowering.oracle import Builder, assert_equal_to_oracle

rng = np.random.default_rng(7)
W0, W1 = rng.choice([-1.0, 1.0], (6, 12)), rng.choice([-1.0, 1.0], (4, 6))
NORM = (*rng.normal(size=(3, 6)), rng.random(6) * 9)
IMAGE = (1, 3, 2, 2)


def start(shape: tuple[Any, ...] = IMAGE, **options: Any) -> tuple[Builder, str]:
    """Return a builder and the binarized, flattened frame."""
    net = Builder(shape, **options)
    x = net("Sub", net("Mul", net("Flatten", net.input), 2.0), 1.0)
    return net, net("BipolarQuant", x, 1.0, name="binarize")


def finish(net: Builder, x: str) -> tuple[onnx.ModelProto, str]:
    """Return a model with batch norm, sign and a last layer after six sums, and the sign's output."""
    hidden = net("BipolarQuant", net.batch_norm(x, *NORM), 1.0, name="sign0")
    return net.model(net.dense(hidden, W1, name="fc1")), hidden


DENSE: dict[str, Callable[[Builder, str], str]] = {
    "gemm": lambda net, x: net("Gemm", x, W0.T),
    "gemm-transposed": lambda net, x: net("Gemm", x, W0, transB=1),
    "gemm-a-transposed": lambda net, x: net("Gemm", net("Transpose", x, perm=[1, 0]), W0.T, transA=1),
    "gemm-scaled": lambda net, x: net("Gemm", x, W0, np.arange(6) * 0.3, transB=1, alpha=-0.7, beta=0.3),
    "gemm-bias": lambda net, x: net("Gemm", x, W0.T, [[1.0, -2.0, 3.0, 0.1, 0.0, 7.0]]),
    "gemm-scalar-bias": lambda net, x: net("Gemm", x, W0.T, 0.25),
    "gemm-constant-left": lambda net, x: net(
        "Transpose", net("Gemm", W0, net("Transpose", x, perm=[1, 0])), perm=[1, 0]
    ),
    "matmul": lambda net, x: net("MatMul", x, W0.T),
    "matmul-add": lambda net, x: net("Add", net("MatMul", x, W0.T), np.arange(6) - 2.5),
    "matmul-add-flipped": lambda net, x: net("Add", np.arange(6) - 2.5, net("MatMul", x, W0.T)),
    "matmul-vector": lambda net, x: net.reshape(net("MatMul", W0, net.reshape(x, 12)), 1, 6),
    "matmul-rank-3": lambda net, x: net.reshape(net("MatMul", net.reshape(x, 1, 1, 12), W0.T), 1, 6),
    "tensor-scale": lambda net, x: net("Gemm", x, net("BipolarQuant", W0 * 0.3, 0.3), transB=1),
    "negative-scale": lambda net, x: net("Gemm", x, net("BipolarQuant", W0 * 0.3, -0.3), transB=1),
    "channel-scale": lambda net, x: net(
        "Gemm", x, net("BipolarQuant", W0, [[0.1], [2.0], [-1.0], [0.5], [0.3], [-0.7]]), transB=1
    ),
    "channel-scale-zero": lambda net, x: net(
        "Gemm", x, net("BipolarQuant", W0, [[0.1], [0.0], [-1.0], [0.5], [0.0], [-0.7]]), np.arange(6.0), transB=1
    ),
    "stored-scaled": lambda net, x: net("Gemm", x, W0 * np.float32(0.1), transB=1),
    "weights-by-three": lambda net, x: net("Gemm", x, net("Div", net("BipolarQuant", W0, 1.0), 3.0), transB=1),
    "weights-chain": lambda net, x: net(
        "MatMul", x, net("Transpose", net("Mul", net("BipolarQuant", net("Sub", W0, 0.5), 1.0), 0.7), perm=[1, 0])
    ),
    "quant-weights": lambda net, x: net(
        "Gemm", x, net("Quant", W0 * 0.4, 0.3, 0.0, 1.0, signed=1, narrow=1, rounding_mode="ROUND"), transB=1
    ),
    "two-bit-weights-of-two-values": lambda net, x: net(
        "Gemm", x, net("Quant", W0 * 0.4, 0.3, 0.0, 2.0, signed=1, narrow=1, rounding_mode="ROUND"), transB=1
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("form", DENSE)
def test_form_of_a_dense_layer(form: str) -> None:
    net, x = start()
    model, hidden = finish(net, DENSE[form](net, x))
    assert_equal_to_oracle(model, (hidden,))


LAYOUTS: dict[str, Callable[[Builder, str], str]] = {
    "flatten": lambda net, x: net("Flatten", x),
    "reshape": lambda net, x: net.reshape(x, 1, -1),
    "reshape-zero": lambda net, x: net.reshape(x, 0, -1),
    "transposed": lambda net, x: net("Flatten", net("Transpose", x, perm=[0, 2, 3, 1])),
    "twice": lambda net, x: net.reshape(net("Transpose", net.reshape(x, 1, 6, 2), perm=[0, 2, 1]), 1, 12),
    "squeezed": lambda net, x: net(
        "Unsqueeze", net.reshape(net("Squeeze", x, net.constant([0], np.int64)), 12), net.constant([0], np.int64)
    ),
    "shape-arithmetic": lambda net, x: net("Reshape", x, shape_arithmetic(net, x)),
}


def shape_arithmetic(net: Builder, x: str) -> str:
    """Return ``[x.shape[0], -1]`` the way torch's older exporter writes it."""
    axis = net.constant([0], np.int64)
    batch = net("Gather", net("Shape", x), net.constant(0, np.int64), axis=0)
    return net("Concat", net("Unsqueeze", batch, axis), net.constant([-1], np.int64), axis=0)


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bits_first", [False, True])
@pytest.mark.parametrize("channels_differ", [False, True])
def test_layout_before_a_dense_layer(layout: str, bits_first: bool, channels_differ: bool) -> None:
    net = Builder(("batch", *IMAGE[1:]))
    shift = np.array([0.2, 0.9, -0.5]).reshape(3, 1, 1) if channels_differ else 0.5
    x = net("Sub", net.input, shift)
    if bits_first:
        x = LAYOUTS[layout](net, net("BipolarQuant", x, 1.0, name="binarize"))
    else:
        x = net("BipolarQuant", LAYOUTS[layout](net, x), 1.0, name="binarize")
    model, hidden = finish(net, net("Gemm", x, W0, transB=1))
    if layout == "shape-arithmetic":
        network = lower(model)
        plain = Builder(IMAGE)
        x = plain("BipolarQuant", plain("Flatten", plain("Sub", plain.input, shift)), 1.0, name="binarize")
        model, hidden = finish(plain, plain("Gemm", x, W0, transB=1))
        assert_same(network, lower(model))
    else:
        network = assert_equal_to_oracle(model, (hidden,))
    assert network.frame_shape == (2, 2, 3)
    node = network.node("binarize")
    assert isinstance(node, Threshold)
    assert node.thresholds.size == (12 if channels_differ else 1)


def assert_same(left: Network, right: Network) -> None:
    for a, b in zip(left.nodes, right.nodes, strict=True):
        for field in a.array_fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


ACTIVATIONS: dict[str, Callable[[Builder, str], str]] = {
    "bipolar": lambda net, x: net("BipolarQuant", x, 1.0),
    "scaled": lambda net, x: net("BipolarQuant", x, 0.3),
    "negative": lambda net, x: net("BipolarQuant", x, -2.0),
    "signs-by-channel": lambda net, x: net("BipolarQuant", x, [1.0, -1.0, 1.0, 1.0, -1.0, -1.0]),
    "one-bit": lambda net, x: net("Quant", x, 0.5, 0.0, 1.0, signed=1, narrow=1, rounding_mode="ROUND"),
    "zero-and-one": lambda net, x: net("Quant", x, 1.0, 0.0, 1.0, signed=0, narrow=0, rounding_mode="ROUND"),
    "zero-point": lambda net, x: net("Quant", x, 0.3, 1.0, 1.0, signed=0, narrow=0, rounding_mode="ROUND"),
}
AFTER: dict[str, Callable[[Builder, str], str]] = {
    "nothing": lambda net, x: x,
    "scale": lambda net, x: net("Mul", x, -0.3),
    "shift": lambda net, x: net("Add", x, 0.25),
    "shift-channels": lambda net, x: net("Add", x, [0.5, 0.25, -1.0, 0.0, 0.1, 3.0]),
    "norm": lambda net, x: net.batch_norm(net("Unsqueeze", x, net.constant([1], np.int64)), [2.0], [0.3], [0.1], [3.0]),
    "relu": lambda net, x: net("Relu", net("Add", x, 0.5)),
    "signs": lambda net, x: net("Mul", x, [1.0, -1.0, 1.0, 1.0, -1.0, -1.0]),
}


@pytest.mark.long
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("after", AFTER)
def test_activation_and_what_follows_it(activation: str, after: str) -> None:
    net, x = start()
    x = net.batch_norm(net("Gemm", x, W0, transB=1), *NORM)
    hidden = ACTIVATIONS[activation](net, x)
    x = AFTER[after](net, hidden)
    if after == "norm":
        x = net("Squeeze", x, net.constant([1], np.int64))
    assert_equal_to_oracle(net.model(net.dense(x, W1)), (hidden,))


def test_activation_scale_and_input_shift_reach_the_next_threshold() -> None:
    """Inputs of 0 and 1 at the front, as well."""
    net = Builder((1, 12))
    x = net("Quant", net.input, 1.0, 0.0, 1.0, signed=0, narrow=0, rounding_mode="ROUND", name="binarize")
    model, hidden = finish(net, net("Gemm", x, W0, transB=1))
    network = assert_equal_to_oracle(model, (hidden,))
    node = network.node("binarize")
    assert isinstance(node, Threshold)
    assert node.thresholds.tolist() == [128]  # 127.5 / 255 rounds to the even 0


def test_weights_by_input_channel_meet_scales_by_channel() -> None:
    scale = np.array([0.5, 2.0, 1.0, 4.0, 0.25, 8.0])
    net, x = start()
    hidden = net("BipolarQuant", net.batch_norm(net("Gemm", x, W0, transB=1), *NORM), scale)
    shifted = net("Add", hidden, [0.5, 0.25, -1.0, 0.0, 0.1, 3.0])
    assert_equal_to_oracle(net.model(net("Gemm", shifted, W1 / scale, transB=1)), (hidden,))


def test_tanh_before_a_sign_goes() -> None:
    net, x = start()
    x = net("Tanh", net.batch_norm(net("Gemm", x, W0, transB=1), *NORM))
    bent = net.model(net.dense(net("BipolarQuant", x, 1.0), W1))
    net, x = start()
    model, _ = finish(net, net("Gemm", x, W0, transB=1))
    assert_same(lower(bent), lower(model))


@pytest.mark.parametrize("scale", [0.7, -0.7, 0.0])
def test_ties_of_batch_norm(scale: float) -> None:
    """Mean at a possible sum and no bias: exactly zero there, and sign(0) = +1."""
    net, x = start((1, 12))
    means = np.array([-12.0, -4.0, 0.0, 2.0, 12.0, 13.0])
    sums = net("Gemm", x, W0, transB=1)
    norm = net.batch_norm(sums, np.full(6, scale), np.zeros(6), means, rng.random(6))
    hidden = net("BipolarQuant", norm, 1.0)
    network = assert_equal_to_oracle(net.model(net.dense(hidden, W1)), (hidden,))
    layer = next(node for node in network.nodes if isinstance(node, MatrixVector))
    expected = {
        0.7: (0, 4, 6, 7, 12, 13),  # ones from (mean + 12) / 2 on
        -0.7: (12, 8, 6, 5, 0, 0),  # rows inverted: total' = -total, from -mean on
        0.0: (0, 0, 0, 0, 0, 0),
    }
    assert layer.thresholds is not None
    assert layer.thresholds.tolist() == list(expected[scale])
    # The last two of the falling ones are constant, which inverts nothing.
    inverted = np.array([-1, -1, -1, -1, 1, 1])[:, None] if scale < 0 else 1
    np.testing.assert_array_equal(layer.weights, W0 * inverted)


def test_falling_input_bit_inverts_the_column() -> None:
    net = Builder((1, 12))
    slope = np.where(np.arange(12) % 3 == 0, -2.0, 2.0)
    x = net("BipolarQuant", net("Sub", net("Mul", net.input, slope), slope / 2), 1.0, name="binarize")
    model, hidden = finish(net, net("Gemm", x, W0, transB=1, name="fc0"))
    network = assert_equal_to_oracle(model, (hidden,))
    layer = network.node("fc0")
    assert isinstance(layer, MatrixVector)
    assert layer.thresholds is not None
    expected = W0 * np.sign(slope)
    rows = (layer.weights * expected).sum(axis=1)
    assert set(np.abs(rows)) == {12}, "rows as expected, or inverted as a whole"
    node = network.node("binarize")
    assert isinstance(node, Threshold)
    assert node.thresholds.tolist() == [128]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_input_threshold_for_all_pixels(dtype: type) -> None:
    net = Builder((1, 1, 2, 2))
    x = net("Sub", net("Flatten", net.input), net.constant([[0.1, 0.5, 0.75, 1.0]], dtype))
    network = assert_equal_to_oracle(net.model(net.dense(net("BipolarQuant", x, 1.0, name="bits"), W1[:, :4])))
    node = network.node("bits")
    assert isinstance(node, Threshold)
    shifts = np.array([0.1, 0.5, 0.75, 1.0]).astype(dtype).astype(float)
    assert node.thresholds.tolist() == [int(np.argmax(np.arange(256) >= shift * 255)) for shift in shifts]
    assert network.inputs[0].stream.element == Integer(8)


def test_description() -> None:
    net, x = start()
    model, _ = finish(net, net.dense(x, W0, name="fc0"))
    network = lower(model)
    assert network.name == "test"
    assert [(node.name, node.kind) for node in network.nodes] == [
        ("binarize", "Threshold"),
        ("fc0", "MatrixVector"),
        ("fc1", "MatrixVector"),
        ("arg_max", "ArgMax"),
    ]
    assert [fifo.name for fifo in network.fifos] == [
        "input -> binarize",
        "binarize -> fc0",
        "fc0 -> fc1",
        "fc1 -> arg_max",
        "arg_max -> class",
    ]
    assert all(set(node.folding.values()) == {1} for node in network.nodes)
    assert network.metadata == {"producer": "tests 1", "source": "", "opset": "20", "input": "uint8/255"}
    again = fold(network, {})
    assert [fifo.depth for fifo in network.fifos] == [fifo.depth for fifo in again.fifos]
    arg_max = network.node("arg_max")
    assert isinstance(arg_max, ArgMax)
    assert (arg_max.scale.tolist(), arg_max.offset.tolist()) == ([1] * 4, [0] * 4)


def test_outputs() -> None:
    net, x = start()
    model, _ = finish(net, net.dense(x, W0, name="fc0"))
    for outputs, terminals in (("class", ["class"]), ("scores", ["scores"]), ("both", ["scores", "class"])):
        network = lower(model, outputs=outputs)
        assert [terminal.name for terminal in network.outputs] == terminals


def test_name_of_the_network(tmp_path: Path) -> None:
    net, x = start()
    model, _ = finish(net, net.dense(x, W0))
    folder = tmp_path / "zoo-entry"
    folder.mkdir()
    for path, expected in ((tmp_path / "digits.onnx", "digits"), (folder / "model.onnx", "zoo-entry")):
        onnx.save(model, path)
        network = lower(str(path))
        assert (network.name, network.metadata["source"]) == (expected, path.name)
    assert lower(path, name="mine").name == "mine"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ("/binarize/act -> quant", "/layers.0/MatMul", "node_linear_1"),
            ("binarize_act_quant", "layers_0_MatMul", "linear_1"),
        ),
        (("fc", "fc", "fc"), ("fc", "fc_t6", "fc_t8")),
        (("input", "class", "arg_max"), ("input_t3", "class_t6", "arg_max")),
        (("->", "é", "node_"), ("t3", "t6", "node")),
    ],
)
def test_names(given: tuple[str, str, str], expected: tuple[str, str, str]) -> None:
    net = Builder(IMAGE)
    x = net("Sub", net("Mul", net("Flatten", net.input), 2.0), 1.0)
    x = net("BipolarQuant", x, 1.0, name=given[0])
    x = net.dense(x, W0, name=given[1])
    x = net("BipolarQuant", x, 1.0, name="sign0")
    network = lower(net.model(net.dense(x, W1, name=given[2])), outputs="both")
    assert tuple(node.name for node in network.nodes[:3]) == expected
    assert len({node.name for node in network.nodes}) == 5


@settings(max_examples=examples(30))
@given(st.data())
def test_random_models(data: st.DataObject) -> None:
    """Sizes, forms, activations, norms and score affines at random."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    local = np.random.default_rng(seed)
    channels, height, width = (data.draw(st.integers(1, 3)) for _ in range(3))
    net = Builder((1, channels, height, width))
    x = net("Sub", net.input, local.random((channels, 1, 1)))
    x = net("BipolarQuant", net("Flatten", x), float(local.choice([-1.0, 0.3, 1.0])), name="binarize")
    synapses, hidden = channels * height * width, []
    for _ in range(data.draw(st.integers(0, 2))):
        neurons = data.draw(st.integers(1, 7))
        weights = local.choice([-1.0, 1.0], (neurons, synapses)) * local.choice([0.5, -1.0, 2.0], (neurons, 1))
        x = net("Gemm", x, weights, local.integers(-2, 3, neurons) * 0.5, transB=1)
        norm = (local.integers(-1, 3, neurons), *local.integers(-2, 3, (2, neurons)) * 0.5, local.random(neurons))
        x = net.batch_norm(x, *norm)
        form = data.draw(st.sampled_from(list(ACTIVATIONS.keys() - {"signs-by-channel"})))
        hidden.append(ACTIVATIONS[form](net, x))
        x = hidden[-1]
        synapses = neurons
    classes = data.draw(st.integers(1, 5))
    x = net("Gemm", x, local.choice([-1.0, 1.0], (classes, synapses)), transB=1)
    if data.draw(st.booleans()):
        x = net("Mul", x, local.choice([-1.0, 0.0, 0.5, 1.0], classes))
        x = net("Add", x, local.choice([-1.0, 0.0, 0.5, 0.3], classes))
    assert_equal_to_oracle(net.model(x), tuple(hidden), frames=6, seed=seed)
