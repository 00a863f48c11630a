"""Threshold on packed tensors."""

import numpy as np

from dataflow import Threshold
from hwsim.packed._bits import word_width
from hwsim.packed._loops import compare
from hwsim.packed._tensors import Tensor, Windows, integer_type, remembered

__all__ = ["threshold"]


def threshold(node: Threshold, x: Tensor | Windows) -> Tensor:
    """Compare every number with its channel's threshold."""
    data, channels = np.ascontiguousarray(x.plain.data), x.shape[-1]
    limits = _limits(node, channels, data.dtype)
    bits = np.empty((*data.shape[:-1], -(-channels // word_width)), np.uint64)
    numbers = data.reshape(-1, channels).astype(limits.dtype, copy=False)
    compare(numbers, limits, bits.reshape(len(numbers), -1))
    return Tensor(bits, x.shape, True)


@remembered
def _limits(node: Threshold, channels: int, numbers: np.dtype) -> np.ndarray:
    """Return the threshold of each channel, in a type that holds it and the numbers."""
    dtype = np.promote_types(numbers, integer_type(int(node.thresholds.min()), int(node.thresholds.max())))
    return np.broadcast_to(node.thresholds, channels).astype(dtype)
