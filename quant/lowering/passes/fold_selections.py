"""A selection of channels goes into the rows of the matrix that makes them, if nothing else reads it.

On the way there may be comparisons, requantizations and pools, which then have only the channels that are selected. So
a channel shuffle, or a slice of what one layer makes, costs nothing.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import ChannelSelection, HardwareOperation
from quant.lowering.graph.operations import Operation

__all__ = ["fold_selections"]


def fold_selections(graph: Graph) -> Graph:
    """Return the graph without the selections of channels that a matrix can make by itself."""
    for operation in graph.operations:
        if not isinstance(operation, ChannelSelection):
            continue
        makers = list(_makers(graph, operation))
        changed = [maker.of_channels(operation.channels) for maker in makers]
        if not makers or any(each is None for each in changed):
            continue
        count = len(operation.channels)
        shapes = dict(graph.shapes) | {maker.output: (count,) for maker in makers}
        by_output: dict[str, Operation] = {
            maker.output: each for maker, each in zip(makers, changed, strict=True) if each is not None
        }
        last = makers[0].output
        by_output[last] = replace(by_output[last], output=operation.output)
        operations = (by_output.get(each.output, each) for each in graph.operations if each is not operation)
        graph = graph.with_operations(tuple(operations), shapes=shapes)
    return graph


def _makers(graph: Graph, selection: ChannelSelection) -> Iterator[HardwareOperation]:
    """Yield what makes the channels of a selection, from the last operation to a matrix; nothing if it does not."""
    if len(np.unique(selection.channels)) < len(selection.channels):
        return
    found, source = [], selection.sources[0]
    while True:
        maker = graph.operation_of(source)
        if not isinstance(maker, HardwareOperation) or len(list(graph.readers_of(source))) > 1:
            return
        found.append(maker)
        if not maker.keeps_channels:
            break
        (source,) = maker.sources
    yield from found
