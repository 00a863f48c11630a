"""Operations that hardware does, each with the nodes that it becomes.

A tensor of one of them stands for integers; what these mean in the model is its `streams.stream.IntegerStream`.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dataflow import (
    BIPOLAR,
    Add,
    ArgMax,
    Concat,
    Element,
    MatrixVector,
    MaxPool,
    Node,
    Rearrange,
    Select,
    SlidingWindow,
    SpatialArgMax,
    Stream,
    SumPool,
    Threshold,
    integer_for,
    position_classes,
    signed_for,
)
from quant.lowering.describing.forms import cheapest_requantize
from quant.lowering.graph.operations import Operation
from quant.lowering.graph.sites import DENSE, Site, Window
from quant.lowering.graph.wiring import PixelLoops
from quant.lowering.streams.runs import Runs

__all__ = [
    "BranchSum",
    "ChannelSelection",
    "ClassDecision",
    "Concatenation",
    "HardwareOperation",
    "MatrixProduct",
    "PixelRearrangement",
    "PositionDecision",
    "Requantization",
    "Thresholding",
    "WindowMaximum",
    "WindowSum",
]

#: Gives the name of a further node, from the ending that it should have.
Namer = Callable[[str], str]


@dataclass(frozen=True, eq=False)
class HardwareOperation(Operation):
    """An operation that becomes nodes.

    Parameters
    ----------
    sources : the tensors that it reads
    """

    sources: tuple[str, ...]

    #: Whether channel k of the result depends on channel k of the source alone.
    keeps_channels: ClassVar[bool] = False

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.sources

    def of_channels(self, channels: np.ndarray) -> "HardwareOperation | None":
        """Return the operation that makes only some channels of the result, in any order, each at most once.

        If it `keeps_channels`, it then reads only these. None where it has no such form.
        """
        return None

    @abstractmethod
    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        """Yield the nodes, each of which reads the one before it.

        Parameters
        ----------
        name : of the node that does the operation
        streams : what the first of them reads
        """


@dataclass(frozen=True, eq=False)
class Thresholding(HardwareOperation):
    """Integers compared with thresholds.

    Parameters
    ----------
    thresholds : (channels,) int64, ``bit = x >= threshold``
    """

    thresholds: np.ndarray

    keeps_channels: ClassVar[bool] = True

    def of_channels(self, channels: np.ndarray) -> HardwareOperation:
        return replace(self, thresholds=self.thresholds[channels])

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,) = streams
        alike = (self.thresholds == self.thresholds[0]).all()
        yield Threshold(name, stream.element, stream.shape, self.thresholds[:1] if alike else self.thresholds)


@dataclass(frozen=True, eq=False)
class Requantization(HardwareOperation):
    """A function from integers to codes, or to bits.

    Parameters
    ----------
    runs : codes of the integers that occur, by channel or for all channels; for bits 0 and 1
    span : least and greatest number that the codes' type must hold
    of_bits : whether the codes are bits
    """

    runs: Runs
    span: tuple[int, int]
    of_bits: bool = False

    keeps_channels: ClassVar[bool] = True

    def of_channels(self, channels: np.ndarray) -> HardwareOperation:
        return replace(self, runs=self.runs.of_channels(channels))

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,) = streams
        result = BIPOLAR if self.of_bits else integer_for(*self.span)
        yield cheapest_requantize(name, stream, result, self.runs)


@dataclass(frozen=True, eq=False)
class MatrixProduct(HardwareOperation):
    """A matrix of signs or small integers times bits or integers, ``total + shift`` or its comparison.

    Parameters
    ----------
    weights : (neurons, synapses of a group) int8
    shifts : (classes, neurons) int64 by class of positions, see `dataflow.position_classes`, what totals lack of the
        number outside the image; None for nothing
    thresholds : (neurons,) or (classes, neurons) int64, ``bit = ones >= threshold`` for signs times bits
        and ``bit = total >= threshold`` else, shifts included; None for the totals themselves
    """

    weights: np.ndarray
    site: Site = DENSE
    shifts: np.ndarray | None = None
    thresholds: np.ndarray | None = None

    @property
    def element(self) -> Element:
        """Type of the weights."""
        if (np.abs(self.weights) == 1).all():
            return BIPOLAR
        return signed_for(int(self.weights.min()), max(1, int(self.weights.max())))

    def of_channels(self, channels: np.ndarray) -> HardwareOperation | None:
        """Return the product with only some rows, if each group keeps as many of its own."""
        groups = self.site.groups
        if len(channels) % groups or self.thresholds is not None:
            return None
        if (channels.reshape(groups, -1) // (len(self.weights) // groups) != np.arange(groups)[:, None]).any():
            return None
        shifts = None if self.shifts is None else self.shifts[:, channels]
        return replace(self, weights=self.weights[channels], shifts=shifts)

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,) = streams
        windows: SlidingWindow | None = None
        if self.site.window is not None:
            windows = self.site.sliding_window(further("window"), stream.element)
            yield windows
        by_class = self.shifts is not None or (self.thresholds is not None and self.thresholds.ndim == 2)
        yield MatrixVector(
            name,
            self.weights,
            self.thresholds,
            positions=self.site.positions,
            operand=stream.element,
            groups=self.site.groups,
            position_classes=position_classes(windows).of_positions if by_class and windows else None,
            offsets=self.shifts if self.thresholds is None else None,
            weight_element=self.element,
        )


@dataclass(frozen=True, eq=False)
class WindowMaximum(HardwareOperation):
    """The greatest integer of each channel below a window; of bits their OR.

    Parameters
    ----------
    image : (height, width, channels) that it reads
    """

    window: Window
    image: tuple[int, ...]

    keeps_channels: ClassVar[bool] = True

    def of_channels(self, channels: np.ndarray) -> HardwareOperation:
        return replace(self, image=(*self.image[:2], len(channels)))

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,), window = streams, self.window
        yield MaxPool(name, stream.element, self.image, window.kernel, window.stride, window.dilation, window.padding)


@dataclass(frozen=True, eq=False)
class WindowSum(HardwareOperation):
    """The sum of the integers of each channel below a window, bits as -1 and +1.

    Parameters
    ----------
    image : (height, width, channels) that it reads
    """

    window: Window
    image: tuple[int, ...]

    keeps_channels: ClassVar[bool] = True

    def of_channels(self, channels: np.ndarray) -> HardwareOperation:
        return replace(self, image=(*self.image[:2], len(channels)))

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,), window = streams, self.window
        yield SumPool(name, stream.element, self.image, window.kernel, window.stride, window.dilation, window.padding)


@dataclass(frozen=True, eq=False)
class ChannelSelection(HardwareOperation):
    """Some channels of every position.

    Parameters
    ----------
    channels : (channels out,) int64
    """

    channels: np.ndarray

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,) = streams
        yield Select.unfolded(name, stream.element, stream.shape, self.channels)


@dataclass(frozen=True, eq=False)
class PixelRearrangement(HardwareOperation):
    """An image whose numbers are at places that loops count.

    Parameters
    ----------
    image : (height, width, channels) that it reads
    """

    loops: PixelLoops
    image: tuple[int, ...]

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,), loops = streams, self.loops
        yield Rearrange(name, stream.element, self.image, loops.rows, loops.columns, loops.channels, loops.start)


@dataclass(frozen=True, eq=False)
class BranchSum(HardwareOperation):
    """The sum of integers of several branches, bits as -1 and +1, each times a whole number.

    Parameters
    ----------
    factors : of each source, at least 1
    span : least and greatest sum
    """

    factors: tuple[int, ...]
    span: tuple[int, int]

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        # Sums take fewer numbers than their types hold, so those of many blocks would get wider and wider.
        result = integer_for(*self.span)
        factors = self.factors if max(self.factors) > 1 else ()
        node = Add(name, tuple(stream.element for stream in streams), streams[0].shape, factors=factors)
        yield replace(node, result=result) if result != node.element else node


@dataclass(frozen=True, eq=False)
class Concatenation(HardwareOperation):
    """The channels of several branches, concatenated."""

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        shapes = [stream.shape for stream in streams]
        elements = tuple(stream.element for stream in streams)
        yield Concat(name, elements, tuple(shape[-1] for shape in shapes), shapes[0][:-1])


@dataclass(frozen=True, eq=False)
class ClassDecision(HardwareOperation):
    """The class with the highest ``scale * score + offset``, the lowest index at a tie; at every position.

    Parameters
    ----------
    scale, offset : (classes,) int64
    positions : (height, width) of scores at several positions, or ()
    """

    scale: np.ndarray
    offset: np.ndarray
    positions: tuple[int, ...] = ()

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,) = streams
        yield ArgMax(name, stream.element, self.scale, self.offset, positions=self.positions)


@dataclass(frozen=True, eq=False)
class PositionDecision(HardwareOperation):
    """The position of the highest score of each channel, the first at a tie.

    Parameters
    ----------
    image : (height, width, channels) of the scores
    """

    image: tuple[int, ...]

    def nodes(self, name: str, streams: tuple[Stream, ...], further: Namer) -> Iterator[Node]:
        (stream,) = streams
        yield SpatialArgMax(name, stream.element, self.image)
