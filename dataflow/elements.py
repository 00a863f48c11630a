"""Elements: the types of one number on a stream.

Convention for the whole project: bit 1 stands for +1, bit 0 for -1. With ``n`` synapses and
``ones = popcount(XNOR(x, w))`` matches, the signed sum is ``total = 2*ones - n``, because each match adds +1 and
each of the ``n - ones`` others adds -1. Since sign(0) = +1, an output bit is ``ones >= threshold``.
"""

from dataclasses import dataclass

import numpy as np

from dataflow.errors import InputError

__all__ = ["BIPOLAR", "Bipolar", "Element", "Integer", "integer_for", "numbers_of", "signed_for", "unsigned_for"]


@dataclass(frozen=True)
class Bipolar:
    """A bit that stands for -1 or +1; arrays carry the bit, 0 or 1."""

    @property
    def width(self) -> int:
        return 1

    @property
    def minimum(self) -> int:
        return 0

    @property
    def maximum(self) -> int:
        return 1

    @property
    def signed(self) -> bool:
        return False

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest number that a code stands for."""
        return -1, 1

    @property
    def rule(self) -> str:
        """What numbers must be, for the sentences of errors."""
        return "-1 or +1"

    def holds(self, numbers: np.ndarray) -> np.ndarray:
        """Return for each number whether a code stands for it."""
        return (numbers == -1) | (numbers == 1)

    def bits_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the bits on the wires for numbers, (..., 1) bool."""
        return (numbers > 0)[..., None]

    def __str__(self) -> str:
        return "bipolar"


@dataclass(frozen=True)
class Integer:
    """An unsigned or two's complement integer of ``width`` bits, 1 to 63."""

    width: int
    signed: bool = False

    def __post_init__(self) -> None:
        if type(self.width) is not int or not 1 <= self.width <= 63:
            raise InputError(f"Integer width must be 1 to 63, not {self.width!r}")

    @property
    def minimum(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (self.width - self.signed)) - 1

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest number that a code stands for."""
        return self.minimum, self.maximum

    @property
    def rule(self) -> str:
        """What numbers must be, for the sentences of errors."""
        return f"{self.minimum} to {self.maximum}"

    def holds(self, numbers: np.ndarray) -> np.ndarray:
        """Return for each number whether a code stands for it."""
        return (numbers >= self.minimum) & (numbers <= self.maximum)

    def bits_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the bits on the wires for numbers, the lowest first, (..., width) bool."""
        return (np.asarray(numbers)[..., None] >> np.arange(self.width)) & 1 == 1

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.width}"


Element = Bipolar | Integer
BIPOLAR = Bipolar()


def unsigned_for(maximum: int) -> Integer:
    """Return the narrowest unsigned element that holds 0 to `maximum`."""
    return Integer(max(1, int(maximum).bit_length()))


def signed_for(minimum: int, maximum: int) -> Integer:
    """Return the narrowest signed element that holds `minimum` to `maximum`."""
    magnitude = max(int(maximum), -int(minimum) - 1, 0)
    return Integer(magnitude.bit_length() + 1, signed=True)


def integer_for(minimum: int, maximum: int) -> Integer:
    """Return the narrowest element that holds `minimum` to `maximum`, unsigned if `minimum` is not negative."""
    return signed_for(minimum, maximum) if minimum < 0 else unsigned_for(maximum)


def numbers_of(element: Element) -> tuple[int, int]:
    """Return the least and the greatest number that an element stands for; a bit stands for -1 or +1."""
    return element.span
