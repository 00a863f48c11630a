"""SlidingWindow: the neighbourhood of every output pixel, one after the other."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.nodes._window import WindowNode
from dataflow.schedule import Buffered
from dataflow.streams import Stream

__all__ = ["SlidingWindow"]


@dataclass(frozen=True, eq=False)
class SlidingWindow(WindowNode):
    """Emit, for every position of a kernel on an image, the pixels below it (im2col).

    The taps of an output pixel follow each other in the order ky, kx, channel. A tap outside the image has the value
    `pad` in all channels.

    Parameters
    ----------
    pad : number (for bits 0 or 1) that stands outside the image
    """

    pad: int = 0

    #: Cycle 1 reads the buffer, cycle 2 puts in what stands outside the image.
    latency: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        within = type(self.pad) is int and self.element.minimum <= self.pad <= self.element.maximum
        self._check(within, "pad", f"within {self.element.minimum} to {self.element.maximum}", self.pad)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, (*self.positions, self.taps * self.shape[-1]), self.pe),)

    @property
    def read_beats(self) -> np.ndarray:
        folds = self.channel_folds
        pixels = self.tap_pixels[:, :, None]
        return np.where(pixels >= 0, pixels * folds + np.arange(folds), -1).reshape(len(pixels), -1)

    def schedule(self) -> Buffered:
        return self._buffered(np.ones(self.taps * self.channel_folds, bool), self.latency)
