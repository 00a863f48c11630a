"""MaxPool on packed tensors."""

import numpy as np

from dataflow import MaxPool
from hwsim.packed._pools import taps_of
from hwsim.packed._tensors import Tensor, Windows
from hwsim.packed._tiles import join

__all__ = ["max_pool"]


def max_pool(node: MaxPool, x: Tensor | Windows) -> Tensor:
    """Find the greatest number of each channel under the kernel, at each of its positions."""
    data = x.plain.data
    shape = node.output_streams[0].shape
    if x.packed:
        # For words, the maximum of each bit is their OR, and a tap outside the image sets no bit.
        joined = np.empty((len(data), len(node.tap_pixels), data.shape[-1]), np.uint64)
        join(np.ascontiguousarray(data).reshape(len(data), -1, data.shape[-1]), node.tap_pixels, joined)
        return Tensor(joined.reshape(len(data), *shape[:-1], -1), shape, True)
    greatest = taps_of(node, data, node.element.minimum).max(axis=2)
    return Tensor(greatest.reshape(len(data), *shape), shape, False)
