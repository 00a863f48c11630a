"""Changes of a graph, most of which break it: what exporters, editors and mistakes make of a file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.quant.lowering import random_constant_changes as constants
from tests.quant.lowering import random_node_changes as nodes
from tests.quant.lowering.random_edits import QONNX, pick, tensors

__all__ = ["changed"]

Change = Callable[[onnx.ModelProto, np.random.Generator], None]


def changed(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """Return a copy with one change."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.graph.node:
        weights = np.array([share for _, share in _CHANGES], float)
        change = _CHANGES[int(rng.choice(len(_CHANGES), p=weights / weights.sum()))][0]
        change(copy, rng)
    return copy


def _change_ends(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Outputs: another one, one more, an unknown one, the input, none."""
    name = pick(rng, [*tensors(model), "unknown", ""])
    way = int(rng.integers(5))
    if way == 0:
        del model.graph.output[:]
    elif way < 3:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    else:
        model.graph.output[0].name = name


def _change_entry(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """The input: its type, batch and shape; or one more, or none."""
    entry = model.graph.input[0]
    tensor = entry.type.tensor_type
    sizes: list[Any] = [dim.dim_value for dim in tensor.shape.dim]
    way = int(rng.integers(9))
    if way == 0:
        tensor.elem_type = pick(
            rng, (TensorProto.INT32, TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16, 0, 99)
        )
    elif way == 1:
        tensor.elem_type = pick(rng, (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16))
    elif way == 2:
        model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, (1, 3)))
    elif way == 3:
        del model.graph.input[:]
    elif way == 4:
        tensor.ClearField("shape")
    else:
        if way == 5 and sizes:
            sizes[0] = pick(rng, (2, 0, -1, "N", None))
        elif way == 6 and sizes:
            sizes[-1] = pick(rng, (0, 1, "W", None, 2))
        elif way == 7:
            sizes = [*sizes, *[1] * int(rng.integers(1, 3))]
        else:
            sizes = sizes[1:]
        entry.CopyFrom(helper.make_tensor_value_info(entry.name, tensor.elem_type, sizes))


def _change_opset(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    version = int(pick(rng, (1, 8, 9, 10, 11, 12, 13, 17, 18, 21, 28, 29, 99)))
    for each in model.opset_import:
        each.version = version if each.domain != QONNX else each.version
    if rng.random() < 0.1:
        del model.opset_import[:]


def _annotate(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """QONNX's note of a tensor's type, or a text about the input."""
    if rng.random() < 0.2 and model.graph.input:
        model.graph.input[0].doc_string = pick(rng, ("UINT8", "pixels, 0 to 255", "an image"))
        return
    entries = [value.name for value in model.graph.input[:1]]
    names = entries if entries and rng.random() < 0.7 else tensors(model)
    note = onnx.TensorAnnotation(tensor_name=pick(rng, names))
    kind = pick(rng, ("UINT8", "UINT8", "INT8", "BIPOLAR", "BINARY", "FLOAT32", "UINT4", "INT17", "odd", ""))
    note.quant_parameter_tensor_names.append(onnx.StringStringEntryProto(key="finn_datatype", value=kind))
    model.graph.quantization_annotation.append(note)


_CHANGES: list[tuple[Change, float]] = [
    (constants.change_number, 3),
    (constants.change_numbers, 2),
    (constants.change_shape, 3),
    (nodes.drop_node, 2),
    (nodes.insert_node, 4),
    (nodes.insert_reshape, 1),
    (nodes.insert_binary, 3),
    (nodes.rewire, 2),
    (nodes.swap_inputs, 1),
    (nodes.count_inputs, 1),
    (nodes.reorder, 0.5),
    (nodes.rename, 1),
    (constants.change_attribute, 3),
    (constants.add_attribute, 2),
    (_change_ends, 1),
    (_change_entry, 1.5),
    (_change_opset, 1),
    (nodes.change_kind, 1.5),
    (nodes.dead_end, 1.5),
    (nodes.double_output, 0.5),
    (_annotate, 0.7),
    (constants.stored_as_nodes, 0.7),
    (constants.constants_as_inputs, 0.5),
    (constants.sparse_constant, 0.3),
    (nodes.as_function, 0.5),
]
