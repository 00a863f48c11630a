"""ArgMax on packed tensors."""

import numpy as np

from dataflow import ArgMax
from hwsim.packed._tensors import Tensor, Windows, output_stream, tensor_of

__all__ = ["arg_max"]


def arg_max(node: ArgMax, x: Tensor | Windows) -> Tensor:
    """Find the class with the highest key, at each position; the lowest index at a tie."""
    # np.argmax returns the first of equal keys, which fit int64 in every node.
    best = (node.scale * x.values + node.offset).argmax(axis=-1).astype(np.int64)
    return tensor_of(best[..., None], output_stream(node))
