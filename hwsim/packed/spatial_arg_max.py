"""SpatialArgMax on packed tensors."""

import numpy as np

from dataflow import SpatialArgMax
from hwsim.packed._tensors import Tensor, Windows, output_stream, tensor_of

__all__ = ["spatial_arg_max"]


def spatial_arg_max(node: SpatialArgMax, x: Tensor | Windows) -> Tensor:
    """Find the position of each channel's highest score; the first at a tie."""
    scores = x.values
    # np.argmax returns the first of equal scores.
    best = scores.reshape(len(scores), node.positions, -1).argmax(axis=1).astype(np.int64)
    return tensor_of(best, output_stream(node))
