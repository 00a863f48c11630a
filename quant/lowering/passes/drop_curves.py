"""Functions like Softmax and Tanh go where they change nothing; elsewhere they are refused.

At the end of the model a strictly rising function of every score, the same for all classes, keeps the order of the
scores and so the class, ties included; Softmax and LogSoftmax are such functions, divided by or lessened by what all
classes share. In front of a sign, an odd rising function keeps the sign, zero included.
"""

from dataclasses import replace

from dataflow import InputError
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Average, Curve, Dense, Elementwise, Layout, Operation, Operator, Pad, Pool
from quant.lowering.reading.constants import has_zero

__all__ = ["drop_curves"]

_RISING = {
    *("ArgMax", "Asinh", "Atan", "Erf", "Exp", "LogSoftmax", "Sigmoid", "Sinh", "Softmax", "Softplus"),
    *("Softsign", "Tanh"),
}
_ODD = {"Asinh", "Atan", "Erf", "Sinh", "Softsign", "Tanh"}


def drop_curves(graph: Graph) -> Graph:
    """Return the graph without functions that keep the scores' order or the sign that is taken of them.

    Raises
    ------
    InputError
        A function that stands elsewhere.
    """
    for operation in list(graph.operations):
        if isinstance(operation, Curve) and _is_before_sign(graph, operation):
            graph = _without(graph, operation)
    dropped = []
    while (last := _last(graph)) is not None:
        dropped.append(f"{last.kind} {last.name!r}")
        graph = _without(graph, last)
    for operation in graph.operations:
        if isinstance(operation, Curve):
            raise InputError(
                f"Operator of node {operation.name!r} must be piecewise linear at its place, not {operation.kind}: "
                "replace it by Clip (HardTanh), HardSigmoid or Relu"
            )
    if dropped:
        graph = replace(graph, metadata={**graph.metadata, "dropped": ", ".join(reversed(dropped))})
    return graph


def _is_before_sign(graph: Graph, curve: Curve) -> bool:
    readers = list(graph.readers_of(curve.output))
    return curve.kind in _ODD and graph.output != curve.output and all(_takes_sign(graph, each) for each in readers)


def _takes_sign(graph: Graph, operation: Operation) -> bool:
    if not isinstance(operation, Elementwise):
        return False
    if operation.kind in {"BipolarQuant", "Sign"}:
        return True
    if operation.attributes.get("step") != "bipolar":
        return False
    zero_point = graph.constants[operation.operands[2]]
    return has_zero(zero_point) and not zero_point.exact().signs().any()


def _last(graph: Graph) -> Operator | Curve | None:
    """Return the last operation but those that only move elements, if it can go."""
    operation = graph.operation_of(graph.output)
    while isinstance(operation, Layout):
        operation = graph.operation_of(operation.source)
    if isinstance(operation, Curve) and operation.kind in _RISING:
        return operation
    if isinstance(operation, Elementwise) and operation.kind == "LeakyRelu":
        return operation if operation.attributes.get("alpha", 0.01) > 0 else None
    return None


def _without(graph: Graph, operation: Operator | Curve) -> Graph:
    """Return the graph with the readers of an operation reading what it reads."""
    source = operation.inputs[0]
    if isinstance(operation, Curve) and operation.kind == "ArgMax":
        return _ending_in(graph, source)
    operations = tuple(_reading(each, operation.output, source) for each in graph.operations if each is not operation)
    output = source if graph.output == operation.output else graph.output
    return graph.with_operations(operations, output=output)


def _reading(operation: Operation, old: str, new: str) -> Operation:
    if isinstance(operation, Operator):
        return replace(operation, operands=tuple(new if name == old else name for name in operation.operands))
    if isinstance(operation, Average | Layout | Curve | Dense | Pad | Pool) and operation.source == old:
        return replace(operation, source=new)
    return operation


def _ending_in(graph: Graph, output: str) -> Graph:
    """Return the part of the graph that a tensor depends on."""
    needed, kept = {output}, []
    for operation in reversed(graph.operations):
        if operation.output in needed:
            kept.append(operation)
            needed |= set(operation.inputs)
    return graph.with_operations(tuple(reversed(kept)), output=output)
