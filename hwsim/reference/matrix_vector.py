"""MatrixVector on plain integers."""

import numpy as np

from dataflow import MatrixVector

__all__ = ["matrix_vector"]


def matrix_vector(node: MatrixVector, x: np.ndarray) -> np.ndarray:
    """Multiply the node's matrix of signs with each frame's vector of signs.

    Bit 1 stands for +1 and bit 0 for -1, so the product of two signs is +1 exactly where the bits are equal (XNOR).
    With ``ones`` equal pairs among n, ``n - ones`` products are -1 and the signed sum is
    ``total = ones - (n - ones) = 2*ones - n``. A threshold on ``total`` is one on ``ones``; because sign(0) = +1 a
    tie gives bit 1, hence ``ones >= threshold``.

    Parameters
    ----------
    x : (frames, synapses) int64, bits 0 or 1

    Returns
    -------
    (frames, neurons) int64, bits 0 or 1 if the node has thresholds, else the signed sums
    """
    y = np.empty((len(x), node.neurons), np.int64)
    for frame, bits in enumerate(x):
        for neuron, signs in enumerate(node.weights):
            ones = 0
            for bit, sign in zip(bits.tolist(), signs.tolist(), strict=True):
                ones += bit == (sign + 1) // 2
            if node.thresholds is None:
                y[frame, neuron] = 2 * ones - node.synapses
            else:
                y[frame, neuron] = ones >= node.thresholds[neuron]
    return y
