"""The oracle: QONNX graphs and results written by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dataflow import InputError
from quant.oracle import scores_of_qonnx

pytestmark = pytest.mark.train

DOMAIN = "qonnx.custom_op.general"


def write(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: tuple[int, ...]) -> Path:
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dimensions)]
        for name, dimensions in (("input", shape), ("output", (1, 2)))
    ]
    arrays = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "graph", *ends, arrays)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 2)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    return path


QUANTIZERS = {
    "bipolar": (["BipolarQuant", ["flat", "one"]], {}, {}),
    "one-bit": (
        ["Quant", ["flat", "one", "zero", "bits"]],
        {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"},
        {"zero": np.float32(0), "bits": np.float32(1)},
    ),
}


@pytest.mark.parametrize("kind", QUANTIZERS)
@pytest.mark.parametrize("allow_zero", [0, 1])
@pytest.mark.parametrize("target", [[1, -1], [1, 4], [0, 4]])
def test_a_graph_by_hand_gives_the_results_by_hand(
    kind: str, allow_zero: int, target: list[int], tmp_path: Path
) -> None:
    (operator, inputs), attributes, constants = QUANTIZERS[kind]
    nodes = [
        helper.make_node("Sub", ["input", "half"], ["centred"]),
        helper.make_node("Reshape", ["centred", "shape"], ["flat"], allowzero=allow_zero),
        helper.make_node(operator, inputs, ["signs"], domain=DOMAIN, **attributes),
        helper.make_node("MatMul", ["signs", "weights"], ["output"]),
    ]
    weights = np.array([[1, -1], [1, 1], [-1, 1], [1, 1]], np.float32)
    constants = {
        **{"half": np.float32(0.5), "one": np.float32(1), "shape": np.array(target), "weights": weights},
        **constants,
    }
    path = write(tmp_path / "model.onnx", nodes, constants, (1, 2, 2, 1))
    frames = np.array([[0, 255, 127, 128], [255, 0, 255, 0], [9, 8, 7, 6]], np.uint8).reshape(3, 2, 1, 2)
    # Channels first: pixels (row, channel) 00 01 10 11 arrive as 00 10 01 11.
    signs = np.array([[-1, -1, 1, 1], [1, 1, -1, -1], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(scores_of_qonnx(path, frames, batch=2), signs @ weights)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^QONNX file must exist, not '.*none\.onnx'$"):
        scores_of_qonnx(tmp_path / "none.onnx", np.zeros((1, 28, 28, 1), np.uint8))


def test_the_oracle_needs_no_training_package() -> None:
    program = "import sys, quant.oracle; assert not {'torch', 'brevitas', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
