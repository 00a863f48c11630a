"""Operations: what computes a tensor, as a model's file has it and as the passes understand it.

What they become in hardware is in `quant.lowering.graph.hardware`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataflow import Element, SumPool
from quant.lowering.exact.numbers import Constant
from quant.lowering.graph.sites import DENSE, Pooled, Site, Window

__all__ = [
    "Average",
    "Curve",
    "Dense",
    "Elementwise",
    "Join",
    "Layout",
    "Operation",
    "Operator",
    "Pad",
    "Pool",
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
    """A node as it stands in the file.

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
    """An operator of `_operators.ELEMENTWISE`, quantizers included."""


@dataclass(frozen=True, eq=False)
class Layout(Single):
    """Elements in another order or shape.

    Parameters
    ----------
    order : for each element of the output, an int64 array of its shape, the place in the flattened source
    """

    order: np.ndarray


@dataclass(frozen=True, eq=False)
class Dense(Single):
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
class Pool(Single):
    """The greatest number of each channel below a window."""

    window: Window


@dataclass(frozen=True, eq=False)
class Average(Single):
    """The mean of each channel below a window; a number outside the image is 0.

    Parameters
    ----------
    counts : (positions,) int64, what each position's sum is divided by
    image : (height, width, channels) that it reads, once that is known
    """

    window: Window
    counts: np.ndarray
    image: tuple[int, ...] = ()

    def sum_pool(self, name: str, element: Element) -> SumPool:
        """Return the hardware's sums."""
        window = self.window
        return SumPool(name, element, self.image, window.kernel, window.stride, window.dilation, window.padding)


@dataclass(frozen=True, eq=False)
class Join(Operation):
    """Tensors that different layers make, added number by number, or put behind each other.

    Parameters
    ----------
    operands : the tensors
    pools : max pools in front of each of them
    stacked : whether the channels are put behind each other
    """

    operands: tuple[str, ...]
    pools: tuple[tuple[Pooled, ...], ...]
    stacked: bool

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
class Curve(Single):
    """A function that is not a rational one, such as Softmax.

    Parameters
    ----------
    kind : the operator
    """

    kind: str
