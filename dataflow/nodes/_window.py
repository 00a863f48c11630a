"""The base class of nodes that move a kernel over an image: geometry, line buffer, and schedules."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.elements import Element
from dataflow.limits import require_numbers
from dataflow.nodes._node import LaneCounts, Node, divisors
from dataflow.schedule import Buffered, Schedule
from dataflow.streams import Stream

__all__ = ["WindowNode"]


@dataclass(frozen=True, eq=False)
class WindowNode(Node):
    """A node that reads, for every position of a kernel on an image, the pixels under it.

    Output pixel (y, x) has the taps (ky, kx) at row ``y*stride[0] + ky*dilation[0] - top`` and column
    ``x*stride[1] + kx*dilation[1] - left``.

    The image is stored in a buffer of `places` beats. The first step of an output pixel needs all beats that the pixel
    reads. Its last step frees the beats that no later pixel reads. So output rows and frames follow each other without
    a bubble, and the steps per frame are the larger of the beats in and the beats read.

    Parameters
    ----------
    element : type of the numbers
    shape : (height, width, channels) of a frame
    kernel : (height, width)
    stride, dilation : (rows, columns)
    padding : (top, bottom, left, right)
    pe : channels of a tap at once
    """

    element: Element
    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    dilation: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0, 0, 0)
    pe: int = 1

    fold_parameters: ClassVar[tuple[str, ...]] = ("pe",)

    #: Cycles from a reading step to the beat that it emits.
    latency: ClassVar[int]

    def __post_init__(self) -> None:
        self._check_shape(self.shape)
        self._check(len(self.shape) == 3, "shape", "(height, width, channels)", self.shape)
        for name, size, least in (("kernel", 2, 1), ("stride", 2, 1), ("dilation", 2, 1), ("padding", 4, 0)):
            values = getattr(self, name)
            legal = len(values) == size and all(type(value) is int and value >= least for value in values)
            self._check(legal, name, f"{size} integers of at least {least}", values)
        for axis, extent in enumerate(self.extents):
            padded = self.shape[axis] + sum(self.padding[2 * axis : 2 * axis + 2])
            self._check(
                extent <= padded, "kernel", f"at most the padded image's {padded} in size, dilation included", extent
            )
        require_numbers(self.name, max(prod(self.shape), prod(self.positions) * self.taps))
        self._check_lanes("pe", self.shape[-1], "channels")

    @property
    def extents(self) -> tuple[int, ...]:
        """Rows and columns that the kernel spans, dilation included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def positions(self) -> tuple[int, ...]:
        """(height, width) of the output."""
        height, width, _ = self.shape
        top, bottom, left, right = self.padding
        rows = (height + top + bottom - self.extents[0]) // self.stride[0] + 1
        return (rows, (width + left + right - self.extents[1]) // self.stride[1] + 1)

    @property
    def taps(self) -> int:
        """Pixels under the kernel."""
        return prod(self.kernel)

    @property
    def taps_at_once(self) -> int:
        """Taps that a step reads."""
        return 1

    @property
    def channel_folds(self) -> int:
        """Beats of a pixel."""
        return self.input_streams[0].beats // prod(self.shape[:-1])

    @property
    def position_steps(self) -> int:
        """Steps that read the pixels of a position."""
        return self.taps // self.taps_at_once * self.channel_folds

    @property
    def input_streams(self) -> tuple[Stream, ...]:
        return (Stream(self.element, self.shape, self.pe),)

    @cached_property
    def tap_pixels(self) -> np.ndarray:
        """(positions, taps) int64, the pixel of each tap as its index in raster order, or -1 outside the image."""
        height, width, _ = self.shape
        rows, columns = self.positions
        y = np.arange(rows)[:, None] * self.stride[0] + np.arange(self.kernel[0]) * self.dilation[0] - self.padding[0]
        x = (
            np.arange(columns)[:, None] * self.stride[1]
            + np.arange(self.kernel[1]) * self.dilation[1]
            - self.padding[2]
        )
        y, x = y[:, None, :, None], x[None, :, None, :]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return np.where(inside, y * width + x, -1).reshape(rows * columns, self.taps)

    @property
    def steps(self) -> int:
        """Steps per frame: the larger of the beats in and the beats read."""
        return max(self.input_streams[0].beats, prod(self.positions) * self.position_steps)

    @abstractmethod
    def schedule(self) -> Buffered:
        """Return the schedules of filling the buffer and of reading it, with the current folding."""

    @property
    @abstractmethod
    def group_folds(self) -> int:
        """Neighbouring beats of a pixel that are read tap by tap, before all taps of the next beats."""

    @property
    def read_beats(self) -> np.ndarray:
        """(positions, beats per position) int64, the frame's beats in the order of reading, or -1 outside the image."""
        folds = np.arange(self.channel_folds).reshape(-1, 1, self.group_folds)
        pixels = self.tap_pixels[:, None, :, None]
        return np.where(pixels >= 0, pixels * self.channel_folds + folds, -1).reshape(len(pixels), -1)

    @cached_property
    def _windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Beats that must have arrived before each position is read, and that are free after it, (positions,) int64.

        A position waits for all beats that it and earlier positions read, and for those freed before it. It frees the
        beats that no later position reads, whether they have arrived or not. The last position frees all.
        """
        read = self.read_beats
        frame_beats = self.input_streams[0].beats
        # A window outside the image waits for its frame's first beat, so that it never emits before its frame arrives.
        newest = np.maximum(np.maximum.accumulate(read.max(axis=1)), 0)
        oldest = np.where(read >= 0, read, frame_beats).min(axis=1)
        freed = np.append(np.minimum.accumulate(oldest[::-1])[::-1][1:], frame_beats)
        return np.maximum(newest + 1, np.append(0, freed[:-1])), freed

    @property
    def places(self) -> int:
        """Beats that the buffer holds: the fewest with which frames follow each other in `steps` cycles, plus a row.

        The additional row is for the neighbours. A node before it that pauses while its own kernel moves to the next
        row, or a node after it that pauses between vectors, then rarely stalls the image. Deeper FIFOs would cost more.
        """
        return self.fewest_places + self.shape[1] * self.channel_folds

    @cached_property
    def fewest_places(self) -> int:
        """The fewest places with which frames follow each other in `steps` cycles, if no neighbour stalls.

        This requires that all beats and steps have times that repeat every T = `steps` cycles and satisfy the timing
        contract. T is the larger of the beats in and the reading steps.

        If T is the number of reading steps, step s of frame f must be issued exactly in cycle ``f*T + s``. A beat that
        arrives as late as possible takes a place for the shortest time: one cycle before the first step that waits for
        it, and before the next beat, which may belong to the next frame.

        If T is the number of beats in, beat b of frame f must arrive exactly in cycle ``f*T + b``, and reading as early
        as possible frees places soonest: a position starts one cycle after the last beat that it waits for, and after
        the previous position, which may belong to the previous frame.

        In both cases beat m, counted over all frames, needs a place in addition to those of the m earlier beats, minus
        those freed in earlier cycles. The maximum over all beats is the result.
        """
        waits, freed = self._windows
        beats, positions = self.input_streams[0].beats, len(waits)
        each, interval = self.position_steps, self.steps
        # Two frames are enough: more distant frames leave more time, because no frame takes longer than T.
        if positions * each == interval:
            starts = np.arange(positions) * each
            waiting = np.searchsorted(waits, np.arange(beats), side="right")
            due = np.append(starts, interval)[waiting] - 1
            slack = np.append(due, due + interval) - np.arange(2 * beats)
            comes = np.minimum.accumulate(slack[::-1])[::-1][:beats] + np.arange(beats)
        else:
            comes = np.arange(beats)
            ready = np.append(waits - interval, waits) - np.arange(2 * positions) * each
            starts = np.maximum.accumulate(ready)[positions:] + np.arange(positions, 2 * positions) * each
        ends = (starts + each - 1 + np.arange(-2, 2)[:, None] * interval).ravel()
        counts = np.append(-2 * beats, (freed + np.arange(-2, 2)[:, None] * beats).ravel())
        held = np.arange(beats) - counts[np.searchsorted(ends, comes - 1, side="right")]
        return int(held.max()) + 1

    def _buffered(self, emits: np.ndarray, latency: int) -> Buffered:
        """Return the schedules of filling the buffer and of reading it.

        Parameters
        ----------
        emits : (steps per position,) bool
        """
        waits, freed = self._windows
        before = np.append(0, freed[:-1])
        needs, frees = np.zeros((2, len(waits), self.position_steps), np.int64)
        needs[:, 0] = waits - before
        frees[:, -1] = freed - before
        fill = Schedule(np.ones((1, 1), bool), np.zeros((0, 1), bool), 1, repeats=self.input_streams[0].beats)
        drain = Schedule(np.zeros((0, needs.size), bool), np.tile(emits, len(needs))[None], latency)
        return Buffered(fill, drain, self.places, needs.ravel(), frees.ravel())

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
