"""Matrices in the layout of the compiled tiles, and their products with windows."""

from dataclasses import dataclass, replace

import numpy as np

from dataflow import MatrixVector
from hwsim.packed._bits import pack, word_width
from hwsim.packed._tensors import Tensor, Windows, fits, integer_type, output_stream, remembered, tensor_of
from hwsim.packed._tiles import (
    byte_vector_width,
    cache_line,
    counts_short_words,
    looks_up_bits,
    multiplies_pairs,
    multiply,
    tile_neurons,
    tile_rows,
)

__all__ = ["grouped", "grouped_product", "product"]


@dataclass(frozen=True)
class _Form:
    """The types with which a matrix is multiplied; see `hwsim.packed._tiles.multiply`.

    Parameters
    ----------
    pixels, weights, sums : types of the elements of pixels, of those of weights, and of sums
    count : neighbouring numbers that a step reads
    least : the number that pixels of bytes count from
    """

    pixels: type[np.integer]
    weights: type[np.integer]
    sums: type[np.signedinteger]
    count: int = 1
    least: int = 0


@remembered
def _form(node: MatrixVector, channels: int) -> _Form:
    """Return the fastest of the ways to multiply a node's matrix in which no sum overflows.

    Parameters
    ----------
    channels : numbers of a pixel
    """
    totals = (0, 0) if node.thresholds is not None else (node.element.minimum, node.element.maximum)
    if node.counts_matches:
        # Sums that go out are narrower than those of words, and words of few channels are partly empty. Both outweigh
        # that 64 bits are counted at once.
        narrow = fits(np.int16, -1, node.synapses) and fits(np.int16, *totals)
        sparse = node.thresholds is None or channels % word_width > 0
        if narrow and sparse and counts_short_words():
            return _Form(np.uint16, np.uint16, np.int16)
        if narrow and (looks_up_bits() or (node.thresholds is None and multiplies_pairs())):
            return _Form(np.uint8, np.uint8, np.int16)
        return _Form(np.uint64, np.uint64, np.int64)
    low, high = node.operand.minimum, node.operand.maximum
    # No sum of any of the products is greater than the sum of their absolute values. Totals may be, but overflow on the
    # way to a total that fits does not change it.
    heaviest = int(np.abs(node.weights.astype(np.int64)).sum(axis=1).max())
    bytewise, numbered = (high - low) * heaviest, max(abs(low), high) * heaviest
    fits_int32 = fits(np.int32, *totals)
    if high - low < 256 and byte_vector_width() and bytewise < np.iinfo(np.int32).max and fits_int32:
        return _Form(np.uint8, np.int32, np.int32, 4, low)
    if high - low < 256 and multiplies_pairs() and bytewise < np.iinfo(np.int16).max and fits(np.int16, *totals):
        return _Form(np.uint8, np.int16, np.int16, 2, low)
    if fits(np.int16, low, high) and multiplies_pairs() and numbered < np.iinfo(np.int32).max and fits_int32:
        return _Form(np.int16, np.int32, np.int32, 2)
    least, greatest = node.counted
    narrowest = integer_type(min(low, least, totals[0]), max(high, greatest + 1, totals[1]))
    wide = np.promote_types(narrowest, np.int16).type
    return _Form(wide, wide, wide)


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A matrix, its limits and what it reads of a window; see `hwsim.packed._tiles.multiply`.

    Parameters
    ----------
    weights : (blocks, steps, elements of a tile)
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

    For bits, the unused bits after a pixel's channels are zero in both factors, so they never differ. Padding neurons
    have a limit that is never met. Bits that meet integers are the numbers 0 and 1, and limits apply to the sum of the
    weights whose bit is 1 (`dataflow.nodes._terms`).

    Parameters
    ----------
    window : the offsets of a window's elements, int64
    """
    form, offsets = _form(node, channels), np.frombuffer(window, np.int64)
    levels = np.zeros(positions, np.int64) if node.position_classes is None else node.position_classes.copy()
    rows = node.weights
    if node.counts_matches:
        bits = node.weight_element.bits_of(node.weights).reshape(node.neurons, -1, channels)
        rows = pack(bits).reshape(node.neurons, -1)
        if form.weights != np.uint64:
            rows, offsets = _used_parts(rows, offsets, channels, form.weights)
    elif form.count > 1:
        rows, offsets = grouped(node.weights, offsets, form.count, form.weights)
    neurons = tile_neurons(np.dtype(form.pixels), np.dtype(form.weights), node.neurons)
    more = -node.neurons % neurons
    tiles = np.pad(rows, ((0, more), (0, 0))).reshape(-1, neurons, rows.shape[1]).transpose(0, 2, 1)
    weights = _by_halves(tiles) if form.weights == np.uint8 else tiles.astype(form.weights)
    never = -1 if node.counts_matches else np.iinfo(form.sums).max
    limits = np.pad(_limits(node, form), ((0, 0), (0, more)), constant_values=never)
    return _Matrix(_aligned(weights), limits.astype(form.sums), levels, offsets)


def _aligned(array: np.ndarray) -> np.ndarray:
    """Return a C-contiguous copy that begins with a line of the processor's cache, so that no vector is in two."""
    memory = np.empty(array.nbytes + cache_line - 1, np.uint8)
    start = -memory.ctypes.data % cache_line
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


