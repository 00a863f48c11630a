"""Export: the graph that the lowering and others read, its names, its bytes."""

import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from dataflow import InputError
from quant.binarizers import binary_activation
from quant.evaluation import scores_of_network
from quant.export import export
from quant.lowering import lower
from quant.methods import deployed
from quant.models import dense
from quant.oracle import BipolarQuant, scores_of_qonnx

pytestmark = pytest.mark.train

LAYER = ["BipolarQuant", "Gemm", "BatchNormalization", "BipolarQuant"]
INPUT = ["Reshape", "Mul", "Sub", "BipolarQuant"]
SCORES = ["BipolarQuant", "Gemm", "Sub", "Div", "Mul", "Add"]
NAMES = [
    *("pixels.reshape", "pixels.mul", "pixels.sub", "binarize"),
    *("fc0.weight_quant", "fc0", "norm0", "sign0"),
    *("fc1.weight_quant", "fc1", "norm1", "sign1"),
    *("fc2.weight_quant", "fc2", "scores.sub", "scores.div", "scores.mul", "scores.add"),
]


def network(*, seed: int = 0) -> nn.Sequential:
    """Return a small network with normalizations like those of a trained one."""
    torch.manual_seed(seed)
    layers = dense((1, 6, 5), (12, 8), 4)
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.BatchNorm1d):
                layer.running_mean.normal_(0, 3)
                layer.running_var.uniform_(4, 20)
                layer.weight.normal_()
                layer.bias.normal_()
        layers.scores.running_mean.fill_(0.3)
        layers.scores.running_var.fill_(7.0)
        layers.scores.bias.fill_(-0.25)
    return layers


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(network(), (1, 6, 5), path)
    return path


def test_the_graph_has_the_operators_of_a_dense_binary_network(exported: Path) -> None:
    graph = onnx.load(exported).graph
    assert [node.op_type for node in graph.node] == INPUT + LAYER + LAYER + SCORES
    assert [value.name for value in graph.input] == ["input"]
    assert [value.name for value in graph.output] == ["output"]


def test_nodes_are_called_as_their_modules(exported: Path) -> None:
    assert [node.name for node in onnx.load(exported).graph.node] == NAMES


def test_each_constant_has_one_reader_that_names_it(exported: Path) -> None:
    graph = onnx.load(exported).graph
    constants = [tensor.name for tensor in graph.initializer]
    readers = [(name, node.name) for node in graph.node for name in node.input if name in constants]
    assert sorted(name for name, _ in readers) == sorted(constants)
    assert all(name.startswith(f"{node}.") for name, node in readers)


def test_weights_and_scales_are_the_modules(exported: Path) -> None:
    layers = network()
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(exported).graph.initializer}
    np.testing.assert_array_equal(constants["fc1.weight_quant.x"], np.where(layers.fc1.weight.detach() >= 0, 1, -1))
    np.testing.assert_array_equal(constants["norm0.input_mean"], layers.norm0.running_mean.numpy())
    scales = [value for name, value in constants.items() if name.endswith("scale") and not name.startswith("norm")]
    assert [value.tolist() for value in scales] == [[1.0]] * 6


def test_the_file_tells_nothing_of_the_machine(exported: Path) -> None:
    raw = exported.read_bytes()
    assert b"/" not in raw.split(b"fc0.weight_quant.x")[0]
    assert str(Path(__file__).parents[2]).encode() not in raw
    assert b"stack_trace" not in raw
    assert list(exported.parent.iterdir()) == [exported]


def test_the_bytes_are_a_function_of_the_network(exported: Path, tmp_path: Path) -> None:
    layers = network()
    before = {name: tensor.clone() for name, tensor in layers.state_dict().items()}
    export(layers.train(), (1, 6, 5), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()
    assert layers.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in layers.state_dict().items())


