"""How a layer reads an image: its window, and the number outside."""

from dataclasses import dataclass
from math import prod

import numpy as np

from dataflow import Element, SlidingWindow
from quant.lowering.exact.numbers import Constant

__all__ = ["DENSE", "OutsideNumber", "Site", "Window"]


@dataclass(frozen=True)
class Window:
    """A kernel that moves over an image.

    Parameters
    ----------
    kernel, stride, dilation : (rows, columns)
    padding : (top, bottom, left, right)
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that the kernel spans, dilation included."""
        (rows, columns), (far, wide) = self.kernel, self.dilation
        return (rows - 1) * far + 1, (columns - 1) * wide + 1

    def positions(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) of the output, below 1 where the kernel does not fit."""
        top, bottom, left, right = self.padding
        (rows, columns), (down, across) = self.reach, self.stride
        return (height + top + bottom - rows) // down + 1, (width + left + right - columns) // across + 1


@dataclass(frozen=True, eq=False)
class OutsideNumber:
    """The number outside an image.

    Parameters
    ----------
    name : the node that puts it there
    tensor : where it is put; the operators between there and the layer work on it too
    value : the number, ()
    """

    name: str
    tensor: str
    value: Constant


@dataclass(frozen=True, eq=False)
class Site:
    """How a layer's vectors are read from the image of its source.

    Parameters
    ----------
    image : (height, width, channels) that the layer reads; () for a vector
    window : of a convolution, or None
    padding : the number outside the image, or None where nothing outside is read
    pad : what stands for it in hardware, once that is known
    groups : of a convolution: each neuron has the channels of one group as synapses
    """

    image: tuple[int, ...] = ()
    window: Window | None = None
    padding: OutsideNumber | None = None
    pad: int = 0
    groups: int = 1

    @property
    def positions(self) -> tuple[int, ...]:
        """(height, width) of the output; () of a dense layer."""
        return self.window.positions(*self.image[:2]) if self.window else ()

    @property
    def repeats(self) -> int:
        """How often the channels, of a group, occur among a neuron's synapses."""
        return self.window.taps if self.window else prod(self.image[:2])

    def by_synapse(self, values: np.ndarray) -> np.ndarray:
        """Return numbers by channel as numbers by synapse, (groups, synapses); one for all channels, (groups, 1)."""
        if values.ndim == 0:
            return np.broadcast_to(values, (self.groups, 1))
        return np.tile(values.reshape(self.groups, -1), self.repeats)

    def sliding_window(self, name: str, element: Element) -> SlidingWindow:
        """Return the hardware's window of a convolution."""
        assert self.window is not None
        geometry = (self.window.kernel, self.window.stride, self.window.dilation, self.window.padding)
        return SlidingWindow(name, element, self.image, *geometry, pad=self.pad, groups=self.groups)


#: A dense layer that reads a vector.
DENSE = Site()
