"""Exact real numbers: rationals, and what square roots of rationals add to them.

Batch norm divides by ``sqrt(variance + epsilon)``. So the numbers between an accumulator and a quantizer are sums of
terms ``c * sqrt(r1 * r2 * ...)`` with rational ``c`` and ``r``. Their sign is decided without any rounding: for one
radicand ``r`` write the number ``a + b*sqrt(r)``, where ``a`` and ``b`` do not have ``sqrt(r)``. If the signs of ``a``
and ``b`` do not oppose each other, they are the answer; else it is ``sign(a) * sign(a^2 - b^2 * r)``, a number with one
radicand fewer. This holds whether or not the roots are independent, so zero is recognized too.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import isqrt

__all__ = ["Number", "Surd", "bounds", "divide", "floor", "sign", "square_root"]


class Surd:
    """A sum of rational multiples of products of square roots; made by `square_root`.

    Parameters
    ----------
    terms : for each set of radicands the rational factor of the product of their roots
    """

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[frozenset[Fraction], Fraction]) -> None:
        self.terms = {roots: factor for roots, factor in terms.items() if factor}

    def __repr__(self) -> str:
        parts = [" * ".join([str(c), *(f"sqrt({r})" for r in sorted(roots))]) for roots, c in self.terms.items()]
        return " + ".join(parts) or "0"

    def __neg__(self) -> "Number":
        return _number({roots: -factor for roots, factor in self.terms.items()})

    def __add__(self, other: "Number | int") -> "Number":
        terms = dict(self.terms)
        for roots, factor in _terms(other).items():
            terms[roots] = terms.get(roots, Fraction(0)) + factor
        return _number(terms)

    __radd__ = __add__

    def __sub__(self, other: "Number | int") -> "Number":
        return self + -other

    def __rsub__(self, other: "Number | int") -> "Number":
        return -self + other

    def __mul__(self, other: "Number | int") -> "Number":
        terms: dict[frozenset[Fraction], Fraction] = {}
        for left, a in self.terms.items():
            for right, b in _terms(other).items():
                factor = a * b
                for radicand in left & right:
                    factor *= radicand
                roots = left ^ right
                terms[roots] = terms.get(roots, Fraction(0)) + factor
        return _number(terms)

    __rmul__ = __mul__

    def __truediv__(self, other: "Number | int") -> "Number":
        return self * _inverse(other)

    def __rtruediv__(self, other: "Number | int") -> "Number":
        return _inverse(self) * other

    def __abs__(self) -> "Number":
        return -self if sign(self) < 0 else self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Surd | Fraction | int) and sign(self - other) == 0

    def __lt__(self, other: "Number | int") -> bool:
        return sign(self - other) < 0

    def __le__(self, other: "Number | int") -> bool:
        return sign(self - other) <= 0

    def __gt__(self, other: "Number | int") -> bool:
        return sign(self - other) > 0

    def __ge__(self, other: "Number | int") -> bool:
        return sign(self - other) >= 0

    def __hash__(self) -> int:
        # Equal numbers may have different terms, sqrt(8) and 2*sqrt(2); equality would have to be hashed.
        raise TypeError("A number with square roots must be compared, not hashed")

    def __float__(self) -> float:
        low, high = bounds(self, 256)
        return float((low + high) / 2)


Number = Fraction | Surd


def square_root(number: Number) -> Number:
    """Return the square root of a rational number, at least 0.

    Raises
    ------
    ValueError
        The number is negative, or has roots itself.
    """
    if isinstance(number, Surd):
        raise ValueError("a square root of a square root")
    if number < 0:
        raise ValueError("a square root of a negative number")
    # sqrt(p/q) = sqrt(p*q)/q, and factors of 4 come out: floats differ in powers of two.
    radicand, scale = number.numerator * number.denominator, Fraction(1, number.denominator)
    if radicand == 0:
        return Fraction(0)
    fours = ((radicand & -radicand).bit_length() - 1) // 2
    radicand, scale = radicand >> 2 * fours, scale * (1 << fours)
    root = isqrt(radicand)
    if root * root == radicand:
        return scale * root
    return Surd({frozenset((Fraction(radicand),)): scale})


def sign(number: Number | int) -> int:
    """Return -1, 0 or +1."""
    if not isinstance(number, Surd):
        return (number > 0) - (number < 0)
    radicand = next((r for roots in number.terms for r in roots), None)
    if radicand is None:
        return sign(next(iter(number.terms.values()), 0))
    a, b = _split(number, radicand)
    sign_a, sign_b = sign(a), sign(b)
    if sign_a * sign_b >= 0:
        return sign_a or sign_b
    return sign_a * sign(a * a - b * b * radicand)


def floor(number: Number) -> int:
    """Return the largest integer that is not above a number."""
    if isinstance(number, Fraction):
        return number.numerator // number.denominator
    low, _ = bounds(number, 64)
    whole = low.numerator // low.denominator
    while sign(number - (whole + 1)) >= 0:
        whole += 1
    return whole


def bounds(number: Number, bits: int) -> tuple[Fraction, Fraction]:
    """Return rationals below and above a number, at most ``2**-bits`` times the sum of its terms' factors apart."""
    if not isinstance(number, Surd):
        return number, number
    low = high = Fraction(0)
    for roots, factor in number.terms.items():
        product = Fraction(1)
        for radicand in roots:
            product *= radicand
        root = isqrt((product.numerator * product.denominator) << 2 * bits)
        ends = [factor * Fraction(root + more, product.denominator << bits) for more in (0, 1 if roots else 0)]
        low, high = low + min(ends), high + max(ends)
    return low, high


def divide(a: Number, b: Number) -> Number:
    """Return the quotient; ZeroDivisionError if `b` is zero."""
    return a * _inverse(b)


def _inverse(number: Number | int) -> Number:
    if not isinstance(number, Surd):
        return 1 / Fraction(number)
    radicand = next((r for roots in number.terms for r in roots), None)
    if radicand is None:
        return 1 / next(iter(number.terms.values()), Fraction(0))
    # 1/(a + b*sqrt(r)) = (a - b*sqrt(r)) / (a^2 - b^2*r); where that norm is 0, a = b*sqrt(r) or the number is 0.
    a, b = _split(number, radicand)
    norm = a * a - b * b * radicand
    if sign(norm) != 0:
        return (a - b * Surd({frozenset((radicand,)): Fraction(1)})) * _inverse(norm)
    if sign(a) * sign(b) <= 0:
        raise ZeroDivisionError("division by zero")
    return _inverse(2 * a)


def _split(number: Surd, radicand: Fraction) -> tuple[Number, Number]:
    """Return ``(a, b)`` with ``number = a + b*sqrt(radicand)``."""
    without = {roots: c for roots, c in number.terms.items() if radicand not in roots}
    within = {roots - {radicand}: c for roots, c in number.terms.items() if radicand in roots}
    return _number(without), _number(within)


def _terms(number: Number | int) -> Mapping[frozenset[Fraction], Fraction]:
    return number.terms if isinstance(number, Surd) else {frozenset(): Fraction(number)}


def _number(terms: Mapping[frozenset[Fraction], Fraction]) -> Number:
    surd = Surd(terms)
    if any(roots for roots in surd.terms):
        return surd
    return surd.terms.get(frozenset(), Fraction(0))
