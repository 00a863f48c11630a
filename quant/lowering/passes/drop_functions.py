"""Functions like Softmax and Tanh go where they change nothing; elsewhere they are refused.

At the end of the model a strictly rising function of every score, the same for all classes, keeps the order of the
scores and so the class, ties included; Softmax and LogSoftmax are such functions, divided by or lessened by what all
classes share. Before a sign, an odd rising function keeps the sign, zero included. Sigmoid less 1/2 is odd: where all
that reads a Sigmoid only asks on which side of 1/2 it is, ``clip(x + 1/2, 0, 1)`` serves as well. Rounded, which takes
1/2 to 0, it is ``x > 0``.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.ends import Along, End
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import (
    Elementwise,
    NonRational,
    Operation,
    Operator,
    Rearrangement,
    Refused,
    Single,
    parameter_name,
)
from quant.lowering.reading.constants import has_zero
from quant.lowering.reading.elementwise import COMPARISONS

__all__ = ["drop_functions"]

_RISING = {
    *("ArgMax", "Asinh", "Atan", "Erf", "Exp", "LogSoftmax", "Sigmoid", "Sinh", "Softmax", "Softplus"),
    *("Softsign", "Tanh"),
}
_ODD = {"Asinh", "Atan", "Erf", "Sinh", "Softsign", "Tanh"}
#: Of a single score these keep whether it is at least 0, which is its bit: Sigmoid is then at least 1/2.
_HALVES = {*_ODD, "Sigmoid"}


def drop_functions(graph: Graph) -> Graph:
    """Return the graph without functions that keep the scores' order or the sign that is taken of them.

    A function at another place is refused.
    """
    for operation in list(graph.operations):
        if isinstance(operation, NonRational) and _is_before_sign(graph, operation):
            graph = _without(graph, operation)
        elif isinstance(operation, NonRational) and operation.kind == "Sigmoid":
            graph = _without_rounding(graph, operation)
            if _is_cut_at_half(graph, operation):
                graph = _with_ramp(graph, operation)
    noted = []
    for index in range(len(graph.ends)):
        dropped: list[str] = []
        while (last := _last(graph, graph.ends[index])) is not None:
            dropped.insert(0, f"{last.kind} {last.name!r}")
            graph = _ending_before(graph, graph.ends[index], last)
        if dropped:
            label = f"{graph.ends[index].name}: " if len(graph.ends) > 1 else ""
            noted.append(label + ", ".join(dropped))
    if noted:
        graph = replace(graph, metadata={**graph.metadata, "dropped": "; ".join(noted)})
    return _refusing(graph)


def _refusing(graph: Graph) -> Graph:
    """Return the graph with what is left of such functions refused."""
    operations: list[Operation] = []
    refusals = list(graph.refusals)
    for operation in graph.operations:
        if isinstance(operation, NonRational):
            refusals.append(_refusal(graph, operation))
            operation = Refused(operation.name, operation.output, operation.inputs)
        operations.append(operation)
    return graph.with_operations(tuple(operations), refusals=tuple(refusals))


def _refusal(graph: Graph, function: NonRational) -> str:
    ends = [end for end in graph.ends if end.tensor == function.output]
    if function.kind in _RISING - _HALVES and any(_gives_bits(graph, end, function.source) for end in ends):
        return (
            f"Node {function.name!r} ({function.kind}) must end a model of which the class is taken, not bits: "
            "leave it out, so that the bits are score >= 0"
        )
    return (
        f"Operator of node {function.name!r} must be piecewise linear at its place, not {function.kind}: "
        "replace it by Clip (HardTanh), HardSigmoid or Relu"
    )


def _is_cut_at_half(graph: Graph, function: NonRational) -> bool:
    """Return whether a Sigmoid is only compared with 1/2."""
    readers = list(graph.readers_of(function.output))
    if function.kind != "Sigmoid" or graph.is_end(function.output) or not readers:
        return False
    return all(_cuts_at_half(graph, function.output, each) for each in readers)


def _cuts_at_half(graph: Graph, tensor: str, operation: Operation) -> bool:
    if not isinstance(operation, Elementwise):
        return False
    if operation.kind in COMPARISONS:
        return operation.operands[0] == tensor and _is_number(graph, operation.operands[1], Fraction(1, 2))
    sides = {"Sub": (Fraction(1, 2), 1), "Add": (Fraction(-1, 2), None)}
    if operation.kind not in sides:
        return False
    number, place = sides[operation.kind]
    others = [name for name in operation.operands if name != tensor]
    if len(others) != 1 or (place is not None and operation.operands[place] != others[0]):
        return False
    if not _is_number(graph, others[0], number) or graph.is_end(operation.output):
        return False
    return all(_takes_sign(graph, each) for each in graph.readers_of(operation.output))


def _is_number(graph: Graph, name: str, number: Fraction) -> bool:
    values = graph.constants[name].exact().values.ravel() if name in graph.constants else ()
    return len(values) > 0 and all(value == number for value in values)


def _without_rounding(graph: Graph, function: NonRational) -> Graph:
    """Return the graph with comparisons in place of the roundings of a Sigmoid, and without what nobody reads then."""
    zero = parameter_name(function.output, "zero")
    attributes = {"step": "positive", "low": 0, "high": 1}
    operations: list[Operation] = []
    for each in graph.operations:
        if isinstance(each, Elementwise) and each.kind == "Round" and each.operands == (function.output,):
            each = Elementwise(each.name, each.output, "Greater", (function.source, zero), attributes)
        operations.append(each)
    read = {name for each in operations for name in each.inputs} | {end.tensor for end in graph.ends}
    kept = tuple(each for each in operations if each is not function or function.output in read)
    return graph.with_operations(kept, constants={**graph.constants, zero: Constant(np.zeros(()))})


def _with_ramp(graph: Graph, function: NonRational) -> Graph:
    ramp = Elementwise(function.name, function.output, "HardSigmoid", (function.source,), {"alpha": 1.0, "beta": 0.5})
    return graph.with_operations(tuple(ramp if each is function else each for each in graph.operations))


def _is_before_sign(graph: Graph, function: NonRational) -> bool:
    readers = list(graph.readers_of(function.output))
    return (
        function.kind in _ODD
        and not graph.is_end(function.output)
        and all(_takes_sign(graph, each) for each in readers)
    )


def _takes_sign(graph: Graph, operation: Operation) -> bool:
    if not isinstance(operation, Elementwise):
        return False
    if operation.kind in {"BipolarQuant", "Sign"}:
        return True
    if operation.attributes.get("step") != "bipolar":
        return False
    zero_point = graph.constants[operation.operands[2]]
    return has_zero(zero_point) and not zero_point.exact().signs().any()


def _last(graph: Graph, end: End) -> Operator | NonRational | None:
    """Return the last operation of an output but those that only move elements, if it can go."""
    operation, moved = graph.operation_of(end.tensor), False
    while isinstance(operation, Rearrangement):
        moved |= bool((operation.order.ravel() != np.arange(operation.order.size)).any())
        operation = graph.operation_of(operation.source)
    if isinstance(operation, NonRational) and operation.kind in _rising_of(graph, end, operation):
        return None if operation.kind == "ArgMax" and moved else operation
    if (
        isinstance(operation, Elementwise)
        and operation.kind == "HardSigmoid"
        and _gives_bits(graph, end, operation.inputs[0])
    ):
        alpha, beta = (operation.attributes.get(name, default) for name, default in (("alpha", 0.2), ("beta", 0.5)))
        return operation if alpha > 0 and beta == 0.5 else None
    if isinstance(operation, Elementwise) and operation.kind == "LeakyRelu":
        return operation if operation.attributes.get("alpha", 0.01) > 0 else None
    return None


def _rising_of(graph: Graph, end: End, function: NonRational) -> set[str]:
    if end.along and end.along[0].kind == "ArgMax":
        return _RISING - {"ArgMax"}
    return _HALVES if _gives_bits(graph, end, function.source) else _RISING


def _gives_bits(graph: Graph, end: End, scores: str) -> bool:
    """Return whether each score of an output is asked for being at least 0, not which one is the highest."""
    alone = len(graph.ends) == 1 and graph.size(scores) == 1
    return end.kind == "bits" or (end.kind == "auto" and alone)


def _without(graph: Graph, operation: NonRational) -> Graph:
    """Return the graph with the readers of an operation reading what it reads."""
    operations = tuple(
        _reading(each, operation.output, operation.source) for each in graph.operations if each is not operation
    )
    return graph.with_operations(operations)


def _reading(operation: Operation, old: str, new: str) -> Operation:
    if isinstance(operation, Operator):
        return replace(operation, operands=tuple(new if name == old else name for name in operation.operands))
    if isinstance(operation, Single) and operation.source == old:
        return replace(operation, source=new)
    return operation


def _ending_before(graph: Graph, end: End, last: Operator | NonRational) -> Graph:
    """Return the graph of which an output is what an operation reads, moved as what the operation makes was."""
    moves: list[Rearrangement] = []
    operation = graph.operation_of(end.tensor)
    while isinstance(operation, Rearrangement):
        moves.insert(0, operation)
        operation = graph.operation_of(operation.source)
    tensor = last.inputs[0]
    renamed = {last.output: tensor}
    made: list[Operation] = []
    shapes = dict(graph.shapes)
    if not (isinstance(last, NonRational) and last.kind == "ArgMax"):
        for move in moves:
            # Copies, since something else may read what is moved.
            copy = replace(move, output=parameter_name(move.output, end.name), source=tensor)
            shapes[copy.output] = graph.shapes[move.output]
            renamed[move.output] = tensor = copy.output
            made.append(copy)
    along = tuple(replace(each, tensor=renamed.get(each.tensor, each.tensor)) for each in end.along)
    if isinstance(last, NonRational) and last.axes:
        along = (*along, Along(last.name, last.kind, last.source, last.axes))
    ends = tuple(replace(each, tensor=tensor, along=along) if each is end else each for each in graph.ends)
    return graph.needed((*graph.operations, *made), ends=ends, shapes=shapes)
