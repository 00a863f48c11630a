"""The ending "points as scores": the affine of a stream becomes keys that keep every decision between classes."""

from fractions import Fraction

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Exact
from quant.lowering.exact.order_keys import order_keys
from quant.lowering.exact.surds import Number
from quant.lowering.graph.hardware import ClassDecision
from quant.lowering.streams.stream import IntegerStream

__all__ = ["decision"]


def decision(output: str, stream: IntegerStream, slope: Exact, offset: Exact) -> ClassDecision:
    """Return the decision for the class with the highest ``slope * point + offset``.

    Parameters
    ----------
    slope, offset : (classes,), the slopes at least 0

    Raises
    ------
    InputError
        No keys of at most 62 bits keep the order.
    """
    scales: list[Number] = list(slope.values)
    biases: list[Number] = list(offset.values)
    by_two = np.array_equal(stream.points, np.arange(-stream.reach, stream.reach + 1, 2))
    keys = order_keys(scales, biases, stream.reach) if by_two else _keys_of_all(slope, offset, stream.reach)
    if keys is None:
        raise InputError(
            f"Affine of the scores after node {stream.name!r} must be ordered by keys of at most 62 bits, "
            "not by wider ones: round its scales and biases"
        )
    scale, bias = (np.array([float(number) for number in numbers], np.float64) for numbers in (scales, biases))
    return ClassDecision("arg_max", output, (stream.tensor,), *keys, scale, bias)


def _keys_of_all(slope: Exact, offset: Exact, reach: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return keys for points that are all integers up to the reach, as twice such a point goes in steps of 2."""
    keys = order_keys(list((slope * slope.lift(Fraction(1, 2))).values), list(offset.values), 2 * reach)
    if keys is None:
        return None
    scale, bias = 2 * keys[0], keys[1]
    common = np.gcd.reduce(np.append(scale, bias))
    return scale // common, bias // common
