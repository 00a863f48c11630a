"""Models in the form QDQ (ONNX Runtime and others) and QCDQ (Brevitas): ONNX's own quantizers instead of QONNX's."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from dataflow import InputError
from hwsim import predict
from quant.lowering import lower
from quant.oracle import scores_of_qonnx
from tests.quant.lowering.assertions import assert_refused, assert_refused_like
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(4)
W0, W1 = rng.integers(-3, 4, (4, 2, 2, 2)), rng.integers(-8, 8, (3, 4))
SCALE, COLUMN = 0.0625, np.array([0.5, 0.25, 0.5, 1.0])[:, None, None, None]


def quant(net: Builder, x: str, zero: int, bits: int, *, signed: int, narrow: int) -> str:
    return net("Quant", x, SCALE, float(zero), float(bits), signed=signed, narrow=narrow, rounding_mode="ROUND")


def codes(net: Builder, x: str, zero: Any, dtype: type, *, scale: Any = SCALE, **attributes: Any) -> str:
    return net("QuantizeLinear", x, scale, net.constant(zero, dtype), **attributes)


def back(net: Builder, x: str, zero: Any, dtype: type, *, scale: Any = SCALE, **attributes: Any) -> str:
    return net("DequantizeLinear", x, scale, net.constant(zero, dtype), **attributes)


def linear(zero: int, dtype: type, *bounds: int) -> Callable[[Builder, str], str]:
    """Return a quantizer whose codes are clipped to bounds, if there are any."""

    def build(net: Builder, x: str) -> str:
        x = codes(net, x, zero, dtype)
        x = net("Clip", x, *(net.constant(bound, dtype) for bound in bounds)) if bounds else x
        return back(net, x, zero, dtype)

    return build


def network_of(activation: Callable[[Builder, str], str], weights: Callable[[Builder], str] | None = None) -> Any:
    net = Builder((1, 2, 3, 3), opset=21)
    x = net("Quant", net.input, 1 / 256, 0.0, 8.0, signed=0, narrow=0, rounding_mode="ROUND", name="input")
    x = net("Conv", x, weights(net) if weights else net.constant(W0 * COLUMN), name="conv")
    x = net("GlobalMaxPool", activation(net, x))
    return net.model(net("Gemm", net("Flatten", x), net.constant(W1), transB=1, name="fc"))


def assert_same(model: onnx.ModelProto, expected: onnx.ModelProto) -> None:
    pair = [lower(each) for each in (model, expected)]
    assert len(pair[0].nodes) == len(pair[1].nodes)
    for a, b in zip(*(network.nodes for network in pair), strict=True):
        assert a.kind == b.kind
        for field in a.array_fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (linear(0, np.int8), {"zero": 0, "bits": 8, "signed": 1, "narrow": 0}),
        (linear(-128, np.int8), {"zero": -128, "bits": 8, "signed": 1, "narrow": 0}),
        (linear(4, np.uint8), {"zero": 4, "bits": 8, "signed": 0, "narrow": 0}),
        (linear(0, np.uint16), {"zero": 0, "bits": 16, "signed": 0, "narrow": 0}),
        (linear(0, np.int8, -127, 127), {"zero": 0, "bits": 8, "signed": 1, "narrow": 1}),
        (linear(0, np.int8, -2, 1), {"zero": 0, "bits": 2, "signed": 1, "narrow": 0}),
        (linear(0, np.int8, -1, 1), {"zero": 0, "bits": 2, "signed": 1, "narrow": 1}),
        (linear(2, np.uint8, 0, 3), {"zero": 2, "bits": 2, "signed": 0, "narrow": 0}),
        (linear(0, np.int8, 0, 3), {"zero": 0, "bits": 2, "signed": 0, "narrow": 0}),
        (linear(0, np.uint8, 0, 1), {"zero": 0, "bits": 1, "signed": 0, "narrow": 0}),
        (lambda net, x: net("DequantizeLinear", net("QuantizeLinear", x, SCALE), SCALE),
         {"zero": 0, "bits": 8, "signed": 0, "narrow": 0}),
        (lambda net, x: net("DequantizeLinear", net("QuantizeLinear", x, SCALE, output_dtype=TensorProto.INT8), SCALE),
         {"zero": 0, "bits": 8, "signed": 1, "narrow": 0}),
    ],
)  # fmt: skip
def test_quantizers_of_codes_that_are_clipped(form: Callable[[Builder, str], str], expected: dict[str, int]) -> None:
    assert_same(network_of(form), network_of(lambda net, x: quant(net, x, **expected)))  # type: ignore[arg-type]


def test_scales_by_channel() -> None:
    scales, zeros = np.array([0.5, 0.25, 0.0625, 1.0]), np.array([0, 2, -4, 8])
    column = (1, 4, 1, 1)

    def form(net: Builder, x: str, axis: int) -> str:
        return back(
            net, codes(net, x, zeros, np.int8, scale=scales, axis=axis), zeros, np.int8, scale=scales, axis=axis
        )

    def expected(net: Builder, x: str) -> str:
        numbers = scales.reshape(column), zeros.reshape(column).astype(float), 8.0
        return net("Quant", x, *numbers, signed=1, narrow=0, rounding_mode="ROUND")

    for axis in (1, -3):
        assert_same(network_of(partial(form, axis=axis)), network_of(expected))


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_ties_are_rounded_before_the_zero_point_is_added(tmp_path: Path, zero: int) -> None:
    """To even, of the quotient; QONNX's Quant rounds the sum with the zero point."""
    net = Builder((1, 1, 2, 2), opset=21)
    x = net("Mul", net.input, 255.0 / 2)  # every second pixel is a tie
    x = back(net, codes(net, x, zero, np.uint8, scale=1.0), zero, np.uint8, scale=1.0)
    onnx.save(net.model(net("Gemm", net("Flatten", x), np.eye(4), transB=1)), tmp_path / "ties.onnx")
    images = np.arange(256, dtype=np.uint8).reshape(64, 2, 2, 1)
    network = lower(tmp_path / "ties.onnx", outputs="scores", input_kind="uint8/255")
    expected = np.minimum(np.rint(np.arange(256) / 2), 255 - zero).reshape(64, 4)
    np.testing.assert_array_equal(predict(network, images).scores, expected)


