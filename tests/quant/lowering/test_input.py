"""Integers at the input: codes of the model's own Quant, and models that take integers."""

from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import Integer, Network, SlidingWindow, Threshold
from hwsim.reference import evaluate
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_refused
from tests.quant.lowering.oracle import Builder, Oracle, fractions

W = np.random.default_rng(5).choice([-1.0, 1.0], (4, 6))


def quant(net: Builder, x: str, *numbers: Any, **attributes: Any) -> str:
    return net("Quant", x, *numbers, name="codes", rounding_mode="ROUND", **attributes)


def assert_codes(model: onnx.ModelProto, network: Network, inputs: np.ndarray, codes: np.ndarray) -> None:
    """Compare the scores that codes give with those that the model gives for the inputs that they stand for."""
    scores = evaluate(network, codes)["fc -> scores"]
    assert network.scores is not None
    expected = np.array([Oracle(model, row).output.astype(float) for row in fractions(inputs)])
    np.testing.assert_allclose(network.scores.scale * scores + network.scores.bias, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("numbers", "attributes", "element"),
    [
        ((0.1, 0.0, 8.0), {"signed": 1, "narrow": 0}, Integer(8, signed=True)),
        ((0.1, 0.0, 8.0), {"signed": 1, "narrow": 1}, Integer(8, signed=True)),
        ((0.25, 3.0, 4.0), {"signed": 0, "narrow": 0}, Integer(4)),
        ((-0.5, 0.0, 3.0), {"signed": 1, "narrow": 0}, Integer(3, signed=True)),
        (([0.1, 0.2, 0.3, 0.1, -0.2, 1.0], 0.0, 5.0), {"signed": 1, "narrow": 1}, Integer(5, signed=True)),
    ],
)
@pytest.mark.parametrize("shift", [0.0, -0.3, [0.5, 0.1, -0.3, 100.0, -100.0, 0.0]])
def test_codes_of_the_models_own_quantizer(
    numbers: tuple[Any, ...], attributes: dict[str, int], element: Integer, shift: Any
) -> None:
    net = Builder((1, 6))
    x = net("Add", quant(net, net("Sub", net.input, 1.0), *numbers, **attributes), shift)
    model = net.model(net.dense(net("BipolarQuant", x, 1.0, name="binarize"), W, name="fc"))
    network = lower(model, input_kind="quant", outputs="scores")
    assert network.inputs[0].stream.element == element
    assert network.metadata["input"] == "quant"
    low = element.minimum + (attributes["signed"] and attributes["narrow"])
    codes = np.random.default_rng(0).integers(low, element.maximum + 1, (40, 6))
    codes[0], codes[1] = low, element.maximum
    scale = np.float32(numbers[0]).astype(float)
    assert_codes(model, network, (codes - numbers[1]) * scale + 1.0, codes)


@pytest.mark.parametrize(
    ("dtype", "element"),
    [
        (onnx.TensorProto.UINT8, Integer(8)),
        (onnx.TensorProto.INT8, Integer(8, signed=True)),
        (onnx.TensorProto.UINT16, Integer(16)),
        (onnx.TensorProto.INT16, Integer(16, signed=True)),
    ],
)
def test_models_that_take_integers(dtype: int, element: Integer) -> None:
    net = Builder((1, 6), dtype=dtype)
    x = net("Sub", net("Cast", net.input, to=onnx.TensorProto.FLOAT), [1.5, 2.0, 100.0, 0.0, -7.0, 1e9])
    model = net.model(net.dense(net("BipolarQuant", x, 1.0, name="binarize"), W, name="fc"))
    network = lower(model, input_kind="quant", outputs="scores")
    assert network.inputs[0].stream.element == element
    codes = np.random.default_rng(0).integers(element.minimum, element.maximum + 1, (20, 6))
    codes[0], codes[1] = element.minimum, element.maximum
    assert_codes(model, network, codes, codes)
    node = network.node("binarize")
    assert isinstance(node, Threshold)
    low = element.minimum
    expected = [2, 2, 100, 0 if low else low, max(-7, low), element.maximum + 1]
    assert node.thresholds.tolist() == expected


def test_a_quantizer_between_pixels_and_bits_is_one_more_operator() -> None:
    """With pixels at the input, the model's Quant of eight bits is evaluated like any other operator."""
    net = Builder((1, 6))
    x = quant(net, net.input, 1 / 16, 0.0, 4.0, signed=0, narrow=0)
    model = net.model(net.dense(net("BipolarQuant", net("Sub", x, 0.5), 1.0, name="binarize"), W, name="fc"))
    node = lower(model).node("binarize")
    assert isinstance(node, Threshold)
    # 7.5/16 is a tie and rounds to the even 8; 120/255 is the first pixel above it.
    assert node.thresholds.tolist() == [120]
    node = lower(model, input_kind="quant").node("binarize")
    assert isinstance(node, Threshold)
    assert (node.element, node.thresholds.tolist()) == (Integer(4), [8])


def test_pixels_are_divided_exactly() -> None:
    """51/255 = 1/5 lies below the float32 next to 0.2, so its bit is 0; in float32 both are the same number."""
    assert np.float32(51) / np.float32(255) == np.float32(0.2)
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, 0.2), 1.0, name="binarize")
    node = lower(net.model(net.dense(x, W))).node("binarize")
    assert isinstance(node, Threshold)
    assert node.thresholds.tolist() == [52]


def nine_bits(net: Builder) -> str:
    """Return codes that are the pixels, of a Quant that has negative ones as well."""
    return quant(net, net("Mul", net.input, 255 / 256), 1 / 256, 0.0, 9.0, signed=1, narrow=0)


@pytest.mark.parametrize(("outside", "kind"), [(3 / 256, "uint8/255"), (-3 / 256, "quant")])
def test_codes_are_taken_where_no_pixel_stands_for_the_padding(outside: float, kind: str) -> None:
    net = Builder((1, 1, 2, 2))
    x = net.conv(net.pad(nine_bits(net), (1, 0, 0, 0), outside), np.ones((3, 1, 2, 2)), name="conv")
    model = net.model(net.dense(net("Flatten", net("BipolarQuant", net("Sub", x, 0.5), 1.0)), np.ones((2, 6))))
    network = lower(model)
    assert network.metadata["input"] == kind
    window = network.node("conv_window")
    assert isinstance(window, SlidingWindow)
    assert window.pad == round(outside * 256)
    if kind == "quant":
        assert network.metadata["codes_of_pixels"] == " ".join(map(str, range(256)))


def test_padding_that_no_pixel_stands_for_is_refused_where_there_are_no_codes() -> None:
    net = Builder((1, 1, 2, 2))
    x = net.conv(net("Sub", net.input, 0.3), np.ones((3, 1, 2, 2)), name="conv", pads=[1, 0, 0, 0])
    model = net.model(net.dense(net("Flatten", net("BipolarQuant", x, 1.0)), np.ones((2, 6))))
    message = (
        "Padding of node 'conv' must be a number that a point of the pixels of 'image' stands for in all channels, "
        "not 0: pad with such a number, or leave the padding out"
    )
    assert_refused(model, message)
