"""Matrices in the layout of the compiled tiles, and their products with windows."""

from dataclasses import dataclass, replace

import numpy as np

from dataflow import MatrixVector
from hwsim.packed._bits import pack, word_width
from hwsim.packed._tensors import Tensor, Windows, integer_type, remembered, tensor_of
from hwsim.packed._tiles import byte_vector_width, multiply, tile_neurons, tile_rows

__all__ = ["by_fours", "grouped_product", "product"]


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A matrix, its limits and the elements of a window that it reads; see `hwsim.packed._tiles.multiply`.

    Parameters
    ----------
    weights : (blocks, steps, neurons of a tile)
    limits : (classes, neurons of all blocks)
    levels : (positions,) int64
    offsets : (steps,) int64
    """

    weights: np.ndarray
    limits: np.ndarray
    levels: np.ndarray
    offsets: np.ndarray


@remembered
def _matrix(node: MatrixVector, channels: int, positions: int, window: bytes) -> _Matrix:
    """Return a node's matrix for windows of pixels with the given number of channels.

    For bits, the unused bits after a pixel's channels are zero in both factors, so they never differ. And
    ``ones >= threshold`` is ``synapses - ones <= synapses - threshold``: the limit is the number of bits that may
    differ. Padding neurons have a limit that is never met. Bits that meet integers are the numbers 0 and 1, and
    limits apply to the sum of the weights whose bit is 1 (`dataflow.nodes._terms`).

    Parameters
    ----------
    window : the offsets of a window's elements, int64
    """
    offsets = np.frombuffer(window, np.int64)
    levels = np.zeros(positions, np.int64) if node.position_classes is None else node.position_classes.copy()
    limits = np.zeros((1, node.neurons), np.int64) if node.thresholds is None else node.sum_thresholds
    if node.counts_matches:
        bits = node.weight_element.bits_of(node.weights).reshape(node.neurons, -1, channels)
        rows = pack(bits).reshape(node.neurons, -1)
        limits, never = (node.synapses - limits).astype(np.int64), -1
        neurons = tile_neurons(rows.dtype)
    elif _takes_bytes(node):
        rows, offsets = by_fours(node.weights, offsets)
        limits, never = (limits - _bias(node)).astype(np.int32), np.iinfo(np.int32).max
        neurons = tile_neurons(np.dtype(np.uint8))
    else:
        low, high = node.counted
        rows = node.weights.astype(integer_type(low, high + 1))
        limits, never = limits.astype(rows.dtype), np.iinfo(rows.dtype).max
        neurons = tile_neurons(rows.dtype)
    blocks = -(-node.neurons // neurons)
    more = blocks * neurons - node.neurons
    tiles = np.pad(rows, ((0, more), (0, 0))).reshape(blocks, neurons, -1).transpose(0, 2, 1)
    full = np.pad(limits, ((0, 0), (0, more)), constant_values=never)
    return _Matrix(np.ascontiguousarray(tiles), full, levels, offsets)


def by_fours(weights: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights in groups of four bytes, and the offsets at which the four numbers of each group are read.

    Parameters
    ----------
    weights : (neurons, elements of a window) int8
    offsets : (elements of a window,) int64, each once

    Returns
    -------
    (neurons, steps) int32, each of four int8 with the first lowest, 0 if the window has no element there; (steps,)
    int64
    """
    firsts = list[int]()
    for offset in sorted(offsets.tolist()):
        if not firsts or offset >= firsts[-1] + 4:
            firsts.append(offset)
    starts = np.array(firsts, np.int64)
    step = np.searchsorted(starts, offsets, side="right") - 1
    fours = np.zeros((len(weights), len(starts), 4), np.int8)
    fours[:, step, offsets - starts[step]] = weights
    return fours.view("<i4")[:, :, 0].astype(np.int32, copy=False), starts


def _takes_bytes(node: MatrixVector) -> bool:
    """Return whether the processor can multiply a node's integers as bytes, with sums that fit into 32 bits."""
    low, high = node.operand.minimum, node.operand.maximum
    heaviest = max(map(abs, node.weight_element.span))
    fits = heaviest <= 128 and node.synapses * heaviest * (abs(low) + high - low) < np.iinfo(np.int32).max
    return byte_vector_width() > 0 and high - low < 256 and fits


def _bias(node: MatrixVector) -> np.ndarray:
    """Return the correction of each sum of bytes, (neurons,) int64, since bytes count from the least integer."""
    return node.operand.minimum * node.weights.sum(axis=1, dtype=np.int64)


def product(node: MatrixVector, x: Windows) -> Tensor:
    """Return the result of a matrix for windows, or for single vectors as windows of one pixel."""
    stream, bits = node.output_streams[0], node.counts_matches
    if not bits:
        x = x.numbers
    matrix = _matrix(node, x.channels, len(x.starts), x.offsets.tobytes())
    bytewise = not bits and _takes_bytes(node)
    rows = len(x.pixels) * len(x.starts)
    size = -(-rows // tile_rows) * tile_rows
    if node.thresholds is not None:
        # The loops write everything but the bits after the last neuron, which must be zero.
        make = np.zeros if node.neurons % word_width else np.empty
        out = make((size, 8 * -(-node.neurons // word_width)), np.uint8)
    else:
        out = np.empty((size, matrix.limits.shape[1]), matrix.limits.dtype)
    pixels = _bytes(x.pixels, node.operand.minimum) if bytewise else x.pixels.astype(matrix.weights.dtype, copy=False)
    multiply(pixels, x.starts, matrix.offsets, matrix.weights, matrix.limits, matrix.levels, out)
    if node.thresholds is not None:
        words = out.view("<u8").astype(np.uint64, copy=False)[:rows]
        return Tensor(words.reshape(-1, *stream.shape[:-1], words.shape[1]), stream.shape, True)
    # For bits, the sums count those that differ, and each of these reduces the total by 2 from its maximum.
    total = out[:rows, : node.neurons].astype(np.int64)
    if bits:
        total = node.synapses - 2 * total
    else:
        total += _bias(node) if bytewise else 0
        if node.terms.doubled:
            total = 2 * total - node.terms.rest(node.weights)
    if node.offsets is not None:
        total = total.reshape(len(x.pixels), -1, node.neurons) + node.offsets[matrix.levels]
    return Tensor(total.reshape(-1, *stream.shape), stream.shape, False)


def _bytes(pixels: np.ndarray, least: int) -> np.ndarray:
    """Return pixels minus the least integer as uint8, with 3 more bytes of memory after them."""
    memory = np.empty(pixels.size + 3, np.uint8)
    # Modulo 256 there is no overflow.
    return np.subtract(pixels.astype(np.uint8), np.uint8(least % 256), out=memory[:-3].reshape(pixels.shape))


def grouped_product(node: MatrixVector, x: Tensor) -> Tensor:
    """Return the result of a matrix with groups, computed one group after another."""
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
