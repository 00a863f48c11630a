"""Operations of the model: what computes a tensor, as the file has it and as the passes understand it.

What they become in hardware is in `quant.lowering.graph.hardware`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.sites import DENSE, Site, Window
from quant.lowering.graph.wiring import PixelLoops

__all__ = [
    "AveragePooling",
    "ChannelChoice",
    "Elementwise",
    "Join",
    "LinearLayer",
    "MaxPooling",
    "NonRational",
    "Operation",
    "Operator",
    "Pad",
    "PixelView",
    "Rearrangement",
    "Refused",
    "Single",
    "parameter_name",
]


def parameter_name(tensor: str, parameter: str) -> str:
    """Return the name of a constant that a pass makes; no file has such a name."""
    return f"{tensor}\0{parameter}"


@dataclass(frozen=True, eq=False)
class Operation(ABC):
    """What computes a tensor.

    Parameters
    ----------
    name : the exporter's name of the node, for people
    output : name of the tensor
    """

    name: str
    output: str

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Tensors and constants read."""


@dataclass(frozen=True, eq=False)
class Operator(Operation):
    """A node as the file has it.

    Parameters
    ----------
    kind : the operator
    operands : names of what it reads; an optional one that is left out is ""
    attributes : numbers, strings, tuples of them, `Constant` for tensors
    """

    kind: str
    operands: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(name for name in self.operands if name)


@dataclass(frozen=True, eq=False)
class Single(Operation):
    """An operation that reads one tensor, `source`."""

    source: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, eq=False)
class Elementwise(Operator):
    """An operator of `reading.elementwise.ELEMENTWISE`, quantizers included."""


@dataclass(frozen=True, eq=False)
class Rearrangement(Single):
    """Elements in another order or shape; some may be repeated, or left out.

    Parameters
    ----------
    order : for each element of the output, an int64 array of its shape, the place in the flattened source
    """

    order: np.ndarray


@dataclass(frozen=True, eq=False)
class ChannelChoice(Single):
    """Some channels of the source at every position.

    Parameters
    ----------
    channels : (channels out,) int64
    """

    channels: np.ndarray


@dataclass(frozen=True, eq=False)
class PixelView(Single):
    """An image whose numbers are at places of the source that loops count.

    Parameters
    ----------
    image : (height, width, channels) that it reads
    """

    loops: PixelLoops
    image: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LinearLayer(Single):
    """A matrix times the source's elements, or those below its window, plus a bias.

    Parameters
    ----------
    weights : (neurons, synapses of a group); a window's synapses are in the order row, column, channel
    bias : (neurons,) or None
    """

    weights: Constant
    bias: Constant | None
    site: Site = DENSE


@dataclass(frozen=True, eq=False)
class MaxPooling(Single):
    """The greatest number of each channel below a window.

    Parameters
    ----------
    image : (height, width, channels) that it reads, once that is known
    """

    window: Window
    image: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class AveragePooling(Single):
    """The mean of each channel below a window; a number outside the image is 0.

    Parameters
    ----------
    counts : (positions,) int64, what each position's sum is divided by
    image : (height, width, channels) that it reads, once that is known
    """

    window: Window
    counts: np.ndarray
    image: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Join(Operation):
    """Tensors of different layers, added number by number, or concatenated.

    Parameters
    ----------
    operands : the tensors
    concatenated : whether the channels are concatenated, not added
    """

    operands: tuple[str, ...]
    concatenated: bool

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.operands


@dataclass(frozen=True, eq=False)
class Pad(Single):
    """Rows and columns of one number around an image.

    Parameters
    ----------
    padding : (top, bottom, left, right)
    value : ()
    """

    padding: tuple[int, int, int, int]
    value: Constant


@dataclass(frozen=True, eq=False)
class NonRational(Single):
    """A function that is not a rational one, such as Softmax.

    Parameters
    ----------
    kind : the operator
    axes : neighbouring axes along which it takes numbers together; () for one of each number
    """

    kind: str
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Refused(Operation):
    """An operation that cannot be lowered; nothing is known of its numbers, but the passes go on after it.

    Parameters
    ----------
    operands : the tensors that it reads
    """

    operands: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.operands
