"""MatrixVector on plain integers."""

import numpy as np

from dataflow import Bipolar, MatrixVector

__all__ = ["matrix_vector"]


def matrix_vector(node: MatrixVector, x: np.ndarray) -> np.ndarray:
    """Multiply the node's matrix of signs with the vector of signs, or of integers, at each position of each frame.

    Bit 1 stands for +1 and bit 0 for -1, so the product of two signs is +1 exactly where the bits are equal (XNOR).
    With ``ones`` equal pairs among n, ``n - ones`` products are -1 and the signed sum is
    ``total = ones - (n - ones) = 2*ones - n``. A threshold on ``total`` is one on ``ones``; because sign(0) = +1 a
    tie gives bit 1, hence ``ones >= threshold``.

    Of integers the total is ``sum(w * x)`` itself, and thresholds are compared with it: ``total >= threshold``.

    Parameters
    ----------
    x : (frames, *positions, synapses) int64, bits 0 or 1 or integers of the node's operand

    Returns
    -------
    (frames, *positions, neurons) int64, bits 0 or 1 if the node has thresholds, else the signed sums
    """
    bits = isinstance(node.operand, Bipolar)
    y = np.empty((*x.shape[:-1], node.neurons), np.int64)
    for position in np.ndindex(x.shape[:-1]):
        vector = x[position].tolist()
        for neuron, signs in enumerate(node.weights.tolist()):
            counted = _ones(vector, signs) if bits else _total(vector, signs)
            if node.thresholds is not None:
                y[*position, neuron] = counted >= node.thresholds[neuron]
            else:
                y[*position, neuron] = 2 * counted - node.synapses if bits else counted
    return y


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
