"""Changes of the nodes of a graph: taken out, put in, connected otherwise, doubled, renamed."""

import numpy as np
import onnx
from onnx import helper

from tests.quant.lowering.random_edits import (
    QONNX,
    UNARY,
    add_constant,
    free_name,
    pick,
    read_instead,
    some_node,
    tensors,
)

__all__ = [
    *("as_function", "change_kind", "count_inputs", "dead_end", "double_output", "drop_node", "insert_binary"),
    *("insert_node", "insert_reshape", "rename", "reorder", "rewire", "swap_inputs"),
]


def drop_node(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = some_node(model, rng)
    source = node.input[0] if node.input else ""
    read_instead(model, node.output[0], source)
    model.graph.node.remove(node)


def insert_node(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """An operator of any kind before one of a node's inputs, or after the whole model."""
    kind = pick(rng, UNARY)
    name = free_name(model)
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
        place, index = pick(rng, places)
        source = model.graph.node[place].input[index]
        model.graph.node[place].input[index] = name
    model.graph.node.insert(place, helper.make_node(kind, [source], outputs, name, domain=domain, **attributes))


def insert_reshape(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    shape = pick(
        rng, ([1, -1], [-1], [0, -1], [1, 1, -1], [1, 1, 1, -1], [-1, 1], [1, 2, -1], [2, -1], [0, 0, -1], [7, 7], [])
    )
    constant = add_constant(model, np.array(shape, np.int64))
    place = int(rng.integers(len(model.graph.node)))
    node = model.graph.node[place]
    if node.input:
        name = free_name(model)
        source, node.input[0] = node.input[0], name
        model.graph.node.insert(place, helper.make_node("Reshape", [source, constant], [name], name))


def insert_binary(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """An operator of two tensors, one of which is anything."""
    kind = pick(
        rng, ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Concat", "PRelu", "Pow", "MatMul", "Gemm", "Where")
    )
    place = int(rng.integers(len(model.graph.node)))
    node = model.graph.node[place]
    if not node.input:
        return
    earlier = [name for each in list(model.graph.node)[:place] for name in each.output]
    earlier += [value.name for value in model.graph.input] or tensors(model)
    other = pick(rng, earlier if rng.random() < 0.7 else tensors(model))
    name = free_name(model)
    source, node.input[0] = node.input[0], name
    operands = [source, other] if rng.random() < 0.7 else [other, source]
    attributes = {"axis": int(rng.integers(-2, 3))} if kind == "Concat" else {}
    model.graph.node.insert(place, helper.make_node(kind, operands, [name], name, **attributes))


def rewire(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Let an input of a node be another tensor, an unknown one or none."""
    node = some_node(model, rng)
    if node.input:
        index = int(rng.integers(len(node.input)))
        node.input[index] = pick(rng, tensors(model)) if rng.random() < 0.7 else pick(rng, ("", "unknown"))


def swap_inputs(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = some_node(model, rng)
    names = list(node.input)
    node.input[:] = [names[index] for index in rng.permutation(len(names))]


def count_inputs(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Take an input away, or add one."""
    node = some_node(model, rng)
    if rng.random() < 0.6 and node.input:
        del node.input[-1]
    else:
        node.input.append(pick(rng, ["", *tensors(model)]))


def reorder(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    nodes = list(model.graph.node)
    order = rng.permutation(len(nodes)) if rng.random() < 0.5 else range(len(nodes) - 1, -1, -1)
    shuffled = [nodes[index] for index in order]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in shuffled]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def rename(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Give nodes names that are missing, doubled, or hard to write."""
    name = pick(
        rng, ("", "x", "input", "class", "scores", "a/b c", "<b>", "[red]", "0", "naïve", "n" * 300, "a\nb", "-")
    )
    for node in model.graph.node if rng.random() < 0.7 else [some_node(model, rng)]:
        node.name = name


def change_kind(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    node = some_node(model, rng)
    if rng.random() < 0.1:
        node.domain = pick(rng, ("com.microsoft", "", QONNX))
    else:
        node.op_type = pick(rng, [*UNARY, *(each.op_type for each in model.graph.node), "", "Nonsense", "If", "Loop"])


def as_function(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Let a node call a function of the model, as torch's exporters write it; one may call itself."""
    node = some_node(model, rng)
    names = [f"i{index}" for index in range(len(node.input))]
    inner = onnx.NodeProto.FromString(node.SerializeToString())
    inner.input[:], inner.output[:] = names, [f"o{index}" for index in range(len(node.output))]
    if rng.random() < 0.1:
        inner.op_type, inner.domain = "Whole", "local"
    imports = [*model.opset_import, helper.make_opsetid("local", 1)]
    function = helper.make_function("local", "Whole", names, list(inner.output), [inner], imports)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    node.op_type, node.domain = "Whole", "local"
    del node.attribute[:]


def dead_end(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """A node that nothing depends on: of a known kind or not, fit or not."""
    kind = pick(rng, ("Nonsense", "Softmax", "Conv", "Reshape", "Add"))
    source = pick(rng, tensors(model))
    name = free_name(model)
    place = int(rng.integers(len(model.graph.node) + 1))
    model.graph.node.insert(place, helper.make_node(kind, [source], [name], name))
    if rng.random() < 0.3:
        some_node(model, rng).output.append(f"{name}_unused")
    if rng.random() < 0.3:
        add_constant(model, np.array([np.nan], np.float32))


def double_output(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    some_node(model, rng).output[0] = pick(rng, tensors(model))
