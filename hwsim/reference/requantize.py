"""Requantize on plain integers."""

import numpy as np

from dataflow import Requantize

__all__ = ["requantize"]


def requantize(node: Requantize, x: np.ndarray) -> np.ndarray:
    """Map every number to a code, by the table or the pieces of its channel.

    Parameters
    ----------
    x : (frames, *shape) int64, within the node's element

    Returns
    -------
    (frames, *shape) int64, within the node's result; bits are 0 or 1
    """
    y = np.empty(x.shape, np.int64)
    for index, value in np.ndenumerate(x):
        y[index] = _code(node, int(value), index[-1])
    return y


def _code(node: Requantize, number: int, channel: int) -> int:
    """Return the code of a number in a channel."""
    if node.table is not None:
        return _row(node.table, channel)[number - node.element.minimum]
    piece = sum(start <= number for start in _row(node.starts, channel))
    total = _row(node.multipliers, channel)[piece] * number + _row(node.offsets, channel)[piece]
    # Python's shift rounds down, for negative numbers too.
    return min(max(total >> node.shift, node.result.minimum), node.result.maximum)


def _row(array: np.ndarray | None, channel: int) -> list[int]:
    """Return a channel's row, or the one that all channels share."""
    assert array is not None
    row: list[int] = array[channel if len(array) > 1 else 0].tolist()
    return row
