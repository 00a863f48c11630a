"""A whole network on plain integers."""

import numpy as np

from dataflow import Network, Node
from dataflow.kinds import implementation
from hwsim.frames import frames_for

__all__ = ["apply", "evaluate"]


def apply(node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what a node emits, one (frames, *shape) int64 array per output, for one such array per input."""
    # The function of a kind with one output returns an array instead of a tuple.
    result = implementation(type(node), "hwsim.reference")(node, *inputs)
    return result if isinstance(result, tuple) else (result,)


def evaluate(network: Network, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the values of every stream of a network.

    Parameters
    ----------
    frames : frames for the network's input, in a shape that `hwsim.frames.frames_for` accepts

    Returns
    -------
    dict
        (frames, *stream.shape) int64 by FIFO name; bipolar streams carry bits 0 and 1.
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
