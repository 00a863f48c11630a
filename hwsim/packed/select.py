"""Select on packed tensors."""

import numpy as np

from dataflow import Select
from hwsim.packed._tensors import Tensor, Windows, output_stream, tensor_of

__all__ = ["select"]


def select(node: Select, x: Tensor | Windows) -> Tensor:
    """Return the named channels of every position."""
    numbers = x.values if x.packed else x.plain.data
    return tensor_of(np.take(numbers, node.channels, -1), output_stream(node))
