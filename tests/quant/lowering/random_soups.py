"""Graphs of any operators on any tensors, with no regard to what they mean."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.quant.lowering.random_edits import QONNX, UNARY

__all__ = ["soup"]

_BINARY = (
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Min",
    "Max",
    "Sum",
    "MatMul",
    "Gemm",
    "Conv",
    "PRelu",
    "Concat",
    "Pow",
    "BipolarQuant",
)
_SHAPES = (
    (),
    (1,),
    (2,),
    (3,),
    (1, 2),
    (2, 1),
    (2, 2),
    (3, 2),
    (2, 3),
    (1, 2, 1),
    (2, 2, 2),
    (1, 2, 2, 2),
    (2, 2, 1, 1),
    (0,),
)


def soup(rng: np.random.Generator) -> onnx.ModelProto:
    """Return a graph that has no order but the one of its nodes."""

    def pick(values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    constants, nodes = [], []
    for index in range(int(rng.integers(2, 7))):
        shape = pick(_SHAPES)
        values = rng.choice([-1.0, 1.0, 0.5, 0.0], shape) if rng.random() < 0.8 else rng.integers(-1, 4, shape)
        dtype = np.float32 if values.dtype.kind == "f" else np.int64
        constants.append(numpy_helper.from_array(np.asarray(values, dtype), f"c{index}"))
    known = ["x"]
    for index in range(int(rng.integers(1, 10))):
        kind = pick([*UNARY, *_BINARY * 2, "BipolarQuant", "Quant", "BatchNormalization", "Reshape", "Pad", "Slice"])
        count = {"Quant": 4, "BatchNormalization": 5, "Pad": 3, "Slice": 3}.get(kind, 1 if kind in UNARY else 2)
        names = [tensor.name for tensor in constants]
        given = [pick(known)] + [pick(names if rng.random() < 0.8 else known) for _ in range(count - 1)]
        domain = QONNX if kind in {"BipolarQuant", "Quant", "Trunc", "MultiThreshold"} else ""
        nodes.append(helper.make_node(kind, given, [f"t{index}"], f"n{index}", domain=domain, **UNARY.get(kind, {})))
        known.append(f"t{index}")
    shape = pick(((1, 2), (1, 3), (1, 2, 2), (1, 2, 2, 2), (2,), (1, 1, 3, 3)))
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    end = helper.make_tensor_value_info(known[-1] if rng.random() < 0.8 else pick(known), TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "soup", [entry], [end], constants)
    imports = [helper.make_opsetid("", int(rng.integers(9, 22))), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=imports)
