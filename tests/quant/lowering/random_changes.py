"""Changes of a graph, most of which break it: what exporters, editors and mistakes make of a file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

__all__ = ["changed"]

Change = Callable[[onnx.ModelProto, np.random.Generator], None]
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
_ODD = (0.0, 0.0, 1.0, -1.0, 0.5, 3.0, 0.3, 1e-30, 1e30, 255.0, 1 / 255, np.nan, np.inf, -np.inf)


def changed(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """Return a copy with one change."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if copy.graph.node:
        weights = np.array([share for _, share in _CHANGES], float)
        change = _CHANGES[int(rng.choice(len(_CHANGES), p=weights / weights.sum()))][0]
        change(copy, rng)
    return copy


def _pick(rng: np.random.Generator, values: Any) -> Any:
    values = list(values)
    return values[int(rng.integers(len(values)))]


def _node(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.NodeProto:
    return _pick(rng, model.graph.node)


def _tensors(model: onnx.ModelProto) -> list[str]:
    graph = model.graph
    names = [value.name for value in graph.input] + [name for node in graph.node for name in node.output]
    return names + [tensor.name for tensor in graph.initializer]


def _free_name(model: onnx.ModelProto) -> str:
    return f"new{len(model.graph.node)}_{len(model.graph.initializer)}"


def _constant(model: onnx.ModelProto, values: Any) -> str:
    name = _free_name(model)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def _some_constant(model: onnx.ModelProto, rng: np.random.Generator) -> tuple[int, np.ndarray] | None:
    if not model.graph.initializer:
        return None
    index = int(rng.integers(len(model.graph.initializer)))
    return index, np.array(numpy_helper.to_array(model.graph.initializer[index]))


def _store(model: onnx.ModelProto, index: int, values: np.ndarray) -> None:
    tensor = model.graph.initializer[index]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def _change_number(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """One number, or all of them, of a constant."""
    found = _some_constant(model, rng)
    if found is None or not found[1].size:
        return
    index, values = found
    odd = _pick(rng, _ODD)
    if values.dtype.kind != "f":
        odd = _pick(rng, (0, 1, -1, 2, 5, 2**40))
    if rng.random() < 0.5:
        values.reshape(-1)[int(rng.integers(values.size))] = odd
    else:
        values = np.full_like(values, odd)
    _store(model, index, values)


def _change_numbers(model: onnx.ModelProto, rng: np.random.Generator) -> None:
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
        np.round(noise * 4) / 4,
        values[..., None] * noise[..., None],
    )
    _store(model, index, np.asarray(_pick(rng, kinds), values.dtype))


def _change_shape(model: onnx.ModelProto, rng: np.random.Generator) -> None:
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
            values = values.astype(_pick(rng, (np.float64, np.float16, np.int64, np.int32, np.uint8, np.int8, bool)))
    _store(model, index, values)


def _drop_node(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = _node(model, rng)
    source = node.input[0] if node.input else ""
    _read_instead(model, node.output[0], source)
    model.graph.node.remove(node)


def _read_instead(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new
    for value in model.graph.output:
        if value.name == old:
            value.name = new


def _insert_node(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """An operator of any kind in front of one of a node's inputs, or behind the whole model."""
    kind = _pick(rng, UNARY)
    name = _free_name(model)
    outputs = [name, f"{name}_more"] if rng.random() < 0.1 else [name]
    domain = QONNX if kind in {"Trunc", "MultiThreshold"} else ""
    attributes = dict(UNARY[kind])
    if kind == "Transpose" and rng.random() < 0.7:
        attributes = {"perm": rng.permutation(int(rng.integers(1, 5))).tolist()}
    places = [(place, i) for place, node in enumerate(model.graph.node) for i, each in enumerate(node.input) if each]
    if not places or rng.random() < 0.15:
        place, source = len(model.graph.node), model.graph.output[0].name
        model.graph.output[0].name = name
    else:
        place, index = _pick(rng, places)
        source = model.graph.node[place].input[index]
        model.graph.node[place].input[index] = name
    model.graph.node.insert(place, helper.make_node(kind, [source], outputs, name, domain=domain, **attributes))


def _insert_reshape(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    shape = _pick(
        rng, ([1, -1], [-1], [0, -1], [1, 1, -1], [1, 1, 1, -1], [-1, 1], [1, 2, -1], [2, -1], [0, 0, -1], [7, 7], [])
    )
    constant = _constant(model, np.array(shape, np.int64))
    place = int(rng.integers(len(model.graph.node)))
    node = model.graph.node[place]
    if node.input:
        name = _free_name(model)
        source, node.input[0] = node.input[0], name
        model.graph.node.insert(place, helper.make_node("Reshape", [source, constant], [name], name))


def _insert_binary(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """An operator of two tensors, one of which is anything."""
    kind = _pick(
        rng, ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Concat", "PRelu", "Pow", "MatMul", "Gemm", "Where")
    )
    place = int(rng.integers(len(model.graph.node)))
    node = model.graph.node[place]
    if not node.input:
        return
    earlier = [name for each in list(model.graph.node)[:place] for name in each.output] + [model.graph.input[0].name]
    other = _pick(rng, earlier if rng.random() < 0.7 else _tensors(model))
    name = _free_name(model)
    source, node.input[0] = node.input[0], name
    operands = [source, other] if rng.random() < 0.7 else [other, source]
    attributes = {"axis": int(rng.integers(-2, 3))} if kind == "Concat" else {}
    model.graph.node.insert(place, helper.make_node(kind, operands, [name], name, **attributes))


def _rewire(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Let an input of a node be another tensor, an unknown one or none."""
    node = _node(model, rng)
    if node.input:
        index = int(rng.integers(len(node.input)))
        node.input[index] = _pick(rng, _tensors(model)) if rng.random() < 0.7 else _pick(rng, ("", "unknown"))


def _swap_inputs(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = _node(model, rng)
    names = list(node.input)
    node.input[:] = [names[index] for index in rng.permutation(len(names))]


def _count_inputs(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Take an input away, or add one."""
    node = _node(model, rng)
    if rng.random() < 0.6 and node.input:
        del node.input[-1]
    else:
        node.input.append(_pick(rng, ["", *_tensors(model)]))


def _reorder(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    nodes = list(model.graph.node)
    order = rng.permutation(len(nodes)) if rng.random() < 0.5 else range(len(nodes) - 1, -1, -1)
    shuffled = [nodes[index] for index in order]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in shuffled]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _rename(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Give nodes names that are missing, doubled, or hard to write."""
    name = _pick(
        rng, ("", "x", "input", "class", "scores", "a/b c", "<b>", "[red]", "0", "naïve", "n" * 300, "a\nb", "-")
    )
    for node in model.graph.node if rng.random() < 0.7 else [_node(model, rng)]:
        node.name = name


def _change_attribute(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    if not nodes:
        return
    node = _pick(rng, nodes)
    attribute = _pick(rng, node.attribute)
    if rng.random() < 0.15:
        node.attribute.remove(attribute)
        return
    number, floating = int(_pick(rng, (-1, 0, 1, 2, 3, 5, 100, 2**40))), float(_pick(rng, _ODD))
    name = attribute.name
    values: dict[int, Any] = {
        AttributeProto.INT: number,
        AttributeProto.FLOAT: floating,
        AttributeProto.STRING: _pick(rng, ("", "SAME_UPPER", "reflect", "HALF_UP", "odd")),
        AttributeProto.INTS: [int(_pick(rng, (-1, 0, 1, 1, 2, 3, 50))) for _ in range(int(rng.integers(0, 6)))],
    }
    kind = attribute.type if rng.random() < 0.8 else _pick(rng, values)
    node.attribute.remove(attribute)
    if kind == AttributeProto.INTS and not values[kind]:
        node.attribute.append(AttributeProto(name=name, type=AttributeProto.INTS))
    elif kind in values:
        node.attribute.append(helper.make_attribute(name, values[kind]))


def _add_attribute(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = _node(model, rng)
    name, value = _pick(
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


def _change_ends(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Outputs: another one, one more, an unknown one, the input, none."""
    name = _pick(rng, [*_tensors(model), "unknown", ""])
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
        tensor.elem_type = _pick(
            rng, (TensorProto.INT32, TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16, 0, 99)
        )
    elif way == 1:
        tensor.elem_type = _pick(rng, (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16))
    elif way == 2:
        model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, (1, 3)))
    elif way == 3:
        del model.graph.input[:]
    elif way == 4:
        tensor.ClearField("shape")
    else:
        if way == 5 and sizes:
            sizes[0] = _pick(rng, (2, 0, -1, "N", None))
        elif way == 6 and sizes:
            sizes[-1] = _pick(rng, (0, 1, "W", None, 2))
        elif way == 7:
            sizes = [*sizes, *[1] * int(rng.integers(1, 3))]
        else:
            sizes = sizes[1:]
        entry.CopyFrom(helper.make_tensor_value_info(entry.name, tensor.elem_type, sizes))


def _change_opset(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    version = int(_pick(rng, (1, 8, 9, 10, 11, 12, 13, 17, 18, 21, 28, 29, 99)))
    for each in model.opset_import:
        each.version = version if each.domain != QONNX else each.version
    if rng.random() < 0.1:
        del model.opset_import[:]


def _change_kind(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = _node(model, rng)
    if rng.random() < 0.1:
        node.domain = _pick(rng, ("com.microsoft", "", QONNX))
    else:
        node.op_type = _pick(rng, [*UNARY, *(each.op_type for each in model.graph.node), "", "Nonsense", "If", "Loop"])


def _dead_end(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """A node that nothing depends on: of a known kind or not, fit or not."""
    kind = _pick(rng, ("Nonsense", "Softmax", "Conv", "Reshape", "Add"))
    source = _pick(rng, _tensors(model))
    name = _free_name(model)
    place = int(rng.integers(len(model.graph.node) + 1))
    model.graph.node.insert(place, helper.make_node(kind, [source], [name], name))
    if rng.random() < 0.3:
        _node(model, rng).output.append(f"{name}_unused")
    if rng.random() < 0.3:
        _constant(model, np.array([np.nan], np.float32))


def _double_output(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    _node(model, rng).output[0] = _pick(rng, _tensors(model))


def _annotate(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """QONNX's note of a tensor's type."""
    note = onnx.TensorAnnotation(tensor_name=_pick(rng, _tensors(model)))
    kind = _pick(rng, ("UINT8", "INT8", "BIPOLAR", "FLOAT32", "UINT4", "odd", ""))
    note.quant_parameter_tensor_names.append(onnx.StringStringEntryProto(key="finn_datatype", value=kind))
    model.graph.quantization_annotation.append(note)


def _stored_as_nodes(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Let constants come from nodes, as some exporters have it."""
    for tensor in list(model.graph.initializer):
        if rng.random() < 0.5:
            node = helper.make_node("Constant", [], [tensor.name], tensor.name, value=tensor)
            model.graph.initializer.remove(tensor)
            model.graph.node.insert(0, node)


def _constants_as_inputs(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """List constants among the inputs, as files before IR version 4 do."""
    for tensor in model.graph.initializer:
        if rng.random() < 0.7:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


_CHANGES: list[tuple[Change, float]] = [
    (_change_number, 3),
    (_change_numbers, 2),
    (_change_shape, 3),
    (_drop_node, 2),
    (_insert_node, 4),
    (_insert_reshape, 1),
    (_insert_binary, 3),
    (_rewire, 2),
    (_swap_inputs, 1),
    (_count_inputs, 1),
    (_reorder, 0.5),
    (_rename, 1),
    (_change_attribute, 3),
    (_add_attribute, 2),
    (_change_ends, 1),
    (_change_entry, 1.5),
    (_change_opset, 1),
    (_change_kind, 1.5),
    (_dead_end, 1.5),
    (_double_output, 0.5),
    (_annotate, 0.7),
    (_stored_as_nodes, 0.7),
    (_constants_as_inputs, 0.5),
]
