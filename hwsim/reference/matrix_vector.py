"""MatrixVector on plain integers."""

import numpy as np

from dataflow import Bipolar, MatrixVector

__all__ = ["matrix_vector"]


def matrix_vector(node: MatrixVector, x: np.ndarray) -> np.ndarray:
    """Multiply the node's matrix of signs with the vector of signs, or of integers, at each position of each frame.

    Bit 1 stands for +1 and bit 0 for -1, so the product of two signs is +1 if and only if the bits are equal (XNOR).
    With ``ones`` equal pairs among n, ``n - ones`` products are -1 and the signed sum is
    ``total = ones - (n - ones) = 2*ones - n``. A threshold on ``total`` is therefore a threshold on ``ones``. Since
    sign(0) = +1, a tie gives bit 1, hence ``ones >= threshold``.

    For integers the total is ``sum(w * x)``, and thresholds are compared with it: ``total >= threshold``.

    A neuron of a group reads only the synapses of its group. If positions have classes, thresholds or offsets are
    those of the position's class; an offset is added to the sum.

    Parameters
    ----------
    x : (frames, *positions, groups * synapses) int64, bits 0 or 1 or integers of the node's operand

    Returns
    -------
    (frames, *positions, neurons) int64, bits 0 or 1 if the node has thresholds, else the signed sums
    """
    matches, bits = node.counts_matches, isinstance(node.operand, Bipolar)
    y = np.empty((*x.shape[:-1], node.neurons), np.int64)
    for position in np.ndindex(x.shape[:-1]):
        thresholds, offsets = _levels_at(node, position[1:])
        vector = x[position].tolist()
        for neuron, signs in enumerate(node.weights.tolist()):
            start = neuron // node.group_neurons * node.synapses
            seen = vector[start : start + node.synapses]
            counted = _ones(seen, signs) if matches else _total([2 * bit - 1 for bit in seen] if bits else seen, signs)
            if thresholds is not None:
                y[*position, neuron] = counted >= thresholds[neuron]
            else:
                y[*position, neuron] = (2 * counted - node.synapses if matches else counted) + offsets[neuron]
    return y


def _levels_at(node: MatrixVector, position: tuple[int, ...]) -> tuple[list[int] | None, list[int]]:
    """Return the neurons' thresholds, if there are any, and their offsets at a position of an image."""
    thresholds, offsets = node.thresholds, node.offsets
    if node.position_classes is not None:
        number = 0
        for index, size in zip(position, node.positions, strict=True):
            number = number * size + index
        kind = node.position_classes[number]
        thresholds = None if thresholds is None else thresholds[kind]
        offsets = None if offsets is None else offsets[kind]
    return None if thresholds is None else thresholds.tolist(), [
        0
    ] * node.neurons if offsets is None else offsets.tolist()


def _ones(bits: list[int], signs: list[int]) -> int:
    ones = 0
    for bit, sign in zip(bits, signs, strict=True):
        ones += bit == (sign + 1) // 2
    return ones


def _total(numbers: list[int], signs: list[int]) -> int:
    total = 0
    for number, sign in zip(numbers, signs, strict=True):
        total += sign * number
    return total
