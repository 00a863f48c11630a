"""What one synapse of a MatrixVector adds to its neuron's sum: the term of a number and a weight.

The types of the two factors decide how a term is made (`Terms.form`). RTL and cost model both read it here.

* ``matches``, bits with weights of one bit: whether they are equal, 0 or 1.
* ``signs``, integers with weights of one bit: the number for +1, and for -1 the number inverted, since ``-x = ~x + 1``.
  The missing ones are known in advance, because they are as many as there are weights of -1.
* ``masks``, numbers that are narrower than the weights: each bit of the number masks the weight, and these are added,
  each shifted to its place. Bit 0 of a bipolar number counts as 0 here; see below.
* ``digits``, narrow weights: the two highest bits of a weight are a digit of -2 to 1, each lower bit one of 0 or 1. A
  digit selects 0, the number, or twice the number, inverted if the digit is negative. A bit of that has four inputs,
  as a LUT has. Here too the missing ones are known in advance.
* ``products``, the others: a multiplication, which becomes a DSP block if the family has them. Its factors are
  registered too, because a block RAM and a DSP block together are too slow for one cycle.

The sum of products with bits, ``x = 2*bit - 1``, is ``2 * (sum of w over bits 1) - sum of w``. So ``masks`` add weights
whose bit is 1, as ``matches`` add ones, and the total is ``2*sum - rest``, with the same derivation.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dataflow.elements import BIPOLAR, Bipolar, Element, Integer, signed_for

__all__ = ["Form", "Terms"]

Form = Literal["matches", "signs", "masks", "digits", "products"]

#: Numbers that are added to make a term. Where it takes more, a multiplication is cheaper.
_most_parts = 3


@dataclass(frozen=True)
class Terms:
    """The terms of a matrix.

    Parameters
    ----------
    operand : type of the vector's numbers
    weight_element : type of the weights
    span : least and greatest of the weights
    """

    operand: Element
    weight_element: Element
    span: tuple[int, int]

    @property
    def form(self) -> Form:
        operand, weight = self.operand.width, self.weight_element.width
        if self.weight_element == BIPOLAR:
            return "matches" if self.operand == BIPOLAR else "signs"
        if operand <= min(_most_parts, weight - 1):
            return "masks"
        return "digits" if weight - 1 <= _most_parts else "products"

    @property
    def parts(self) -> int:
        """Numbers that are added to make a term, or 1 for a multiplication."""
        return {"masks": self.operand.width, "digits": self.weight_element.width - 1}.get(self.form, 1)

    @property
    def stages(self) -> int:
        """Registered stages before the sum of the terms: factors and product, or the sum of several parts."""
        return 2 if self.form == "products" else int(self.parts > 1)

    @property
    def unit(self) -> int:
        """What a negative weight's term lacks, 0 if terms are exact."""
        return {"signs": 1, "digits": 1 << max(0, self.weight_element.width - 2)}.get(self.form, 0)

    @property
    def element(self) -> Integer:
        """Type of a term."""
        if self.form == "matches":
            return Integer(1)
        numbers = self.operand.minimum, self.operand.maximum
        least, greatest = self.span
        weights = {least, greatest, *((-1,) if least < 0 else ()), *((0,) if self.form != "signs" else ())}
        terms = [weight * number - self.unit * (weight < 0) for weight in weights for number in numbers]
        return signed_for(min(terms), max(terms))

    @property
    def doubled(self) -> bool:
        """Whether the total is twice the sum, less a rest that depends on the neuron."""
        return isinstance(self.operand, Bipolar)

    def missing(self, weights: np.ndarray) -> np.ndarray:
        """Return by how much the sum of each neuron's terms falls short, (neurons,) int64."""
        return self.unit * (weights < 0).sum(axis=1) if self.unit else np.zeros(len(weights), np.int64)

    def rest(self, weights: np.ndarray) -> np.ndarray:
        """Return what twice the sum of bits exceeds the total by, (neurons,) int64."""
        if self.form == "matches":
            return np.full(len(weights), weights.shape[1], np.int64)
        return weights.sum(axis=1, dtype=np.int64)
