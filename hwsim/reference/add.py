"""Add on plain integers."""

import numpy as np

from dataflow import Add, Bipolar

__all__ = ["add"]


def add(node: Add, *inputs: np.ndarray) -> np.ndarray:
    """Add the numbers of all inputs elementwise, each multiplied by its input's factor.

    Bits count as -1 and +1, and sums outside the result type saturate.

    Parameters
    ----------
    inputs : (frames, *shape) int64 each

    Returns
    -------
    (frames, *shape) int64
    """
    least, greatest = node.element.minimum, node.element.maximum
    y = np.empty(inputs[0].shape, np.int64)
    for index in np.ndindex(y.shape):
        total = 0
        for operand, factor, x in zip(node.operands, node.all_factors, inputs, strict=True):
            number = int(x[index])
            total += factor * (2 * number - 1 if isinstance(operand, Bipolar) else number)
        y[index] = min(max(total, least), greatest)
    return y
