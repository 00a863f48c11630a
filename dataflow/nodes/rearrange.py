"""Rearrange: the pixels of an image in another order, repeated, or left out."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.limits import require_numbers
from dataflow.nodes._buffered import BufferedNode, Loop
from dataflow.nodes._node import LaneCounts, divisors
from dataflow.nodes._window_parts import rearranging_parts
from dataflow.parts import Structure
from dataflow.schedule import Buffered
from dataflow.streams import Stream

__all__ = ["Rearrange"]

#: Loops, outermost first, as pairs of a size and a stride.
Loops = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Rearrange(BufferedNode):
    """Emit another image, whose numbers are those of the image in at places that nested loops count (a strided view).

    Row y of the image out is counted by the loops `rows`: ``y = (k_0 * size_1 + k_1) * size_2 + k_2 ...``, where the
    innermost counter moves fastest, and its numbers are at ``start + k_0 * stride_0 + k_1 * stride_1 + ...`` of the
    frame in. The loops of the column and of the channel add theirs. For an image of H x W pixels of C channels:

    ==========================================  ======================  ===================  ==============
    the image out                               rows                    columns              channels
    ==========================================  ======================  ===================  ==============
    each pixel twice (nearest upsampling)       (H, W*C), (2, 0)        (W, C), (2, 0)       (C, 1)
    channels as pixels (DepthToSpace, DCR)      (H, W*C), (2, C/2)      (W, C), (2, C/4)     (C/4, 1)
    pixels as channels (SpaceToDepth)           (H/2, 2*W*C)            (W/2, 2*C)           (2, W*C), (2*C, 1)
    h x w pixels of it (crop)                   (h, W*C)                (w, C)               (C, 1)
    ==========================================  ======================  ===================  ==============

    Parameters
    ----------
    rows, columns, channels : pairs of a size and a stride in numbers; the last of `channels` has the stride 1, and all
        others and `start` are multiples of its size, as the channels in are
    start : the number with which the image out starts
    pe : channels at once, at most the size of the last loop
    """

    rows: Loops
    columns: Loops
    channels: Loops
    start: int = 0
    pe: int = 1

    fold_parameters: ClassVar = ("pe",)
    format_version: ClassVar[int] = 6

    #: Cycle 1 reads the buffer.
    latency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check(len(self.shape) == 3, "shape", "(height, width, channels)", self.shape)
        for name in ("rows", "columns", "channels"):
            self._check(_are_loops(getattr(self, name)), name, "pairs of a size and a stride", getattr(self, name))
        size, stride = self.channels[-1]
        self._check(stride == 1, "channels", "loops whose last has the stride 1", self.channels)
        self._check(self.shape[-1] % size == 0, "channels", f"a part of its {self.shape[-1]} channels at a time", size)
        strides = [each for _, each in (*self.rows, *self.columns, *self.channels[:-1])]
        self._check(type(self.start) is int, "start", "an integer", self.start)
        odd = next((each for each in (*strides, self.start) if each % size), None)
        self._check(odd is None, "strides", f"multiples of the {size} channels that are read together", odd)
        require_numbers(self.name, max(prod(self.shape), prod(self.positions) * self._channels_out))
        places = self.pieces
        inside = places.min() >= 0 and places.max() < prod(self.shape) // size
        least, most = int(places.min()) * size, (int(places.max()) + 1) * size
        self._check(inside, "places", f"within the {prod(self.shape)} numbers of its input", (least, most))
        self._check_lanes("pe", size, "channels that are read together")

    @property
    def together(self) -> int:
        """Neighbouring channels that are read together."""
        return self.channels[-1][0]

    @property
    def _channels_out(self) -> int:
        return prod(size for size, _ in self.channels)

    @property
    def positions(self) -> tuple[int, ...]:
        return prod(size for size, _ in self.rows), prod(size for size, _ in self.columns)

    @cached_property
    def pieces(self) -> np.ndarray:
        """(height, width, pieces of a pixel) int64, the piece of `together` channels in that each piece out repeats."""
        rows, columns, channels = (_places_of(each) for each in (self.rows, self.columns, self.channels[:-1]))
        return (self.start + rows[:, None, None] + columns[:, None] + channels) // self.together

    @property
    def _piece_beats(self) -> int:
        return -(-self.together // self.pe)

    def _stream(self, shape: tuple[int, ...]) -> Stream:
        parts = shape[-1] // self.together if self.together % self.pe else 1
        return Stream(self.element, shape, self.pe, parts)

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (self._stream(self.shape),)

    @property
    def output_streams(self) -> tuple[Stream, ...]:
        return (self._stream((*self.positions, self._channels_out)),)

    @property
    def read_beats(self) -> np.ndarray:
        pieces = self.pieces.reshape(prod(self.positions), -1, 1)
        return (pieces * self._piece_beats + np.arange(self._piece_beats)).reshape(len(pieces), -1)

    @property
    def position_steps(self) -> int:
        return self.pieces.shape[2] * self._piece_beats

    @property
    def first_taps(self) -> tuple[tuple[int, int], ...]:
        return ((0, 0),)

    @property
    def first_beat(self) -> int:
        return self.start // self.together * self._piece_beats

    @property
    def position_loops(self) -> tuple[Loop, ...]:
        return (*self._loops("row", self.rows), *self._loops("column", self.columns))

    @property
    def inner_loops(self) -> tuple[Loop, ...]:
        fold = [Loop("fold", self._piece_beats, 1)] if self._piece_beats > 1 else []
        return (*self._loops("channel", self.channels[:-1]), *fold)

    def _loops(self, name: str, loops: Loops) -> tuple[Loop, ...]:
        beats = self._piece_beats
        return tuple(
            Loop(f"{name}_{index}" if index else name, size, stride // self.together * beats)
            for index, (size, stride) in enumerate(loops)
        )

    def schedule(self) -> Buffered:
        return self._buffered(np.ones(self.position_steps, bool), self.latency)

    def structure(self) -> Structure:
        return rearranging_parts(self).structure("Rearrange")

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.together):
            yield {"pe": pe}


def _are_loops(loops: object) -> bool:
    """Return whether a value is loops: at least one, none of them empty."""
    if not isinstance(loops, tuple) or not loops:
        return False
    pairs = all(isinstance(each, tuple) and len(each) == 2 for each in loops)
    return pairs and all(type(number) is int for each in loops for number in each) and min(loops)[0] >= 1


def _places_of(loops: Loops) -> np.ndarray:
    """Return the places that loops count, in their order, int64."""
    places = np.zeros(1, np.int64)
    for size, stride in loops:
        places = (places[:, None] + np.arange(size) * stride).ravel()
    return places
