"""Select on packed tensors."""

from dataflow import Select
from hwsim.packed._tensors import Tensor, Windows, output_stream, tensor_of

__all__ = ["select"]


def select(node: Select, x: Tensor | Windows) -> Tensor:
    """Return the named channels of every position."""
    numbers = x.values if x.packed else x.plain.data
    return tensor_of(numbers[..., node.channels], output_stream(node))
