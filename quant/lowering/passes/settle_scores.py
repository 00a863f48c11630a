"""The last layer's sums and the affine behind them become scores of a class that is the first highest."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import InputError
from quant.lowering._layers import inverted
from quant.lowering.exact.numbers import Affine, Exact, NotAffineError
from quant.lowering.exact.order_keys import order_keys
from quant.lowering.exact.surds import Number
from quant.lowering.graph.chains import between
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import Classes, Sums
from quant.lowering.graph.operations import Elementwise
from quant.lowering.graph.sites import Site
from quant.lowering.reading.elementwise import apply

__all__ = ["settle_scores"]


def settle_scores(graph: Graph) -> Graph:
    """Return the graph with `Classes` in place of the last layer and what follows it.

    A class whose logit falls with the sum has its row inverted: the total changes its sign, and the scale with it.

    Raises
    ------
    InputError
        Operators behind the last layer that are not affine over its sums.
    """
    *others, sums = (each for each in graph.operations if not isinstance(each, Elementwise))
    assert isinstance(sums, Sums)
    logits = _logits(graph, sums)
    falling = logits.slope.signs() < 0
    sums = inverted(sums, falling)
    scales: list[Number] = list(abs(logits.slope).values)
    biases: list[Number] = list(logits.offset.values)
    by_two = np.array_equal(sums.totals, np.arange(-logits.span, logits.span + 1, 2))
    keys = order_keys(scales, biases, logits.span) if by_two else _dense_keys(logits)
    if keys is None:
        raise InputError(
            f"Affine of the scores behind node {sums.name!r} must be ordered by keys of at most 62 bits, "
            "not by wider ones: round its scales and biases"
        )
    scale, bias = (np.array([float(number) for number in numbers], np.float64) for numbers in (scales, biases))
    affines = (*keys, scale, bias)
    ends = (_last_site(sums), sums.averages, sums.shifts)
    classes = Classes(sums.name, graph.output, sums.source, sums.signs, *affines, *ends)
    return graph.with_operations((*others, classes))


def _last_site(sums: Sums) -> Site:
    """Return where the last layer stands: a convolution over the whole image is a dense layer."""
    window = sums.site.window
    whole = window is not None and window.kernel == sums.site.image[:2] and not any(window.padding)
    return replace(sums.site, window=None) if whole and sums.site.groups == 1 and not sums.averages else sums.site


def _dense_keys(logits: Affine) -> tuple[np.ndarray, np.ndarray] | None:
    """Return keys for totals that are all integers up to the span, as twice such a total goes in steps of 2."""
    scales: list[Number] = list((abs(logits.slope) * logits.slope.lift(Fraction(1, 2))).values)
    keys = order_keys(scales, list(logits.offset.values), 2 * logits.span)
    if keys is None:
        return None
    scale, offset = 2 * keys[0], keys[1]
    common = np.gcd.reduce(np.append(scale, offset))
    return scale // common, offset // common


def _logits(graph: Graph, sums: Sums) -> Affine:
    """Return the model's outputs as functions of the totals, one for each class."""
    classes, span = len(sums.signs), int(sums.totals[-1])
    tensors = {sums.output: Affine(sums.slope.exact(), sums.offset.exact(), span)}
    behind = between(graph, sums.output, graph.output)
    assert behind is not None
    for operation in behind:
        operands = [
            None if not name else tensors[name] if name in tensors else _constant(tensors[sums.output], graph, name)
            for name in operation.operands
        ]
        try:
            tensors[operation.output] = apply(operation.kind, operands, operation.attributes)
        except NotAffineError:
            raise InputError(
                f"Node {operation.name!r} ({operation.kind}) must be affine over the scores behind the last layer, "
                "not bend them: leave it out of the exported model"
            ) from None
    result = tensors[graph.output]
    slope, offset = (Exact(np.broadcast_to(each.values, (classes,))) for each in (result.slope, result.offset))
    return Affine(slope, offset, span)


def _constant(like: Affine, graph: Graph, name: str) -> Affine:
    values = graph.constants[name].exact()
    return Affine(values - values, values, like.span)
