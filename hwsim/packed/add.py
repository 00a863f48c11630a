"""Add on packed tensors."""

from functools import reduce

import numpy as np

from dataflow import Add
from hwsim.packed._loops import add_saturating
from hwsim.packed._tensors import Tensor, Windows, fits, integer_type, numbers_in, output_stream, remembered, tensor_of

__all__ = ["add"]


def add(node: Add, *inputs: Tensor | Windows) -> Tensor:
    """Add the numbers of all inputs elementwise, each multiplied by its input's factor. Sums saturate."""
    numbers = list(map(numbers_in, inputs, node.operands))
    stream, element = output_stream(node), output_stream(node).element
    if _takes_32_bits(node):
        left, right = (np.ascontiguousarray(each).reshape(-1) for each in numbers)
        sums = np.empty(numbers[0].shape, integer_type(element.minimum, element.maximum))
        ends = np.int32(element.minimum), np.int32(element.maximum)
        add_saturating(
            left, right, np.int32(node.all_factors[0]), np.int32(node.all_factors[1]), *ends, sums.reshape(-1)
        )
        return Tensor(sums, stream.shape, False)
    total = reduce(
        np.add, (factor * each.astype(np.int64) for factor, each in zip(node.all_factors, numbers, strict=True))
    )
    held = np.clip(total, element.minimum, element.maximum) if node.saturates else total
    return tensor_of(held, stream)


@remembered
def _takes_32_bits(node: Add) -> bool:
    """Return whether the compiled loop can add: two streams, with all numbers in 32 bits."""
    spans = (node.span, (node.element.minimum, node.element.maximum), (0, max(node.all_factors)))
    return len(node.operands) == 2 and all(fits(np.int32, *span) for span in spans)
