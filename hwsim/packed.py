"""The packed reference: the same values as `hwsim.reference`, with bits in 64-bit words.

Bits stay packed between layers. A tensor of bits is packed along its channels, so each position of a frame is a row
of whole words.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from dataflow import ArgMax, Bipolar, Fork, MatrixVector, Network, Node, Stream, Threshold, WidthConverter
from hwsim._bits import count_matches, pack, threshold_words, unpack
from hwsim.frames import frames_for

__all__ = ["evaluate", "evaluate_only"]


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
    rows = x.rows
    ones = np.empty((len(rows), node.neurons), np.int64)
    count_matches(rows, pack(node.weights > 0), node.synapses, ones)
    y = 2 * ones - node.synapses if node.thresholds is None else _thresholded(ones, node.thresholds)
    return (_from_rows(y, node.output_streams[0]),)


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
