"""Files, options, constants, inputs and outputs that cannot be lowered: one sentence that says why."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from quant.lowering import lower
from tests.quant.lowering.assertions import assert_refused, assert_refused_like
from tests.quant.lowering.oracle import Builder

rng = np.random.default_rng(11)
W0 = rng.choice([-1.0, 1.0], (6, 12))
I64 = np.int64


def start(shape: tuple[Any, ...] = (1, 12), **options: Any) -> tuple[Builder, str]:
    net = Builder(shape, **options)
    return net, net("BipolarQuant", net("Sub", net.input, 0.5), 1.0, name="binarize")


def simple() -> onnx.ModelProto:
    net, x = start()
    return net.model(net.dense(x, W0, name="fc"))


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert_refused(path, f"Model file must exist, not {str(path)!r}")
    assert_refused(tmp_path, f"Model file must exist, not {str(tmp_path)!r}")


@pytest.mark.parametrize("part", [1, 10, 100, 0.5, 0.9, -1])
def test_truncated_file(tmp_path: Path, part: float) -> None:
    path = tmp_path / "model.onnx"
    whole = simple().SerializeToString()
    path.write_bytes(whole[: int(part * len(whole)) if 0 < part < 1 else int(part)])
    assert_refused_like(
        path, re.escape(f"Model file {str(path)!r} must be ") + "(a whole ONNX file, not one with: .+|an ONNX file .+)"
    )


@pytest.mark.parametrize("content", [b"", b"not a model at all\n", b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_other_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert_refused_like(
        path, re.escape(f"Model file {str(path)!r} must be ") + "(a whole ONNX file, not one with: .+|an ONNX file .+)"
    )


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(simple().SerializeToString().replace(b"BipolarQuant", b"Bipolar\xff\xfeant"))
    assert_refused(path, f"Model file {str(path)!r} must be a whole ONNX file, not one with names that are no text")


def test_file_without_its_external_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(simple(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert lower(path).nodes
    (tmp_path / "weights.bin").unlink()
    assert_refused_like(path, re.escape(f"Model file {str(path)!r} must be a whole ONNX file, not one with: ") + ".+")


def test_options() -> None:
    message = "Input kind must be one of auto, uint8/255, uint8, quant, not 'int4'"
    assert_refused(simple(), message, input_kind="int4")
    message = "Outputs must be one of auto, class, positions, scores, both, bits, not 'logits'"
    assert_refused(simple(), message, outputs="logits")
    message = "Weight tolerance must be at least 0 and less than 1, not 1.5"
    assert_refused(simple(), message, weight_tolerance=1.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value: float) -> None:
    weights = W0.copy()
    weights[3, 4] = value
    net, x = start()
    quantized = net("BipolarQuant", weights, 1.0, name="fc.weight_quant")
    model = net.model(net("Gemm", x, quantized, name="fc", transB=1))
    assert_refused_like(model, f"Constant 'const2' of node 'fc.weight_quant' must be finite, not {value}")


def test_attribute_that_is_not_finite() -> None:
    net, x = start()
    x = net("LeakyRelu", net.dense(x, W0), name="leaky", alpha=np.nan)
    assert_refused_like(net.model(x), "alpha of node 'leaky' must be finite, not nan")


def test_damaged_constant() -> None:
    model = simple()
    tensor = next(each for each in model.graph.initializer if each.dims == [6, 12])
    tensor.raw_data = tensor.raw_data[:-4]
    assert_refused_like(model, f"Constant {tensor.name!r} of node '.+' must be a whole tensor, not one with: .+")


def test_constant_of_an_unknown_type() -> None:
    model = simple()
    tensor = next(each for each in model.graph.initializer if each.dims == [6, 12])
    tensor.data_type = 77
    assert_refused_like(model, f"Constant {tensor.name!r} of node '.+' must be of a type of ONNX, not 77")


def test_constant_of_a_negative_size() -> None:
    model = simple()
    tensor = model.graph.initializer[0]
    sizes = [-1, *list(tensor.dims)[1:]]
    del tensor.dims[:]
    tensor.dims.extend(sizes)
    start, end = f"Sizes of constant '{tensor.name}' of node '", f"' must not be negative, not {sizes}"
    assert_refused_like(model, f"{re.escape(start)}.+{re.escape(end)}")


def test_constant_of_text() -> None:
    net, x = start()
    model = net.model(net("Add", net.dense(x, W0), net.constant([1.0]), name="shift"))
    text = helper.make_tensor("const4", TensorProto.STRING, [1], [b"one"])
    model.graph.initializer[4].CopyFrom(text)
    assert_refused_like(model, "Constant 'const4' of node 'shift' must be numbers, not object")


def test_sparse_constant() -> None:
    model = simple()
    values = numpy_helper.from_array(np.ones(1, np.float32), "const2")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, I64)), [72])
    )
    assert_refused_like(model, "Constant 'const2' must be stored dense, not sparse")


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((8, 12), 1, "Batch of input 'image' must be 1 or free, not 8: export one frame"),
        ((1, "features"), 1, "Sizes of input 'image' must all be known but the batch's, not 1xfeatures"),
        ((1, 3, None, 2), 1, "Sizes of input 'image' must all be known but the batch's, not 1x3x?x2"),
        (
            (1, 1, 1, 3, 4),
            1,
            "Input 'image' of the model must be (1, features), (1, channels, length) or (1, channels, height, width), "
            "not 1x1x1x3x4",
        ),
        (
            None,
            1,
            "Input 'image' of the model must be (1, features), (1, channels, length) or (1, channels, height, width), "
            "not no shape",
        ),
        ((1, 12), 7, "Input 'image' of the model must be floats or integers of 8 or 16 bits, not INT64"),
    ],
)
def test_input_of_the_model(shape: tuple[Any, ...], dtype: int, message: str) -> None:
    model = simple()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", dtype, shape))
    assert_refused(model, message)


def test_a_model_that_takes_integers_takes_no_fractions_of_them() -> None:
    model = simple()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, (1, 12)))
    message = "Input kind of a model that takes uint8 must be 'auto' or 'uint8', not 'uint8/255'"
    assert_refused(model, message, input_kind="uint8/255")
    assert lower(model).metadata["input"] == "uint8"


def test_several_inputs() -> None:
    net, x = start()
    model = net.model(net.dense(x, W0))
    model.graph.input.append(helper.make_tensor_value_info("mask", 1, [1, 12]))
    assert_refused_like(
        model, re.escape("Model must have one input, not 2 ('image', 'mask'): export it with one of them")
    )
    del model.graph.input[:]
    assert_refused(model, "Model must have one input, not 0 (none)")


def test_old_opset() -> None:
    net, x = start(opset=8)
    assert_refused_like(net.model(net.dense(x, W0)), "Opset of the model must be at least 9, not 8: export it again")


def test_opset_of_the_future() -> None:
    model = simple()
    model.opset_import[0].version = 999
    newest = onnx.defs.onnx_opset_version()
    assert_refused_like(
        model, re.escape(f"Opset of the model must be at most {newest}, the newest of onnx here, not 999")
    )


def test_quantized_input_that_is_none() -> None:
    message = (
        "Input kind must be 'uint8/255' or 'uint8' for model 'test', whose input has no Quant of several bits, "
        "not 'quant'"
    )
    assert_refused(simple(), message, input_kind="quant")


def test_quantized_input_that_is_too_wide() -> None:
    net = Builder((1, 12))
    x = net("Quant", net.input, 0.1, 0.0, 20.0, name="codes", signed=0, narrow=0, rounding_mode="ROUND")
    model = net.model(net.dense(net("BipolarQuant", net("Sub", x, 0.5), 1.0), W0))
    message = "Codes of the input's node 'codes' must have at most 16 bits, not 0 to 1048575"
    assert_refused(model, message, input_kind="quant")
