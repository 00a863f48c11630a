"""An ONNX graph as nodes between tensors, with the values of all constants."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx.inliner
from onnx.reference import ReferenceEvaluator

from dataflow import InputError
from quant._tensors import array_of
from quant.lowering.reading.sizes import check_size
from quant.oracle import OPERATORS, in_one_domain

__all__ = ["LAYERS", "QUANTIZERS", "SIGNS", "View", "view_of"]

#: Operators that multiply by weights.
LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")

#: Operators of ONNX with two numbers as their output.
SIGNS = ("Sign", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")

#: Operators whose output is on a grid, whatever their input is.
QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc")

#: Operands that quantizers have at least.
_OPERANDS = {"Quant": 4, "IntQuant": 4, "BipolarQuant": 2, "MultiThreshold": 2, "Trunc": 5}

#: Operators whose last operand is the shape of what they make, or how often it is repeated.
_SHAPED = ("ConstantOfShape", "Expand", "Tile")

#: Operators that run other graphs: what they do depends on numbers that only a run knows.
_CONTROL = ("If", "Loop", "Scan", "SequenceMap")


@dataclass(eq=False)
class View:
    """A model's graph.

    Parameters
    ----------
    model : with functions inlined; nodes are in an order in which they can run
    input : name of the tensor
    shape : of the input, without the batch
    constants : values of all tensors that depend on no input
    sizes : tensors that depend only on the sizes of others, as the shapes that exporters compute in the graph
    producers : the node that makes each tensor
    readers : the nodes that read each tensor, with the place among their inputs
    """

    model: onnx.ModelProto
    input: str
    shape: tuple[int, ...]
    constants: dict[str, np.ndarray]
    sizes: set[str] = field(default_factory=set)
    producers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    readers: dict[str, list[tuple[onnx.NodeProto, int]]] = field(default_factory=dict)

    @property
    def data_nodes(self) -> list[onnx.NodeProto]:
        """The nodes that depend on the input, in order."""
        return [node for node in self.model.graph.node if not {node.output[0]} & (self.constants.keys() | self.sizes)]

    def data_inputs(self, node: onnx.NodeProto) -> list[int]:
        """Return the places of a node's inputs that depend on numbers of the model's input."""
        others = {"", *self.constants, *self.sizes}
        return [place for place, name in enumerate(node.input) if name not in others]


def view_of(model: onnx.ModelProto) -> View:
    """Return the view of a copy of a model.

    Raises
    ------
    InputError
        It has several inputs, no output, control flow, or functions of another program.
    """
    model = (
        onnx.inliner.inline_local_functions(model)
        if model.functions
        else onnx.ModelProto.FromString(model.SerializeToString())
    )
    in_one_domain(model)
    graph = model.graph
    for node in graph.node:
        if node.op_type in _CONTROL:
            raise InputError(f"Node {name_of(node)!r} must be an operator on tensors, not {node.op_type}, control flow")
        least = _OPERANDS.get(node.op_type, 0)
        if len(node.input) < least or "" in node.input[:least]:
            raise InputError(f"Node {name_of(node)!r} ({node.op_type}) must have {least} operands, not fewer")
    _check_nodes(model)
    _cancel_differences(graph)
    _drop_unread(graph)
    given = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in given]
    if len(inputs) != 1:
        raise InputError(f"Model must have one input to be quantized, not {len(inputs)}")
    if not graph.output:
        raise InputError("Model must have an output to be quantized, not none")
    shape = tuple(dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim)[1:]
    if not shape or any(size < 1 for size in shape):
        raise InputError(f"Input {inputs[0].name!r} must have sizes, all but the batch's, not {list(shape)}")
    view = View(model, inputs[0].name, shape, _constants(model, inputs[0].name))
    readers = defaultdict(list)
    for node in graph.node:
        if node.op_type in ("Shape", "Size") or (node.output[0] not in view.constants and not view.data_inputs(node)):
            view.sizes |= set(node.output)
        for name in node.output:
            view.producers[name] = node
        for place, name in enumerate(node.input):
            readers[name].append((node, place))
    view.readers = dict(readers)
    return view


def _check_nodes(model: onnx.ModelProto) -> None:
    """Refuse nodes that are no operators of ONNX as it has them, or that read what no node before them makes."""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {each.domain: each.version for each in model.opset_import}
    known = {"", *(tensor.name for tensor in model.graph.initializer), *(value.name for value in model.graph.input)}
    known |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    for node in model.graph.node:
        missing = set(node.input) - known
        if missing:
            raise InputError(f"Node {name_of(node)!r} must read tensors that are made before it, not {min(missing)!r}")
        known |= set(node.output)
        if node.domain in ("", "ai.onnx"):
            try:
                onnx.checker.check_node(node, context)
            except onnx.checker.ValidationError as error:
                reason = (str(error).splitlines() or ["no reason"])[0]
                raise InputError(f"Node {name_of(node)!r} must be valid ONNX, not one with: {reason}") from error


def _cancel_differences(graph: onnx.GraphProto) -> None:
    """Make ``(a - b) + b`` a copy of a, as lowering does: a Quant between them would round what is not there."""
    made = {name: node for node in graph.node for name in node.output}

    def original(name: str) -> str:
        while name in made and made[name].op_type in ("Identity", "Dropout"):
            name = made[name].input[0]
        return name

    for node in graph.node:
        if node.op_type != "Add" or len(node.input) != 2:
            continue
        for first, again in (tuple(node.input), tuple(node.input)[::-1]):
            inner = made.get(original(first))
            if inner is not None and inner.op_type == "Sub" and original(inner.input[1]) == original(again) in made:
                kept = inner.input[0]
                node.op_type = "Identity"
                del node.input[:], node.attribute[:]
                node.input.append(kept)
                break


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Leave out nodes on which no output depends: a Quant that one of them needs would be put in for nothing."""
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= set(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def name_of(node: onnx.NodeProto) -> str:
    """Return the name by which people know a node."""
    return node.name or node.output[0]


def _constants(model: onnx.ModelProto, source: str) -> dict[str, np.ndarray]:
    """Return the values of all tensors that do not depend on the input."""
    values = {tensor.name: array_of(tensor, f"Constant {tensor.name!r}") for tensor in model.graph.initializer}
    moving = {source}
    for node in model.graph.node:
        if moving & set(node.input):
            moving |= set(node.output)
            continue
        if node.op_type in _SHAPED:
            check_size(f"Output of node {name_of(node)!r}", [int(size) for size in values[node.input[-1]].ravel()])
        part = onnx.helper.make_graph(
            [node], "constant", [], [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
        )
        inputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.input if name]
        part.input.extend(inputs)
        alone = onnx.helper.make_model(part, opset_imports=model.opset_import)
        try:
            results = ReferenceEvaluator(alone, new_ops=OPERATORS).run(
                None, {name: values[name] for name in node.input if name}
            )
        except Exception as error:  # of any operator; the evaluator has no error of its own
            raise InputError(
                f"Constant node {name_of(node)!r} must be of an operator that onnx evaluates, not {node.op_type}"
            ) from error
        values |= dict(zip([name for name in node.output if name], results, strict=True))
    return values
