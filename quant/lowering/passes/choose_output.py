"""What the network ends in: the class with the highest score, the position of it, the scores, or bits.

A model that ends in its own quantizer of one bit gives these bits. Of a single score the class would always be 0: its
bit is whether it is at least 0, as it is for each of several independent scores where bits are asked for. Scores at
several positions go out as they are, unless the model itself ends in an ArgMax, and so do those of several outputs:
they may be boxes, not classes.
"""

from dataclasses import replace

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.ends import CHANNELS, POSITIONS, End
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, parameter_name
from quant.lowering.graph.walks import between
from quant.lowering.reading.elementwise import QUANTIZERS
from quant.lowering.streams.switches import one_bit_levels

__all__ = ["choose_output"]


def choose_output(graph: Graph) -> Graph:
    """Return the graph with a kind for each output, and with a comparison where bits are to be made of scores.

    A kind that the model cannot have is refused.
    """
    refusals = list(graph.refusals)
    for index, end in enumerate(graph.ends):
        quantizer = _own_quantizer(graph, end)
        try:
            kind = _kind_of(graph, end, quantizer)
        except InputError as error:
            refusals.append(str(error))
            kind = "scores" if quantizer is None else "bits"
        chosen = replace(end, kind=kind)
        graph = replace(graph, ends=(*graph.ends[:index], chosen, *graph.ends[index + 1 :]))
        if kind == "bits" and quantizer is None:
            graph = _compared(graph, chosen)
    return replace(graph, refusals=tuple(refusals))


def _kind_of(graph: Graph, end: End, quantizer: Elementwise | None) -> str:
    """Return what the network makes of an output."""
    asked, scores = end.kind, graph.size(end.tensor)
    if quantizer is not None:
        if asked not in {"auto", "bits"}:
            raise InputError(
                f"Outputs of a model that ends in the bits of node {quantizer.name!r} must be 'bits', not {asked!r}"
            )
        return "bits"
    if asked == "positions" and not end.image:
        raise InputError(
            f"Outputs of a model with scores of one position must be 'class', 'scores', 'both' or 'bits', not {asked!r}"
        )
    own = {CHANNELS: "class", POSITIONS: "positions"}.get(end.chosen)
    if own and asked in {"class", "positions"} and asked != own:
        raise InputError(
            f"Outputs of a model that ends in an ArgMax over {end.chosen} must be {own!r}, 'scores' or 'both', "
            f"not {asked!r}"
        )
    if asked == "class" and scores == 1:
        raise InputError(
            "Outputs of a model with one score must be 'bits' or 'scores', not 'class', which would always be 0"
        )
    if asked != "auto":
        return asked
    if own:
        return own
    if end.image or len(graph.ends) > 1:
        return "scores"
    return "bits" if scores == 1 else "class"


def _compared(graph: Graph, end: End) -> Graph:
    """Return the graph with a comparison of an output's scores with 0."""
    output, one = (parameter_name(end.tensor, each) for each in ("bits", "one"))
    comparison = Elementwise(f"{graph.label(end.tensor)}_bits", output, "BipolarQuant", (end.tensor, one), {})
    return graph.with_operations(
        (*graph.operations, comparison),
        constants={**graph.constants, one: Constant(np.ones(()))},
        shapes={**graph.shapes, output: graph.shapes[end.tensor]},
        ends=tuple(replace(each, tensor=output) if each is end else each for each in graph.ends),
    )


def _own_quantizer(graph: Graph, end: End) -> Elementwise | None:
    """Return the quantizer of one bit in which an output ends, with nothing but operators on its bits after it."""
    for operation in reversed(graph.operations):
        quantizes = isinstance(operation, Elementwise) and operation.kind in QUANTIZERS
        if quantizes and between(graph, operation.output, end.tensor) is not None:
            assert isinstance(operation, Elementwise)
            return operation if one_bit_levels(operation) is not None else None
    return None
