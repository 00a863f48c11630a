"""Models that take pixels from 0 to 255 as they are: by an option, by QONNX's annotation, or by neither."""

from typing import Any

import numpy as np
import onnx
import pytest

from dataflow import Integer, MatrixVector, Threshold
from quant.lowering import lower
from tests.quant.lowering.assertions import assert_exact, assert_refused
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(17)
W = rng.choice([-1.0, 1.0], (4, 6))
UINT8, INT4 = Integer(8), Integer(4, signed=True)


def annotated(model: onnx.ModelProto, datatype: str, *, tensor: str = "image") -> onnx.ModelProto:
    """Return the model with QONNX's annotation of a tensor's type."""
    annotation = onnx.TensorAnnotation(tensor_name=tensor)
    annotation.quant_parameter_tensor_names.append(onnx.StringStringEntryProto(key="finn_datatype", value=datatype))
    model.graph.quantization_annotation.append(annotation)
    return model


def compared(*limits: float) -> onnx.ModelProto:
    """Return a model that compares its input with numbers."""
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net.input, np.resize(limits, 6)), 1.0, name="binarize")
    return net.model(net.dense(x, W, name="fc"))


def read_by_a_layer() -> onnx.ModelProto:
    """Return a model whose first layer takes the input's numbers, zero padding among them."""
    net = Builder((1, 2, 4, 4))
    x = net.conv(net.input, rng.choice([-1.0, 1.0], (3, 2, 2, 2)), name="conv", pads=[1, 0, 0, 1])
    x = net("BipolarQuant", net("Add", x, 0.25), 1.0, name="sign")
    return net.model(net.dense(net("Flatten", x), rng.choice([-1.0, 1.0], (3, 48)), name="fc"))


def divided() -> onnx.ModelProto:
    """Return a model that itself divides pixels by 255, and quantizes them to codes."""
    net = Builder((1, 6))
    x = net("Sub", net("Mul", net("Div", net.input, 255.0, name="scale"), 2.0), 1.0)
    return net.model(net.dense(net("BipolarQuant", net("Sub", x, 0.25), 1.0, name="binarize"), W, name="fc"))


def thresholds(model: onnx.ModelProto, **options: Any) -> list[int]:
    node = assert_exact(model, **options).node("binarize")
    assert isinstance(node, Threshold)
    return node.thresholds.tolist()


def test_kind_uint8() -> None:
    assert thresholds(compared(100.5, 64, 255, 256, 0, -3), input_kind="uint8") == [101, 64, 255, 256, 0, 0]
    network = assert_exact(compared(100.5), input_kind="uint8")
    assert network.inputs[0].stream.element == UINT8
    assert network.metadata["input"] == "uint8"


def test_a_layer_on_pixels_of_kind_uint8() -> None:
    network = assert_exact(read_by_a_layer(), input_kind="uint8")
    matrix = network.node("conv")
    assert isinstance(matrix, MatrixVector)
    assert matrix.operand == UINT8
    assert network.frame_shape == (4, 4, 2)


@pytest.mark.parametrize(
    ("datatype", "element"),
    [
        ("UINT8", UINT8),
        ("INT8", Integer(8, signed=True)),
        ("INT4", INT4),
        ("UINT1", Integer(1)),
        ("BINARY", Integer(1)),
        ("UINT16", Integer(16)),
    ],
)
@pytest.mark.parametrize("kind", ["auto", "quant"])
def test_annotation_counts_as_the_type(datatype: str, element: Integer, kind: str) -> None:
    network = assert_exact(annotated(compared(3.0, 0.5, -2.0), datatype), input_kind=kind)
    assert network.inputs[0].stream.element == element
    assert network.metadata["input"] == str(element)


def test_annotation_of_signs() -> None:
    """BIPOLAR is -1 and +1: its frames hold them as integers of two bits."""
    network = assert_exact(annotated(compared(0.5, 0.0, -0.5), "BIPOLAR"))
    assert network.inputs[0].stream.element == Integer(2, signed=True)


@pytest.mark.parametrize("datatype", ["INT4", "UINT8"])
def test_a_layer_on_annotated_integers(datatype: str) -> None:
    matrix = assert_exact(annotated(read_by_a_layer(), datatype)).node("conv")
    assert isinstance(matrix, MatrixVector)
    assert str(matrix.operand) == datatype.lower()