def test_both_oracles_agree(exported: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (23, 6, 5, 1), np.uint8)
    ours, theirs = scores_of_network(network(), frames, batch=10), scores_of_qonnx(exported, frames, batch=10)
    assert ours.shape == (23, 4)
    assert len(np.unique(ours)) > 4
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


class ShuffleAndGate(nn.Module):
    """Exchanges two halves of the channels one by one, and multiplies twice."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        halves = torch.reshape(rows, (rows.shape[0], 2, -1))
        mixed = torch.reshape(torch.transpose(halves, 1, 2), (rows.shape[0], -1))
        return mixed * torch.tanh(mixed * 0.5)


class SharedSign(nn.Module):
    """Uses one module twice."""

    def __init__(self) -> None:
        super().__init__()
        self.sign = binary_activation()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.sign(rows - 0.25), self.sign(rows - 0.0625)), 1)


def test_several_equal_operators_of_a_module_are_numbered(tmp_path: Path) -> None:
    layers = nn.Sequential(OrderedDict(gate=ShuffleAndGate(), both=SharedSign()))
    export(layers, (6,), tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [node.name for node in graph.node] == [
        *("gate.reshape0", "gate.transpose", "gate.reshape1", "gate.mul0", "gate.tanh", "gate.mul1"),
        *("both.sub0", "both.sign.bipolarquant0", "both.sub1", "both.sign.bipolarquant1", "both.concat"),
    ]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert constants["gate.reshape0.shape"].tolist() == [1, 2, -1]
    assert constants["gate.reshape1.shape"].tolist() == [1, 6]
    frames = np.random.default_rng(0).integers(0, 256, (9, 1, 1, 6), np.uint8)
    with torch.no_grad():
        ours = torch.cat([layers(torch.from_numpy(row).reshape(1, 6).float() / 255) for row in frames])
    evaluator = ReferenceEvaluator(onnx.load(tmp_path / "model.onnx"), new_ops=[BipolarQuant])
    theirs = [evaluator.run(None, {"input": row.reshape(1, 6) / np.float32(255)})[0] for row in frames]
    np.testing.assert_array_equal(ours.numpy(), np.concatenate(theirs))
    assert len(ours.unique(dim=0)) > 4


class Twice(nn.Module):
    """Adds two times, with a module between that has the name of the first addition."""

    def __init__(self) -> None:
        super().__init__()
        self.add0 = nn.Sigmoid()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.add0(inputs + 1.0) + 2.0


def test_names_that_would_not_be_unique_are_refused(tmp_path: Path) -> None:
    rule = r"^Modules must be called so that no two nodes get the name 'twice\.add0', not 2$"
    with pytest.raises(ValueError, match=rule):
        export(nn.Sequential(OrderedDict(twice=Twice())), (2,), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_path_is_a_text_as_well(tmp_path: Path) -> None:
    export(network(), (1, 6, 5), str(tmp_path / "net.onnx"))
    export(network(), (1, 6, 5), tmp_path / "other.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()
    rule = rf"^Model file '{tmp_path}/none/net\.onnx' must be writable, not: No such file or directory$"
    with pytest.raises(InputError, match=rule):
        export(network(), (1, 6, 5), str(tmp_path / "none" / "net.onnx"))


def test_brevitas_own_export_gives_the_same_names(tmp_path: Path) -> None:
    export(network(), (1, 6, 5), tmp_path / "ours.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_qonnx(deployed(network()), args=torch.zeros(1, 1, 6, 5), export_path=str(tmp_path / "brevitas.onnx"))
    ours, theirs = lower(tmp_path / "ours.onnx"), lower(tmp_path / "brevitas.onnx")
    assert [node.name for node in ours.nodes] == [node.name for node in theirs.nodes]


def test_a_single_layer_has_a_name(tmp_path: Path) -> None:
    export(network().fc0, (30,), tmp_path / "net.onnx")
    assert [node.name for node in onnx.load(tmp_path / "net.onnx").graph.node] == ["weight_quant", "gemm"]
