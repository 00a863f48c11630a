"""What the network ends in: the class with the highest score, or bits.

A model that ends in its own quantizer of one bit gives these bits. Of a single score the class would always be 0: its
bit is whether it is at least 0, as it is for each of several independent scores where bits are asked for.
"""

from dataclasses import replace

import numpy as np

from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.operations import Elementwise, parameter_name
from quant.lowering.graph.walks import Step, between
from quant.lowering.reading.elementwise import QUANTIZERS
from quant.lowering.streams.switches import one_bit_levels

__all__ = ["choose_output"]


def choose_output(graph: Graph) -> Graph:
    """Return the graph with an output kind, and with a comparison at the end where bits are to be made of scores.

    A kind that the model cannot have is refused.
    """
    quantizer, count = _own_quantizer(graph), graph.size(graph.output)
    scores = graph.outputs in {"class", "scores", "both"}
    if quantizer is not None:
        if scores:
            refusal = (
                f"Outputs of a model that ends in the bits of node {quantizer.name!r} must be 'bits', "
                f"not {graph.outputs!r}"
            )
            return replace(graph, outputs="bits", refusals=(*graph.refusals, refusal))
        return replace(graph, outputs="bits")
    if graph.outputs == "class" and count == 1:
        refusal = "Outputs of a model with one score must be 'bits' or 'scores', not 'class', which would always be 0"
        return replace(graph, outputs="scores", refusals=(*graph.refusals, refusal))
    if scores or (graph.outputs == "auto" and count > 1):
        return replace(graph, outputs="class" if graph.outputs == "auto" else graph.outputs)
    output = parameter_name(graph.output, "bits")
    one = parameter_name(graph.output, "one")
    comparison = Elementwise(f"{graph.label(graph.output)}_bits", output, "BipolarQuant", (graph.output, one), {})
    return graph.with_operations(
        (*graph.operations, comparison),
        constants={**graph.constants, one: Constant(np.ones(()))},
        shapes={**graph.shapes, output: graph.shapes[graph.output]},
        output=output,
        outputs="bits",
    )


def _own_quantizer(graph: Graph) -> Elementwise | None:
    """Return the quantizer of one bit in which a model ends, with nothing but operators on its bits after it."""
    for operation in reversed(graph.operations):
        if not isinstance(operation, Step):
            return None
        quantizes = isinstance(operation, Elementwise) and operation.kind in QUANTIZERS
        if quantizes and between(graph, operation.output, graph.output) is not None:
            assert isinstance(operation, Elementwise)
            return operation if one_bit_levels(operation) is not None else None
    return None
