"""Rearrange on packed tensors."""

import numpy as np

from dataflow import Rearrange
from hwsim.packed._tensors import Tensor, Windows, output_stream, remembered, tensor_of

__all__ = ["rearrange"]


def rearrange(node: Rearrange, x: Tensor | Windows) -> Tensor:
    """Return the image whose numbers are at the places that the node's loops count."""
    stream = output_stream(node)
    if node.together == node.shape[-1] == stream.shape[-1]:  # whole pixels, so that words need not be opened
        data = x.plain.data
        pixels = np.take(data.reshape(len(data), -1, data.shape[-1]), node.pieces.ravel(), 1)
        return Tensor(pixels.reshape(len(data), *node.positions, -1), stream.shape, x.packed)
    numbers = x.values if x.packed else x.plain.data
    return tensor_of(np.take(numbers.reshape(len(numbers), -1), _places(node), 1), stream)


@remembered
def _places(node: Rearrange) -> np.ndarray:
    """Return where each number of the image out is in the frame in, int64."""
    pieces = node.pieces[..., None] * node.together + np.arange(node.together)
    return np.asarray(pieces.reshape(output_stream(node).shape))
