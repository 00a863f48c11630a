"""Requantize on packed tensors: by a table of all numbers where it is small, else piece by piece."""

import numpy as np

from dataflow import Requantize
from hwsim.packed._tensors import Tensor, Windows, integer_type, remembered, tensor_of

__all__ = ["requantize"]

#: Codes of the largest table that is made of pieces, so that it stays in a core's cache.
most_codes = 1 << 20


def requantize(node: Requantize, x: Tensor | Windows) -> Tensor:
    """Map every number to a code, by a function of its channel."""
    numbers = x.plain.data
    small = node.rows << node.element.width <= most_codes
    codes = _looked_up(node, numbers) if node.table is not None or small else _computed(node, numbers)
    return tensor_of(codes, node.output_streams[0])


def _looked_up(node: Requantize, numbers: np.ndarray) -> np.ndarray:
    """Return the codes of numbers from one table for all channels."""
    codes, starts = _codes(node)
    # Numbers and indices are legal, and `take` is fastest if it neither checks nor wraps them.
    return codes.take(numbers + starts, mode="clip")


@remembered
def _codes(node: Requantize) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of all channels and numbers, (rows * numbers,), and the place of each channel's number 0."""
    size = 1 << node.element.width
    if node.table is None:
        every = np.arange(node.element.minimum, node.element.maximum + 1)
        codes = _computed(node, np.broadcast_to(every[:, None], (size, node.rows))).T
    else:
        codes = node.table
    narrow = codes.astype(integer_type(node.result.minimum, node.result.maximum))
    starts = np.arange(node.rows) * size - node.element.minimum
    # Sums of two arrays are as wide as the wider one, so places are no wider than all of them together require.
    return narrow.ravel(), starts.astype(integer_type(0, node.rows * size))


def _computed(node: Requantize, numbers: np.ndarray) -> np.ndarray:
    """Return the codes of numbers by the pieces of their channels.

    Parameters
    ----------
    numbers : (..., channels) integers; with one row for all channels, as many of them as there are
    """
    pieces = node.pieces
    low, high = pieces.span
    dtype = integer_type(min(low, node.element.minimum), max(high, node.element.maximum))
    numbers = numbers.astype(dtype, copy=False)
    met = [numbers >= start for start in pieces.starts.astype(dtype).T]
    # In a type that holds all sums, what does not fit differs by a multiple of 2**n, and the sum is exact again.
    offsets = _selected(met, pieces.offsets.astype(dtype))
    if node.form == "steps":
        return np.broadcast_to(offsets, numbers.shape)
    totals = numbers * _selected(met, pieces.multipliers.astype(dtype)) + offsets
    return node.clipped(totals >> node.shift)


def _selected(met: list[np.ndarray], values: np.ndarray) -> np.ndarray:
    """Return for every number the value of its piece.

    Parameters
    ----------
    met : whether it is at least the start of each piece after the first
    values : (rows, pieces)
    """
    selected = values[:, 0]
    for flag, change in zip(met, np.diff(values).T, strict=True):
        selected = selected + flag * change
    return selected