def test_stored_codes() -> None:
    column = COLUMN.ravel()
    model = network_of(
        linear(0, np.int8),
        lambda net: back(net, net.constant(W0 + 5, np.int8), np.full(4, 5), np.int8, scale=column, axis=0),
    )
    assert_same(model, network_of(linear(0, np.int8)))


def bias_model(bias: Callable[[Builder], str], weight_scale: float = 1.0) -> onnx.ModelProto:
    """Return a model whose single output is the sum of four signs, times a scale, and a bias."""
    net = Builder((1, 4), opset=21)
    x = net("BipolarQuant", net("Sub", net.input, 0.5), 1.0)
    return net.model(net("Gemm", x, np.full((1, 4), weight_scale), bias(net), transB=1, name="fc"))


@pytest.mark.parametrize("code", [(1 << 24) + 1, -(1 << 24) - 3, (1 << 31) - 1])
def test_codes_of_biases_that_float32_does_not_have(code: int) -> None:
    """ONNX Runtime stores biases as int32; that of a float32 would be another number."""
    stored = bias_model(lambda net: net("DequantizeLinear", net.constant([code], np.int32), 2.0**-20))
    network = lower(stored, outputs="scores")
    assert network.scores.bias.tolist() == [code * 2.0**-20]


def test_scales_of_double_precision() -> None:
    stored = bias_model(lambda net: net("DequantizeLinear", net.constant([3], np.int8), net.constant(0.1, np.float64)))
    assert lower(stored, outputs="scores").scores.bias.tolist() == [float(3 * Fraction(0.1))]
    net, scale = Builder((1, 2), opset=21), 1 + 2.0**-30
    x = net("Mul", net.input, net.constant(255 * scale / 2, np.float64))  # every second pixel is a tie
    step = net.constant(scale, np.float64)
    x = back(net, codes(net, x, 0, np.uint8, scale=step), 0, np.uint8, scale=step)
    network = lower(net.model(net("Gemm", x, np.eye(2), transB=1)), outputs="scores", input_kind="uint8/255")
    frames = np.arange(256, dtype=np.uint8).reshape(128, 2)
    np.testing.assert_array_equal(predict(network, frames).scores, np.rint(frames / 2) * scale)


