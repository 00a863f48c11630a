"""MaxPool: the greatest number below a kernel, channel by channel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.nodes._window import WindowNode
from dataflow.schedule import Buffered
from dataflow.streams import Stream

__all__ = ["MaxPool"]


@dataclass(frozen=True, eq=False)
class MaxPool(WindowNode):
    """Emit, for every position of a kernel on an image, the greatest number of each channel below it.

    Of bits the greatest is their OR. Taps outside the image do not count; every position has one inside. A group of
    `pe` channels is read tap by tap (ky, kx), and emitted with the last.
    """

    #: Cycle 1 reads the buffer, cycle 2 compares with the greatest so far.
    latency: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        empty = (self.tap_pixels < 0).all(axis=1)
        self._check(
            not empty.any(), "padding", "less than the kernel, so that every position has a pixel", self.padding
        )

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, (*self.positions, self.shape[-1]), self.pe),)

    @property
    def read_beats(self) -> np.ndarray:
        folds = self.channel_folds
        pixels = self.tap_pixels[:, None, :]
        return np.where(pixels >= 0, pixels * folds + np.arange(folds)[:, None], -1).reshape(len(pixels), -1)

    def schedule(self) -> Buffered:
        emits = np.zeros((self.channel_folds, self.taps), bool)
        emits[:, -1] = True
        return self._buffered(emits.ravel(), self.latency)
