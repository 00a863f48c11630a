"""The graph that the passes work on: typed operations from the input to the output.

Tensors have names, as in ONNX. A tensor is either a constant or computed by the one operation whose `output` it is;
one frame is computed at a time, so a batch dimension is 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from dataflow import Element, Integer, SumPool
from quant.lowering._reals import Constant
from quant.lowering._sites import DENSE, Pooled, Site, Window

__all__ = [
    "Average",
    "BitSums",
    "Classes",
    "Curve",
    "Dense",
    "Elementwise",
    "Graph",
    "InputBits",
    "InputIntegers",
    "Join",
    "Joined",
    "Layer",
    "Layout",
    "Operation",
    "Operator",
    "Pad",
    "Pool",
    "StackedBits",
    "StackedSums",
    "Sums",
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
class _Single(Operation):
    """An operation that reads one tensor, `source`."""

    source: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, eq=False)
class Elementwise(Operator):
    """An operator of `_operators.ELEMENTWISE`, quantizers included."""


@dataclass(frozen=True, eq=False)
class Layout(_Single):
    """Elements in another order or shape.

    Parameters
    ----------
    order : for each element of the output, an int64 array of its shape, the place in the flattened source
    """

    order: np.ndarray


@dataclass(frozen=True, eq=False)
class Dense(_Single):
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
class Pool(_Single):
    """The greatest number of each channel below a window."""

    window: Window


@dataclass(frozen=True, eq=False)
class Average(_Single):
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
class BitSums(_Single):
    """The sums of bits, as -1 and +1, below the windows of average pools.

    Parameters
    ----------
    averages : the pools, in order, each adding up what the one in front of it gives
    """

    averages: tuple[Average, ...]


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
class Joined(Join):
    """The hardware's sum of bits, as -1 and +1, and of integers; the tensor's elements are ``slope * total + offset``.

    Parameters
    ----------
    slope, offset : () or (channels,)
    totals : (points,) int64, all numbers that a total can be, rising
    """

    slope: Constant
    offset: Constant
    totals: np.ndarray


@dataclass(frozen=True, eq=False)
class StackedBits(Join):
    """Bits put behind each other; the tensor's elements are `zero` or `one`, (channels,)."""

    zero: Constant
    one: Constant


@dataclass(frozen=True, eq=False)
class StackedSums(Join):
    """Integers put behind each other; the tensor's elements are ``slope * total + offset``.

    Parameters
    ----------
    slope, offset : (channels,)
    totals : (points,) int64, all numbers that a total of any channel can be, rising
    """

    slope: Constant
    offset: Constant
    totals: np.ndarray


@dataclass(frozen=True, eq=False)
class Pad(_Single):
    """Rows and columns of one number around an image.

    Parameters
    ----------
    padding : (top, bottom, left, right)
    value : ()
    """

    padding: tuple[int, int, int, int]
    value: Constant


@dataclass(frozen=True, eq=False)
class Curve(_Single):
    """A function that is not a rational one, such as Softmax.

    Parameters
    ----------
    kind : the operator
    """

    kind: str


@dataclass(frozen=True, eq=False)
class InputBits(_Single):
    """Integers of the network's input compared with thresholds; the tensor's elements are `zero` or `one`.

    Parameters
    ----------
    element : type of the integers
    thresholds : (features,) int64, ``bit = x >= threshold``
    zero, one : what the two bits stand for, () or (features,)
    """

    element: Integer
    thresholds: np.ndarray
    zero: Constant
    one: Constant


@dataclass(frozen=True, eq=False)
class InputIntegers(_Single):
    """The network's input as it is; the tensor's elements are ``slope * integer + offset``.

    Parameters
    ----------
    element : type of the integers
    slope, offset : () or (channels,)
    """

    element: Integer
    slope: Constant
    offset: Constant


