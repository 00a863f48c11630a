"""The numbers that pools read."""

import numpy as np

from dataflow import PoolNode

__all__ = ["taps_of"]


def taps_of(node: PoolNode, numbers: np.ndarray, outside: int) -> np.ndarray:
    """Return the numbers under the kernel, (frames, positions, taps, channels).

    Parameters
    ----------
    outside : the number of a tap outside the image
    """
    pixels = numbers.reshape(len(numbers), -1, numbers.shape[-1])
    last = np.full((len(pixels), 1, pixels.shape[2]), outside, pixels.dtype)
    return np.take(np.concatenate([pixels, last], axis=1), node.tap_pixels, axis=1)
