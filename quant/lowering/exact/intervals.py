"""Arrays of float64 intervals that are certain to hold the exact result.

Each bound is rounded outward only where rounding happened at all: the error of a sum (Knuth's TwoSum) and of a product
(Dekker's TwoProduct, away from under- and overflow) is itself a float, and its sign tells on which side the exact
result lies. So whatever float64 can represent stays a point, ``low == high``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quant.lowering.exact.steps import STEPS

__all__ = ["Interval"]

#: Below this a product's error may be too small for a float; above the other, splitting overflows.
_safe_low, _safe_high = 2.0**-900, 2.0**900
_splitter = 2.0**27 + 1


@dataclass(frozen=True, eq=False)
class Interval:
    """Intervals ``low <= x <= high``, two float64 arrays of one shape."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of_floats(cls, values: np.ndarray) -> "Interval":
        """Return points."""
        return cls(values, values)

    def lift(self, number: Fraction) -> "Interval":
        """Return a rational constant."""
        return Interval(*(np.array(bound) for bound in _around(number)))

    @property
    def is_exact(self) -> bool:
        """Whether all intervals are finite points."""
        return bool((self.low == self.high).all() and np.isfinite(self.low).all())

    def pick(self, channels: np.ndarray) -> "Interval":
        """Return one interval for each of the channels, or the one for all."""
        return Interval(self.low[channels], self.high[channels]) if self.low.shape else self

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.low)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(_sum(self.low, other.low)[0], _sum(self.high, other.high)[1])

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        return _extremes(_product, self, other)

    def __truediv__(self, other: "Interval") -> "Interval":
        safe = np.sign(other.low) * np.sign(other.high) > 0
        divisor = Interval(np.where(safe, other.low, 1.0), np.where(safe, other.high, 1.0))
        quotient = _extremes(_quotient, self, divisor)
        return Interval(np.where(safe, quotient.low, -np.inf), np.where(safe, quotient.high, np.inf))

    def __abs__(self) -> "Interval":
        low = np.maximum(np.maximum(self.low, -self.high), 0.0)
        return Interval(low, np.maximum(-self.low, self.high))

    def minimum(self, other: "Interval") -> "Interval":
        """Return the smaller of two."""
        return Interval(np.minimum(self.low, other.low), np.minimum(self.high, other.high))

    def maximum(self, other: "Interval") -> "Interval":
        """Return the larger of two."""
        return Interval(np.maximum(self.low, other.low), np.maximum(self.high, other.high))

    def step(self, kind: str) -> "Interval":
        """Apply a step function, see `_steps`."""
        with np.errstate(invalid="ignore"):
            return Interval(STEPS[kind].floats(self.low), STEPS[kind].floats(self.high))


def enclosure(low: Fraction, high: Fraction) -> tuple[float, float]:
    """Return floats below and above two rationals."""
    return _around(low)[0], _around(high)[1]


def _around(number: Fraction) -> tuple[float, float]:
    try:
        near = float(number)
    except OverflowError:
        largest = float(np.finfo(np.float64).max)
        return (largest, np.inf) if number > 0 else (-np.inf, -largest)
    exact = Fraction(near)
    low = near if exact <= number else float(np.nextafter(near, -np.inf))
    high = near if exact >= number else float(np.nextafter(near, np.inf))
    return low, high


Bounds = tuple[np.ndarray, np.ndarray]


def _outward(value: np.ndarray, error: np.ndarray) -> Bounds:
    """Return bounds of ``value + error``; an error that is NaN says nothing, so both sides move."""
    low = np.where(error >= 0, value, np.nextafter(value, -np.inf))
    high = np.where(error <= 0, value, np.nextafter(value, np.inf))
    return low, high


def _sum(a: np.ndarray, b: np.ndarray) -> Bounds:
    with np.errstate(all="ignore"):
        value = a + b
        from_b = value - a
        error = (a - (value - from_b)) + (b - from_b)
        return _outward(value, error)


def _product(a: np.ndarray, b: np.ndarray) -> Bounds:
    with np.errstate(all="ignore"):
        value = a * b
        zero = (a == 0) | (b == 0)  # also 0 * inf, where inf stands for an unknown bound
        value = np.where(zero, 0.0, value)
        error = np.where(zero, 0.0, _product_error(a, b, value))
        return _outward(value, error)


def _product_error(a: np.ndarray, b: np.ndarray, value: np.ndarray) -> np.ndarray:
    a_high, b_high = _upper_half(a), _upper_half(b)
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - value) + a_high * b_low + a_low * b_high) + a_low * b_low
    size = np.abs(value)
    safe = (size > _safe_low) & (size < _safe_high) & (np.abs(a) < _safe_high) & (np.abs(b) < _safe_high)
    return np.where(safe, error, np.nan)


def _upper_half(a: np.ndarray) -> np.ndarray:
    scaled = _splitter * a
    return scaled - (scaled - a)


def _quotient(a: np.ndarray, b: np.ndarray) -> Bounds:
    with np.errstate(all="ignore"):
        value = np.where(a == 0, 0.0, a / b)
        back = value * b
        exact = (a == 0) | ((back == a) & (_product_error(value, b, back) == 0))
        return _outward(value, np.where(exact, 0.0, np.nan))


def _extremes(operation: Callable[[np.ndarray, np.ndarray], Bounds], a: Interval, b: Interval) -> Interval:
    """Return the smallest and the largest result over the corners; points have fewer of them."""
    a_ends = (a.low,) if a.low is a.high else (a.low, a.high)
    b_ends = (b.low,) if b.low is b.high else (b.low, b.high)
    corners = [operation(x, y) for x in a_ends for y in b_ends]
    low, high = corners[0]
    for corner_low, corner_high in corners[1:]:
        low, high = np.minimum(low, corner_low), np.maximum(high, corner_high)
    return Interval(low, high)
