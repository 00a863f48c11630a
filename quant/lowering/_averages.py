"""Average pools behind a layer, on its sums.

Let a channel's numbers be ``slope * t + offset`` with integers t. Their mean below a window with r pixels of the image,
divided by a count c, is ``(slope/c) * s + offset*r/c`` where s is the sum of the r integers. So the hardware adds, the
division is part of the function that is enumerated, and what follows is a function of one integer as before.

Where r or c differ between positions, as at a padded border, so does that function. The hardware has one threshold for
all of them, so the bits must be the same functions of the sum.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflow import BIPOLAR, InputError
from quant.lowering.exact.numbers import Affine, Constant, NotAffineError
from quant.lowering.graph.chains import Chain, Source, affine_behind, between, codes_of, find_chain
from quant.lowering.graph.graph import Graph
from quant.lowering.graph.hardware import Sums
from quant.lowering.graph.operations import Average, Operation
from quant.lowering.graph.sites import Pooled

__all__ = ["averaged", "check_variants"]


def averaged(graph: Graph, sums: Sums, end: str) -> Sums:
    """Return sums with the average pools behind them that stand in front of a tensor and of any quantizer.

    Raises
    ------
    InputError
        An average pool of numbers that are no affine function of the sums.
    """
    operation = _next(graph, sums.output, end)
    while operation is not None:
        sums = _behind(graph, sums, operation)
        operation = _next(graph, sums.output, end)
    return sums


def _next(graph: Graph, start: str, end: str) -> Average | None:
    """Return the first average pool behind a tensor, if nothing but operators are between them."""
    if between(graph, start, end) is not None:
        return None
    later: list[Operation] = list(graph.operations)
    averages = (each for each in later if isinstance(each, Average))
    first = next((each for each in averages if between(graph, start, each.source) is not None), None)
    return None if first is None or find_chain(graph, start, first.source) is not None else first


def _behind(graph: Graph, sums: Sums, average: Average) -> Sums:
    """Return the sums of an average pool."""
    operations = between(graph, sums.output, average.source)
    assert operations is not None
    span = int(np.abs(sums.totals).max())
    try:
        affine = affine_behind(graph, operations, sums.output, Affine(sums.slope.exact(), sums.offset.exact(), span))
    except NotAffineError:
        raise InputError(
            f"Node {average.name!r} (AveragePool) must have an affine function of the sums of {sums.name!r} "
            "in front of it, not one that bends: put it directly behind the layer"
        ) from None
    inside = (average.sum_pool(average.name, BIPOLAR).tap_pixels >= 0).sum(axis=1)
    pairs = np.unique(np.stack([inside, average.counts]), axis=1).T
    if sums.variants:
        raise InputError(f"Node {average.name!r} (AveragePool) must stand behind even sums, not a padded average pool")
    (first, *others) = [_mean(affine, int(pixels), int(count)) for pixels, count in pairs]
    step = 2 if (sums.totals % 2 == sums.totals[0] % 2).all() else 1
    most = [int(pixels) * span for pixels in np.unique(inside)]
    return replace(
        sums,
        output=average.output,
        slope=first[0],
        offset=first[1],
        totals=np.unique(np.concatenate([np.arange(-reach, reach + 1, step) for reach in most])),
        averages=(*sums.averages, average),
        variants=tuple(others),
    )


def _mean(affine: Affine, pixels: int, count: int) -> tuple[Constant, Constant]:
    slope, offset = affine.slope, affine.offset
    slope, offset = slope * slope.lift(Fraction(1, count)), offset * offset.lift(Fraction(pixels, count))
    return Constant.of(slope.values), Constant.of(offset.values)


def check_variants(graph: Graph, sums: Sums, chain: Chain, pools: tuple[Pooled, ...], codes: np.ndarray) -> None:
    """Refuse average pools whose positions have different functions from the sum to the quantizer's codes.

    Parameters
    ----------
    codes : of the first of them, at all totals
    """
    for slope, offset in sums.variants:
        same = bool((codes_of(graph, chain, Source(sums.totals, slope, offset)) == codes).all())
        early = [each for each in pools if between(graph, each.tensor, chain.quantizer.output) is not None]
        if not same or early:
            raise InputError(
                f"Node {sums.averages[-1].name!r} (AveragePool) must have as many pixels below every position, "
                "not fewer at the border: leave out its padding"
            )
