"""The packed reference: the same values as `hwsim.reference`, with bits in 64-bit words.

Bits stay packed between layers. A tensor of bits is packed along its channels, so each position of a frame is a row
of whole words.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from dataflow import (
    ArgMax,
    Bipolar,
    Fork,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    WidthConverter,
)
from hwsim._bits import count_matches, pack, threshold_words, unpack, word_width
from hwsim.frames import frames_for

__all__ = ["evaluate", "evaluate_only"]

#: Vectors multiplied at a time, which bounds the memory of the sums.
block_rows = 1 << 14


@dataclass(frozen=True, eq=False)
class Tensor:
    """The values of a stream: packed words if they are bits, else the numbers themselves.

    Parameters
    ----------
    data : (frames, *shape[:-1], words) uint64 if `packed`, else (frames, *shape) int64
    shape : shape of a frame
    """

    data: np.ndarray
    shape: tuple[int, ...]
    packed: bool

    @property
    def values(self) -> np.ndarray:
        """(frames, *shape) int64."""
        return unpack(self.data, self.shape[-1]) if self.packed else self.data

    @property
    def rows(self) -> np.ndarray:
        """(frames * positions, words or channels), one row for each position."""
        return self.data.reshape(-1, self.data.shape[-1])

    def reshaped(self, shape: tuple[int, ...]) -> "Tensor":
        """Return the same numbers as frames of another shape."""
        if shape == self.shape:
            return self
        if self.packed and self.shape[-1] % word_width == shape[-1] % word_width == 0:
            return Tensor(self.data.reshape(len(self.data), *shape[:-1], -1), shape, True)
        return _tensor(self.values.reshape(-1, *shape), packed=self.packed)


def _tensor(values: np.ndarray, *, packed: bool) -> Tensor:
    return Tensor(pack(values) if packed else values, values.shape[1:], packed)


def _from_rows(rows: np.ndarray, stream: Stream) -> Tensor:
    packed = isinstance(stream.element, Bipolar)
    return Tensor(rows.reshape(-1, *stream.shape[:-1], rows.shape[-1]), stream.shape, packed)


@singledispatch
def apply(node: Node, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Return what a node emits, one tensor per output, for one tensor per input."""
    raise TypeError(f"Node {node.name!r} must be of a kind with a packed reference, not {node.kind}")


@apply.register
def _(node: MatrixVector, x: Tensor) -> tuple[Tensor, ...]:
    if node.groups > 1 or node.position_classes is not None:
        return (_by_groups_and_classes(node, x.values),)
    rows = np.ascontiguousarray(x.rows)
    parts = [_products(node, rows[start : start + block_rows]) for start in range(0, len(rows), block_rows)]
    return (_from_rows(np.concatenate(parts), node.output_streams[0]),)


def _by_groups_and_classes(node: MatrixVector, x: np.ndarray) -> Tensor:
    """Return the product group by group, with the levels of each position's class.

    Parameters
    ----------
    x : (frames, *positions, groups * synapses) int64
    """
    bits, stream = isinstance(node.operand, Bipolar), node.output_streams[0]
    alone = replace(node, thresholds=None, position_classes=None, offsets=None, groups=1, pe=1, simd=1)
    vectors = x.reshape(len(x), -1, node.groups, node.synapses)
    totals = []
    for group, weights in enumerate(np.split(node.weights, node.groups)):
        rows = vectors[:, :, group].reshape(-1, node.synapses)
        totals.append(_products(replace(alone, weights=weights), pack(rows) if bits else np.ascontiguousarray(rows)))
    total = np.concatenate(totals, axis=1).reshape(len(x), -1, node.neurons)
    kinds = slice(None) if node.position_classes is None else node.position_classes
    if node.thresholds is not None:
        counted = (total + node.synapses) // 2 if bits else total
        y = (counted >= node.thresholds[kinds]).astype(np.int64)
    else:
        y = total if node.offsets is None else total + node.offsets[kinds]
    return _tensor(y.reshape(-1, *stream.shape), packed=isinstance(stream.element, Bipolar))


def _products(node: MatrixVector, rows: np.ndarray) -> np.ndarray:
    """Return the rows that a matrix gives for rows of words or integers: words if it has thresholds."""
    if isinstance(node.operand, Bipolar):
        counted = np.empty((len(rows), node.neurons), np.int64)
        count_matches(rows, pack(node.weights > 0), node.synapses, counted)
    else:
        counted = _totals(node, rows)
    if node.thresholds is not None:
        return _thresholded(counted, node.thresholds)
    return 2 * counted - node.synapses if isinstance(node.operand, Bipolar) else counted


def _totals(node: MatrixVector, rows: np.ndarray) -> np.ndarray:
    """Return the sums of integers, by floating-point products where every partial sum is exact in them."""
    largest = max(node.counted)
    for dtype, exact in ((np.float32, 2**24), (np.float64, 2**53)):
        if largest <= exact:
            return (rows.astype(dtype) @ node.weights.T.astype(dtype)).astype(np.int64)
    return rows @ node.weights.T.astype(np.int64)


