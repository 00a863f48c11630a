"""Add: several streams, number by number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.elements import Bipolar, Element, Integer, integer_for, numbers_of, signed_for
from dataflow.nodes._node import LaneCounts, Node, divisors
from dataflow.nodes._popcount import popcount_stages
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream, are_sizes

__all__ = ["Add"]


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Add the numbers of several streams elementwise, each multiplied by its stream's factor.

    Bits count as -1 and +1. A sum that does not fit the type of the result saturates to the nearest number that does.

    Parameters
    ----------
    operands : type of each input's numbers, for two or more inputs
    shape : shape of a frame of each input
    result : type of the sums, an integer; None for the narrowest type that holds all sums
    pe : sums at once
    factors : factor of each input, at least 1; () for no factors. A bit with a factor of 4 is added to a sum of four
        bits as it would be added to their mean.
    """

    operands: tuple[Element, ...]
    shape: tuple[int, ...]
    result: Element | None = None
    pe: int = 1
    factors: tuple[int, ...] = ()

    fold_parameters: ClassVar = ("pe",)
    format_version: ClassVar[int] = 3
    later_fields: ClassVar = {"factors": 4}

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check(len(self.operands) >= 2, "operands", "at least two", self.operands)
        self._check(not isinstance(self.result, Bipolar), "result", "an integer", self.result)
        legal = self.factors == () or (are_sizes(self.factors) and len(self.factors) == len(self.operands))
        self._check(legal, "factors", f"positive integers for its {len(self.operands)} inputs", self.factors)
        low, high = self.span
        width = max(high, -low - 1).bit_length() + 1
        self._check(width <= 63, "Sums", "at most 63 bits wide", width)
        self._check_lanes("pe", self.shape[-1], "channels")

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest exact sum."""
        lows, highs = zip(*self.terms, strict=True)
        return sum(lows), sum(highs)

    @property
    def all_factors(self) -> tuple[int, ...]:
        """The factor of each input."""
        return self.factors or (1,) * len(self.operands)

    @property
    def terms(self) -> list[tuple[int, int]]:
        """Least and greatest term of each input."""
        pairs = zip(self.all_factors, map(numbers_of, self.operands), strict=True)
        return [(factor * low, factor * high) for factor, (low, high) in pairs]

    @property
    def term(self) -> Integer:
        """The narrowest signed type that holds the terms of all inputs."""
        lows, highs = zip(*self.terms, strict=True)
        return signed_for(min(lows), max(highs))

    @property
    def element(self) -> Element:
        """Type of the sums."""
        return integer_for(*self.span) if self.result is None else self.result

    @property
    def saturates(self) -> bool:
        """Whether there are sums that do not fit the type of the result."""
        low, high = self.span
        return low < self.element.minimum or high > self.element.maximum

    @property
    def latency(self) -> int:
        """Cycles: those of the sum, and one for the saturation if there is one."""
        return popcount_stages(len(self.operands)) + self.saturates

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return tuple(Stream(operand, self.shape, self.pe) for operand in self.operands)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    def schedule(self) -> Schedule:
        consumes = np.ones((len(self.operands), 1), bool)
        return Schedule(consumes, np.ones((1, 1), bool), self.latency, repeats=self.output_streams[0].beats)

    def structure(self) -> Structure:
        found = Parts()
        found.registers += self.latency
        count, exact = len(self.operands), integer_for(*self.span).width
        if all(isinstance(operand, Bipolar) for operand in self.operands) and max(self.all_factors) == 1:
            # All sums are even, or all are odd, so their lowest bit needs no register.
            found.registers += self.pe * (exact - 1)
            found.add(bit_sums=self.pe * (exact - 1), bit_trees=self.pe * (count > 2))
        else:
            widths = [high.bit_length() if low >= 0 else exact - 1 for low, high in self.terms]
            width = min(widths) if count == 2 else self.term.width - (min(self.span) >= 0)
            # A product with a constant is a sum of shifted copies, one for each 1 of the factor.
            found.total([width] * sum(factor.bit_count() for factor in self.all_factors), exact, self.pe)
        if self.saturates:
            # For an unsigned result, a sum that is too large sets the register.
            held = "saturated_bits" if self.element.signed else "capped_bits"
            lacking = self.pe * (exact + 1 - self.element.width)
            found.add(**{held: self.pe * self.element.width}, lacking_bits=lacking)
            found.registers += self.pe * self.element.width
        found.watch_inert(self.output_streams[0])
        return found.structure("Add")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
