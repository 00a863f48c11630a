"""Threshold on packed tensors."""

from dataflow import Threshold
from hwsim.packed._tensors import Tensor, Windows, integer_type, tensor_of

__all__ = ["threshold"]


def threshold(node: Threshold, x: Tensor | Windows) -> Tensor:
    """Compare every number with its channel's threshold."""
    dtype = integer_type(node.element.minimum, node.element.maximum + 1)
    bits = x.plain.data.astype(dtype, copy=False) >= node.thresholds.astype(dtype)
    return tensor_of(bits, node.output_streams[0])
