"""A comparison that alone reads the sums of a matrix goes into the matrix.

As ``total = 2*ones - n`` for bits, the threshold on `ones` is ``ceil((t + n) / 2)`` where that on the total is `t`.
Shifts by class of positions go into the thresholds as well, which then differ by class.
"""

from dataclasses import replace

import numpy as np

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
        if isinstance(matrix, MatrixProduct) and len(list(graph.readers_of(matrix.output))) == 1:
            fused[matrix.output] = _with_thresholds(graph, matrix, comparison)
    gone = {matrix.output for matrix in fused.values()}
    operations = (fused.get(each.output, each) for each in graph.operations if each.output not in gone)
    return graph.with_operations(tuple(operations))


def _with_thresholds(graph: Graph, matrix: MatrixProduct, comparison: Thresholding) -> MatrixProduct:
    wanted = comparison.thresholds if matrix.shifts is None else comparison.thresholds - matrix.shifts
    synapses = matrix.signs.shape[1]
    stream = graph.streams[matrix.sources[0]]
    if stream.of_bits:
        levels = np.clip(-((-wanted - synapses) // 2), 0, synapses + 1)
    else:
        levels = np.clip(wanted, -synapses * stream.reach, synapses * stream.reach + 1)
    return replace(matrix, output=comparison.output, thresholds=levels, shifts=None)
