"""Fork on packed tensors."""

from dataflow import Fork
from hwsim.packed._tensors import Tensor, Windows

__all__ = ["fork"]


def fork(node: Fork, x: Tensor | Windows) -> tuple[Tensor | Windows, ...]:
    """Give every reader the same tensor, which nobody changes."""
    return (x,) * node.copies
