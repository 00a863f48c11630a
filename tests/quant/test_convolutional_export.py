"""Export of convolutional networks: the graph that the lowering and others read, its names, its bytes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from quant.evaluation import scores_of_network
from quant.export import export
from quant.models import convolutional
from quant.oracle import scores_of_qonnx

pytestmark = pytest.mark.train

CONVOLUTION = ["BipolarQuant", "Conv", "BatchNormalization", "BipolarQuant"]
DENSE = ["BipolarQuant", "Gemm", "BatchNormalization", "BipolarQuant"]
SCORES = ["BipolarQuant", "Gemm", "Sub", "Div", "Mul", "Add"]
NAMES = [
    *("pixels.mul", "pixels.sub", "quantize"),
    *("conv0.weight_quant", "conv0", "norm0", "sign0"),
    *("conv1.weight_quant", "conv1", "norm1", "sign1", "pool0", "flatten"),
    *("fc0.weight_quant", "fc0", "norm2", "sign2"),
    *("fc1.weight_quant", "fc1", "scores.sub", "scores.div", "scores.mul", "scores.add"),
]
SHAPE = (3, 8, 10)


def network(*, padding: int = 0, input_bits: int = 8) -> nn.Sequential:
    """Return a small network with normalizations like those of a trained one."""
    torch.manual_seed(0)
    layers = convolutional(SHAPE, (6, 5, "P"), (31,), 4, padding=padding, input_bits=input_bits)
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(4, 20)
                layer.weight.normal_()
                layer.bias.normal_()
        layers.scores.running_mean.fill_(0.3)
        layers.scores.running_var.fill_(7.0)
    return layers


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("convolutional") / "model.onnx"
    export(network(), SHAPE, path)
    return path


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


@pytest.mark.slow
def test_cnv_has_the_operators_of_brevitas_own(tmp_path: Path) -> None:
    layers = convolutional((3, 32, 32), (64, 64, "P", 128, 128, "P", 256, 256), (512, 512), 10)
    export(layers, (3, 32, 32), tmp_path / "cnv.onnx")
    graph = onnx.load(tmp_path / "cnv.onnx").graph
    pooled = [*CONVOLUTION, *CONVOLUTION, "MaxPool"]
    front = ["Mul", "Sub", "Quant", *pooled, *pooled, *CONVOLUTION, *CONVOLUTION, "Reshape"]
    assert [node.op_type for node in graph.node] == [*front, *DENSE, *DENSE, *SCORES]


def test_nodes_are_called_as_their_modules(exported: Path) -> None:
    assert [node.name for node in onnx.load(exported).graph.node] == NAMES


def test_each_constant_has_one_reader_that_names_it(exported: Path) -> None:
    graph = onnx.load(exported).graph
    constants = [tensor.name for tensor in graph.initializer]
    readers = [(name, node.name) for node in graph.node for name in node.input if name in constants]
    assert sorted(name for name, _ in readers) == sorted(constants)
    assert all(name.startswith(f"{node}.") for name, node in readers)


def test_the_input_is_8_bit_fixed_point(exported: Path) -> None:
    graph = onnx.load(exported).graph
    (node,) = (node for node in graph.node if node.op_type == "Quant")
    assert attributes(node) == {"signed": 1, "narrow": 0, "rounding_mode": b"ROUND"}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = [constants[f"quantize.{name}"].ravel().tolist() for name in ("scale", "zeropt", "bitwidth")]
    assert found == [[2.0**-7], [0.0], [8.0]]


@pytest.mark.parametrize("padding", [0, 1])
def test_padding_and_pools_stand_in_the_file(padding: int, tmp_path: Path) -> None:
    export(network(padding=padding), SHAPE, tmp_path / "model.onnx")
    nodes = {node.name: node for node in onnx.load(tmp_path / "model.onnx").graph.node}
    for name in ("conv0", "conv1"):
        entries = attributes(nodes[name])
        assert (entries["pads"], entries["strides"], entries["dilations"]) == ([padding] * 4, [1, 1], [1, 1])
        assert entries["group"] == 1
    entries = attributes(nodes["pool0"])
    assert (entries["kernel_shape"], entries["strides"], entries["ceil_mode"]) == ([2, 2], [2, 2], 0)
    assert entries["pads"] == [0] * 4


def test_weights_are_the_modules(exported: Path) -> None:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(exported).graph.initializer}
    signs = np.where(network().conv1.weight.detach() >= 0, 1, -1)
    np.testing.assert_array_equal(constants["conv1.weight_quant.x"], signs)


def test_the_bytes_are_a_function_of_the_network(exported: Path, tmp_path: Path) -> None:
    layers = network()
    before = {name: tensor.clone() for name, tensor in layers.state_dict().items()}
    export(layers.train(), SHAPE, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()
    assert layers.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in layers.state_dict().items())


@pytest.mark.parametrize(
    ("padding", "input_bits"),
    [pytest.param(0, 8, marks=pytest.mark.slow), (1, 8), (0, 1), pytest.param(1, 1, marks=pytest.mark.slow)],
)
def test_both_oracles_agree(padding: int, input_bits: int, tmp_path: Path) -> None:
    layers = network(padding=padding, input_bits=input_bits)
    export(layers, SHAPE, tmp_path / "model.onnx")
    frames = np.random.default_rng(0).integers(0, 256, (13, 8, 10, 3), np.uint8)
    ours = scores_of_network(layers, frames, batch=5)
    theirs = scores_of_qonnx(tmp_path / "model.onnx", frames, batch=5)
    assert len(np.unique(ours)) > 4
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
