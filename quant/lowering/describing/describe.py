"""The settled graph becomes a network of hardware nodes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dataflow import (
    BIPOLAR,
    Add,
    ArgMax,
    Concat,
    Element,
    Fifo,
    Fork,
    Integer,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    Scores,
    Stream,
    Terminal,
    Threshold,
    integer_for,
    position_classes,
    unsigned_for,
)
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import BitSums, Classes, InputBits, InputIntegers, Joined, Layer, Sums
from quant.lowering.graph.operations import Join, Operation
from quant.lowering.graph.sites import Pooled

__all__ = ["clean_name", "describe"]

_TAKEN = {"input", "class", "scores"}


def describe(graph: Graph, *, with_class: bool) -> Network:
    """Return the network, unfolded, ending in the class or, without it, in the scores."""
    first, classes = graph.operations[0], graph.operations[-1]
    assert isinstance(first, InputBits | InputIntegers)
    assert isinstance(classes, Classes)
    shape = graph.image or (graph.size(graph.input),)
    build = _Builder(graph, Stream(first.element, shape))
    for operation in graph.operations:
        build.add(operation)
    node = build.nodes[-1]
    scores = Scores(node.name, classes.logit_scale, classes.logit_bias)
    (sums,) = node.output_streams
    nodes = list(build.nodes)
    if with_class:
        nodes.append(ArgMax(_free("arg_max", build.taken), sums.element, classes.scale, classes.offset))
        build.fifos.append(Fifo(node.name, nodes[-1].name))
    end = _class_end(len(classes.signs)) if with_class else Terminal("scores", Stream(sums.element, (sums.size,)))
    return Network(
        graph.name,
        tuple(nodes),
        (*build.fifos, Fifo(nodes[-1].name, end.name)),
        (Terminal("input", Stream(first.element, shape)),),
        (end,),
        graph.frame_shape,
        scores,
        graph.metadata,
    )


@dataclass(frozen=True)
class _End:
    """An output that is not read yet: a node, or the input, one of its ports, and what it emits."""

    name: str
    port: int
    stream: Stream


class _Builder:
    """A network in the making.

    Attributes
    ----------
    ends : by tensor, the outputs that carry it, one for each reader
    """

    def __init__(self, graph: Graph, stream: Stream) -> None:
        self.graph = graph
        self.names = _names(graph.operations)
        self.taken = set(self.names.values()) | _TAKEN
        self.nodes: list[Node] = []
        self.fifos: list[Fifo] = []
        self.ends = {graph.input: [_End("input", 0, stream)]}

    def add(self, operation: Operation) -> None:
        """Add the nodes of an operation, and a `Fork` behind them if several read what they make."""
        if isinstance(operation, Join):
            end = self._joined(operation)
        else:
            (source,) = operation.inputs
            end = self.ends[source].pop(0)
            for node in _nodes_behind(end.stream, operation, self.names[operation.output], self.taken):
                end = self._append(node, end)
        self.ends[operation.output] = self._forked(end, operation)

    def _append(self, node: Node, *ends: _End) -> _End:
        """Put a node behind outputs."""
        self.nodes.append(node)
        self.fifos += [Fifo(end.name, node.name, end.port, port) for port, end in enumerate(ends)]
        return _End(node.name, 0, node.output_streams[0])

    def _joined(self, join: Join) -> _End:
        name, ends = self.names[join.output], []
        for source, pools in zip(join.operands, join.pools, strict=True):
            end = self.ends[source].pop(0)
            for pool in _pools(pools, name, self.taken):
                end = self._append(pool, end)
            ends.append(end)
        if join.stacked:
            shapes = [end.stream.shape for end in ends]
            elements, channels = tuple(end.stream.element for end in ends), tuple(shape[-1] for shape in shapes)
            return self._append(Concat(name, elements, channels, shapes[0][:-1]), *ends)
        assert isinstance(join, Joined)
        # Sums take fewer numbers than their types hold, so those of many blocks would get wider and wider.
        result = integer_for(int(join.totals[0]), int(join.totals[-1]))
        node = Add(name, tuple(end.stream.element for end in ends), ends[0].stream.shape)
        return self._append(replace(node, result=result) if result != node.element else node, *ends)

    def _forked(self, end: _End, operation: Operation) -> list[_End]:
        """Return as many outputs as there are readers of what an operation makes."""
        readers = sum(each.inputs.count(operation.output) for each in self.graph.operations)
        if readers < 2:
            return [end]
        name = "input" if isinstance(operation, InputIntegers) else self.names[operation.output]
        fork = Fork(_take([f"{name}_fork"], self.taken), end.stream.element, end.stream.shape, readers)
        self._append(fork, end)
        return [_End(fork.name, port, stream) for port, stream in enumerate(fork.output_streams)]


def _nodes_behind(stream: Stream, operation: Operation, name: str, taken: set[str]) -> Iterator[Node]:
    """Yield the nodes of an operation that reads a stream."""
    if isinstance(operation, InputBits):
        yield Threshold(name, stream.element, stream.shape, _shared(operation.thresholds))
    elif isinstance(operation, BitSums):
        element = stream.element
        for index, pool in enumerate(operation.averages):
            options = [clean_name(pool.name), clean_name(f"{pool.name}_{pool.output}"), f"{name}_average"]
            node = pool.sum_pool(name if index == 0 else _take(options, taken), element)
            element = node.output_element
            yield node
    elif not isinstance(operation, InputIntegers):
        assert isinstance(operation, Layer | Sums | Classes)
        yield from _nodes_of(operation, name, stream.element, taken)


def _pools(pools: tuple[Pooled, ...], name: str, taken: set[str]) -> Iterator[MaxPool]:
    """Yield the max pools in front of an operation."""
    for pool in pools:
        window = pool.window
        called = _take([clean_name(pool.name), clean_name(f"{pool.name}_{pool.output}"), f"{name}_pool"], taken)
        yield MaxPool(called, BIPOLAR, pool.image, window.kernel, window.stride, window.dilation, window.padding)


def _nodes_of(layer: Layer | Sums | Classes, name: str, element: Element, taken: set[str]) -> Iterator[Node]:
    """Yield the max pools in front of a layer, its window and its matrix."""
    site = layer.site
    yield from _pools(site.pools, name, taken)
    windows = None
    if site.window is not None:
        windows = site.sliding_window(_take([f"{name}_window"], taken), element)
        yield windows
    thresholds = layer.thresholds if isinstance(layer, Layer) and not layer.averages else None
    by_class = layer.shifts is not None or (thresholds is not None and thresholds.ndim == 2)
    matrix = MatrixVector(
        name,
        layer.signs,
        thresholds,
        positions=site.positions,
        operand=element,
        groups=site.groups,
        position_classes=position_classes(windows).of_positions if by_class and windows else None,
        offsets=layer.shifts,
    )
    yield matrix
    yield from _averages_of(layer, name, matrix.element, taken)


def _averages_of(layer: Layer | Sums | Classes, name: str, element: Element, taken: set[str]) -> Iterator[Node]:
    """Yield the sums of a layer's average pools, and the comparison behind them."""
    pool = None
    for average in layer.averages:
        options = [clean_name(average.name), clean_name(f"{average.name}_{average.output}"), f"{name}_average"]
        pool = average.sum_pool(_take(options, taken), element)
        element = pool.output_element
        yield pool
    if pool is not None and isinstance(layer, Layer):
        shape = (*pool.positions, pool.shape[-1])
        yield Threshold(_take([f"{name}_threshold"], taken), element, shape, _shared(layer.thresholds))


def _class_end(count: int) -> Terminal:
    element: Integer = unsigned_for(count - 1)
    return Terminal("class", Stream(element, (1,)))


def _shared(thresholds: np.ndarray) -> np.ndarray:
    return thresholds[:1] if (thresholds == thresholds[0]).all() else thresholds


def clean_name(name: str) -> str:
    """Return a name of letters, digits and underscores; torch's own prefix goes."""
    cleaned = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    return re.sub(r"^node_+", "", cleaned)


def _names(operations: tuple[Operation, ...]) -> dict[str, str]:
    """Return a name for each operation, by its output: the node's own, or with the tensor's where that is taken."""
    taken = set(_TAKEN)
    names = {}
    for operation in operations:
        own, tensor = clean_name(operation.name), clean_name(operation.output)
        options = [own, f"{own}_{tensor}".strip("_"), f"node_{own}_{tensor}"]
        names[operation.output] = _take(options, taken)
    return names


def _take(options: list[str], taken: set[str]) -> str:
    """Return the first name that is free, which is taken then."""
    name = next((each for each in options if each and each not in taken), "")
    name = name or _free(options[-1], taken)
    taken.add(name)
    return name


def _free(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, longer by underscores where it is."""
    while name in taken:
        name += "_"
    return name
