"""Negate: numbers to their opposites."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.elements import Element, signed_for
from dataflow.nodes._node import LaneCounts, Node, divisors
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["Negate"]


@dataclass(frozen=True, eq=False)
class Negate(Node):
    """Change the sign of every number: ``o = -i``.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame
    pe : numbers at once
    """

    element: Element
    shape: tuple[int, ...]
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)

    #: One cycle for the output register.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check_lanes("pe", self.shape[-1], "channels")

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        low, high = self.element.span
        return (Stream(signed_for(-high, -low), self.shape, self.pe),)

    def schedule(self) -> Schedule:
        every = np.ones((1, 1), bool)
        return Schedule(every, every, self.latency, repeats=self.input_streams[0].beats)

    def structure(self) -> Structure:
        found = Parts()
        found.registers += self.output_streams[0].width + 1
        found.add(negated_bits=self.output_streams[0].width)
        return found.structure("Negate")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
