"""Exact zero padding of bits: a correction for each output pixel's taps outside the image.

Zero is a third value next to -1 and +1, so a stream of bits cannot carry it. A window emits its number `pad` for a tap
outside the image; for bits this is bit 0, which stands for -1. If ``p`` is the value of that number, the matrix after
the window computes ``total = sum of w*x over taps inside + p * (sum of w over taps outside)``. With zero outside, the
total would be the first sum alone. So it is too large by an amount that depends only on the neuron and on which taps
are outside. There are few such sets of taps, at most nine for 3x3 with one pixel of padding, and each is a class of
positions. Adding the class's offset ``-p * (sum of w over taps outside)`` gives the sums of zero padding, and the
comparison ``sum >= level`` becomes ``total >= level - offset``. For bits, ``total = 2*ones - n`` turns this into
``ones >= ceil((level - offset + n) / 2)``.
"""

from dataclasses import dataclass, replace

import numpy as np

from dataflow.elements import Bipolar
from dataflow.errors import InputError
from dataflow.nodes import MatrixVector, SlidingWindow, WindowNode

__all__ = ["PositionClasses", "position_classes", "zero_padded", "zero_padding_offsets"]


@dataclass(frozen=True, eq=False)
class PositionClasses:
    """The classes of the positions of a kernel on an image. All positions of a class have the same taps inside.

    Parameters
    ----------
    of_positions : (positions,) int64, the class of each position, in raster order
    inside : (classes, taps) bool, the taps in the image, in the order ky, kx
    """

    of_positions: np.ndarray
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.inside)


def position_classes(window: WindowNode) -> PositionClasses:
    """Return the classes of a window's positions, numbered in the order in which they first occur."""
    inside = window.tap_pixels >= 0
    _, first, kind = np.unique(inside, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return PositionClasses(np.argsort(order)[kind.ravel()].astype(np.int64), inside[first[order]])


def zero_padding_offsets(window: SlidingWindow, weights: np.ndarray) -> np.ndarray:
    """Return the offsets that turn the sums after a window into those of zero padding, (classes, neurons) int64.

    Parameters
    ----------
    weights : (neurons, taps * channels of a group) integers, of a `MatrixVector` after the window
    """
    taps = np.asarray(weights, np.int64).reshape(len(weights), window.taps, -1).sum(axis=2)
    outside = ~position_classes(window).inside
    pad = 2 * window.pad - 1 if isinstance(window.element, Bipolar) else window.pad
    return -pad * (outside.astype(np.int64) @ taps.T)


def zero_padded(window: SlidingWindow, matrix: MatrixVector, levels: np.ndarray | None = None) -> MatrixVector:
    """Return the matrix after a window with the results that taps of zero outside the image would give.

    If no position has a tap outside, or the number outside is the integer 0, the result has no classes.

    Parameters
    ----------
    matrix : a matrix without thresholds and offsets, whose vectors the window emits
    levels : (neurons,) or (classes of `position_classes`, neurons) int64; the output bit is ``sum >= level``, where
        `sum` is the signed sum with zero outside. Without levels the matrix emits the sums.

    Raises
    ------
    InputError
        The matrix does not fit the window, or has thresholds or offsets already.
    """
    if matrix.thresholds is not None or matrix.offsets is not None:
        raise InputError(f"Matrix {matrix.name!r} must have neither thresholds nor offsets to be zero padded")
    given, wanted = window.output_streams[0], matrix.input_streams[0]
    if (given.element, given.shape, window.groups) != (wanted.element, wanted.shape, matrix.groups):
        raise InputError(
            f"Matrix {matrix.name!r} must read what window {window.name!r} emits "
            f"({given}, {window.groups} groups), not ({wanted}, {matrix.groups} groups)"
        )
    offsets = zero_padding_offsets(window, matrix.weights)
    by_class = offsets.any() or (levels is not None and levels.ndim == 2)
    classes = position_classes(window).of_positions if by_class else None
    if levels is None:
        return matrix if classes is None else replace(matrix, position_classes=classes, offsets=offsets)
    thresholds = np.asarray(levels, np.int64) - (offsets if classes is not None else 0)
    if matrix.counts_matches:
        thresholds = -((-thresholds - matrix.synapses) // 2)
    low, high = matrix.counted
    return replace(matrix, thresholds=np.clip(thresholds, low, high + 1), position_classes=classes)
