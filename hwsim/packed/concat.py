"""Concat on packed tensors."""

import numpy as np

from dataflow import Concat
from hwsim.packed._tensors import Tensor, Windows, output_stream, tensor_of

__all__ = ["concat"]


def concat(node: Concat, *inputs: Tensor | Windows) -> Tensor:
    """Concatenate the channels of all inputs, at every position."""
    numbers = [x.values if x.packed else x.plain.data for x in inputs]
    return tensor_of(np.concatenate(numbers, axis=-1), output_stream(node))
