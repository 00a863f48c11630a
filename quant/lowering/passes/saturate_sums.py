"""A requantization that only cuts sums off goes into the Add that makes them, whose result saturates."""

from dataclasses import replace

import numpy as np

from dataflow import integer_for
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import BranchSum, Requantization
from quant.lowering.streams.runs import Runs

__all__ = ["saturate_sums"]


def saturate_sums(graph: Graph) -> Graph:
    """Return the graph with saturating sums of branches where that is all that is done to them."""
    made = {each.output: each for each in graph.operations}
    fused: dict[str, BranchSum] = {}
    for cutting in graph.operations:
        if not isinstance(cutting, Requantization) or not _saturates(cutting):
            continue
        branches = made.get(cutting.sources[0])
        if isinstance(branches, BranchSum) and graph.readings_of(branches.output) == 1:
            fused[branches.output] = replace(branches, output=cutting.output, span=cutting.span)
    gone = {branches.output for branches in fused.values()}
    operations = (fused.get(each.output, each) for each in graph.operations if each.output not in gone)
    return graph.with_operations(tuple(operations))


def _saturates(cutting: Requantization) -> bool:
    """Return whether codes are the points, saturated to the type of the codes."""
    if cutting.of_bits:
        return False
    element, points = integer_for(*cutting.span), cutting.runs.points
    saturated = np.clip(points, element.minimum, element.maximum)[:, None]
    return cutting.runs.channels == 1 and cutting.runs.equals(Runs.of(points, saturated))
