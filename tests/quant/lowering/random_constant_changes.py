"""Changes of the numbers of a graph: constants and attributes that are odd, or do not fit."""

from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from tests.quant.lowering.random_edits import ODD, pick, some_node

__all__ = [
    *("add_attribute", "change_attribute", "change_number"),
    *("change_numbers", "change_shape", "constants_as_inputs", "sparse_constant", "stored_as_nodes"),
]


def _some_constant(model: onnx.ModelProto, rng: np.random.Generator) -> tuple[int, np.ndarray] | None:
    if not model.graph.initializer:
        return None
    index = int(rng.integers(len(model.graph.initializer)))
    return index, np.array(numpy_helper.to_array(model.graph.initializer[index]))


def _store(model: onnx.ModelProto, index: int, values: np.ndarray) -> None:
    tensor = model.graph.initializer[index]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def change_number(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """One number, or all of them, of a constant."""
    found = _some_constant(model, rng)
    if found is None or not found[1].size:
        return
    index, values = found
    odd = pick(rng, ODD)
    if values.dtype.kind != "f":
        odd = pick(rng, (0, 1, -1, 2, 5, 2**40))
    if rng.random() < 0.5:
        values.reshape(-1)[int(rng.integers(values.size))] = odd
    else:
        values = np.full_like(values, odd)
    _store(model, index, values)


def change_numbers(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """All numbers of a constant: turned, scaled, moved, with noise, or of several bits."""
    found = _some_constant(model, rng)
    if found is None or found[1].dtype.kind != "f":
        return
    index, values = found
    noise = rng.normal(size=values.shape).astype(values.dtype)
    kinds = (
        -values,
        values * 3,
        values + 1,
        values + noise * 1e-7,
        values * (1 + noise * 1e-7),
        np.round(noise * 4) / 4,
        values[..., None] * noise[..., None],
    )
    _store(model, index, np.asarray(pick(rng, kinds), values.dtype))


def change_shape(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """The shape or the type of a constant."""
    found = _some_constant(model, rng)
    if found is None:
        return
    index, values = found
    way = int(rng.integers(8))
    if way == 0:
        values = values[None]
    elif way == 1:
        values = values[..., None]
    elif way == 2:
        values = values.reshape(-1)
    elif way == 3:
        values = values[:0] if values.ndim else values.reshape(1)[:0]
    elif way == 4:
        values = np.repeat(values[None] if values.ndim == 0 else values, 2, 0)
    elif way == 5:
        values = values.T
    elif way == 6:
        values = values.reshape(-1)[:1].reshape(()) if values.size else values
    else:
        with np.errstate(all="ignore"):
            values = values.astype(pick(rng, (np.float64, np.float16, np.int64, np.int32, np.uint8, np.int8, bool)))
    _store(model, index, values)


def change_attribute(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    if not nodes:
        return
    node = pick(rng, nodes)
    attribute = pick(rng, node.attribute)
    if rng.random() < 0.15:
        node.attribute.remove(attribute)
        return
    number, floating = int(pick(rng, (-1, 0, 1, 2, 3, 5, 100, 2**40))), float(pick(rng, ODD))
    name = attribute.name
    values: dict[int, Any] = {
        AttributeProto.INT: number,
        AttributeProto.FLOAT: floating,
        AttributeProto.STRING: pick(rng, ("", "SAME_UPPER", "reflect", "HALF_UP", "odd")),
        AttributeProto.INTS: [int(pick(rng, (-1, 0, 1, 1, 2, 3, 50, 2**40))) for _ in range(int(rng.integers(0, 6)))],
    }
    kind = attribute.type if rng.random() < 0.8 else pick(rng, values)
    node.attribute.remove(attribute)
    if kind == AttributeProto.INTS and not values[kind]:
        node.attribute.append(AttributeProto(name=name, type=AttributeProto.INTS))
    elif kind in values:
        node.attribute.append(helper.make_attribute(name, values[kind]))


def add_attribute(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = some_node(model, rng)
    name, value = pick(
        rng,
        [
            *(("axis", -1), ("axis", 7), ("ceil_mode", 1), ("count_include_pad", 1), ("group", 2), ("keepdims", 0)),
            *(
                ("auto_pad", "SAME_UPPER"),
                ("dilations", [2, 2]),
                ("strides", [2]),
                ("pads", [1, 0, 0, 1]),
                ("alpha", 0.0),
            ),
            *(("training_mode", 1), ("transB", 1), ("transA", 1), ("beta", -1.0), ("unknown", 3), ("storage_order", 1)),
            *(("noop_with_empty_axes", 1), ("allowzero", 1), ("spatial", 0), ("epsilon", 0.0), ("value", 1.0)),
        ],
    )
    for each in [each for each in node.attribute if each.name == name]:
        node.attribute.remove(each)
    node.attribute.append(helper.make_attribute(name, value))


def sparse_constant(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Store a constant as its numbers that are not zero, with their places."""
    found = _some_constant(model, rng)
    if found is None:
        return
    tensor = model.graph.initializer[found[0]]
    values = numpy_helper.from_array(found[1].ravel(), tensor.name)
    places = numpy_helper.from_array(np.arange(found[1].size), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, found[1].shape))
    model.graph.initializer.remove(tensor)


def stored_as_nodes(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Let constants come from nodes, as some exporters have it."""
    for tensor in list(model.graph.initializer):
        if rng.random() < 0.5:
            node = helper.make_node("Constant", [], [tensor.name], tensor.name, value=tensor)
            model.graph.initializer.remove(tensor)
            model.graph.node.insert(0, node)


def constants_as_inputs(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """List constants among the inputs, as files before IR version 4 do."""
    for tensor in model.graph.initializer:
        if rng.random() < 0.7:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
