"""What every pass has to leave: a graph whose neighbours fit each other."""

from math import prod

import numpy as np

from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import BranchSum, MatrixProduct, Thresholding
from quant.lowering.graph.operations import Elementwise, Join, LinearLayer, Operation

__all__ = ["check"]


def check(graph: Graph, after: str) -> Graph:
    """Return the graph, whose neighbours fit each other.

    Raises
    ------
    AssertionError
        They do not; names the pass, the node and its neighbour. That is a mistake of the pass, not of the model.
    """
    written = {graph.input}
    for operation in graph.operations:
        for name in operation.inputs:
            if name not in written and name not in graph.constants:
                raise AssertionError(f"after {after}: {operation.name!r} reads {name!r}, which nobody writes before it")
        if operation.output in written or operation.output in graph.constants:
            raise AssertionError(f"after {after}: {operation.name!r} writes {operation.output!r} a second time")
        if operation.output not in graph.shapes:
            raise AssertionError(f"after {after}: {operation.name!r} writes {operation.output!r} without a shape")
        _check_sizes(graph, operation, after)
        written.add(operation.output)
    for name in (name for end in graph.ends for name in end.tensors):
        if name not in written:
            raise AssertionError(f"after {after}: nobody writes the output {name!r}")
    return graph


def _check_sizes(graph: Graph, operation: Operation, after: str) -> None:
    if isinstance(operation, LinearLayer | MatrixProduct):
        matrix = operation.weights.values if isinstance(operation, LinearLayer) else operation.weights
        neurons, synapses = matrix.shape
        read, written = _sizes_of(graph, operation)
        if read != synapses * operation.site.groups:
            raise AssertionError(
                f"after {after}: {operation.name!r} reads {synapses * operation.site.groups} numbers, "
                f"not the {read} of {graph.label(operation.inputs[0])!r}"
            )
        if written != neurons:
            raise AssertionError(
                f"after {after}: {operation.name!r} writes {neurons} numbers, not the {written} of {operation.output!r}"
            )
    if isinstance(operation, BranchSum) or (isinstance(operation, Join) and not operation.concatenated):
        sizes = {graph.shapes[name] for name in (*operation.inputs, operation.output)}
        if len(sizes) > 1:
            raise AssertionError(f"after {after}: {operation.name!r} adds {sorted(sizes)}, which are not alike")
    if isinstance(operation, Thresholding) and operation.thresholds.size != graph.size(operation.sources[0]):
        raise AssertionError(
            f"after {after}: {operation.name!r} has {operation.thresholds.size} thresholds, "
            f"not the {graph.size(operation.sources[0])} of {graph.label(operation.sources[0])!r}"
        )
    if isinstance(operation, Elementwise):
        shapes = [graph.constants[n].shape if n in graph.constants else graph.shapes[n] for n in operation.inputs]
        try:
            fits = prod(np.broadcast_shapes(*shapes)) == graph.size(operation.output)
        except ValueError:
            fits = False
        if not fits:
            raise AssertionError(f"after {after}: {operation.name!r} combines {shapes}, which do not fit")


def _sizes_of(graph: Graph, layer: LinearLayer | MatrixProduct) -> tuple[int, int]:
    """Return how many numbers a layer's vectors have, and how many it makes of each."""
    source, output = graph.shapes[layer.inputs[0]], graph.shapes[layer.output]
    if layer.site.image:  # then tensors are known by their channels
        return prod(source) * layer.site.repeats, prod(output)
    if layer.site.window is not None:
        return source[1] * layer.site.window.taps, output[1]
    return prod(source), prod(output)
