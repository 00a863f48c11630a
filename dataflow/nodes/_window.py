"""The base class of nodes that move a kernel over an image: its geometry."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import ClassVar

import numpy as np

from dataflow.limits import require_numbers
from dataflow.nodes._buffered import BufferedNode, Loop
from dataflow.nodes._node import LaneCounts, divisors
from dataflow.streams import Stream

__all__ = ["WindowNode"]


@dataclass(frozen=True, eq=False)
class WindowNode(BufferedNode):
    """A node that reads, for every position of a kernel on an image, the pixels under it.

    Output pixel (y, x) has the taps (ky, kx) at row ``y*stride[0] + ky*dilation[0] - top`` and column
    ``x*stride[1] + kx*dilation[1] - left``.

    Parameters
    ----------
    kernel : (height, width)
    stride, dilation : (rows, columns)
    padding : (top, bottom, left, right)
    pe : channels of a tap at once
    """

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
    @abstractmethod
    def group_folds(self) -> int:
        """Neighbouring beats of a pixel that are read tap by tap, before all taps of the next beats."""

    @property
    def read_beats(self) -> np.ndarray:
        """(positions, beats per position) int64, the frame's beats in the order of reading, or -1 outside the image."""
        folds = np.arange(self.channel_folds).reshape(-1, 1, self.group_folds)
        pixels = self.tap_pixels[:, None, :, None]
        return np.where(pixels >= 0, pixels * self.channel_folds + folds, -1).reshape(len(pixels), -1)

    @property
    def first_beat(self) -> int:
        return 0

    @property
    def first_taps(self) -> tuple[tuple[int, int], ...]:
        (tall, wide), (apart_y, apart_x) = self._block, self.dilation
        top, _, left, _ = self.padding
        return tuple((y * apart_y - top, x * apart_x - left) for y in range(tall) for x in range(wide))

    @property
    def _block(self) -> tuple[int, int]:
        """(height, width) of the taps that are read at once."""
        width = self.kernel[1]
        return max(1, self.taps_at_once // width), min(self.taps_at_once, width)

    @property
    def position_loops(self) -> tuple[Loop, ...]:
        pixel, (down, right) = self.channel_folds, self.stride
        return (
            Loop("row", self.positions[0], down * self.shape[1] * pixel, rows=down),
            Loop("column", self.positions[1], right * pixel, columns=right),
        )

    @property
    def inner_loops(self) -> tuple[Loop, ...]:
        pixel, (tall, wide) = self.channel_folds, self._block
        down, right = tall * self.dilation[0], wide * self.dilation[1]
        groups = Loop("group", pixel // self.group_folds, self.group_folds)
        fold = Loop("fold", self.group_folds, 1)
        return (
            *([groups] if groups.size > 1 else []),
            Loop("tap_row", self.kernel[0] // tall, down * self.shape[1] * pixel, rows=down),
            Loop("tap_column", self.kernel[1] // wide, right * pixel, columns=right),
            *([fold] if fold.size > 1 else []),
        )

    def foldings(self, lanes: LaneCounts = divisors) -> Iterator[dict[str, int]]:
        for pe in lanes(self.shape[-1]):
            yield {"pe": pe}