def test_codes_of_several_readers() -> None:
    def form(net: Builder, x: str) -> str:
        made = codes(net, x, 0, np.int8)
        return net("Add", back(net, made, 0, np.int8), back(net, made, 0, np.int8))

    def expected(net: Builder, x: str) -> str:
        made = quant(net, x, 0, 8, signed=1, narrow=0)
        return net("Add", made, made)

    assert_same(network_of(form), network_of(expected))


def test_names_that_are_taken() -> None:
    """ONNX Runtime calls a scale by the tensor that it is the scale of."""
    model = network_of(linear(0, np.int8))
    made = next(node for node in model.graph.node if node.op_type == "DequantizeLinear")
    old, new = made.input[1], f"{made.output[0]}_scale"
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
    for tensor in model.graph.initializer:
        tensor.name = new if tensor.name == old else tensor.name
    assert_same(model, network_of(linear(0, np.int8)))


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (lambda net, x: net("Cast", codes(net, x, 0, np.int8), to=TensorProto.FLOAT),
         "must be read by a DequantizeLinear of the same scale and zero point only, not by Cast: export the model in "
         "the form QDQ or QCDQ"),
        (lambda net, x: back(net, codes(net, x, 0, np.int8), 0, np.int8, scale=0.5),
         "must be read by a DequantizeLinear of the same scale and zero point only, not by another.*"),
        (lambda net, x: back(net, codes(net, x, 0, np.int32), 0, np.int32),
         "must be integers of 4, 8 or 16 bits, not int32"),
        (linear(0, np.int8, -3, 5), "must be all those of a number of bits, not those from -3 to 5"),
        (linear(0, np.int8, -1, 0), "must be all those of a number of bits, not those from -1 to 0"),
        (lambda net, x: back(net, codes(net, x, 0, np.int8, block_size=2), 0, np.int8),
         "must be one for all numbers, or one for each channel, not of blocks"),
        (lambda net, x: back(net, codes(net, x, [0] * 3, np.int8, scale=[1, 2, 3]), [0] * 3, np.int8, scale=[1, 2, 3]),
         "must have a number for each channel along axis 1, not 3"),
    ],
)  # fmt: skip
def test_refusals(form: Callable[[Builder, str], str], sentence: str) -> None:
    assert_refused_like(network_of(form), ".*" + sentence.replace("(", r"\(").replace(")", r"\)") + "$")


def test_damaged_constants_are_one_sentence() -> None:
    for index in range(6):
        model = network_of(linear(0, np.int8, -2, 1))
        tensors = [each for each in model.graph.initializer if each.raw_data]
        tensors[-index - 1].raw_data += b"1"
        assert_refused_like(model, r"Constant 'const\d+' .*must be a whole tensor, not one with: .*")


@pytest.mark.parametrize("kind", ["QuantizeLinear", "DequantizeLinear"])
def test_nodes_without_their_operands_are_one_sentence(kind: str) -> None:
    for count in (0, 1):
        model = network_of(linear(0, np.int8))
        node = next(each for each in model.graph.node if each.op_type == kind)
        del node.input[count:]
        with pytest.raises(InputError, match=rf"Node .* \({kind}\) must have 2 to 3 operands, not {count}|read by"):
            lower(model)
    model = network_of(linear(0, np.int8))
    del next(each for each in model.graph.node if each.op_type == kind).output[:]
    with pytest.raises(InputError):
        lower(model)


