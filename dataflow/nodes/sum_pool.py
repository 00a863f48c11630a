"""SumPool: the sum of the numbers under a kernel, channel by channel."""

from dataclasses import dataclass
from typing import ClassVar

from dataflow.elements import Element, integer_for, numbers_of
from dataflow.nodes._pool import PoolNode
from dataflow.parts import Parts

__all__ = ["SumPool"]


@dataclass(frozen=True, eq=False)
class SumPool(PoolNode):
    """Emit, for every position of a kernel on an image, the sum of the numbers of each channel under it.

    Bits count as -1 and +1, taps outside the image as 0. An average is such a sum divided by a constant. The operators
    that follow compare or scale it, so the hardware does not divide.
    """

    format_version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        width = max(map(abs, self.span)).bit_length() + 1
        self._check(width <= 63, "Sums", "at most 63 bits wide", width)

    @property
    def span(self) -> tuple[int, int]:
        """Least and greatest sum."""
        most = int((self.tap_pixels >= 0).sum(axis=1).max())
        low, high = numbers_of(self.element)
        return most * low, most * high

    @property
    def output_element(self) -> Element:
        return integer_for(*self.span)

    def _count_taking(self, found: Parts, taken: int) -> None:
        found.add(summed_bits=taken)
