"""A comparison that alone reads the sums of a matrix goes into the matrix.

As ``total = 2*ones - n`` for signs times bits, the threshold on `ones` is ``ceil((t + n) / 2)`` where that on the total
is `t`.
Shifts by class of positions go into the thresholds as well, which then differ by class.
"""

from dataclasses import replace

import numpy as np

from dataflow import BIPOLAR
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import MatrixProduct, Thresholding

__all__ = ["fuse_thresholds"]


def fuse_thresholds(graph: Graph) -> Graph:
    """Return the graph with thresholds in its matrices."""
    made = {each.output: each for each in graph.operations}
    fused: dict[str, MatrixProduct] = {}
    for comparison in graph.operations:
        if not isinstance(comparison, Thresholding):
            continue
        matrix = made.get(comparison.sources[0])
        if isinstance(matrix, MatrixProduct) and graph.readings_of(matrix.output) == 1:
            fused[matrix.output] = _with_thresholds(graph, matrix, comparison)
    gone = {matrix.output for matrix in fused.values()}
    operations = (fused.get(each.output, each) for each in graph.operations if each.output not in gone)
    return graph.with_operations(tuple(operations))


def _with_thresholds(graph: Graph, matrix: MatrixProduct, comparison: Thresholding) -> MatrixProduct:
    wanted = comparison.thresholds if matrix.shifts is None else comparison.thresholds - matrix.shifts
    synapses = matrix.weights.shape[1]
    stream, element = graph.streams[matrix.sources[0]], matrix.element
    if stream.of_bits and element == BIPOLAR:
        levels = np.clip(-((-wanted - synapses) // 2), 0, synapses + 1)
    else:
        products = [weight * point for weight in element.span for point in (stream.low, stream.high)]
        levels = np.clip(wanted, synapses * min(products), synapses * max(products) + 1)
    return replace(matrix, output=comparison.output, thresholds=levels, shifts=None)
