"""Exact arrays, affine functions, and constants that are either.

`Interval`, `Exact` and `Affine` know the same operations, so that the meaning of an operator is written once, in
`_operators`, and read three ways: enclosed in float64 over a whole range, exactly at single points, and as a function
of the accumulator.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol, Self

import numpy as np

from quant.lowering.exact.intervals import Interval, enclosure
from quant.lowering.exact.steps import STEPS
from quant.lowering.exact.surds import Number, bounds, divide, sign, square_root

__all__ = ["Affine", "Constant", "Exact", "NotAffineError", "Real"]


class Real(Protocol):
    """What an operator may do with numbers."""

    def lift(self, number: Fraction) -> Self:
        """Return a rational constant of the same kind."""

    def __neg__(self) -> Self: ...
    def __add__(self, other: Self) -> Self: ...
    def __sub__(self, other: Self) -> Self: ...
    def __mul__(self, other: Self) -> Self: ...
    def __truediv__(self, other: Self) -> Self: ...
    def __abs__(self) -> Self: ...
    def minimum(self, other: Self) -> Self:
        """Return the smaller of two."""

    def maximum(self, other: Self) -> Self:
        """Return the larger of two."""

    def step(self, kind: str) -> Self:
        """Apply a step function, see `_steps`."""


def _each(function: Callable[..., object], *arrays: np.ndarray) -> np.ndarray:
    """Apply a function element by element to object arrays, once for the same objects.

    Weights hold few objects many times.
    """
    results: dict[tuple[int, ...], object] = {}

    def once(*numbers: object) -> object:
        key = tuple(map(id, numbers))
        if key not in results:
            results[key] = function(*numbers)
        return results[key]

    return np.asarray(np.frompyfunc(once, len(arrays), 1)(*arrays), object)


@dataclass(frozen=True, eq=False)
class Exact:
    """An object array of `Number`."""

    values: np.ndarray

    def lift(self, number: Fraction) -> "Exact":
        return Exact(np.array(number, object))

    def __neg__(self) -> "Exact":
        return Exact(_each(lambda a: -a, self.values))

    def __add__(self, other: "Exact") -> "Exact":
        return Exact(_each(lambda a, b: a + b, self.values, other.values))

    def __sub__(self, other: "Exact") -> "Exact":
        return Exact(_each(lambda a, b: a - b, self.values, other.values))

    def __mul__(self, other: "Exact") -> "Exact":
        return Exact(_each(lambda a, b: a * b, self.values, other.values))

    def __truediv__(self, other: "Exact") -> "Exact":
        return Exact(_each(divide, self.values, other.values))

    def __abs__(self) -> "Exact":
        return Exact(_each(abs, self.values))

    def minimum(self, other: "Exact") -> "Exact":
        return Exact(_each(min, self.values, other.values))

    def maximum(self, other: "Exact") -> "Exact":
        return Exact(_each(max, self.values, other.values))

    def step(self, kind: str) -> "Exact":
        return Exact(_each(lambda a: Fraction(STEPS[kind].exact(a)), self.values))

    def square_root(self) -> "Exact":
        """Return the square roots; ValueError if one is not real."""
        return Exact(_each(square_root, self.values))

    def signs(self) -> np.ndarray:
        """Return -1, 0 or +1 for each number, int64."""
        return _each(sign, self.values).astype(np.int64)


class NotAffineError(Exception):
    """An operator bends a function of the accumulator within the accumulator's range."""


