"""Whether functions of an integer rise or fall, by their form alone.

Sums of rising functions rise, and so do steps, minima and maxima of them. What form does not decide, such as a product
of two functions, is left open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quant.lowering.exact.numbers import Exact

__all__ = ["OPEN", "Direction"]

#: Left open.
OPEN = 2


@dataclass(frozen=True, eq=False)
class Direction:
    """Functions that, by channel, never fall, never rise, or are constant.

    Parameters
    ----------
    ways : () or (channels,) int64, +1, -1, 0 or `OPEN`
    value : what constants are, None for functions
    """

    ways: np.ndarray
    value: Exact | None = None

    @classmethod
    def of_constant(cls, value: Exact) -> "Direction":
        return cls(np.zeros((), np.int64), value)

    def lift(self, number: Fraction) -> "Direction":
        return self.of_constant(Exact(np.array(number, object)))

    def __neg__(self) -> "Direction":
        if self.value is not None:
            return self.of_constant(-self.value)
        return Direction(np.where(self.ways == OPEN, OPEN, -self.ways))

    def __add__(self, other: "Direction") -> "Direction":
        return self._joined(other, lambda a, b: a + b)

    def __sub__(self, other: "Direction") -> "Direction":
        return self + -other

    def minimum(self, other: "Direction") -> "Direction":
        return self._joined(other, Exact.minimum)

    def maximum(self, other: "Direction") -> "Direction":
        return self._joined(other, Exact.maximum)

    def _joined(self, other: "Direction", exact: Callable[[Exact, Exact], Exact]) -> "Direction":
        """Return what rises where both do."""
        if self.value is not None and other.value is not None:
            return self.of_constant(exact(self.value, other.value))
        one, two = self.ways, other.ways
        return Direction(np.where(one == 0, two, np.where((two == 0) | (one == two), one, OPEN)))

    def __mul__(self, other: "Direction") -> "Direction":
        if self.value is not None and other.value is not None:
            return self.of_constant(self.value * other.value)
        if other.value is not None:
            return self._scaled(other.value)
        return other._scaled(self.value) if self.value is not None else self._open(other)

    def __truediv__(self, other: "Direction") -> "Direction":
        if self.value is not None and other.value is not None:
            return self.of_constant(self.value / other.value)
        return self._open(other) if other.value is None else self._scaled(other.value)

    def __abs__(self) -> "Direction":
        return self.of_constant(abs(self.value)) if self.value is not None else self._open(self)

    def step(self, kind: str) -> "Direction":
        return self if self.value is None else self.of_constant(self.value.step(kind))

    def _scaled(self, factor: Exact) -> "Direction":
        signs = factor.signs()
        return Direction(np.where((self.ways == OPEN) & (signs != 0), OPEN, self.ways * signs))

    def _open(self, other: "Direction") -> "Direction":
        return Direction(np.where((self.ways == 0) & (other.ways == 0), 0, OPEN))
