"""Select on plain integers."""

import numpy as np

from dataflow import Select

__all__ = ["select"]


def select(node: Select, x: np.ndarray) -> np.ndarray:
    """Return the named channels of every position.

    Parameters
    ----------
    x : (frames, *shape) int64

    Returns
    -------
    (frames, *shape[:-1], channels out) int64
    """
    y = np.empty((len(x), *node.output_streams[0].shape), np.int64)
    for index in np.ndindex(y.shape):
        y[index] = x[(*index[:-1], node.channels[index[-1]])]
    return y
