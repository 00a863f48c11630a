"""SlidingWindow: the neighbourhood of every output pixel, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dataflow.nodes._node import LaneCounts, divisors
from dataflow.nodes._window import WindowNode
from dataflow.nodes._window_parts import window_parts
from dataflow.parts import Structure
from dataflow.schedule import Buffered
from dataflow.streams import Stream

__all__ = ["SlidingWindow"]


@dataclass(frozen=True, eq=False)
class SlidingWindow(WindowNode):
    """Emit, for every position of a kernel on an image, the pixels under it (im2col).

    The taps of an output pixel follow each other in the order group, ky, kx, channel of the group. A tap outside the
    image has the value `pad` in all channels.

    Bits have no value for zero padding. The matrix after the window corrects for it, see `dataflow.zero_padded`.

    Parameters
    ----------
    pad : number (for bits 0 or 1) outside the image
    groups : number of equal groups of neighbouring channels; all taps of a group are read before those of the next
        one, and `pe` is at most the channels of a group
    simd : neighbouring taps at once: a part of a kernel's row, or several of its rows; more than one only with all
        channels at once
    """

    pad: int = 0
    groups: int = 1
    simd: int = 1

    fold_parameters: ClassVar[tuple[str, ...]] = ("pe", "simd")
    later_fields: ClassVar = {"groups": 2, "simd": 2}
    repeats_input: ClassVar[bool] = True

    #: Cycle 1 reads the buffer, cycle 2 inserts `pad` for taps outside the image.
    latency: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        within = type(self.pad) is int and self.element.minimum <= self.pad <= self.element.maximum
        self._check(within, "pad", f"within {self.element.minimum} to {self.element.maximum}", self.pad)
        self._check_divides("groups", self.shape[-1], "channels")
        if self.groups > 1:
            self._check_lanes("pe", self.group_channels, "channels of a group")
        self._check(self.simd in self._taps_at_once, "simd", f"one of {self._taps_at_once} taps", self.simd)
        whole = self.simd == 1 or (self.pe == self.shape[-1] and self.groups == 1)
        self._check(whole, "simd", f"1 unless all {self.shape[-1]} channels are read at once", self.simd)

    @property
    def _taps_at_once(self) -> list[int]:
        """Legal numbers of taps at once: those of equal parts of a kernel's row, and of several complete rows."""
        height, width = self.kernel
        return sorted({*divisors(width), *(width * rows for rows in divisors(height))})

    @property
    def taps_at_once(self) -> int:
        return self.simd

    @property
    def group_channels(self) -> int:
        """Channels of a group."""
        return self.shape[-1] // self.groups

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe, self.groups if self.group_channels % self.pe else 1),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        parts = self.taps * self.groups if self.group_channels % self.pe else 1
        return (Stream(self.element, (*self.positions, self.taps * self.shape[-1]), self.pe * self.simd, parts),)

    @property
    def group_folds(self) -> int:
        return -(-self.group_channels // self.pe)

    def schedule(self) -> Buffered:
        return self._buffered(np.ones(self.position_steps, bool), self.latency)

    def structure(self) -> Structure:
        taken = self.output_streams[0].width
        found = window_parts(self, taken)
        found.add(padded_bits=taken if any(self.padding) else 0)
        return found.structure("Window")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.group_channels):
            yield {"pe": pe, "simd": 1}
        if self.groups == 1:
            for simd in self._taps_at_once[1:]:
                yield {"pe": self.shape[-1], "simd": simd}
