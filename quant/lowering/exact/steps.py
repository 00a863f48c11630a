"""Step functions, from real numbers to integers; none of them ever falls.

Because none falls, an interval whose two ends give the same integer is decided.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quant.lowering.exact.surds import Number, floor, sign

__all__ = ["STEPS", "Step"]


@dataclass(frozen=True)
class Step:
    """A step function, for arrays of float64 (also infinite) and for one exact number."""

    floats: Callable[[np.ndarray], np.ndarray]
    exact: Callable[[Number], int]


def _half_even(number: Number) -> int:
    below = floor(number)
    beyond = sign(number - below - Fraction(1, 2))
    return below + (beyond > 0 or (beyond == 0 and below % 2 == 1))


def _mirrored(number: Number, upper: Callable[[Number], int]) -> int:
    """Apply a function of the size and give the sign back."""
    return sign(number) * upper(abs(number))


def _ceil(number: Number) -> int:
    return -floor(-number)


_half = Fraction(1, 2)

#: By name; the roundings are those of QONNX.
STEPS = {
    # sign(0) = +1
    "bipolar": Step(lambda x: np.where(x >= 0, 1.0, -1.0), lambda x: 1 if sign(x) >= 0 else -1),
    "positive": Step(lambda x: np.where(x > 0, 1.0, 0.0), lambda x: int(sign(x) > 0)),
    "not_negative": Step(lambda x: np.where(x >= 0, 1.0, 0.0), lambda x: int(sign(x) >= 0)),
    # sign(0) = 0
    "sign": Step(np.sign, sign),
    "HALF_EVEN": Step(np.round, _half_even),
    "FLOOR": Step(np.floor, floor),
    "CEIL": Step(np.ceil, _ceil),
    "UP": Step(lambda x: np.sign(x) * np.ceil(np.abs(x)), lambda x: _mirrored(x, _ceil)),
    "DOWN": Step(np.trunc, lambda x: _mirrored(x, floor)),
    "HALF_UP": Step(
        # not floor(|x| + 0.5): the sum rounds, 0.49999999999999994 would become 1
        lambda x: np.trunc(x) + np.where(np.abs(x - np.trunc(x)) >= 0.5, np.sign(x), 0.0),
        lambda x: _mirrored(x, lambda size: floor(size + _half)),
    ),
    "HALF_DOWN": Step(
        lambda x: np.trunc(x) + np.where(np.abs(x - np.trunc(x)) > 0.5, np.sign(x), 0.0),
        lambda x: _mirrored(x, lambda size: _ceil(size - _half)),
    ),
}
