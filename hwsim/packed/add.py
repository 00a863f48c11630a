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
    number = _number(node)
    if number is not None:
        left, right = (np.ascontiguousarray(each).reshape(-1) for each in numbers)
        sums = np.empty(numbers[0].shape, integer_type(element.minimum, element.maximum))
        constants = map(number, (*node.all_factors, element.minimum, element.maximum))
        add_saturating(left, right, *constants, sums.reshape(-1))
        return Tensor(sums, stream.shape, False)
    total = reduce(
        np.add, (factor * each.astype(np.int64) for factor, each in zip(node.all_factors, numbers, strict=True))
    )
    held = np.clip(total, element.minimum, element.maximum) if node.saturates else total
    return tensor_of(held, stream)


@remembered
def _number(node: Add) -> type[np.signedinteger] | None:
    """Return the type in which the compiled loop adds two streams, or None if there are more or it is too wide."""
    if len(node.operands) != 2:
        return None
    spans = (node.span, (node.element.minimum, node.element.maximum), (0, max(node.all_factors)))
    return next((each for each in (np.int16, np.int32) if all(fits(each, *span) for span in spans)), None)
