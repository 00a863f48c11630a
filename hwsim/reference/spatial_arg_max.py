"""SpatialArgMax on plain integers."""

import numpy as np

from dataflow import SpatialArgMax

__all__ = ["spatial_arg_max"]


def spatial_arg_max(node: SpatialArgMax, x: np.ndarray) -> np.ndarray:
    """Find the position ``row * width + column`` of each channel's highest score; the first at a tie.

    Parameters
    ----------
    x : (frames, height, width, channels) int64

    Returns
    -------
    (frames, channels) int64
    """
    channels = node.shape[-1]
    y = np.empty((len(x), channels), np.int64)
    for frame, channel in np.ndindex(y.shape):
        scores = x[frame, ..., channel].ravel().tolist()
        best = 0
        for position, score in enumerate(scores):
            if score > scores[best]:
                best = position
        y[frame, channel] = best
    return y
