"""WidthConverter: from one number of lanes to another."""

from dataclasses import dataclass
from math import gcd, prod
from typing import ClassVar

import numpy as np

from dataflow.elements import Element
from dataflow.nodes._node import Node
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["WidthConverter"]


@dataclass(frozen=True, eq=False)
class WidthConverter(Node):
    """Repack beats of `lanes_in` numbers into beats of `lanes_out`; any ratio, the order stays.

    In each step a beat is consumed if fewer than `lanes_out` numbers are held, and then one is emitted if
    `lanes_out` are held. So the steps of a frame are the larger of its beats before and after.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame
    lanes_in, lanes_out : divisors of the channels
    """

    element: Element
    shape: tuple[int, ...]
    lanes_in: int
    lanes_out: int

    #: Cycles: the register that holds the beat out.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check_divides("lanes_in", self.shape[-1], "channels")
        self._check_divides("lanes_out", self.shape[-1], "channels")

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.lanes_in),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.lanes_out),)

    @property
    def held_before(self) -> np.ndarray:
        """(period,) int64, numbers held at the start of each step of the pattern."""
        held = 0
        trace: list[int] = []
        while not trace or held:
            trace.append(held)
            held += self.lanes_in if held < self.lanes_out else 0
            held -= self.lanes_out if held >= self.lanes_out else 0
        return np.array(trace, np.int64)

    def schedule(self) -> Schedule:
        held = self.held_before
        consumes = held < self.lanes_out
        emits = held + np.where(consumes, self.lanes_in, 0) >= self.lanes_out
        common = self.lanes_in * self.lanes_out // gcd(self.lanes_in, self.lanes_out)
        return Schedule(consumes[None], emits[None], self.latency, repeats=prod(self.shape) // common)
