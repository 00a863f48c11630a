"""Add on packed tensors."""

from functools import reduce

import numpy as np

from dataflow import Add
from hwsim.packed._tensors import Tensor, Windows, numbers_in, tensor_of

__all__ = ["add"]


def add(node: Add, *inputs: Tensor | Windows) -> Tensor:
    """Add the numbers of all inputs elementwise, each multiplied by its input's factor. Sums saturate."""
    numbers = list(map(numbers_in, inputs, node.operands))
    if node.factors:
        numbers = [factor * each.astype(np.int64) for factor, each in zip(node.factors, numbers, strict=True)]
    total = reduce(np.add, numbers)
    held = np.clip(total, node.element.minimum, node.element.maximum) if node.saturates else total
    return tensor_of(held, node.output_streams[0])
