"""Export of networks of several bits: quantizers with their constants, and exact evaluation against Brevitas."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from quant.export import export
from quant.models import convolutional, dense
from tests.quant.lowering.exact import Evaluation
from tests.quant.lowering.exact_numbers import Numbers

pytestmark = pytest.mark.train

SHAPE = (3, 8, 10)


def with_statistics(network: nn.Sequential, frame_shape: tuple[int, int, int]) -> nn.Sequential:
    """Return the network in evaluation mode, with normalizations that fit its sums."""
    generator = torch.Generator().manual_seed(0)
    for layer in network:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = None  # the average of all batches
            with torch.no_grad():
                layer.weight.copy_(torch.rand(layer.weight.shape, generator=generator) * 3 - 1.5)
                layer.bias.copy_(torch.rand(layer.bias.shape, generator=generator) - 0.5)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.rand((16, *frame_shape), generator=generator))
    return network.eval()


def exact_tensors(path: Path, frames: torch.Tensor, names: tuple[str, ...]) -> list[np.ndarray]:
    """Return tensors of an exported model for frames of bytes, as float64."""
    pixels = Numbers.of(frames.numpy().astype(np.int64)) * Numbers.of(255).reciprocal()
    evaluation = Evaluation(onnx.load(path), {"input": pixels.move(lambda tops: tops[0][:, None])})
    return [evaluation.tensor(name).fractions()[:, 0].astype(float) for name in names]


@pytest.mark.parametrize(("weight_bits", "input_bits"), [(1, 2), (2, 1), (2, 8)])
def test_dense_networks_are_equal_to_brevitas(weight_bits: int, input_bits: int, tmp_path: Path) -> None:
    shape = (1, 6, 5)
    bits = {"weight_bits": weight_bits, "activation_bits": 2, "input_bits": input_bits}
    torch.manual_seed(0)
    network = with_statistics(dense(shape, (12, 9), 4, **bits), shape)
    assert_equal(network, shape, ("quantize0", "quantize1", "fc2"), tmp_path)


@pytest.mark.parametrize(("weight_bits", "padding"), [(1, 0), (2, 1)])
def test_convolutional_networks_are_equal_to_brevitas(weight_bits: int, padding: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = convolutional(SHAPE, (6, "P", 5), (7,), 4, padding=padding, weight_bits=weight_bits, activation_bits=2)
    network = with_statistics(layers, SHAPE)
    assert_equal(network, SHAPE, ("quantize", "quantize0", "pool0", "quantize1", "quantize2", "fc1"), tmp_path)


def assert_equal(network: nn.Sequential, shape: tuple[int, int, int], names: tuple[str, ...], folder: Path) -> None:
    """Compare the outputs of modules with the exact tensors of the exported model, without a tolerance."""
    export(network, shape, folder / "model.onnx")
    frames = torch.randint(0, 256, (5, *shape), generator=torch.Generator().manual_seed(1))
    seen: dict[str, np.ndarray] = {}
    for name in names:
        network.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: seen.update({name: output.numpy().astype(float)})
        )
    with torch.no_grad():
        network(frames.float() / 255)
    tensors = exact_tensors(folder / "model.onnx", frames, tuple(f"{name}.out" for name in names))
    for name, exact in zip(names, tensors, strict=True):
        np.testing.assert_array_equal(exact, seen[name], name)
        if name.startswith("quantize") and name != "quantize":
            assert np.unique(exact).tolist() == [-1.0, 0.0, 1.0]


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