def test_annotation_of_floats_leaves_pixels() -> None:
    network = assert_exact(annotated(compared(0.5), "FLOAT32"))
    assert network.metadata["input"] == "uint8/255"


def test_annotations_of_other_tensors_say_nothing_of_the_input() -> None:
    assert lower(annotated(compared(0.5), "INT2", tensor="t1")).metadata["input"] == "uint8/255"


@pytest.mark.parametrize("datatype", ["INT32", "FIXED<8,4>", "UINT0"])
def test_annotation_that_is_no_small_integer(datatype: str) -> None:
    message = (
        f"Annotation of input 'image' of the model must be an integer of at most 16 bits, not {datatype!r}: "
        "use input kind 'uint8/255' or 'uint8' if it takes pixels"
    )
    assert_refused(annotated(compared(0.5), datatype), message)
    assert lower(annotated(compared(0.5), datatype), input_kind="uint8/255").metadata["input"] == "uint8/255"


@pytest.mark.parametrize("kind", ["uint8", "uint8/255"])
def test_what_is_asked_for_wins_over_the_annotation(kind: str) -> None:
    assert assert_exact(annotated(compared(0.5), "INT4"), input_kind=kind).metadata["input"] == kind


@pytest.mark.parametrize("text", ["pixels 0..255", "0-255, HWC", "from 0 to 255", "UINT8 image"])
def test_text_of_the_input_that_speaks_of_pixels(text: str) -> None:
    model = compared(100.5)
    model.graph.input[0].doc_string = text
    message = (
        "Input kind of the model must be given, since the text of its input 'image' speaks of 8-bit pixels, not left "
        "open: use input kind 'uint8' if it takes pixels from 0 to 255, 'uint8/255' if it takes them divided by 255"
    )
    assert_refused(model, message)
    assert thresholds(model, input_kind="uint8") == [101]
    assert thresholds(annotated(model, "UINT8")) == [101]


@pytest.mark.parametrize("text", ["", "an image", "1 to 2550", "normalized to 0..1"])
def test_other_texts_of_the_input(text: str) -> None:
    model = compared(0.5)
    model.graph.input[0].doc_string = text
    assert lower(model).metadata["input"] == "uint8/255"


def test_a_model_that_divides_by_255_itself_must_be_asked() -> None:
    message = (
        "Input kind of model 'test' must be given, since its node 'scale' (Div) may scale pixels from 0 to 255, not "
        "left open: use input kind 'uint8' if it takes such pixels, 'uint8/255' if it takes them divided by 255"
    )
    assert_refused(divided(), message)
    assert thresholds(divided(), input_kind="uint8") == [160]  # 2 * 160/255 - 1 is the first of at least 1/4
    assert thresholds(divided(), input_kind="uint8/255") == [256]  # of numbers up to 1/255, all are below
    assert thresholds(annotated(divided(), "UINT8")) == [160]


@pytest.mark.parametrize(
    ("kind", "number", "open_"),
    [("Mul", 1 / 255, True), ("Mul", 0.5, False), ("Sub", 128.0, True), ("Div", 0.5, False), ("Add", -127.5, True)],
)
def test_other_first_operators(kind: str, number: float, open_: bool) -> None:
    net = Builder((1, 6))
    x = net("BipolarQuant", net("Sub", net(kind, net.input, number, name="scale"), 0.25), 1.0)
    model = net.model(net.dense(x, W))
    assert assert_exact(model, input_kind="uint8").metadata["input"] == "uint8"
    if open_:
        message = (
            f"Input kind of model 'test' must be given, since its node 'scale' ({kind}) may scale pixels from 0 to "
            "255, not left open: use input kind 'uint8' if it takes such pixels, 'uint8/255' if it takes them divided "
            "by 255"
        )
        assert_refused(model, message)
    else:
        assert assert_exact(model).metadata["input"] == "uint8/255"


def test_codes_of_pixels_of_kind_uint8() -> None:
    """A Quant that gives pixels back is no reason for frames of codes."""
    net = Builder((1, 6))
    x = net("Quant", net.input, 1.0, 0.0, 8.0, name="codes", signed=0, narrow=0, rounding_mode="ROUND")
    network = assert_exact(net.model(net.dense(x, W, name="fc")), input_kind="uint8")
    matrix = network.node("fc")
    assert isinstance(matrix, MatrixVector)
    assert matrix.operand == UINT8
