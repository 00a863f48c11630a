"""Threshold on plain integers."""

import numpy as np

from dataflow import Threshold

__all__ = ["threshold"]


def threshold(node: Threshold, x: np.ndarray) -> np.ndarray:
    """Compare every number with its channel's threshold; a tie gives bit 1 (+1), as sign(0) = +1.

    Parameters
    ----------
    x : (frames, *shape) int64, within the node's element

    Returns
    -------
    (frames, *shape) int64, bits 0 or 1
    """
    levels = node.thresholds.tolist()
    y = np.empty(x.shape, np.int64)
    for index, value in np.ndenumerate(x):
        level = levels[index[-1]] if len(levels) > 1 else levels[0]
        y[index] = value >= level
    return y
