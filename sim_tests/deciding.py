"""Frames that decide: with them no weight of a first layer can be wrong unseen."""

import numpy as np

from dataflow import Bipolar, MatrixVector, Network, Threshold

__all__ = ["deciding_frames"]


def deciding_frames(network: Network) -> np.ndarray:
    """Return two frames for each neuron of the first layer, at which every one of its weights decides its bit.

    With ``ones == threshold`` a match that is lost turns the bit to 0; with ``ones == threshold - 1`` one that is won
    turns it to 1. So any single weight that is wrong, and a threshold moved by one, shows in one of the two. Ordinary
    frames are mostly far from a neuron's threshold, where a single weight changes nothing.

    Returns
    -------
    frames : (2 * neurons or fewer, *input shape) int64; none if the network does not begin with pixels that are
        compared with thresholds and multiplied with a matrix. Where a threshold is always or never met, or pixels
        cannot make the bits, there is no such frame.
    """
    front, first = _first_layer(network)
    shape = network.inputs[0].stream.shape
    if first is None or first.thresholds is None:
        return np.zeros((0, *shape), np.int64)
    frames = []
    for row, threshold in zip(first.weights > 0, first.thresholds.tolist(), strict=True):
        for ones in (threshold, threshold - 1):
            if 0 <= ones <= first.synapses and 0 < threshold <= first.synapses:
                bits = np.where(np.arange(first.synapses) < ones, row, ~row)
                frames.append(_pixels(front, bits, network))
    found = [frame for frame in frames if frame is not None]
    return np.array(found, np.int64).reshape(-1, *shape)


def _first_layer(network: Network) -> tuple[Threshold | None, MatrixVector | None]:
    """Return the threshold in front and the first matrix, or None where the network begins otherwise."""
    kinds = [node for node in network.nodes if not node.fits_neighbours][:2]
    if isinstance(network.inputs[0].stream.element, Bipolar):
        return None, kinds[0] if kinds and isinstance(kinds[0], MatrixVector) else None
    match kinds:
        case [Threshold() as front, MatrixVector() as first]:
            return front, first
    return None, None


def _pixels(front: Threshold | None, bits: np.ndarray, network: Network) -> np.ndarray | None:
    """Return pixels that make these bits, at the thresholds themselves; None if no pixels do."""
    stream = network.inputs[0].stream
    if front is None:
        return bits.reshape(stream.shape)
    limits = np.broadcast_to(front.thresholds, front.shape).ravel()
    pixels = np.where(bits, limits, limits - 1)
    if pixels.min() < stream.element.minimum or pixels.max() > stream.element.maximum:
        return None
    return pixels.reshape(stream.shape)
