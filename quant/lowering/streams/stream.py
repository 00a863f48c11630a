"""What stands for a tensor in hardware: integers, and the affine function that gives the tensor's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from quant.lowering.exact.intervals import Interval
from quant.lowering.exact.numbers import Constant, Exact

__all__ = ["IntegerStream", "pick", "points_within", "union_of"]


@dataclass(frozen=True, eq=False)
class IntegerStream:
    """A tensor whose numbers are, by channel, ``slope * point + offset`` with integer points.

    This holds for whatever made it: the frame, a layer, a pool, a sum of branches. Bits are the points -1 and +1.

    Parameters
    ----------
    name : of the node that makes it, for people
    tensor : the tensor
    points : (points,) int64, rising, all integers that occur, or more
    slope, offset : () or (channels,)
    of_bits : whether hardware carries bits
    numbers : what people call the points
    variants : further slopes and offsets, where an average has fewer pixels below some of its positions
    """

    name: str
    tensor: str
    points: np.ndarray
    slope: Constant
    offset: Constant
    of_bits: bool = False
    numbers: str = "sums"
    variants: tuple[tuple[Constant, Constant], ...] = ()

    @property
    def label(self) -> str:
        """What people call the numbers."""
        return f"the {'bits' if self.of_bits else self.numbers} of {self.name!r}"

    @property
    def low(self) -> int:
        return int(self.points[0])

    @property
    def high(self) -> int:
        return int(self.points[-1])

    @property
    def reach(self) -> int:
        """The greatest absolute value of a point."""
        return max(-self.low, self.high)

    @property
    def step(self) -> int:
        """A number by which any two points differ a whole number of times."""
        return step_of(self.points)

    def inverted(self, channels: np.ndarray) -> "IntegerStream":
        """Return the stream with the points of some channels, (channels,) bool, negated.

        The points must be symmetric around 0.
        """
        assert np.array_equal(self.points, -self.points[::-1])
        slopes = [self.slope, *(slope for slope, _ in self.variants)]
        slope, *others = (_negated(each, channels) for each in slopes)
        variants = tuple((each, offset) for each, (_, offset) in zip(others, self.variants, strict=True))
        return replace(self, slope=slope, variants=variants)

    def interval(self) -> Interval:
        """Return all values, (points, channels or 1)."""
        return self.interval_between(self.points, self.points)

    def interval_between(self, first: np.ndarray, last: np.ndarray) -> Interval:
        """Return enclosures of the values at all points from `first` to `last`, (runs,) int64 each."""
        low = first.astype(np.float64)[:, None]
        points = Interval(low, low if last is first else last.astype(np.float64)[:, None])
        return points * self.slope.interval() + self.offset.interval()

    def exact(self, places: np.ndarray, channels: np.ndarray) -> Exact:
        """Return the values at pairs of a place in `points` and a channel."""
        points = Constant(self.points[places].astype(np.float64)).exact()
        return points * pick(self.slope, channels).exact() + pick(self.offset, channels).exact()


def pick(constant: Constant, channels: np.ndarray) -> Constant:
    """Return one parameter for each of the channels, or the one for all."""
    return constant.map(lambda values: values[channels]) if constant.shape else constant


def step_of(points: np.ndarray) -> int:
    """Return the greatest number by which any two points differ a whole number of times; 1 for a single point."""
    return int(np.gcd.reduce(np.diff(points))) or 1


def points_within(low: int, high: int, step: int) -> np.ndarray:
    """Return the integers from `low` to `high` in steps."""
    return np.arange(low, high + 1, step)


def union_of(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the integers that are in any of several arrays, rising; millions of them need no sorting."""
    low, high = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    present = np.zeros(high - low + 1, bool)
    for part in parts:
        present[part - low] = True
    return np.flatnonzero(present) + low


def _negated(slope: Constant, channels: np.ndarray) -> Constant:
    values = np.broadcast_to(slope.values, channels.shape)
    return Constant.of(np.where(channels, -values, values))
