"""Arrays of exact numbers for the tests of lowering, which share no code with it.

A number is a rational: an integer over the array's common denominator. A square root or an exponential that is not
rational becomes one of `DIGITS` decimal digits, and its array is *rough*: before a step function or a comparison, what
lies within ``10**-NEAR`` of an integer or of a half is taken for that. Parameters of float32 combine with one or two
square roots to numbers that are either zero or at least about ``10**-240``, so ties are found as ties.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import gcd, isqrt, lcm
from typing import Any

import numpy as np

__all__ = ["DIGITS", "FAR", "NEAR", "Numbers", "curve", "joined", "square_root"]

DIGITS, NEAR = 600, 300
FAR = 1000
_UNIT = 10**DIGITS
_BAND = 10 ** (DIGITS - NEAR)


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers ``tops / bottom``.

    Parameters
    ----------
    tops : (frames, ...) objects, Python's integers; a constant has one frame
    bottom : positive
    rough : whether a square root or an exponential was rounded on the way
    """

    tops: np.ndarray
    bottom: int = 1
    rough: bool = False

    @classmethod
    def of(cls, values: Any) -> "Numbers":
        """Return one frame with the numbers of an array: integers, floats, Fractions or Decimals."""
        array = np.asarray(values)
        if array.dtype == bool or array.dtype.kind in "iu":
            return cls(np.asarray(array.astype(np.int64 if array.dtype == bool else array.dtype), object)[None])
        ratios = [Fraction(value) for value in array.ravel().tolist()]
        bottom = lcm(*(ratio.denominator for ratio in ratios)) if ratios else 1
        tops = np.empty(len(ratios), object)
        tops[:] = [ratio.numerator * (bottom // ratio.denominator) for ratio in ratios]
        return cls(tops.reshape(array.shape)[None], bottom)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return tuple(self.tops.shape[1:])

    def like(self, tops: np.ndarray, bottom: int | None = None, *others: "Numbers") -> "Numbers":
        """Return other numbers that are rough if these or others are, with the smallest denominator."""
        bottom = self.bottom if bottom is None else bottom
        common = bottom
        for top in tops.flat:
            if common == 1:
                break
            common = gcd(common, top)
        rough = self.rough or any(other.rough for other in others)
        return Numbers(tops // common if common > 1 else tops, bottom // common, rough)

    def move(self, change: Callable[[np.ndarray], np.ndarray]) -> "Numbers":
        """Apply a function that only moves, repeats or leaves out numbers; it sees the axis of frames too."""
        return Numbers(change(self.tops), self.bottom, self.rough)

    def fractions(self) -> np.ndarray:
        """Return (frames, ...) Fractions."""
        return _each(lambda top: Fraction(top, self.bottom), self.tops)

    def floats(self) -> np.ndarray:
        """Return (frames, ...) float64, the nearest ones."""
        return _each(lambda top: top / self.bottom, self.tops).astype(np.float64)

    def integers(self) -> list[int]:
        """Return a constant as a flat list of integers."""
        assert self.bottom == 1
        assert len(self.tops) == 1
        return [int(top) for top in self.tops.ravel()]

    def snapped(self) -> "Numbers":
        """Return the numbers with halves and integers where rounding has moved them off these."""
        if not self.rough:
            return self
        band = self.bottom // 10**NEAR

        def snap(top: int) -> int:
            half = (4 * top + self.bottom) // (2 * self.bottom)
            nearest = half * self.bottom
            return nearest if abs(2 * top - nearest) <= 2 * band else 2 * top

        return Numbers(_each(snap, self.tops), 2 * self.bottom, True)

    def signs(self) -> np.ndarray:
        """Return -1, 0 or +1, int64."""
        return _each(lambda top: (top > 0) - (top < 0), self.snapped().tops).astype(np.int64)

    def step(self, function: Callable[[Fraction], int]) -> "Numbers":
        """Apply a function that rounds."""
        exact = self.snapped()
        known: dict[int, int] = {}

        def rounded(top: int) -> int:
            if top not in known:
                known[top] = int(function(Fraction(top, exact.bottom)))
            return known[top]

        return Numbers(_each(rounded, exact.tops))

    def aligned(self, other: "Numbers") -> tuple[np.ndarray, np.ndarray, int]:
        """Return the integers of both over one denominator, with as many axes."""
        bottom = lcm(self.bottom, other.bottom)
        rank = max(self.tops.ndim, other.tops.ndim)
        left, right = (_ranked(each.tops, rank) * (bottom // each.bottom) for each in (self, other))
        return left, right, bottom

    def __add__(self, other: "Numbers") -> "Numbers":
        left, right, bottom = self.aligned(other)
        return self.like(left + right, bottom, other)

    def __sub__(self, other: "Numbers") -> "Numbers":
        return self + -other

    def __neg__(self) -> "Numbers":
        return self.move(lambda tops: -tops)

    def __mul__(self, other: "Numbers") -> "Numbers":
        rank = max(self.tops.ndim, other.tops.ndim)
        return self.like(_ranked(self.tops, rank) * _ranked(other.tops, rank), self.bottom * other.bottom, other)

    def __truediv__(self, other: "Numbers") -> "Numbers":
        return self * other.reciprocal()

    def reciprocal(self) -> "Numbers":
        """Return ``1 / x``; ZeroDivisionError if one is zero."""
        if not self.tops.size:
            return self
        if (self.signs() == 0).any():
            raise ZeroDivisionError
        if self.rough:
            return Numbers(_each(lambda top: _UNIT * self.bottom // top, self.tops), _UNIT, True)
        bottom = lcm(*self.tops.ravel().tolist())
        return self.like(_each(lambda top: bottom // top * self.bottom, self.tops), bottom)

    def maximum(self, other: "Numbers") -> "Numbers":
        left, right, bottom = self.aligned(other)
        return self.like(np.maximum(left, right), bottom, other)

    def minimum(self, other: "Numbers") -> "Numbers":
        return -(-self).maximum(-other)


def _ranked(tops: np.ndarray, rank: int) -> np.ndarray:
    return tops.reshape(len(tops), *[1] * (rank - tops.ndim), *tops.shape[1:])


def _each(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*arrays), object)


def square_root(numbers: Numbers) -> Numbers:
    """Return the square roots: exact ones if all of them are rational."""
    ratios = numbers.fractions()
    if not numbers.rough and all(
        _is_square(ratio.numerator) and _is_square(ratio.denominator) for ratio in ratios.flat
    ):
        return Numbers.of(_each(lambda r: Fraction(isqrt(r.numerator), isqrt(r.denominator)), ratios)[0])
    tops = _each(lambda r: isqrt(r.numerator * _UNIT * _UNIT // r.denominator), ratios)
    return Numbers(tops, _UNIT, True)


def _is_square(number: int) -> bool:
    return number >= 0 and isqrt(number) ** 2 == number


_decimal = Context(prec=DIGITS // 6, Emax=10**9, Emin=-(10**9))


def curve(function: Callable[[Decimal, Context], Decimal], numbers: Numbers) -> Numbers:
    """Apply a transcendental function, to about a hundred digits, once for each number that occurs.

    Beyond `FAR` it goes on with the value that it has there, and a slope of 1 if it grows there: no exponent holds
    the exponential of any number. Its sign remains, and its order unless it is bounded.
    """
    known: dict[int, int] = {}

    def at(value: Fraction) -> Fraction:
        exact = _decimal.divide(Decimal(value.numerator), Decimal(value.denominator))
        return Fraction(function(exact, _decimal))

    def once(top: int) -> int:
        if top not in known:
            given = Fraction(top, numbers.bottom)
            near = min(max(given, Fraction(-FAR)), Fraction(FAR))
            value = at(near)
            if given != near and abs(value) > 1:
                value += given - near
            known[top] = value.numerator * _UNIT // value.denominator
        return known[top]

    return Numbers(_each(once, numbers.tops), _UNIT, True)


def joined(parts: Sequence[Numbers], axis: int) -> Numbers:
    """Concatenate along an axis of the frames; constants are repeated for all frames."""
    bottom = lcm(*(part.bottom for part in parts))
    frames = max(len(part.tops) for part in parts)
    tops = [np.broadcast_to(part.tops * (bottom // part.bottom), (frames, *part.shape)) for part in parts]
    return Numbers(np.concatenate(tops, axis + 1), bottom, any(part.rough for part in parts))
