"""Deciding frames: with them, any single wrong weight of the first layer changes an output bit."""

import numpy as np

from dataflow import Bipolar, MatrixVector, Network, Threshold

__all__ = ["deciding_frames"]


def deciding_frames(network: Network) -> np.ndarray:
    """Return two frames for each neuron of the first layer, in which every one of its weights decides its bit.

    With ``ones == threshold`` one match less turns the bit to 0. With ``ones == threshold - 1`` one match more turns it
    to 1. So any single wrong weight, and a threshold that is off by one, shows in one of the two frames. In ordinary
    frames the count is usually far from a neuron's threshold, so a single weight changes nothing.

    Returns
    -------
    frames : (2 * neurons or fewer, *input shape) int64; none if the network does not begin with pixels that are
        compared with thresholds and multiplied with a matrix. There is no such frame if a threshold is always or never
        met, or if no pixels give the bits.
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
    """Return the first threshold node and the first matrix, or None if the network begins differently."""
    kinds = [node for node in network.nodes if not node.fits_neighbours][:2]
    if isinstance(network.inputs[0].stream.element, Bipolar):
        return None, kinds[0] if kinds and isinstance(kinds[0], MatrixVector) else None
    match kinds:
        case [Threshold() as front, MatrixVector() as first]:
            return front, first
    return None, None


def _pixels(front: Threshold | None, bits: np.ndarray, network: Network) -> np.ndarray | None:
    """Return pixels that give these bits, exactly at the thresholds, or None if there are none."""
    stream = network.inputs[0].stream
    if front is None:
        return bits.reshape(stream.shape)
    limits = np.broadcast_to(front.thresholds, front.shape).ravel()
    pixels = np.where(bits, limits, limits - 1)
    if pixels.min() < stream.element.minimum or pixels.max() > stream.element.maximum:
        return None
    return pixels.reshape(stream.shape)
