"""Small edits of a graph that random changes share."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

__all__ = [
    *("ODD", "QONNX", "UNARY", "add_constant"),
    *("free_name", "pick", "read_instead", "some_node", "tensors"),
]

QONNX = "qonnx.custom_op.general"

#: Operators of one tensor, with attributes that they need.
UNARY: dict[str, dict[str, Any]] = {
    **{kind: {} for kind in ("Abs", "Neg", "Relu", "LeakyRelu", "Sign", "Floor", "Ceil", "Round", "HardSigmoid")},
    **{
        kind: {} for kind in ("HardSwish", "Tanh", "Sigmoid", "Softmax", "Exp", "Erf", "Identity", "Dropout", "Flatten")
    },
    **{
        kind: {}
        for kind in ("GlobalAveragePool", "GlobalMaxPool", "Transpose", "Squeeze", "Shape", "Sqrt", "Reciprocal")
    },
    **{kind: {} for kind in ("Softplus", "Mish", "Elu", "Selu", "ReduceMean", "ReduceMax", "ReduceSum", "NonZero")},
    "ArgMax": {"axis": 1},
    "Cast": {"to": TensorProto.FLOAT},
    "MaxPool": {"kernel_shape": [2, 2]},
    "AveragePool": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "TopK": {},
    "Split": {"axis": 1},
    "Concat": {"axis": 1},
    "DepthToSpace": {"blocksize": 2},
    "LRN": {"size": 1},
    "InstanceNormalization": {},
    "Trunc": {},
    "MultiThreshold": {},
}
ODD = (0.0, 0.0, 1.0, -1.0, 0.5, 3.0, 0.3, 1e-30, 1e30, 255.0, 1 / 255, np.nan, np.inf, -np.inf)


def pick(rng: np.random.Generator, values: Any) -> Any:
    values = list(values)
    return values[int(rng.integers(len(values)))]


def some_node(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.NodeProto:
    return pick(rng, model.graph.node)


def tensors(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    names = [value.name for value in graph.input] + [name for node in graph.node for name in node.output]
    return names + [tensor.name for tensor in graph.initializer]


def free_name(model: onnx.ModelProto) -> str:
    return f"new{len(model.graph.node)}_{len(model.graph.initializer)}"


def add_constant(model: onnx.ModelProto, values: Any) -> str:
    name = free_name(model)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def read_instead(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new
    for value in model.graph.output:
        if value.name == old:
            value.name = new