@dataclass(frozen=True, eq=False)
class Layer(_Single):
    """A matrix of signs with thresholds; the tensor's elements are `zero` or `one`.

    Parameters
    ----------
    signs : (neurons, synapses) int8
    thresholds : (neurons,) int64, ``bit = ones >= threshold``; of integers ``bit = total >= threshold``; where they
        differ by class of positions, see `dataflow.position_classes`, (classes, neurons); behind averages on their sum
    zero, one : what the two bits stand for, () or (neurons,)
    averages, shifts : as of the `Sums` that are compared
    """

    signs: np.ndarray
    thresholds: np.ndarray
    zero: Constant
    one: Constant
    site: Site = DENSE
    averages: tuple[Average, ...] = ()
    shifts: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Sums(_Single):
    """A matrix of signs; the tensor's elements are ``slope * (total + shift) + offset``.

    Parameters
    ----------
    signs : (neurons, synapses of a group) int8
    slope, offset : () or (neurons,)
    operand : type of the integers that are added, None for bits
    shifts : (classes, neurons) int64 by class of positions, what is lacking of the number outside the image; None
        for no shift
    totals : (points,) int64, all numbers that ``total + shift`` can be, rising
    averages : behind the matrix, in order; ``total + shift`` is then what is left when all of them only add
    variants : further slopes and offsets, where averages have fewer pixels below some of their positions
    """

    signs: np.ndarray
    slope: Constant
    offset: Constant
    totals: np.ndarray
    site: Site = DENSE
    operand: Integer | None = None
    shifts: np.ndarray | None = None
    averages: tuple[Average, ...] = ()
    variants: tuple[tuple[Constant, Constant], ...] = ()


@dataclass(frozen=True, eq=False)
class Classes(_Single):
    """The last matrix of signs, and the class with the highest ``scale * total + offset``.

    Parameters
    ----------
    signs : (classes, synapses) int8
    scale, offset : (classes,) int64
    logit_scale, logit_bias : (classes,) float64, for people: ``logits = logit_scale * total + logit_bias``
    averages, shifts : as of the `Sums` that are the scores
    """

    signs: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    logit_scale: np.ndarray
    logit_bias: np.ndarray
    site: Site = DENSE
    averages: tuple[Average, ...] = ()
    shifts: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """Operations in the order of computation: a path, or branches that meet in a `Join`.

    Parameters
    ----------
    shapes : shape of every tensor that depends on the input
    constants : the others
    input_element : type of the input if the model takes integers, None if it takes floats
    input_kind : what a frame of the network holds, see `lower`
    frame_shape : shape in which people give a frame, channels last
    opset : version of the standard operators
    metadata : goes into the network
    image : (height, width, channels) of an input that goes into a convolution; () of another
    """

    name: str
    input: str
    output: str
    operations: tuple[Operation, ...]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Constant]
    input_element: Integer | None
    input_kind: str
    frame_shape: tuple[int, ...]
    opset: int
    metadata: Mapping[str, str]
    image: tuple[int, ...] = ()

    def operation_of(self, tensor: str) -> Operation | None:
        """Return what computes a tensor; None for the input."""
        return next((each for each in self.operations if each.output == tensor), None)

    def readers_of(self, tensor: str) -> Iterator[Operation]:
        """Yield the operations that read a tensor."""
        return (each for each in self.operations if tensor in each.inputs)

    def size(self, tensor: str) -> int:
        """Return the number of elements of a tensor that depends on the input."""
        return prod(self.shapes[tensor])

    def label(self, tensor: str) -> str:
        """Return what people call the writer of a tensor."""
        operation = self.operation_of(tensor)
        return operation.name if operation else self.input

    def with_operations(self, operations: tuple[Operation, ...], **changes: Any) -> "Graph":
        """Return the graph with other operations; constants and shapes that nobody reads any more are dropped."""
        graph = replace(self, operations=operations, **changes)
        read = {name for operation in operations for name in operation.inputs} | {graph.output}
        written = {operation.output for operation in operations} | {graph.input}
        constants = {name: constant for name, constant in graph.constants.items() if name in read}
        shapes = {name: shape for name, shape in graph.shapes.items() if name in written}
        return replace(graph, constants=constants, shapes=shapes)
