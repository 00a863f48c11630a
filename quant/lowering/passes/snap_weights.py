"""Weights that are binary but for rounding noise become binary, on request.

A straight-through estimator written as ``(sign(w) - w) + w`` is exported as it is, and float32 arithmetic leaves sizes
that differ in their last bits. No step of lowering rounds but this one, and it only as far as asked.
"""

from dataclasses import replace

import numpy as np

from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import LinearLayer

__all__ = ["snap_weights"]


def snap_weights(graph: Graph) -> Graph:
    """Return the graph with weights of one size where a neuron's sizes differ by no more than the tolerance.

    The size is the one that most of its weights have. The metadata say which nodes changed, and by how much.
    """
    if not graph.weight_tolerance:
        return graph
    operations, changed = [], []
    for operation in graph.operations:
        if isinstance(operation, LinearLayer):
            weights, most = _snapped(operation.weights, graph.weight_tolerance)
            if most:
                changed.append(f"{operation.name} {most:.2g}")
                operation = replace(operation, weights=weights)
        operations.append(operation)
    if not changed:
        return graph
    metadata = {**graph.metadata, "weights_changed": ", ".join(changed)}
    return graph.with_operations(tuple(operations), metadata=metadata)


def _snapped(weights: Constant, tolerance: float) -> tuple[Constant, float]:
    """Return the weights, and the greatest relative change of one."""
    values, most = weights.floats().copy(), 0.0
    for row in values:
        sizes, counts = np.unique(np.abs(row), return_counts=True)
        if len(sizes) > 1 and sizes[-1] - sizes[0] <= tolerance * sizes[-1]:
            size = sizes[counts.argmax()]
            most = max(most, float(np.abs(sizes - size).max() / size))
            row[:] = np.sign(row) * size
    return (Constant(values) if most else weights), most
