"""Concat on packed tensors."""

import numpy as np

from dataflow import Concat
from hwsim.packed._tensors import Tensor, Windows, tensor_of

__all__ = ["concat"]


def concat(node: Concat, *inputs: Tensor | Windows) -> Tensor:
    """Concatenate the channels of all inputs, at every position."""
    values = np.concatenate([x.values for x in inputs], axis=-1)
    return tensor_of(values, node.output_streams[0])
