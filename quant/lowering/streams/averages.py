"""Averages of a stream: the hardware adds, and the division is part of the function that follows.

Let a channel's numbers be ``slope * point + offset``. Their mean below a window with r pixels of the image, divided by
a count c, is ``(slope/c) * s + offset*r/c`` where s is the sum of the r points. So what follows is a function of one
integer as before.

Where r or c differ between positions, as at a padded border, so does that function; the stream then has variants.
"""

from fractions import Fraction

import numpy as np

from dataflow import BIPOLAR, InputError, SumPool
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.operations import AveragePooling
from quant.lowering.streams.stream import IntegerStream, points_within, union_of

__all__ = ["averaged"]


def averaged(average: AveragePooling, stream: IntegerStream, slope: Exact, offset: Exact) -> IntegerStream:
    """Return the sums of an average pool of ``slope * point + offset``.

    Raises
    ------
    InputError
        The numbers averaged are themselves means of differing numbers of pixels.
    """
    if stream.variants:
        raise InputError(
            f"Node {average.name!r} (AveragePool) must average even sums, not those of the padded average pool "
            f"{stream.name!r}: leave out its padding"
        )
    window = average.window
    pool = SumPool(average.name, BIPOLAR, average.image, window.kernel, window.stride, window.dilation, window.padding)
    inside = (pool.tap_pixels >= 0).sum(axis=1)
    pairs = np.unique(np.stack([inside, average.counts]), axis=1).T
    (first, *others) = [_mean(slope, offset, int(pixels), int(count)) for pixels, count in pairs]
    sums = [points_within(int(r) * stream.low, int(r) * stream.high, stream.step) for r in np.unique(inside)]
    return IntegerStream(average.name, average.output, union_of(sums), *first, variants=tuple(others))


def _mean(slope: Exact, offset: Exact, pixels: int, count: int) -> tuple[Constant, Constant]:
    slope, offset = slope * slope.lift(Fraction(1, count)), offset * offset.lift(Fraction(pixels, count))
    return Constant.of(slope.values), Constant.of(offset.values)
