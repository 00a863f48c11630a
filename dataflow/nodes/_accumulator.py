"""The accumulator of a MatrixVector: its initial value, its width, and the meaning of its result.

A neuron's matches or products are accumulated over the groups of synapses. The accumulator starts from ``-level``, so
that neither a comparator nor a subtraction is needed:

* Matches of bits are ``ones``. With thresholds ``level = threshold``, and the output bit ``ones >= threshold`` is the
  accumulator's inverted sign. Without thresholds ``level = ceil((synapses - offset) / 2)``, and the sum
  ``2*ones - synapses + offset = 2*(ones - level) + odd`` is the accumulator followed by the bit
  ``odd = (synapses - offset) % 2``.
* Numbers with weight +1 are added. For weight -1, ``-x = ~x + 1``: ``~x`` is added, and the missing ones are known in
  advance, since there are ``minus`` weights of -1. So ``level = threshold - minus`` with thresholds and
  ``level = -offset - minus`` without, and the sum is the accumulator. What integer weights lack is known in the same
  way (`dataflow.nodes._terms`).
* Integer weights with bits are added where the bit is 1, and ``total = 2*sum - rest`` with ``rest = sum of w``. So
  with thresholds ``level = ceil((threshold + rest) / 2)``, and without them all is as for matches, with ``rest`` in
  place of ``synapses``.
"""

from dataclasses import dataclass

import numpy as np

from dataflow.elements import Integer, signed_for

__all__ = ["Accumulator"]


@dataclass(frozen=True, eq=False)
class Accumulator:
    """The accumulator of a matrix.

    Parameters
    ----------
    term : type of the term of one synapse: a product, or a number, inverted or not; for matches 0 or 1
    levels : (classes, neurons) int64, the negated initial value of each neuron's accumulator
    odds : (classes, neurons) int64, the bit that follows the accumulator in the sum; None if there is none
    synapses : number of terms
    """

    term: Integer
    levels: np.ndarray
    odds: np.ndarray | None
    synapses: int

    @property
    def width(self) -> int:
        """Bits that hold the accumulator at all times."""
        lowest, highest = int(self.levels.min()), int(self.levels.max())
        low, high = self.synapses * self.term.minimum - highest, self.synapses * self.term.maximum - lowest
        return signed_for(min(low, -highest), max(high, -lowest)).width

    @property
    def mixed(self) -> bool:
        """Whether the bit that follows the accumulator differs between neurons or classes."""
        return self.odds is not None and bool(self.odds.min() != self.odds.max())
