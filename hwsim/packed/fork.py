"""Fork on packed tensors."""

from dataflow import Fork
from hwsim.packed._tensors import Tensor, Windows

__all__ = ["fork"]


def fork(node: Fork, x: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    """Return the same tensor for every reader; tensors are never modified."""
    return (x,) * node.copies
