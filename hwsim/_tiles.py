"""Matrix products in compiled tiles: a few rows by a few vectors of neurons, whose sums stay in registers.

Neurons lie side by side in the lanes of a vector, so that a sum needs no addition across lanes and a comparison gives
bits that are already packed. Of bits an element is a word of 64 synapses and its product ``popcount(x XOR w)``, the
synapses that differ; of integers it is one synapse and its product ``x * w``.

LLVM has vectors of its own, which it splits where a machine's are narrower; nothing here is bound to one processor.
Everything compiled stands in this one file, because the compiled code is cached for as long as its own file does not
change.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["join", "multiply", "tile_neurons", "tile_rows"]

#: Rows of a tile. With four vectors of neurons the sums take 24 of 32 registers.
tile_rows = 6

#: Bits of a vector.
vector_width = 512

_i8, _i32, _i64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


def tile_neurons(dtype: np.dtype) -> int:
    """Return the neurons of a tile: four vectors of them, or fewer that fill a word of bits."""
    return min(64, 4 * vector_width // (8 * dtype.itemsize))


@intrinsic
def _tile(
    typing_context: Any,
    pixels: Any,
    places: Any,
    offsets: Any,
    weights: Any,
    block: Any,
    limits: Any,
    levels: Any,
    out: Any,
    first: Any,
) -> Any:
    """Multiply `tile_rows` rows with one block of neurons; see `multiply` for the arrays.

    Parameters
    ----------
    places, levels : (tile_rows,) int64, where the window of each row starts in all of `pixels`, and its class of limits
    block : which of the weights
    first : the first row in `out`
    """
    signature = types.void(pixels, places, offsets, weights, block, limits, levels, out, first)
    # Elements are counted from the start of an array.
    assert all(kind.layout == "C" for kind in signature.args if isinstance(kind, types.Array))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        views = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        _Tile(builder, pixels.dtype, out.dtype == types.uint8, *views).emit()
        return context.get_dummy_value()

    return signature, generate


class _Tile:
    """The instructions of one tile."""

    def __init__(self, builder: Any, element: Any, packs: bool, *arguments: Any) -> None:
        self.builder, self.packs = builder, packs
        self.pixels, self.places, self.offsets, self.weights, self.block = arguments[:5]
        self.limits, self.levels, self.out, self.first = arguments[5:]
        self.bits = not element.signed
        self.lanes = vector_width // element.bitwidth
        self.neurons = tile_neurons(np.dtype(element.name))
        self.number = ir.IntType(element.bitwidth)
        self.vector = ir.VectorType(self.number, self.lanes)

    def emit(self) -> None:
        """Sum over all elements, then write the bits, or the sums."""
        builder = self.builder
        zero = ir.Constant(self.vector, [0] * self.lanes)
        vectors = range(self.neurons // self.lanes)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in vectors] for _ in range(tile_rows)]
        elements = builder.extract_value(self.weights.shape, 1)
        before = builder.mul(self.block, elements)
        windows = [builder.gep(self.pixels.data, [self._at(self.places, row)]) for row in range(tile_rows)]
        with cgutils.for_range(builder, elements) as loop:
            offset = builder.load(builder.gep(self.offsets.data, [loop.index]))
            start = builder.mul(builder.add(before, loop.index), _i64(self.neurons))
            weights = [self._load(self.weights, start, vector) for vector in vectors]
            for totals, window in zip(sums, windows, strict=True):
                x = self._spread(builder.load(builder.gep(window, [offset])))
                for total, weight in zip(totals, weights, strict=True):
                    builder.store(builder.add(builder.load(total), self._product(x, weight)), total)
        # Before the first store, after which everything in memory would be loaded again.
        levels = [self._at(self.levels, row) for row in range(tile_rows)]
        for row, level in enumerate(levels):
            for vector in vectors:
                self._write(builder.load(sums[row][vector]), level, row, vector)

    def _at(self, array: Any, row: int) -> Any:
        return self.builder.load(self.builder.gep(array.data, [_i64(row)]))

    def _product(self, x: Any, weight: Any) -> Any:
        if not self.bits:
            return self.builder.mul(x, weight)
        kind = ir.FunctionType(self.vector, [self.vector])
        name = f"llvm.ctpop.v{self.lanes}i{self.number.width}"
        popcount = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(popcount, [self.builder.xor(x, weight)])

    def _write(self, total: Any, level: Any, row: int, vector: int) -> None:
        builder = self.builder
        width = builder.extract_value(self.out.shape, 1)
        place = builder.mul(builder.add(self.first, _i64(row)), width)
        neuron = builder.add(builder.mul(self.block, _i64(self.neurons)), _i64(vector * self.lanes))
        if self.packs:
            start = builder.mul(level, builder.extract_value(self.limits.shape, 1))
            limit = self._load(self.limits, builder.add(start, neuron), 0)
            met = builder.icmp_signed("<=" if self.bits else ">=", total, limit)
            total = builder.bitcast(met, ir.IntType(self.lanes))
            neuron = builder.udiv(neuron, _i64(8))
        target = builder.bitcast(builder.gep(self.out.data, [builder.add(place, neuron)]), total.type.as_pointer())
        builder.store(total, target).align = 1

    def _load(self, array: Any, start: Any, vector: int) -> Any:
        place = self.builder.gep(array.data, [self.builder.add(start, _i64(vector * self.lanes))])
        loaded = self.builder.load(self.builder.bitcast(place, self.vector.as_pointer()))
        loaded.align = self.number.width // 8
        return loaded

    def _spread(self, number: Any) -> Any:
        nothing = ir.Constant(self.vector, ir.Undefined)
        alone = self.builder.insert_element(nothing, number, _i32(0))
        return self.builder.shuffle_vector(
            alone, nothing, ir.Constant(ir.VectorType(_i32, self.lanes), [0] * self.lanes)
        )


@njit(cache=True, nogil=True)
def multiply(pixels, starts, offsets, weights, limits, levels, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Multiply a matrix with a window at every position of every frame, and compare the sums if `out` takes bits.

    Parameters
    ----------
    pixels : (frames, elements) uint64 words of bits, or int16, int32, int64 numbers
    starts : (positions,) int64, the element of a frame with which each window starts
    offsets : (elements of a window,) int64, where they are, from its start on
    weights : (blocks, elements of a window, neurons of a tile), of the same type
    limits : (classes, neurons of all blocks) int64 for bits, else of the same type: the most synapses that may
        differ, or the least sum, where a bit is one
    levels : (positions,) int64, the class of limits of each position
    out : (rows, bytes) uint8, written with bits, neuron 0 lowest, or (rows, neurons of all blocks) of the type of
        sums, written with the sums; its rows are frames times positions, and more to a multiple of `tile_rows`
    """
    places, classes = np.zeros(tile_rows, np.int64), np.zeros(tile_rows, np.int64)
    frame = position = 0
    rows = len(pixels) * len(starts)
    for first in range(0, rows, tile_rows):
        for row in range(min(tile_rows, rows - first)):
            places[row], classes[row] = frame + starts[position], levels[position]
            position += 1
            if position == len(starts):
                position = 0
                frame += pixels.shape[1]
        for block in range(len(weights)):
            _tile(pixels, places, offsets, weights, block, limits, classes, out, first)


@njit(cache=True, nogil=True)
def join(pixels, taps, out):  # type: ignore[no-untyped-def] # pragma: no cover
    """Join the words of all pixels of a window by OR: the greatest of every bit.

    Parameters
    ----------
    pixels : (frames, pixels, words) uint64
    taps : (positions, taps) int64, pixels, or -1 for none
    out : (frames, positions, words) uint64, written
    """
    for frame in range(len(pixels)):
        for position in range(len(taps)):
            for word in range(pixels.shape[2]):
                joined = np.uint64(0)
                for tap in range(taps.shape[1]):
                    if taps[position, tap] >= 0:
                        joined |= pixels[frame, taps[position, tap], word]
                out[frame, position, word] = joined
