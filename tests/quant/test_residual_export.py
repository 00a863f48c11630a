"""Export of residual networks: the grid in front of every Add, and exact evaluation against Brevitas."""

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import numpy_helper

from quant.export import export
from quant.models import residual
from tests.quant.exported import assert_equal_to_export, with_statistics

pytestmark = pytest.mark.train

SHAPE = (3, 8, 8)

KINDS = {
    "average": ["AveragePool", "Concat", "Quant"],
    "zeros": ["Slice", "Slice", "Pad", "Quant"],
    "convolution": ["Quant", "Conv", "BatchNormalization", "Quant"],
    "binary": ["AveragePool", "BipolarQuant", "BipolarQuant", "Conv", "BatchNormalization", "Quant"],
}


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        pytest.param({}, SHAPE, marks=pytest.mark.slow),
        ({"downsample": "zeros", "after": "prelu", "stem_bits": 1, "head_bits": 1}, SHAPE),
        pytest.param(
            {"downsample": "convolution", "stream_bits": 5, "stream_step": 0.125, "activation_bits": 2},
            SHAPE,
            marks=pytest.mark.slow,
        ),
        pytest.param({"stem": "7x7", "after": "prelu"}, (3, 16, 16), marks=pytest.mark.slow),
    ],
)
def test_networks_are_equal_to_brevitas(options: dict[str, Any], shape: tuple[int, int, int], tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = with_statistics(residual(shape, (4, 8), 2, 3, **options), shape)
    names = ("quantize", "stem.quantize", *(f"block{index}.stream" for index in range(4)), "fc")
    seen = assert_equal_to_export(network, shape, names, tmp_path, frames=3)
    assert len(set(seen["block3.stream"].flat)) > 5


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param(
            {"columns": 2},
            ("block0.first.stream", "block0.stream", "block1.single.stream", "block1.stream"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"double_residual": False, "downsample": "binary", "groups": 4},
            ("block0.stream", "block1.shortcut.sign", "block1.stream"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["columns", "pairs"],
)
def test_further_blocks_are_equal_to_brevitas(options: dict[str, Any], names: tuple[str, ...], tmp_path: Path) -> None:
    torch.manual_seed(0)
    depth = 1 if options.get("double_residual", True) else 2
    network = with_statistics(residual(SHAPE, (2, 4), depth, 3, **options), SHAPE)
    seen = assert_equal_to_export(network, SHAPE, ("quantize", "stem.quantize", *names, "fc"), tmp_path, frames=3)
    assert len(set(seen["block1.stream"].flat)) > 5


@pytest.mark.parametrize(
    "downsample",
    ["average", *(pytest.param(name, marks=pytest.mark.slow) for name in ("zeros", "convolution", "binary"))],
)
def test_all_addends_have_quantizers_of_one_scale(downsample: str, tmp_path: Path) -> None:
    export(residual(SHAPE, (4, 8), 1, 3, downsample=downsample, stream_bits=6), SHAPE, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    writers = {node.output[0]: node for node in graph.node}
    additions = [node for node in graph.node if node.op_type == "Add" and node.name != "scores.add"]
    assert [node.name for node in additions] == ["block0.add", "block1.add"]
    for addition in additions:
        for name in addition.input:
            node = writers[name]
            assert node.op_type == "Quant"
            assert [constants[each].item() for each in node.input[1:]] == [2.0**-6, 0.0, 6.0]
    shortcut = [node.op_type for node in graph.node if node.name.startswith("block1.shortcut.")]
    assert shortcut == KINDS[downsample]


def test_nodes_are_called_as_their_modules(tmp_path: Path) -> None:
    export(residual(SHAPE, (4,), 1, 3, after="prelu"), SHAPE, tmp_path / "model.onnx")
    assert [node.name for node in onnx.load(tmp_path / "model.onnx").graph.node] == [
        *("pixels.mul", "pixels.sub", "quantize", "stem.conv.weight_quant", "stem.conv", "stem.norm", "stem.quantize"),
        *("block0.sign", "block0.conv.weight_quant", "block0.conv", "block0.norm", "block0.quantize", "block0.add"),
        *("block0.after", "block0.stream", "mean", "flatten", "fc.weight_quant", "fc"),
        *("scores.sub", "scores.div", "scores.mul", "scores.add"),
    ]