def _limits(node: MatrixVector, form: _Form) -> np.ndarray:
    """Return the limits of sums, or what is added to them, (classes, neurons) int64.

    For bits, ``ones >= threshold`` is ``synapses - ones <= synapses - threshold``: the limit is the number of bits that
    may differ. Bytes count from the least number, so all sums of a neuron differ by the same bias. A limit that sums
    of this type cannot reach, as the type of the weights allows more than there is, becomes the last that they can.
    """
    if node.thresholds is None:
        offsets = np.zeros((1, node.neurons), np.int64) if node.offsets is None else node.offsets
        if node.counts_matches:
            return node.synapses + offsets
        return np.zeros_like(offsets) if node.terms.doubled else _bias(node, form) + offsets
    if node.counts_matches:
        return node.synapses - node.sum_thresholds
    ends = np.iinfo(form.sums)
    return np.clip(node.sum_thresholds - _bias(node, form), ends.min, ends.max)


def _bias(node: MatrixVector, form: _Form) -> np.ndarray:
    """Return what the sums of each neuron lack, (neurons,) int64."""
    return form.least * node.weights.sum(axis=1, dtype=np.int64)


def grouped(
    weights: np.ndarray, offsets: np.ndarray, count: int, dtype: type[np.integer]
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights in groups, and the offsets at which the neighbouring numbers of each group are read.

    Parameters
    ----------
    weights : (neurons, elements of a window) int8
    offsets : (elements of a window,) int64, each once
    count : numbers of a group
    dtype : type of a group, of as many bytes as its numbers have together

    Returns
    -------
    (neurons, steps) of that type, each with the first weight lowest, 0 if the window has no element there; (steps,)
    int64
    """
    firsts = list[int]()
    for offset in sorted(offsets.tolist()):
        if not firsts or offset >= firsts[-1] + count:
            firsts.append(offset)
    starts = np.array(firsts, np.int64)
    step = np.searchsorted(starts, offsets, side="right") - 1
    groups = np.zeros((len(weights), len(starts), count), f"<i{np.dtype(dtype).itemsize // count}")
    groups[:, step, offsets - starts[step]] = weights
    return groups.view(f"<i{np.dtype(dtype).itemsize}")[:, :, 0].astype(dtype, copy=False), starts


def _used_parts(
    words: np.ndarray, offsets: np.ndarray, channels: int, part: type[np.integer]
) -> tuple[np.ndarray, np.ndarray]:
    """Return those parts of words that have bits of channels, and their offsets in a window, in such parts.

    Parameters
    ----------
    words : (neurons, elements of a window) uint64
    offsets : (elements of a window,) int64
    part : bytes or short words
    """
    size = np.dtype(part).itemsize
    count = 8 // size
    of_pixel = -(-channels // word_width)
    used = np.arange(count * of_pixel) < -(-channels // (8 * size))
    parts = words.astype("<u8").view(f"<u{size}").reshape(len(words), -1, count * of_pixel)[:, :, used]
    places = (count * offsets[:, None] + np.arange(count)).reshape(-1, count * of_pixel)[:, used]
    return parts.reshape(len(words), -1), places.reshape(-1)


def _by_halves(octets: np.ndarray) -> np.ndarray:
    """Return bytes of 16 neurons each as their lower four bits and then their upper four.

    Parameters
    ----------
    octets : (blocks, steps, neurons of a tile) uint8

    Returns
    -------
    (blocks, steps, 2 * neurons of a tile) uint8
    """
    by_lanes = octets.reshape(*octets.shape[:2], -1, 16)
    return np.stack([by_lanes & 15, by_lanes >> 4], axis=-2).reshape(*octets.shape[:2], -1)


def product(node: MatrixVector, x: Windows) -> Tensor:
    """Return the result of a matrix for windows, or for single vectors as windows of one pixel."""
    if not node.counts_matches:
        x = x.numbers
    stream, form = output_stream(node), _form(node, x.channels)
    matrix = _matrix(node, x.channels, len(x.starts), x.offsets.tobytes())
    rows = len(x.pixels) * len(x.starts)
    size = -(-rows // tile_rows) * tile_rows
    if node.thresholds is not None:
        # The loops write everything but the bits after the last neuron, which must be zero.
        make = np.zeros if node.neurons % word_width else np.empty
        out = make((size, 8 * -(-node.neurons // word_width)), np.uint8)
    else:
        out = np.empty((size, matrix.limits.shape[1]), form.sums)
    pixels, starts = _pixels(form, x)
    multiply(pixels, starts, matrix.offsets, matrix.weights, matrix.limits, matrix.levels, out)
    if node.thresholds is not None:
        words = out.view("<u8").astype(np.uint64, copy=False)[:rows]
        return Tensor(words.reshape(-1, *stream.shape[:-1], words.shape[1]), stream.shape, True)
    total = out[:rows, : node.neurons]
    if node.terms.doubled and not node.counts_matches:
        total = 2 * total.astype(np.int64) - node.terms.rest(node.weights)
        if node.offsets is not None:
            total = total.reshape(len(x.pixels), -1, node.neurons) + node.offsets[matrix.levels]
    return Tensor(total.reshape(-1, *stream.shape), stream.shape, False)


def _pixels(form: _Form, x: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and the starts of windows in the form in which a matrix reads them."""
    if x.packed and form.pixels != np.uint64:
        size = np.dtype(form.pixels).itemsize
        parts = x.pixels.astype("<u8", copy=False).view(f"<u{size}")
        return parts.astype(form.pixels, copy=False), 8 // size * x.starts
    if form.count == 1:
        return x.pixels.astype(form.pixels, copy=False), x.starts
    # The last group may begin with the last number, and what comes after it in memory is multiplied by zero.
    memory = np.empty(x.pixels.size + form.count - 1, form.pixels)
    pixels = memory[: x.pixels.size].reshape(x.pixels.shape)
    if form.pixels == np.uint8:
        # Modulo 256 there is no overflow.
        np.subtract(x.pixels.astype(np.uint8), np.uint8(form.least % 256), out=pixels)
    else:
        pixels[:] = x.pixels
    return pixels, x.starts


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
