"""Concat: the concatenated channels of several streams."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.elements import BIPOLAR, Bipolar, Element, integer_for
from dataflow.nodes._node import LaneCounts, Node, divisors
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream, are_sizes

__all__ = ["Concat"]


@dataclass(frozen=True, eq=False)
class Concat(Node):
    """Emit at every position the channels of the first input, then those of the second, and so on.

    The inputs are all bits or all integers. Integers are converted, without changing their values, to a type that holds
    all of them.

    Parameters
    ----------
    operands : type of each input's numbers, for two or more inputs
    channels : channels of each input
    positions : (height, width) of an image; () for vectors
    pe : channels of a beat, a divisor of the channels of all inputs but the last, and at most those of the last
    """

    operands: tuple[Element, ...]
    channels: tuple[int, ...]
    positions: tuple[int, ...] = ()
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)
    format_version: ClassVar[int] = 3

    #: Cycles: the register that holds the beat out.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check(len(self.operands) >= 2, "operands", "at least two", self.operands)
        of_bits = [isinstance(operand, Bipolar) for operand in self.operands]
        kinds = tuple(map(str, self.operands))
        self._check(all(of_bits) or not any(of_bits), "operands", "all bits or all integers", kinds)
        count = len(self.operands)
        legal = are_sizes(self.channels) and len(self.channels) == count
        self._check(legal, "channels", f"positive sizes of its {count} inputs", self.channels)
        legal = self.positions == () or are_sizes(self.positions)
        self._check(legal, "positions", "positive sizes", self.positions)
        legal = type(self.pe) is int and self.pe >= 1 and self._allows(self.pe)
        rule = f"a divisor of its first inputs' channels {self.channels[:-1]} and at most {self.channels[-1]}"
        self._check(legal, "pe", rule, self.pe)

    def _allows(self, lanes: int) -> bool:
        """Return whether only the last beat of a position has inert lanes."""
        return lanes <= self.channels[-1] and all(count % lanes == 0 for count in self.channels[:-1])

    @property
    def element(self) -> Element:
        """Type of the numbers emitted."""
        if isinstance(self.operands[0], Bipolar):
            return BIPOLAR
        lows, highs = zip(*((each.minimum, each.maximum) for each in self.operands), strict=True)
        return integer_for(min(lows), max(highs))

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        pairs = zip(self.operands, self.channels, strict=True)
        return tuple(Stream(operand, (*self.positions, count), self.pe) for operand, count in pairs)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, (*self.positions, sum(self.channels)), self.pe),)

    def schedule(self) -> Schedule:
        beats = [stream.vector_beats for stream in self.input_streams]
        consumes = np.repeat(np.eye(len(beats), dtype=bool), beats, axis=1)
        return Schedule(consumes, np.ones((1, sum(beats)), bool), self.latency, repeats=prod(self.positions))

    def structure(self) -> Structure:
        found = Parts()
        bits, ports = self.pe * self.element.width, len(self.operands)
        found.count(self.schedule().period)
        found.choose(np.array([ports]), bits)
        found.add(ports=ports)
        found.registers += bits + ports + self.latency
        return found.structure("Concat")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.channels[-1]):
            if self._allows(pe):
                yield {"pe": pe}
