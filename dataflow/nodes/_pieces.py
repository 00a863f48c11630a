"""Functions of an integer that are linear in pieces, one for each row of their arrays."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dataflow.elements import Integer

__all__ = ["Pieces"]


@dataclass(frozen=True, eq=False)
class Pieces:
    """Functions ``multipliers[p] * x + offsets[p]``, in which `p` is the number of starts that are at most x.

    Parameters
    ----------
    element : type of the numbers; starts are within ``element.minimum`` to ``element.maximum + 1``
    starts : (rows, count - 1) int64, not falling: the first number of every piece after the first
    multipliers, offsets : (rows, count) int64
    """

    element: Integer
    starts: np.ndarray
    multipliers: np.ndarray
    offsets: np.ndarray

    @property
    def count(self) -> int:
        """Pieces of a row."""
        return int(self.multipliers.shape[1])

    @property
    def firsts(self) -> np.ndarray:
        """(rows, count) int64, the first number of each piece."""
        rows = np.full((len(self.starts), 1), self.element.minimum, np.int64)
        return np.concatenate([rows, self.starts], axis=1)

    @property
    def lasts(self) -> np.ndarray:
        """(rows, count) int64, the last number of each piece; it is below the first one if the piece has no number."""
        rows = np.full((len(self.starts), 1), self.element.maximum, np.int64)
        return np.concatenate([self.starts - 1, rows], axis=1)

    @cached_property
    def span(self) -> tuple[int, int]:
        """Least and greatest value, as Python integers."""
        reached = self.firsts <= self.lasts
        multipliers, offsets = (each[reached].astype(object) for each in (self.multipliers, self.offsets))
        ends = [multipliers * each[reached].astype(object) + offsets for each in (self.firsts, self.lasts)]
        return min(map(min, ends)), max(map(max, ends))

    def with_rows(self, count: int) -> Self:
        """Return the same functions with `count` rows, of which a shared one is repeated."""
        arrays = (
            np.broadcast_to(each, (count, each.shape[1])) for each in (self.starts, self.multipliers, self.offsets)
        )
        return type(self)(self.element, *arrays)

    def fewest(self) -> Self:
        """Return the same functions with the fewest pieces: every start changes the function of at least one row.

        A piece without a number continues the piece before it, or at the beginning the one after it.
        """
        reached = self.firsts <= self.lasts
        source = np.maximum.accumulate(np.where(reached, np.arange(self.count), -1), axis=1)
        source = np.where(source < 0, reached.argmax(axis=1)[:, None], source)
        multipliers, offsets = (np.take_along_axis(each, source, axis=1) for each in (self.multipliers, self.offsets))
        pairs = [each[:, 1:] != each[:, :-1] for each in (multipliers, offsets)]
        changes = (pairs[0] | pairs[1]).any(axis=0)
        kept = np.concatenate([[True], changes])
        # A start that is never reached changes nothing, so it may as well be a number.
        starts = np.minimum(self.starts[:, changes], self.element.maximum)
        return type(self)(self.element, starts, multipliers[:, kept], offsets[:, kept])
