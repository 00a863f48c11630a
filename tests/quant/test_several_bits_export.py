"""Export of networks of several bits: quantizers with their constants, and exact evaluation against Brevitas."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from quant.export import export
from quant.models import convolutional, dense
from tests.quant.exported import assert_equal_to_export, with_statistics

pytestmark = pytest.mark.train

SHAPE = (3, 8, 10)


@pytest.mark.parametrize(("weight_bits", "input_bits"), [(1, 2), pytest.param(2, 1, marks=pytest.mark.slow), (2, 8)])
def test_dense_networks_are_equal_to_brevitas(weight_bits: int, input_bits: int, tmp_path: Path) -> None:
    shape = (1, 6, 5)
    bits = {"weight_bits": weight_bits, "activation_bits": 2, "input_bits": input_bits}
    torch.manual_seed(0)
    network = with_statistics(dense(shape, (12, 9), 4, **bits), shape)
    seen = assert_equal_to_export(network, shape, ("quantize0", "quantize1", "fc2"), tmp_path)
    assert all(np.unique(seen[name]).tolist() == [-1.0, 0.0, 1.0] for name in ("quantize0", "quantize1"))


@pytest.mark.parametrize(("weight_bits", "padding"), [pytest.param(1, 0, marks=pytest.mark.slow), (2, 1)])
def test_convolutional_networks_are_equal_to_brevitas(weight_bits: int, padding: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = convolutional(SHAPE, (6, "P", 5), (7,), 4, padding=padding, weight_bits=weight_bits, activation_bits=2)
    network = with_statistics(layers, SHAPE)
    seen = assert_equal_to_export(
        network, SHAPE, ("quantize", "quantize0", "pool0", "quantize1", "quantize2", "fc1"), tmp_path
    )
    assert all(np.unique(seen[f"quantize{index}"]).tolist() == [-1.0, 0.0, 1.0] for index in range(3))


def test_quantizers_of_2_bits_are_narrow_with_a_scale_of_1(tmp_path: Path) -> None:
    layers = convolutional(SHAPE, (6, "P"), (), 4, weight_bits=2, activation_bits=2)
    export(layers, SHAPE, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    quantizers = {node.name: node for node in graph.node if node.op_type == "Quant"}
    assert list(quantizers) == ["quantize", "conv0.weight_quant", "quantize0", "fc0.weight_quant"]
    for name in list(quantizers)[1:]:
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in quantizers[name].attribute}
        assert attributes == {"signed": 1, "narrow": 1, "rounding_mode": b"ROUND"}
        found = [constants[f"{name}.{key}"].ravel().tolist() for key in ("scale", "zeropt", "bitwidth")]
        assert found == [[1.0], [0.0], [2.0]]
