"""SlidingWindow on plain integers."""

import numpy as np

from dataflow import SlidingWindow

__all__ = ["sliding_window"]


def sliding_window(node: SlidingWindow, x: np.ndarray) -> np.ndarray:
    """Concatenate the pixels under the kernel, at each of its positions.

    The order is group of channels, ky, kx, channel of the group.

    Output pixel (y, x) has tap (ky, kx) at row ``y*stride[0] + ky*dilation[0] - top`` and column
    ``x*stride[1] + kx*dilation[1] - left``. A tap outside the image has the value `pad` in all channels.

    Parameters
    ----------
    x : (frames, height, width, channels) int64

    Returns
    -------
    (frames, rows, columns, taps * channels) int64
    """
    height, width, channels = node.shape
    top, _, left, _ = node.padding
    rows, columns = node.positions
    y = np.empty((len(x), rows, columns, node.taps * channels), np.int64)
    for frame, row, column in np.ndindex(len(x), rows, columns):
        place = 0
        for group, ky, kx in np.ndindex(node.groups, *node.kernel):
            here = row * node.stride[0] + ky * node.dilation[0] - top
            there = column * node.stride[1] + kx * node.dilation[1] - left
            inside = 0 <= here < height and 0 <= there < width
            for channel in range(group * node.group_channels, (group + 1) * node.group_channels):
                y[frame, row, column, place] = x[frame, here, there, channel] if inside else node.pad
                place += 1
    return y
