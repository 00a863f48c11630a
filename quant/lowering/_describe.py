"""The settled graph becomes a network of hardware nodes."""

import re
from itertools import pairwise

import numpy as np

from dataflow import (
    ArgMax,
    Fifo,
    Integer,
    MatrixVector,
    Network,
    Node,
    Scores,
    Stream,
    Terminal,
    Threshold,
    signed_for,
    unsigned_for,
)
from quant.lowering._graph import Classes, Graph, InputBits, Layer, Operation

__all__ = ["clean_name", "describe"]

_TAKEN = {"input", "class", "scores"}


def describe(graph: Graph, *, with_class: bool) -> Network:
    """Return the network, unfolded, ending in the class or, without it, in the scores."""
    bits, *_, classes = graph.operations
    assert isinstance(bits, InputBits)
    assert isinstance(classes, Classes)
    layers = [each for each in graph.operations if isinstance(each, Layer)]
    names = _names(graph.operations)
    size, (count, synapses) = graph.size(graph.input), classes.signs.shape
    nodes: list[Node] = [Threshold(names[bits.output], bits.element, (size,), _shared(bits.thresholds))]
    nodes += [MatrixVector(names[each.output], each.signs, each.thresholds) for each in layers]
    nodes.append(MatrixVector(names[classes.output], classes.signs))
    element = signed_for(-synapses, synapses)
    scores = Scores(names[classes.output], classes.logit_scale, classes.logit_bias)
    if with_class:
        taken = {node.name for node in nodes}
        nodes.append(ArgMax(_free("arg_max", taken), element, classes.scale, classes.offset))
    end = _class_end(count) if with_class else Terminal("scores", Stream(element, (count,)))
    chain = ["input", *(node.name for node in nodes), end.name]
    return Network(
        graph.name,
        tuple(nodes),
        tuple(Fifo(source, target) for source, target in pairwise(chain)),
        (Terminal("input", Stream(bits.element, (size,))),),
        (end,),
        graph.frame_shape,
        scores,
        graph.metadata,
    )


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
        names[operation.output] = next((each for each in options if each and each not in taken), "")
        if not names[operation.output]:
            names[operation.output] = _free(options[-1], taken)
        taken.add(names[operation.output])
    return names


def _free(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, longer by underscores where it is."""
    while name in taken:
        name += "_"
    return name
