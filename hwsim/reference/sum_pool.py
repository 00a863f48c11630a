"""SumPool on plain integers."""

import numpy as np

from dataflow import Bipolar, SumPool

__all__ = ["sum_pool"]


def sum_pool(node: SumPool, x: np.ndarray) -> np.ndarray:
    """Add the numbers of each channel under the kernel, at each of its positions. Bits count as -1 and +1.

    Output pixel (y, x) has tap (ky, kx) at row ``y*stride[0] + ky*dilation[0] - top`` and column
    ``x*stride[1] + kx*dilation[1] - left``. Taps outside the image count as 0.

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
    bits = isinstance(node.element, Bipolar)
    y = np.zeros((len(x), rows, columns, channels), np.int64)
    for frame, row, column, channel in np.ndindex(y.shape):
        for ky, kx in np.ndindex(*node.kernel):
            here = row * node.stride[0] + ky * node.dilation[0] - top
            there = column * node.stride[1] + kx * node.dilation[1] - left
            if 0 <= here < height and 0 <= there < width:
                number = int(x[frame, here, there, channel])
                y[frame, row, column, channel] += 2 * number - 1 if bits else number
    return y
