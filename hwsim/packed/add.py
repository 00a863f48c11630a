"""Add on packed tensors."""

from functools import reduce

import numpy as np

from dataflow import Add
from hwsim.packed._tensors import Tensor, Windows, numbers_in, tensor_of

__all__ = ["add"]


def add(node: Add, *inputs: Tensor | Windows) -> Tensor:
    """Add the numbers of all inputs, one by one; what is too large or small saturates."""
    total = reduce(np.add, map(numbers_in, inputs, node.operands))
    held = np.clip(total, node.element.minimum, node.element.maximum) if node.saturates else total
    return tensor_of(held, node.output_streams[0])
