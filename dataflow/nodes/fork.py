"""Fork: one stream to several readers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.elements import Element
from dataflow.nodes._node import LaneCounts, Node, divisors
from dataflow.parts import Parts, Structure
from dataflow.schedule import Schedule
from dataflow.streams import Stream

__all__ = ["Fork"]


@dataclass(frozen=True, eq=False)
class Fork(Node):
    """Emit every beat to each of `copies` outputs, in the same cycle.

    Parameters
    ----------
    element : type of the numbers
    shape : shape of a frame
    copies : number of outputs, at least 2
    pe : numbers per beat
    """

    element: Element
    shape: tuple[int, ...]
    copies: int = 2
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)

    #: One cycle for the output register.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check(type(self.copies) is int and self.copies >= 2, "copies", "at least 2", self.copies)
        self._check_lanes("pe", self.shape[-1], "channels")

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),) * self.copies

    def schedule(self) -> Schedule:
        emits = np.ones((self.copies, 1), bool)
        return Schedule(np.ones((1, 1), bool), emits, self.latency, repeats=self.input_streams[0].beats)

    def structure(self) -> Structure:
        found = Parts()
        found.add(copies=self.copies)
        found.registers += self.pe * self.element.width + 1
        return found.structure("Fork")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