def test_operators_on_codes_name_the_form() -> None:
    net = Builder((1, 4), dtype=TensorProto.UINT8)
    x = net("MatMulInteger", net.input, net.constant(np.ones((4, 2)), np.int8), name="fc")
    assert_refused(
        net.model(x),
        "Operator of node 'fc' must be one that lowering supports, not MatMulInteger: export the model in the form "
        "QDQ or QCDQ, with QuantizeLinear and DequantizeLinear around operators on floats",
    )


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
def test_models_that_onnx_runtime_quantizes(tmp_path: Path, kind: str, per_channel: bool) -> None:
    """8 bits everywhere, with scores of 8 bits; compared in float64 with onnx's evaluator."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    net = Builder((1, 3, 8, 8), opset=17)
    x = net("Relu", net("Conv", net.input, rng.normal(size=(6, 3, 3, 3)), rng.normal(size=6), name="conv0"))
    x = net("Conv", net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), rng.normal(size=(5, 6, 3, 3)), name="conv1")
    x = net("Gemm", net("Flatten", net("Relu", x)), rng.normal(size=(4, 5)), rng.normal(size=4), transB=1, name="fc")
    model = net.model(x)
    model.ir_version = 10  # ONNX Runtime does not read the newest
    onnx.save(model, tmp_path / "float.onnx")
    images = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            self.images: Iterator[np.ndarray] = iter(images.transpose(0, 3, 1, 2)[:, None])

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.images, None)
            return None if image is None else {net.input: (image / 255).astype(np.float32)}

    quantization.quantize_static(
        tmp_path / "float.onnx", tmp_path / "q.onnx", Reader(), quant_format=quantization.QuantFormat.QDQ,
        per_channel=per_channel, activation_type=quantization.QuantType[kind],
        weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    network = lower(tmp_path / "q.onnx", outputs="both")
    expected = scores_of_qonnx(tmp_path / "q.onnx", images)
    found = predict(network, images)
    assert found.scores is not None
    np.testing.assert_allclose(found.scores, expected, rtol=1e-9, atol=1e-9)
    assert len(np.unique(expected)) > 10


@pytest.mark.train
def test_brevitas_writes_the_same_network_in_both_forms(tmp_path: Path) -> None:
    import brevitas.nn as qnn
    import torch
    from brevitas.export import export_onnx_qcdq, export_qonnx
    from brevitas.quant import Int8WeightPerChannelFloat
    from torch import nn

    torch.manual_seed(3)
    network = nn.Sequential(
        qnn.QuantIdentity(bit_width=8, return_quant_tensor=True),
        qnn.QuantConv2d(3, 8, 3, bias=False, weight_bit_width=4, weight_quant=Int8WeightPerChannelFloat),
        nn.BatchNorm2d(8),
        qnn.QuantReLU(bit_width=2, return_quant_tensor=True),
        qnn.QuantConv2d(8, 8, 3, bias=False, weight_bit_width=2),
        qnn.QuantHardTanh(bit_width=3, min_val=-1.0, max_val=1.0),
        nn.Flatten(),
        qnn.QuantLinear(128, 10, bias=True, weight_bit_width=2),
    )
    for _ in range(3):
        network(torch.rand(8, 3, 8, 8))
    network.eval()
    frame = torch.rand(1, 3, 8, 8)
    options = {"dynamo": False, "opset_version": 13}
    export_onnx_qcdq(network, frame, str(tmp_path / "qcdq.onnx"), **options)
    export_qonnx(network, frame, str(tmp_path / "qonnx.onnx"), **options)
    kinds = {node.op_type for node in onnx.load(tmp_path / "qcdq.onnx").graph.node}
    assert {"QuantizeLinear", "Clip", "DequantizeLinear"} <= kinds
    assert_same(onnx.load(tmp_path / "qcdq.onnx"), onnx.load(tmp_path / "qonnx.onnx"))
