"""Branches that meet: sums of streams with different scales, and streams side by side.

Let the tensors that are added be ``s_k * p_k + o_k`` with points ``p_k``. If, in each channel, ``s_k = f_k * s`` with
whole factors ``f_k``, the same for all channels, and a positive `s`, their sum is ``s * (f_1 * p_1 + f_2 * p_2 + ...)``
plus the sum of the ``o_k``: a function of one integer, like that of a layer. A mean of four bits, for example, has a
quarter of the scale of a bit.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Constant, Exact
from quant.lowering.graph.operations import Join
from quant.lowering.streams.stream import IntegerStream

__all__ = ["factors_of", "side_by_side"]

#: Larger factors are means of more numbers than a window has; they would only make sums wide.
_largest_factor = 1024


def factors_of(join: Join, streams: Sequence[IntegerStream], slopes: Sequence[Exact]) -> tuple[int, ...]:
    """Return the whole numbers in whose ratio the scales of what is added are, the same in all channels.

    Raises
    ------
    InputError
        There are none, or a scale is not positive.
    """
    ratios = []
    for index, (stream, slope) in enumerate(zip(streams, slopes, strict=True)):
        falling = np.atleast_1d(slope.signs() <= 0)
        if falling.any():
            raise InputError(
                f"Node {join.name!r} (Add) must add numbers that rise with {stream.label}, "
                f"not fall as in channel {int(falling.argmax())}: use positive scales before it"
            )
        quotients = np.atleast_1d((slope / slopes[0]).values)
        odd = [not isinstance(each, Fraction) or each != quotients[0] for each in quotients]
        if any(odd):
            raise InputError(_unequal(join, streams, slopes, (0, index), odd.index(True)))
        ratios.append(Fraction(quotients[0]))
    common = lcm(*(ratio.denominator for ratio in ratios))
    factors = [int(ratio * common) for ratio in ratios]
    factors = [factor // gcd(*factors) for factor in factors]
    if max(factors) > _largest_factor:
        extremes = (factors.index(min(factors)), factors.index(max(factors)))
        raise InputError(_unequal(join, streams, slopes, extremes, 0))
    return tuple(factors)


def _unequal(
    join: Join, streams: Sequence[IntegerStream], slopes: Sequence[Exact], pair: tuple[int, int], channel: int
) -> str:
    """Return why two of an Add's operands cannot be added in a channel."""
    left, right = (f"{float(_at(slopes[index], channel)):g} of {streams[index].name!r}" for index in pair)
    return (
        f"Node {join.name!r} (Add) must add numbers whose scales are small whole multiples of one, the same in all "
        f"channels, not steps of {left} and {right} in channel {channel}: share one quantizer, or one scale, between "
        "them, as xnorflow quantize lets them"
    )


def side_by_side(numbers: Sequence[Exact], sizes: Sequence[int]) -> Constant:
    """Return numbers by channel, () or (channels,) each, concatenated."""
    pairs = zip(numbers, sizes, strict=True)
    return Constant.of(np.concatenate([np.broadcast_to(each.values, (size,)) for each, size in pairs]))


def _at(numbers: Exact, channel: int) -> Fraction:
    flat = numbers.values.ravel()
    number: Fraction = flat[channel if flat.size > 1 else 0]
    return number
