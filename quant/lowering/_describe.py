"""The settled graph becomes a network of hardware nodes."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dataflow import (
    BIPOLAR,
    ArgMax,
    Element,
    Fifo,
    Integer,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    Scores,
    Stream,
    Terminal,
    Threshold,
    position_classes,
    unsigned_for,
)
from quant.lowering._graph import BitSums, Classes, Graph, InputBits, InputIntegers, Layer, Operation

__all__ = ["clean_name", "describe"]

_TAKEN = {"input", "class", "scores"}


def describe(graph: Graph, *, with_class: bool) -> Network:
    """Return the network, unfolded, ending in the class or, without it, in the scores."""
    first, *layers = graph.operations
    *_, classes = layers
    assert isinstance(first, InputBits | InputIntegers)
    assert isinstance(classes, Classes)
    names = _names(graph.operations)
    shape = graph.image or (graph.size(graph.input),)
    nodes: list[Node] = []
    element: Element = first.element
    if isinstance(first, InputBits):
        nodes.append(Threshold(names[first.output], first.element, shape, _shared(first.thresholds)))
        element = BIPOLAR
    taken = set(names.values()) | _TAKEN
    for layer in layers:
        nodes += _nodes_behind(nodes, layer, names[layer.output], element, taken)
        element = nodes[-1].output_streams[0].element
    scores = Scores(nodes[-1].name, classes.logit_scale, classes.logit_bias)
    (sums,) = nodes[-1].output_streams
    if with_class:
        nodes.append(ArgMax(_free("arg_max", taken), sums.element, classes.scale, classes.offset))
    end = _class_end(len(classes.signs)) if with_class else Terminal("scores", Stream(sums.element, (sums.size,)))
    chain = ["input", *(node.name for node in nodes), end.name]
    return Network(
        graph.name,
        tuple(nodes),
        tuple(Fifo(source, target) for source, target in pairwise(chain)),
        (Terminal("input", Stream(first.element, shape)),),
        (end,),
        graph.frame_shape,
        scores,
        graph.metadata,
    )


def _nodes_behind(nodes: list[Node], layer: Operation, name: str, element: Element, taken: set[str]) -> Iterator[Node]:
    """Yield the nodes of an operation behind others."""
    if isinstance(layer, InputBits):
        (sums,) = nodes[-1].output_streams
        yield Threshold(name, layer.element, sums.shape, _shared(layer.thresholds))
    elif isinstance(layer, BitSums):
        for index, pool in enumerate(layer.averages):
            options = [clean_name(pool.name), clean_name(f"{pool.name}_{pool.output}"), f"{name}_average"]
            node = pool.sum_pool(name if index == 0 else _take(options, taken), element)
            element = node.output_element
            yield node
    else:
        assert isinstance(layer, Layer | Classes)
        yield from _nodes_of(layer, name, element, taken)


def _nodes_of(layer: Layer | Classes, name: str, element: Element, taken: set[str]) -> Iterator[Node]:
    """Yield the max pools in front of a layer, its window and its matrix."""
    site = layer.site
    for pool in site.pools:
        window = pool.window
        called = _take([clean_name(pool.name), clean_name(f"{pool.name}_{pool.output}"), f"{name}_pool"], taken)
        yield MaxPool(called, BIPOLAR, pool.image, window.kernel, window.stride, window.dilation, window.padding)
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


def _averages_of(layer: Layer | Classes, name: str, element: Element, taken: set[str]) -> Iterator[Node]:
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
