"""MaxPool: the greatest number under a kernel, channel by channel."""

from dataclasses import dataclass

from dataflow.elements import Element
from dataflow.nodes._pool import PoolNode
from dataflow.parts import Parts

__all__ = ["MaxPool"]


@dataclass(frozen=True, eq=False)
class MaxPool(PoolNode):
    """Emit, for every position of a kernel on an image, the greatest number of each channel under it.

    For bits the greatest is their OR. Taps outside the image do not count; every position has one inside.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        empty = (self.tap_pixels < 0).all(axis=1)
        self._check(
            not empty.any(), "padding", "less than the kernel, so that every position has a pixel", self.padding
        )

    @property
    def output_element(self) -> Element:
        return self.element

    def _count_taking(self, found: Parts, taken: int) -> None:
        found.add(**{"greatest_bits" if self.element.width > 1 else "greatest_bit": taken})
