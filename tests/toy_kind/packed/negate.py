"""Negate on packed tensors."""

from typing import Any

from hwsim.packed._tensors import Tensor, Windows, tensor_of

__all__ = ["negate"]


def negate(node: Any, x: Tensor | Windows) -> Tensor:
    """Change the sign of every number."""
    return tensor_of(-x.values, node.output_streams[0])
