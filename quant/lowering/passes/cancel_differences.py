"""What straight-through estimators leave in a file goes: ``(a - b) + b`` is a, in exact arithmetic.

Authors write a sign with a gradient as ``(sign(x) - clip(x)).detach() + clip(x)``, of which an exporter keeps the
difference and the sum.
"""

from math import prod

import numpy as np

from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, Operation, Rearrangement

__all__ = ["cancel_differences"]

_INVERSES = {"Add": "Sub", "Sub": "Add"}


def cancel_differences(graph: Graph) -> Graph:
    """Return the graph in which what is subtracted and added again, or added and subtracted, is left out."""
    made = {operation.output: operation for operation in graph.operations}
    operations: list[Operation] = []
    for operation in graph.operations:
        kept = _kept(graph, made, operation)
        if kept is not None:
            shape = graph.shapes[operation.output]
            order = np.arange(prod(shape)).reshape(shape)
            operation = Rearrangement(operation.name, operation.output, kept, order)
            made[operation.output] = operation
        operations.append(operation)
    return graph if operations == list(graph.operations) else graph.needed(tuple(operations))


def _kept(graph: Graph, made: dict[str, Operation], operation: Operation) -> str | None:
    """Return the tensor that an Add or Sub leaves as it is; None if it is none."""
    if not isinstance(operation, Elementwise) or operation.kind not in _INVERSES or len(operation.operands) != 2:
        return None
    pairs = [operation.operands, operation.operands[::-1]][: 2 if operation.kind == "Add" else 1]
    for first, again in pairs:
        inner = made.get(_root(made, first))
        if not isinstance(inner, Elementwise) or inner.kind != _INVERSES[operation.kind] or len(inner.operands) != 2:
            continue
        choices = [inner.operands, inner.operands[::-1]][: 2 if inner.kind == "Add" else 1]
        for kept, taken in choices:
            whole = kept in graph.shapes and graph.shapes[kept] == graph.shapes[operation.output]
            if whole and taken in graph.shapes and _root(made, taken) == _root(made, again):
                return kept
    return None


def _root(made: dict[str, Operation], name: str) -> str:
    """Return the tensor of which another is a copy, as after an Identity."""
    operation = made.get(name)
    while isinstance(operation, Rearrangement) and (operation.order.ravel() == np.arange(operation.order.size)).all():
        name = operation.source
        operation = made.get(name)
    return name
