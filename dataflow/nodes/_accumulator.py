"""The accumulator of a MatrixVector: what it starts from, how wide it is, and how its result is read.

What is counted for a neuron is accumulated over the groups of synapses, starting from ``-level``, so that there is
neither a comparator nor a subtraction:

* Matches of bits are ``ones``. With thresholds ``level = threshold``, and the bit out is ``ones >= threshold``: the
  accumulator's inverted sign. Without, ``level = ceil((synapses - offset) / 2)``, and the sum
  ``2*ones - synapses + offset = 2*(ones - level) + odd`` is the accumulator followed by a bit,
  ``odd = (synapses - offset) % 2``.
* Numbers are added where the weight is +1. Where it is -1, ``-x = ~x + 1``: what is added is ``~x``, and the ones that
  are missing are known beforehand, as many as the neuron has weights -1. So ``level = threshold - minus`` with
  thresholds, else ``level = -offset - minus``, and the sum is the accumulator.
"""

from dataclasses import dataclass

import numpy as np

from dataflow.elements import Element, Integer, signed_for

__all__ = ["Accumulator", "term_of"]


@dataclass(frozen=True, eq=False)
class Accumulator:
    """The accumulator of a matrix.

    Parameters
    ----------
    term : type of what is added for one synapse: a number, inverted or not; of matches 0 or 1
    levels : (classes, neurons) int64, what each neuron's accumulator starts from, negated
    odds : (classes, neurons) int64, the bit that follows the accumulator in the sum; None where none does
    synapses : terms that are added
    """

    term: Integer
    levels: np.ndarray
    odds: np.ndarray | None
    synapses: int

    @property
    def width(self) -> int:
        """Bits that hold the accumulator from its start on."""
        lowest, highest = int(self.levels.min()), int(self.levels.max())
        low, high = self.synapses * self.term.minimum - highest, self.synapses * self.term.maximum - lowest
        return signed_for(min(low, -highest), max(high, -lowest)).width

    @property
    def mixed(self) -> bool:
        """Whether the bit that follows the accumulator differs between neurons or classes."""
        return self.odds is not None and bool(self.odds.min() != self.odds.max())


def term_of(operand: Element) -> Integer:
    """Return the type of a number, inverted or not."""
    assert isinstance(operand, Integer)
    return operand if operand.signed else Integer(operand.width + 1, signed=True)
