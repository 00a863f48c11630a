"""SumPool on packed tensors."""

from dataflow import SumPool
from hwsim.packed._pools import taps_of
from hwsim.packed._tensors import Tensor, Windows, numbers_in

__all__ = ["sum_pool"]


def sum_pool(node: SumPool, x: Tensor | Windows) -> Tensor:
    """Add the numbers of each channel under the kernel, at each of its positions."""
    shape = node.output_streams[0].shape
    return Tensor(taps_of(node, numbers_in(x, node.element), 0).sum(axis=2).reshape(-1, *shape), shape, False)
