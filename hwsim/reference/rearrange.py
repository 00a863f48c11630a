"""Rearrange on plain integers."""

from collections.abc import Iterator

import numpy as np

from dataflow import Rearrange

__all__ = ["rearrange"]


def rearrange(node: Rearrange, x: np.ndarray) -> np.ndarray:
    """Return the image whose numbers are at the places that the node's loops count.

    Parameters
    ----------
    x : (frames, *shape) int64

    Returns
    -------
    (frames, height, width, channels) int64 of the image out
    """
    y = np.empty((len(x), *node.output_streams[0].shape), np.int64)
    for frame, numbers in enumerate(x.reshape(len(x), -1).tolist()):
        for row, down in enumerate(_counted(node.rows)):
            for column, right in enumerate(_counted(node.columns)):
                for channel, further in enumerate(_counted(node.channels)):
                    y[frame, row, column, channel] = numbers[node.start + down + right + further]
    return y


def _counted(loops: tuple[tuple[int, int], ...]) -> Iterator[int]:
    """Yield the sums of the strides that nested loops count, the last loop moving fastest."""
    (size, stride), *inner = loops
    for count in range(size):
        for further in _counted(tuple(inner)) if inner else (0,):
            yield count * stride + further