@apply.register
def _(node: SlidingWindow, x: Tensor) -> tuple[Tensor, ...]:
    if node.groups > 1:
        return (_grouped_windows(node, x),)
    whole_words = not x.packed or node.shape[-1] % word_width == 0
    data = x.data if whole_words else x.values
    outside = np.full(data.shape[-1], node.pad, data.dtype)
    if x.packed and whole_words and node.pad:
        outside[:] = np.iinfo(np.uint64).max
    windows = np.take(_pixels(data, outside), node.tap_pixels, axis=1).reshape(len(data), *node.positions, -1)
    shape = node.output_streams[0].shape
    return (Tensor(windows, shape, x.packed) if whole_words else _tensor(windows, packed=True),)


def _grouped_windows(node: SlidingWindow, x: Tensor) -> Tensor:
    pixels = _pixels(x.values, np.full(node.shape[-1], node.pad))
    windows = np.take(pixels, node.tap_pixels, axis=1)
    windows = windows.reshape(*windows.shape[:-1], node.groups, -1).swapaxes(2, 3)
    return _tensor(windows.reshape(-1, *node.output_streams[0].shape), packed=x.packed)


@apply.register
def _(node: SumPool, x: Tensor) -> tuple[Tensor, ...]:
    numbers = 2 * x.values - 1 if isinstance(node.element, Bipolar) else x.values
    pixels = _pixels(numbers, np.zeros(node.shape[-1], np.int64))
    total = sum(np.take(pixels, tap, axis=1) for tap in node.tap_pixels.T)
    return (Tensor(np.asarray(total).reshape(-1, *node.output_streams[0].shape), node.output_streams[0].shape, False),)


@apply.register
def _(node: MaxPool, x: Tensor) -> tuple[Tensor, ...]:
    # Of words, the greatest of every bit is their OR, and a tap outside adds no bit.
    outside = np.full(x.data.shape[-1], 0 if x.packed else node.element.minimum, x.data.dtype)
    pixels = _pixels(x.data, outside)
    greatest = np.take(pixels, node.tap_pixels[:, 0], axis=1)
    for tap in node.tap_pixels.T[1:]:
        (np.bitwise_or if x.packed else np.maximum)(greatest, np.take(pixels, tap, axis=1), out=greatest)
    return (Tensor(greatest.reshape(len(greatest), *node.positions, -1), node.output_streams[0].shape, x.packed),)


def _pixels(data: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return images as rows of pixels, (frames, pixels + 1, n); the last one, number -1, is what stands outside."""
    pixels = data.reshape(len(data), -1, data.shape[-1])
    return np.concatenate([pixels, np.broadcast_to(outside, (len(pixels), 1, len(outside)))], axis=1)


@apply.register
def _(node: Threshold, x: Tensor) -> tuple[Tensor, ...]:
    channels = node.shape[-1]
    values = np.ascontiguousarray(x.values).reshape(-1, channels)
    y = _thresholded(values, np.ascontiguousarray(np.broadcast_to(node.thresholds, channels)))
    return (_from_rows(y, node.output_streams[0]),)


@apply.register
def _(node: ArgMax, x: Tensor) -> tuple[Tensor, ...]:
    # np.argmax returns the first of equal keys, which fit int64 in every node.
    best = (node.scale * x.values + node.offset).argmax(axis=1).astype(np.int64)
    return (_from_rows(best[:, None], node.output_streams[0]),)


@apply.register
def _(node: Fork, x: Tensor) -> tuple[Tensor, ...]:
    return (x,) * node.copies


@apply.register
def _(node: WidthConverter, x: Tensor) -> tuple[Tensor, ...]:
    return (x,)


def _thresholded(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    words = np.empty((len(values), -(-values.shape[1] // 64)), np.uint64)
    threshold_words(values, thresholds, words)
    return words


def evaluate(network: Network, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every stream of a network, as `hwsim.reference.evaluate` does.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` understands

    Returns
    -------
    dict
        For every FIFO's name (frames, *stream.shape) int64; bipolar streams carry bits 0 and 1.
    """
    return evaluate_only(network, frames, [fifo.name for fifo in network.fifos])


def evaluate_only(network: Network, frames: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the values of the streams in the FIFOs named, as `evaluate` does; the others are dropped once read."""
    frames = frames_for(network, frames)
    wanted = set(names)
    first = network.fifos_out_of(network.inputs[0].name)[0].name
    bits = isinstance(network.inputs[0].stream.element, Bipolar)
    alive = {first: _tensor(frames, packed=bits)}
    kept: dict[str, np.ndarray] = {first: frames} if first in wanted else {}
    for node in network.nodes:
        inputs = [
            alive.pop(fifo.name).reshaped(stream.shape)
            for fifo, stream in zip(network.fifos_into(node.name), node.input_streams, strict=True)
        ]
        for fifo, tensor in zip(network.fifos_out_of(node.name), apply(node, *inputs), strict=True):
            alive[fifo.name] = tensor
            if fifo.name in wanted:
                kept[fifo.name] = tensor.values
    return kept
