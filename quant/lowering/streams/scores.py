"""The ending "points as scores": their meaning, and keys that keep every decision between classes."""

from fractions import Fraction

import numpy as np

from dataflow import InputError
from quant.lowering.exact.numbers import Exact
from quant.lowering.exact.order_keys import order_keys
from quant.lowering.exact.surds import Number
from quant.lowering.graph.ends import Meaning
from quant.lowering.streams.stream import IntegerStream

__all__ = ["keys_of", "meaning_of"]


def meaning_of(stream: IntegerStream, slope: Exact, offset: Exact) -> Meaning:
    """Return what the points of a stream mean as scores, ``slope * point + offset``.

    Parameters
    ----------
    slope, offset : (channels,)
    """
    scale, bias = (np.array([float(number) for number in each.values], np.float64) for each in (slope, offset))
    return Meaning(stream.tensor, scale, bias)


def keys_of(stream: IntegerStream, slope: Exact, offset: Exact) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale and offset of keys that decide between classes as ``slope * point + offset`` does.

    Parameters
    ----------
    slope, offset : (classes,), the slopes at least 0

    Returns
    -------
    scale, offset : (classes,) int64

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
    return keys


def _keys_of_all(slope: Exact, offset: Exact, reach: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return keys for points that are all integers up to the reach, as twice such a point goes in steps of 2."""
    keys = order_keys(list((slope * slope.lift(Fraction(1, 2))).values), list(offset.values), 2 * reach)
    if keys is None:
        return None
    scale, bias = 2 * keys[0], keys[1]
    common = np.gcd.reduce(np.append(scale, bias))
    return scale // common, bias // common
