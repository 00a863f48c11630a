"""SpatialArgMax: from scores at every position to the position of each channel's highest score."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.elements import Element, Integer, unsigned_for
from dataflow.logic import Ring
from dataflow.nodes._node import LaneCounts, Node, divisors
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["SpatialArgMax"]


@dataclass(frozen=True, eq=False)
class SpatialArgMax(Node):
    """Find the position of each channel's highest score, ``row * width + column``; the first at a tie.

    A channel's scores may be any rising function of the model's: positions of one channel are compared with each other.

    Parameters
    ----------
    element : type of the scores
    shape : (height, width, channels) of the scores
    pe : channels compared at once
    """

    element: Element
    shape: tuple[int, ...]
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)
    format_version: ClassVar[int] = 6
    answers: ClassVar = "positions"

    #: The best scores so far are in registers, which are compared and written in one cycle.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check_lanes("pe", self.shape[-1], "channels")

    @property
    def positions(self) -> int:
        """Number of positions."""
        return prod(self.shape[:-1])

    @property
    def index_element(self) -> Integer:
        """The type that holds every position."""
        return unsigned_for(self.positions - 1)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.index_element, self.shape[-1:], self.pe),)

    def schedule(self) -> Schedule:
        """Return the schedule: every step consumes a beat, those of the last position emit one."""
        steps, beats = self.input_streams[0].beats, self.input_streams[0].vector_beats
        return Schedule(np.ones((1, steps), bool), np.arange(steps)[None] >= steps - beats, self.latency)

    def structure(self) -> Structure:
        found = Parts()
        stream, width, index = self.input_streams[0], self.element.width, self.index_element.width
        found.count(stream.vector_beats)
        found.count(self.positions)
        found.add(best_bits=self.pe * width)
        if stream.vector_beats > 1:  # else what is kept stays in its flip-flops
            found.add(kept_bits=self.pe * (width + index))
        found.rings += [Ring(stream.vector_beats, self.pe * width, 0), Ring(stream.vector_beats, self.pe * index)]
        found.registers += 4
        return found.structure("SpatialArgMax")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
