"""A whole network on plain integers."""

from functools import singledispatch

import numpy as np

from dataflow import (
    Add,
    ArgMax,
    Concat,
    Fork,
    MatrixVector,
    MaxPool,
    Network,
    Node,
    SlidingWindow,
    SumPool,
    Threshold,
    WidthConverter,
)
from hwsim.frames import frames_for
from hwsim.reference.add import add
from hwsim.reference.arg_max import arg_max
from hwsim.reference.concat import concat
from hwsim.reference.fork import fork
from hwsim.reference.matrix_vector import matrix_vector
from hwsim.reference.max_pool import max_pool
from hwsim.reference.sliding_window import sliding_window
from hwsim.reference.sum_pool import sum_pool
from hwsim.reference.threshold import threshold
from hwsim.reference.width_converter import width_converter

__all__ = ["apply", "evaluate"]


@singledispatch
def apply(node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what a node emits, one (frames, *shape) int64 array per output, for one such array per input."""
    raise TypeError(f"Node {node.name!r} must be of a kind with a reference, not {node.kind}")


@apply.register
def _(node: Add, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    return (add(node, *inputs),)


@apply.register
def _(node: ArgMax, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (arg_max(node, x),)


@apply.register
def _(node: Concat, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    return (concat(node, *inputs),)


@apply.register
def _(node: Fork, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return fork(node, x)


@apply.register
def _(node: MatrixVector, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (matrix_vector(node, x),)


@apply.register
def _(node: MaxPool, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (max_pool(node, x),)


@apply.register
def _(node: SlidingWindow, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (sliding_window(node, x),)


@apply.register
def _(node: SumPool, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (sum_pool(node, x),)


@apply.register
def _(node: Threshold, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (threshold(node, x),)


@apply.register
def _(node: WidthConverter, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (width_converter(node, x),)


def evaluate(network: Network, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every stream of a network.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` understands

    Returns
    -------
    dict
        For every FIFO's name (frames, *stream.shape) int64; bipolar streams carry bits 0 and 1.
    """
    frames = frames_for(network, frames)
    values = {network.fifos_out_of(network.inputs[0].name)[0].name: frames}
    for node in network.nodes:
        inputs = [
            values[fifo.name].reshape(len(frames), *stream.shape)
            for fifo, stream in zip(network.fifos_into(node.name), node.input_streams, strict=True)
        ]
        for fifo, output in zip(network.fifos_out_of(node.name), apply(node, *inputs), strict=True):
            values[fifo.name] = output
    return values
