"""The base class of pooling nodes, which emit one number per channel for all taps under a kernel."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.elements import Element
from dataflow.nodes._window import WindowNode
from dataflow.nodes._window_parts import window_parts
from dataflow.parts import Parts, Structure
from dataflow.schedule import Buffered
from dataflow.streams import Stream

__all__ = ["PoolNode"]


@dataclass(frozen=True, eq=False)
class PoolNode(WindowNode):
    """A node that emits, for every position of a kernel on an image, one number of each channel.

    A group of `pe` channels is read tap by tap (ky, kx), and emitted with the last.
    """

    #: Cycle 1 reads the buffer, cycle 2 combines the tap with the previous ones.
    latency: ClassVar[int] = 2

    @property
    @abstractmethod
    def output_element(self) -> Element:
        """Type of the numbers emitted."""

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.output_element, (*self.positions, self.shape[-1]), self.pe),)

    @property
    def group_folds(self) -> int:
        return 1

    def schedule(self) -> Buffered:
        emits = np.zeros((self.channel_folds, self.taps), bool)
        emits[:, -1] = True
        return self._buffered(emits.ravel(), self.latency)

    @abstractmethod
    def _count_taking(self, found: Parts, taken: int) -> None:
        """Add the logic that combines a tap of `taken` bits with the registers of the previous taps."""

    def structure(self) -> Structure:
        taken = self.output_streams[0].width
        found = window_parts(self, taken)
        found.count(self.taps)
        self._count_taking(found, taken)
        return found.structure("Window")
