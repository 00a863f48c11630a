"""Weights and activations of several bits, and what follows an Add: lowered, and equal to exact evaluation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dataflow import Add, MatrixVector, Requantize
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(11)
SIGNS = [rng.choice([-1.0, 1.0], shape) for shape in ((5, 3, 3, 3), (4, 5, 3, 3), (3, 16))]
Build = Callable[[Builder, str], str]


def integers(bits: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-(1 << bits - 1), 1 << bits - 1, shape).astype(float)


def quant(net: Builder, x: str, bits: int, scale: Any, *, zero: float = 0.0, **attributes: Any) -> str:
    options = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **attributes}
    return net("Quant", x, scale, zero, float(bits), **options)


def weights(net: Builder, values: np.ndarray, bits: int, scale: Any, *, narrow: int = 0) -> str:
    spread = np.reshape(scale, (-1, *[1] * (values.ndim - 1))) if np.ndim(scale) else scale
    return quant(net, net.constant(values * spread), bits, spread, narrow=narrow)


def norm(net: Builder, x: str, channels: int, *, by: float = 0.1) -> str:
    scale, bias, mean = (by * rng.normal(size=channels), rng.normal(size=channels), 3 * rng.normal(size=channels))
    return net.batch_norm(x, scale, bias, mean, rng.random(channels) + 0.5)


def sign(net: Builder, x: str) -> str:
    return net("BipolarQuant", x, 1.0)


def ended(net: Builder, x: str, sizes: int) -> Any:
    """Return the model with a dense layer after what is there."""
    flat = net("Flatten", x)
    return net.model(net("Gemm", flat, rng.choice([-1.0, 1.0], (3, sizes)), name="end", transB=1))


def first(net: Builder, **attributes: Any) -> str:
    return net.conv(sign(net, net("Sub", net.input, 0.5)), SIGNS[0], name="conv", **attributes)


LAYERS: dict[str, tuple[int, Any, str]] = {
    "ternary": (2, 0.5, "int2"),
    "ternary-by-channel": (2, [0.1, 0.3, -0.7, 2.0, 1e-3], "int2"),
    "four-bits": (4, 0.125, "int4"),
    "eight-bits": (8, 0.01, "int8"),
    "eight-bits-by-channel": (8, [0.1, 0.03, 0.7, 2.0, 1e-3], "int8"),
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("entry", ["pixels", "bits"])
def test_weights(case: str, entry: str) -> None:
    bits, scale, element = LAYERS[case]
    net = Builder((1, 3, 6, 6))
    x = net("Sub", net.input, 0.5) if entry == "pixels" else sign(net, net("Sub", net.input, 0.5))
    values = integers(bits, (5, 3, 3, 3))
    if case.startswith("ternary"):
        values = np.maximum(values, -1)
    values[0, 0, 0, :2] = [-(1 << bits - 1), (1 << bits - 1) - 1] if bits > 2 else [-1, 1]
    x = net("Conv", x, weights(net, values, bits, scale, narrow=int(bits == 2)), name="conv")
    network = assert_exact(ended(net, sign(net, norm(net, x, 5)), 80))
    layer = network.node("conv")
    assert isinstance(layer, MatrixVector)
    assert str(layer.weight_element) == element


def test_weights_with_zero_padding_of_bits() -> None:
    net = Builder((1, 3, 5, 5))
    x = sign(net, net("Sub", net.input, 0.5))
    x = net("Conv", x, weights(net, integers(4, (5, 3, 3, 3)), 4, 0.25), pads=[1, 1, 1, 1], strides=[2, 2])
    assert_exact(ended(net, sign(net, norm(net, x, 5)), 45))


def test_weights_in_groups() -> None:
    net = Builder((1, 4, 5, 5))
    x = quant(net, net.input, 4, 0.125)
    values = integers(3, (6, 2, 3, 3))
    values[:3] = np.sign(values[:3]) + (values[:3] == 0)  # a group of which all are binary
    x = net("Conv", x, weights(net, values, 3, 0.25), group=2)
    assert_exact(ended(net, sign(net, norm(net, x, 6)), 54))


def test_weights_as_floats_that_are_multiples_of_one_number() -> None:
    net = Builder((1, 12))
    x = sign(net, net("Sub", net.input, 0.5))
    x = net("Gemm", x, 0.375 * np.arange(-6.0, 6.0).reshape(12, 1) * np.array([[1.0, 2.0, -3.0]]), name="fc")
    assert_exact(net.model(x))


def test_scales_by_channel_in_small_ratios() -> None:
    net = Builder((1, 12))
    x = net("Mul", sign(net, net("Sub", net.input, 0.5)), np.arange(1.0, 13))
    network = assert_exact(net.model(net.dense(x, SIGNS[2][:, :12])))
    assert isinstance(network.nodes[1], MatrixVector)
    assert network.nodes[1].weights.max() <= 12


def test_an_input_whose_scale_is_zero() -> None:
    net = Builder((1, 12))
    x = net("Mul", sign(net, net("Sub", net.input, 0.5)), np.arange(12) != 5)
    network = assert_exact(net.model(net.dense(x, SIGNS[2][:, :12])))
    assert isinstance(network.nodes[1], MatrixVector)
    assert not network.nodes[1].weights[:, 5].any()


ACTIVATIONS: dict[str, Build] = {
    "two-bits": lambda net, x: quant(net, norm(net, x, 5), 2, 0.5),
    "ternary": lambda net, x: quant(net, norm(net, x, 5), 2, 1.0, narrow=1),
    "unsigned": lambda net, x: quant(net, norm(net, x, 5), 2, 0.5, signed=0),
    "zero-point": lambda net, x: quant(net, norm(net, x, 5), 2, 0.5, signed=0, zero=1.0),
    "relu": lambda net, x: quant(net, net("Relu", norm(net, x, 5)), 3, 0.25, signed=0),
    "rounded-down": lambda net, x: quant(net, norm(net, x, 5), 3, 0.3, rounding_mode="FLOOR"),
    "rounded-up": lambda net, x: quant(net, norm(net, x, 5), 3, 0.3, rounding_mode="CEIL"),
    "rounded-to-zero": lambda net, x: quant(net, norm(net, x, 5), 3, 0.3, rounding_mode="ROUND_TO_ZERO"),
    "eight-bits": lambda net, x: quant(net, norm(net, x, 5, by=1.0), 8, 0.02),
    "scale-by-channel": lambda net, x: net(
        "Mul",
        quant(net, norm(net, x, 5), 3, np.reshape([0.25, 0.5, 1.0, 0.25, 0.5], (1, 5, 1, 1))),
        1.0,
    ),
    "multi-threshold": lambda net, x: net(
        "MultiThreshold", x, np.sort(rng.normal(size=(5, 3)) * 9), out_scale=0.5, out_bias=-1.0, out_dtype="INT4"
    ),
    "multi-threshold-for-all": lambda net, x: net("MultiThreshold", x, [[-5.0, 1.0, 4.0]], out_dtype="UINT2"),
    "truncated-again": lambda net, x: net(
        "Trunc",
        quant(net, norm(net, x, 5), 8, 0.0625),
        0.0625,
        0.0,
        8.0,
        0.25,
        4.0,
        signed=1,
        rounding_mode="ROUND",
    ),
    "truncated": lambda net, x: net("Trunc", quant(net, norm(net, x, 5), 8, 0.0625), 0.0625, 0.0, 8.0, 4.0),
    "prelu": lambda net, x: quant(net, net("PRelu", norm(net, x, 5, by=1.0), np.full((5, 1, 1), 0.3)), 8, 0.0625),
    "prelu-of-negative-slope": lambda net, x: quant(
        net, net("PRelu", norm(net, x, 5, by=1.0), np.full((5, 1, 1), -0.5)), 5, 0.25
    ),
    "pool-before": lambda net, x: quant(net, norm(net, net("MaxPool", x, kernel_shape=[2, 2]), 5), 2, 0.5),
    "pool-after": lambda net, x: net("MaxPool", quant(net, norm(net, x, 5), 2, 0.5), kernel_shape=[2, 2]),
}


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_activations(case: str) -> None:
    net = Builder((1, 3, 6, 6))
    x = net.conv(ACTIVATIONS[case](net, first(net)), SIGNS[1], name="next", strides=[2, 2], pads=[1, 1, 1, 1])
    network = assert_exact(ended(net, sign(net, norm(net, x, 4)), 16))
    found = [node for node in network.nodes if isinstance(node, Requantize)]
    assert len(found) == 1


def test_codes_of_the_frame_itself() -> None:
    net = Builder((1, 12))
    x = quant(net, net.input, 3, 0.25, signed=0)
    model = net.model(net.dense(x, SIGNS[2][:, :12], name="fc"))
    network = assert_exact(model, input_kind="uint8/255")
    assert isinstance(network.nodes[0], Requantize)
    assert isinstance(assert_exact(model).nodes[0], MatrixVector)  # where it may choose, frames hold the codes


def test_bit_that_changes_twice() -> None:
    net = Builder((1, 12))
    x = net("Gemm", sign(net, net("Sub", net.input, 0.5)), SIGNS[2][:, :12], name="fc", transB=1)
    x = sign(net, net("Sub", net("Abs", x), 3.0))
    network = assert_exact(net.model(net.dense(x, np.ones((2, 3)))))
    assert [str(node.result) for node in network.nodes if isinstance(node, Requantize)] == ["bipolar"]


def block(net: Builder, x: str, after: Build, *, bits: int = 8, step: float = 1 / 16) -> str:
    """Return a residual block: the stream, and a binary convolution of its signs, on one grid."""
    branch = net.conv(sign(net, x), rng.choice([-1.0, 1.0], (5, 5, 3, 3)), pads=[1, 1, 1, 1])
    branch = quant(net, norm(net, branch, 5), bits, step)
    return quant(net, after(net, net("Add", x, branch)), bits, step)


AFTER: dict[str, Build] = {
    "nothing": lambda net, x: x,
    "hardtanh": lambda net, x: net("Clip", x, -1.0, 1.0),
    "prelu": lambda net, x: net("PRelu", x, rng.random((5, 1, 1))),
    "rprelu": lambda net, x: net(
        "Add",
        net("PRelu", net("Add", x, rng.normal(size=(5, 1, 1))), rng.random((5, 1, 1))),
        rng.normal(size=(5, 1, 1)),
    ),
    "leaky": lambda net, x: net("LeakyRelu", x, alpha=0.1),
    "gate": lambda net, x: net("Mul", x, net("HardSigmoid", x)),
    "negative-prelu": lambda net, x: net("PRelu", x, -rng.random((5, 1, 1))),
}


@pytest.mark.parametrize(
    "case",
    [
        "nothing",
        "hardtanh",
        *(pytest.param(case, marks=pytest.mark.long) for case in AFTER if case not in ("nothing", "hardtanh")),
    ],
)
def test_residual_stream(case: str) -> None:
    net = Builder((1, 3, 5, 5))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5), 8, 1 / 16)
    for _ in range(2):
        x = block(net, x, AFTER[case])
    x = net("GlobalAveragePool", x)
    model = net.model(net("Gemm", net("Flatten", x), rng.choice([-1.0, 1.0], (3, 5)), transB=1))
    network = assert_exact(model)
    assert sum(isinstance(node, Add) for node in network.nodes) == 2


def test_an_add_saturates() -> None:
    net = Builder((1, 3, 5, 5))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5, by=1.0), 4, 0.25)
    x = block(net, block(net, x, AFTER["nothing"], bits=4, step=0.25), AFTER["nothing"], bits=4, step=0.25)
    network = assert_exact(ended(net, sign(net, x), 125))
    node, _ = (node for node in network.nodes if isinstance(node, Add))
    assert node.saturates
    assert str(node.element) == "int4"


def test_a_stream_of_the_frame() -> None:
    net = Builder((1, 5, 4, 4))
    x = quant(net, net.input, 8, 1 / 128)
    network = assert_exact(ended(net, sign(net, block(net, x, AFTER["hardtanh"], step=1 / 128)), 80))
    assert network.metadata["input"] == "quant"


def test_downsampling_by_a_layer_of_eight_bits() -> None:
    net = Builder((1, 3, 6, 6))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5), 8, 1 / 16)
    branch = net.conv(sign(net, x), rng.choice([-1.0, 1.0], (7, 5, 3, 3)), pads=[1, 1, 1, 1], strides=[2, 2])
    branch = quant(net, norm(net, branch, 7), 8, 1 / 16)
    mean = net("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    way = net("Conv", mean, weights(net, integers(8, (7, 5, 1, 1)), 8, 0.01))
    x = net("Add", quant(net, way, 8, 1 / 16), branch)
    assert_exact(ended(net, sign(net, x), 63))


def test_downsampling_by_doubled_channels() -> None:
    net = Builder((1, 3, 6, 6))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5), 8, 1 / 16)
    branch = net.conv(sign(net, x), rng.choice([-1.0, 1.0], (10, 5, 3, 3)), pads=[1, 1, 1, 1], strides=[2, 2])
    branch = quant(net, norm(net, branch, 10), 8, 1 / 16)
    mean = quant(net, net("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 8, 1 / 16)
    x = net("Add", net("Concat", mean, mean, axis=1), branch)
    assert_exact(ended(net, sign(net, x), 90))


@pytest.mark.parametrize("form", ["pad", "concat"])
def test_downsampling_by_slices_and_channels_of_zero(form: str) -> None:
    net = Builder((1, 3, 7, 7))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5), 8, 1 / 16)
    branch = net.conv(sign(net, x), rng.choice([-1.0, 1.0], (10, 5, 3, 3)), pads=[1, 1, 1, 1], strides=[2, 2])
    branch = quant(net, norm(net, branch, 10), 8, 1 / 16)
    bounds = [net.constant(each, np.int64) for each in ([0, 0], [1 << 40, 7], [2, 3], [2, 2])]
    way = net("Slice", x, *bounds)
    if form == "pad":
        way = net("Pad", way, net.constant([0, 2, 0, 0, 0, 3, 0, 0], np.int64), 0.0)
    else:
        way = net("Concat", np.zeros((1, 2, 4, 4)), way, np.zeros((1, 3, 4, 4)), axis=1)
    x = net("Add", way, branch)
    assert_exact(ended(net, sign(net, x), 160))


def test_channels_of_a_number() -> None:
    net = Builder((1, 3, 5, 5))
    x = quant(net, norm(net, first(net), 5), 4, 0.25)
    x = net("Pad", x, net.constant([0, 1, 1, 0, 0, 0, 1, 1], np.int64), 0.75)
    assert_exact(ended(net, sign(net, net.conv(x, rng.choice([-1.0, 1.0], (2, 6, 2, 2)))), 24))


def test_scales_that_do_not_meet() -> None:
    net = Builder((1, 3, 5, 5))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5), 8, 0.05)
    branch = net.conv(sign(net, x), rng.choice([-1.0, 1.0], (5, 5, 3, 3)), name="branch", pads=[1, 1, 1, 1])
    x = net("Add", x, quant(net, branch, 8, 0.07), name="join")
    assert_refused(
        ended(net, sign(net, x), 125),
        "Node 'join' (Add) must add numbers whose scales are small whole multiples of one, the same in all channels, "
        "not steps of 0.05 of 'quant_t5' and 0.07 of 'quant_t9' in channel 0: share one quantizer, or one scale, "
        "between them, as xnorflow quantize lets them",
    )


def test_a_branch_that_is_not_quantized() -> None:
    net = Builder((1, 3, 5, 5))
    x = quant(net, norm(net, first(net, pads=[1, 1, 1, 1]), 5), 8, 0.05)
    branch = net.conv(sign(net, x), rng.choice([-1.0, 1.0], (5, 5, 3, 3)), name="branch", pads=[1, 1, 1, 1])
    x = net("Add", x, net("Relu", branch), name="join")
    assert_refused(
        ended(net, sign(net, x), 125),
        "Input of node 'join' must be an affine function of the sums of 'branch', not one that bends: "
        "put a BipolarQuant, or a Quant, before it, as xnorflow quantize does",
    )


def test_thresholds_whose_scale_is_zero() -> None:
    net = Builder((1, 3, 5, 5))
    x = net("MultiThreshold", first(net), [[-5.0, 1.0, 4.0]], name="steps", out_scale=0.0)
    assert_refused(
        ended(net, net.conv(x, SIGNS[1]), 4),
        "Node 'steps' (MultiThreshold) must have a threshold and a scale other than 0, not 3 thresholds and 0",
    )


def test_scales_whose_ratio_is_between_two_powers() -> None:
    """In float32, the logarithm of sqrt(8) is 1.5 or next to it, which is rounded to 1 or to 2."""
    net = Builder((1, 3, 5, 5))
    root = net("Sqrt", np.array(0.125))
    x = net("Trunc", first(net), root, 0.0, 6.0, 1.0, 3.0, name="less", signed=1, rounding_mode="FLOOR")
    assert_refused(
        ended(net, net.conv(x, SIGNS[1]), 4),
        "Scales of node 'less' (Trunc) must be in the ratio of a power of two, not 2**1.5, "
        "which floats round up or down",
    )