@dataclass(frozen=True, eq=False)
class Affine:
    """Functions ``slope * total + offset`` of a total between ``-span`` and ``+span``.

    A minimum, maximum or absolute value is affine if the sign that it asks for is the same at both ends of the range.
    """

    slope: Exact
    offset: Exact
    span: int

    def lift(self, number: Fraction) -> "Affine":
        return self._constant(self.offset.lift(number))

    def _constant(self, value: Exact) -> "Affine":
        return replace(self, slope=self.slope.lift(Fraction(0)), offset=value)

    @property
    def ends(self) -> tuple[Exact, Exact]:
        """Values at the smallest and the largest total."""
        reach = self.slope * self.slope.lift(Fraction(self.span))
        return self.offset - reach, self.offset + reach

    def __neg__(self) -> "Affine":
        return replace(self, slope=-self.slope, offset=-self.offset)

    def __add__(self, other: "Affine") -> "Affine":
        return replace(self, slope=self.slope + other.slope, offset=self.offset + other.offset)

    def __sub__(self, other: "Affine") -> "Affine":
        return self + -other

    def __mul__(self, other: "Affine") -> "Affine":
        if (self.slope.signs() * other.slope.signs()).any():
            raise NotAffineError
        slope = self.slope * other.offset + self.offset * other.slope
        return replace(self, slope=slope, offset=self.offset * other.offset)

    def __truediv__(self, other: "Affine") -> "Affine":
        if other.slope.signs().any():
            raise NotAffineError
        return replace(self, slope=self.slope / other.offset, offset=self.offset / other.offset)

    def __abs__(self) -> "Affine":
        return self.maximum(-self)

    def minimum(self, other: "Affine") -> "Affine":
        return -(-self).maximum(-other)

    def maximum(self, other: "Affine") -> "Affine":
        low, high = (end.signs() for end in (self - other).ends)
        if (low * high < 0).any():
            raise NotAffineError
        larger = low + high >= 0
        slope = np.where(larger, self.slope.values, other.slope.values)
        return replace(
            self, slope=Exact(slope), offset=Exact(np.where(larger, self.offset.values, other.offset.values))
        )

    def step(self, kind: str) -> "Affine":
        low, high = (end.step(kind) for end in self.ends)
        if (high - low).signs().any():
            raise NotAffineError
        return self._constant(low)


@dataclass(frozen=True, eq=False)
class Constant:
    """An array of exact numbers: float64 where that holds them all, else objects.

    Parameters
    ----------
    values : float64, or an object array of `Number`
    """

    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Constant":
        """Return the constant of an array of any dtype that holds real numbers."""
        if values.dtype.kind == "f" or values.dtype == bool:
            return cls(values.astype(np.float64))
        if values.dtype == object:
            floats = _floats_of(values)
            return cls(values if floats is None else floats)
        if values.size == 0 or (np.abs(values.astype(np.float64)) < 2.0**53).all():
            return cls(values.astype(np.float64))
        return cls(_each(Fraction, values.astype(object)))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def size(self) -> int:
        return int(self.values.size)

    def interval(self) -> Interval:
        """Return an enclosure."""
        if self.values.dtype != object:
            return Interval.of_floats(self.values)
        ends = [enclosure(*bounds(number, 128)) for number in self.values.ravel()]
        low, high = np.array(ends, np.float64).reshape(-1, 2).T
        return Interval(low.reshape(self.shape), high.reshape(self.shape))

    def exact(self) -> Exact:
        """Return the numbers themselves."""
        if self.values.dtype == object:
            return Exact(self.values)
        floats, places = np.unique(self.values, return_inverse=True)
        numbers = _each(Fraction, floats.astype(object))
        return Exact(numbers[places.ravel()].reshape(self.shape))

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Constant":
        """Apply a function that only moves or repeats elements."""
        return Constant(function(self.values))

    def floats(self) -> np.ndarray:
        """Return the nearest float64."""
        return self.values.astype(np.float64)

    def integers(self) -> list[int]:
        """Return the numbers as a flat list of integers; ValueError if one is none."""
        numbers: list[Number] = list(self.exact().values.ravel())
        if any(not isinstance(number, Fraction) or number.denominator != 1 for number in numbers):
            raise ValueError("a number that is no integer")
        return [int(number) for number in numbers if isinstance(number, Fraction)]

    def item(self) -> Number:
        """Return the only number."""
        number: Number = self.exact().values.reshape(()).item()
        return number


def _floats_of(numbers: np.ndarray) -> np.ndarray | None:
    """Return an object array as float64, or None if that cannot hold it."""
    floats = []
    for number in numbers.ravel():
        if not isinstance(number, Fraction) or number.denominator & (number.denominator - 1):
            return None
        try:
            floats.append(float(number))
        except OverflowError:
            return None
        if Fraction(floats[-1]) != number:
            return None
    return np.array(floats, np.float64).reshape(numbers.shape)
