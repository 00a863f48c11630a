"""Each dense layer, with whatever stands between it and the next one, becomes signs and thresholds: see `_layers`."""

from dataflow import InputError
from quant.lowering._averages import averaged
from quant.lowering._bit_averages import average_of_bits, settle_averages
from quant.lowering._branches import absorb_branches
from quant.lowering._layers import layer_of, sums_of
from quant.lowering.graph.chains import between
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import InputBits, InputIntegers, Layer, StackedBits
from quant.lowering.graph.operations import Dense, Join, Operation

__all__ = ["absorb_chains"]


def absorb_chains(graph: Graph) -> Graph:
    """Return the graph with a `Layer` for each dense layer but the last, which becomes `Sums`.

    Raises
    ------
    InputError
        A layer that is not binary, or a chain that is not monotone.
    """
    if any(isinstance(each, Join) for each in graph.operations):
        return absorb_branches(graph)
    dense = [each for each in graph.operations if isinstance(each, Dense)]
    bits: InputBits | InputIntegers | Layer | StackedBits
    bits = next(each for each in graph.operations if isinstance(each, InputBits | InputIntegers))
    kept: list[Operation] = [bits]
    layer, *others = dense
    for following in others:
        sums = averaged(graph, sums_of(graph, layer, bits), following.source)
        found = layer_of(graph, sums, following.source, following.name, following.site.pools)
        added, bits, layer = settle_averages(graph, found, following)
        kept += [found, *added]
    last = averaged(graph, sums_of(graph, layer, bits), graph.output)
    pool = average_of_bits(graph, last.output, graph.output)
    if pool is not None:
        raise InputError(
            f"Node {pool.name!r} (AveragePool) must have a layer behind it, not be the mean of the scores' bits"
        )
    kept.append(last)
    behind = between(graph, last.output, graph.output)
    assert behind is not None
    return graph.with_operations((*kept, *behind))
