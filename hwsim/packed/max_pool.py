"""MaxPool on packed tensors."""

import numpy as np

from dataflow import MaxPool
from hwsim.packed._loops import pool_greatest
from hwsim.packed._tensors import Tensor, Windows, output_stream
from hwsim.packed._tiles import join

__all__ = ["max_pool"]


def max_pool(node: MaxPool, x: Tensor | Windows) -> Tensor:
    """Find the greatest number of each channel under the kernel, at each of its positions."""
    data = np.ascontiguousarray(x.plain.data)
    shape = output_stream(node).shape
    pixels = data.reshape(len(data), -1, data.shape[-1])
    greatest = np.empty((len(data), len(node.tap_pixels), data.shape[-1]), data.dtype)
    if x.packed:
        # For words, the maximum of each bit is their OR, and a tap outside the image sets no bit.
        join(pixels, node.tap_pixels, greatest)
    else:
        pool_greatest(pixels, node.tap_pixels, node.element.minimum, greatest)
    return Tensor(greatest.reshape(len(data), *shape[:-1], -1), shape, x.packed)
