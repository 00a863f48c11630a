"""SumPool on packed tensors."""

import numpy as np

from dataflow import SumPool
from hwsim.packed._loops import pool_sums
from hwsim.packed._tensors import Tensor, Windows, integer_type, numbers_in, output_stream

__all__ = ["sum_pool"]


def sum_pool(node: SumPool, x: Tensor | Windows) -> Tensor:
    """Add the numbers of each channel under the kernel, at each of its positions."""
    stream = output_stream(node)
    numbers = np.ascontiguousarray(numbers_in(x, node.element))
    dtype = integer_type(stream.element.minimum, stream.element.maximum)
    sums = np.empty((len(numbers), len(node.tap_pixels), stream.shape[-1]), dtype)
    pool_sums(numbers.reshape(len(numbers), -1, stream.shape[-1]), node.tap_pixels, sums)
    return Tensor(sums.reshape(-1, *stream.shape), stream.shape, False)
