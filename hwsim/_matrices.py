"""Matrices as the compiled tiles take them, and their products with windows."""

from dataclasses import dataclass, replace

import numpy as np

from dataflow import Bipolar, MatrixVector
from hwsim._bits import pack
from hwsim._tensors import Tensor, Windows, integer_type, remembered, tensor_of
from hwsim._tiles import multiply, tile_neurons, tile_rows

__all__ = ["grouped_product", "product"]


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A matrix and its limits; see `hwsim._tiles.multiply`.

    Parameters
    ----------
    weights : (blocks, elements of a window, neurons of a tile)
    limits : (classes, neurons of all blocks)
    levels : (positions,) int64
    """

    weights: np.ndarray
    limits: np.ndarray
    levels: np.ndarray


@remembered
def _matrix(node: MatrixVector, channels: int, positions: int) -> _Matrix:
    """Return a node's matrix for windows of pixels with so many channels.

    Of bits the places behind a pixel's channels are zero in both factors and so differ nowhere, and
    ``ones >= threshold`` is ``synapses - ones <= synapses - threshold``: so many may differ. What stands for a neuron
    that is none has a limit that is never met.
    """
    bits = isinstance(node.operand, Bipolar)
    if bits:
        rows = pack((node.weights > 0).reshape(node.neurons, -1, channels)).reshape(node.neurons, -1)
        never, limit_type = -1, np.dtype(np.int64)
    else:
        low, high = node.counted
        rows = node.weights.astype(integer_type(low, high + 1))
        never, limit_type = np.iinfo(rows.dtype).max, rows.dtype
    size = tile_neurons(rows.dtype)
    blocks = -(-node.neurons // size)
    weights = np.zeros((blocks * size, rows.shape[1]), rows.dtype)
    weights[: node.neurons] = rows
    thresholds = np.atleast_2d(np.zeros(node.neurons, np.int64) if node.thresholds is None else node.thresholds)
    limits = np.full((len(thresholds), blocks * size), never, limit_type)
    limits[:, : node.neurons] = node.synapses - thresholds if bits else thresholds
    tiles = np.ascontiguousarray(weights.reshape(blocks, size, -1).transpose(0, 2, 1))
    levels = np.zeros(positions, np.int64) if node.position_classes is None else node.position_classes.copy()
    return _Matrix(tiles, limits, levels)


def product(node: MatrixVector, x: Windows) -> Tensor:
    """Return what a matrix gives for windows, or for single vectors as windows of one pixel."""
    matrix = _matrix(node, x.channels, len(x.starts))
    stream, bits = node.output_streams[0], isinstance(node.operand, Bipolar)
    rows = len(x.pixels) * len(x.starts)
    tiles = -(-rows // tile_rows)
    if node.thresholds is not None:
        out = np.zeros((tiles * tile_rows, 8 * -(-node.neurons // 64)), np.uint8)
    else:
        out = np.empty((tiles * tile_rows, matrix.limits.shape[1]), matrix.limits.dtype)
    pixels = x.pixels.astype(matrix.weights.dtype, copy=False)
    multiply(pixels, x.starts, x.offsets, matrix.weights, matrix.limits, matrix.levels, out)
    if node.thresholds is not None:
        words = out.view("<u8").astype(np.uint64, copy=False)[:rows]
        return Tensor(words.reshape(-1, *stream.shape[:-1], words.shape[1]), stream.shape, True)
    # Of bits the sums count those that differ, each of which takes 2 from the most that there can be.
    total = out[:rows, : node.neurons].astype(np.int64)
    if bits:
        total = node.synapses - 2 * total
    if node.offsets is not None:
        total = total.reshape(len(x.pixels), -1, node.neurons) + node.offsets[matrix.levels]
    return Tensor(total.reshape(-1, *stream.shape), stream.shape, False)


def grouped_product(node: MatrixVector, x: Tensor) -> Tensor:
    """Return what a matrix gives that has groups, one group behind the other."""
    numbers = x.values if x.packed else x.data
    vectors = numbers.reshape(len(numbers), *x.shape[:-1], node.groups, node.synapses)
    products = [
        product(part, tensor_of(vectors[..., group, :], part.input_streams[0]).windows).values
        for group, part in enumerate(_parts(node))
    ]
    return tensor_of(np.concatenate(products, axis=-1), node.output_streams[0])


@remembered
def _parts(node: MatrixVector) -> tuple[MatrixVector, ...]:
    """Return the matrix of each group."""

    def split(array: np.ndarray | None) -> list[np.ndarray] | list[None]:
        return [None] * node.groups if array is None else np.split(array, node.groups, axis=-1)

    levels = zip(np.split(node.weights, node.groups), split(node.thresholds), split(node.offsets), strict=True)
    return tuple(
        replace(node, weights=weights, thresholds=thresholds, offsets=offsets, groups=1, pe=1, simd=1)
        for weights, thresholds, offsets in levels
    )
