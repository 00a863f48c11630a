"""MaxPool on plain integers."""

import numpy as np

from dataflow import MaxPool

__all__ = ["max_pool"]


def max_pool(node: MaxPool, x: np.ndarray) -> np.ndarray:
    """Find the greatest number of each channel under the kernel, at each of its positions.

    Output pixel (y, x) has tap (ky, kx) at row ``y*stride[0] + ky*dilation[0] - top`` and column
    ``x*stride[1] + kx*dilation[1] - left``. Taps outside the image do not count. For bits, the greatest is 1 (+1)
    if any is 1.

    Parameters
    ----------
    x : (frames, height, width, channels) int64

    Returns
    -------
    (frames, rows, columns, channels) int64
    """
    height, width, channels = node.shape
    top, _, left, _ = node.padding
    rows, columns = node.positions
    y = np.empty((len(x), rows, columns, channels), np.int64)
    for frame, row, column, channel in np.ndindex(y.shape):
        below = []
        for ky, kx in np.ndindex(*node.kernel):
            here = row * node.stride[0] + ky * node.dilation[0] - top
            there = column * node.stride[1] + kx * node.dilation[1] - left
            if 0 <= here < height and 0 <= there < width:
                below.append(int(x[frame, here, there, channel]))
        y[frame, row, column, channel] = max(below)
    return y
